//! Processes of every kind that hog their threads and are killed at random moments, on threads that lose their seats
//! all the time: each death is announced once, each hook and destructor runs once, each orphan comes home, and the
//! node is clean afterwards. What the models check in the small, at full speed. Prints its seed; `KRARUP_SEED` sets it.

use krarup::term::atoms;
use krarup::{AsyncContext, Code, Context, Exception, Message, Next, Node, SpawnOptions};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

#[derive(Default)]
struct Counts {
    hooks: AtomicUsize,
    drops: AtomicUsize,
}

/// Lives in the state of a process.
struct Guard(Arc<Counts>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.drops.fetch_add(1, SeqCst);
    }
}

fn busy(us: u64) {
    let until = Instant::now() + Duration::from_micros(us);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

fn hook(c: &mut Context, counts: &Arc<Counts>) {
    let counts = counts.clone();
    c.on_exit(move |_| {
        counts.hooks.fetch_add(1, SeqCst);
    });
}

/// A process that is busy for `us` microseconds a message.
fn code(kind: u64, us: u64, counts: &Arc<Counts>) -> Code {
    let guard = Guard(counts.clone());
    match kind {
        0 => {
            let mut first = true;
            Code::handler(move |c: &mut Context, _: Message| -> Result<Next, Exception> {
                if std::mem::take(&mut first) {
                    hook(c, &guard.0);
                }
                busy(us);
                Ok(Next::Continue)
            })
        }
        1 => Code::future(move |mut c: AsyncContext| async move {
            hook(&mut c, &guard.0);
            loop {
                c.receive().await;
                busy(us);
            }
        }),
        // SAFETY: holds nothing over its waits but its guard.
        _ => unsafe {
            Code::assume_fiber_safe(move |c| {
                hook(c, &guard.0);
                loop {
                    let _ = c.receive(None);
                    busy(us);
                }
            })
        },
    }
}

#[test]
fn every_death_in_a_storm_of_kills_is_one_death() {
    let from_env = std::env::var("KRARUP_SEED").ok().and_then(|s| s.parse().ok());
    let seed = from_env.unwrap_or_else(|| u64::from(std::process::id()) ^ 0x5eed << 20);
    println!("KRARUP_SEED={seed}");
    let mut random = Random(seed);
    let node = Node::builder().workers(2).overstay_ms(1).cleanup_ms(3).start().unwrap();
    let mut me = node.attach().unwrap();
    let counts = Arc::new(Counts::default());
    let (mut total, mut hooked) = (0, 0);
    for _ in 0..12 {
        let mut alive = Vec::new();
        for _ in 0..10 {
            let us = [20, 1_200, 3_000, 9_000][random.below(4) as usize];
            let o =
                SpawnOptions { slow: random.below(6) == 0, monitor: Some(Default::default()), ..Default::default() };
            let (pid, r) = me.spawn_opt(code(random.below(3), us, &counts), &o).unwrap();
            alive.push((pid, r.unwrap()));
            total += 1;
        }
        for _ in 0..40 {
            let (pid, _) = alive[random.below(10) as usize];
            me.send(pid, 1i64);
            busy(random.below(300));
        }
        let mut order: Vec<usize> = (0..10).collect();
        (1..10).rev().for_each(|i| order.swap(i, random.below(i as u64 + 1) as usize));
        for i in order {
            me.send(alive[i].0, 2i64);
            // Twice: the second finds it ending, or gone.
            node.exit(alive[i].0, atoms::KILL);
            node.exit(alive[i].0, atoms::KILL);
            busy(random.below(2_000));
        }
        for (pid, r) in &alive {
            let is_it = |m: &Message| matches!(m, Message::Down(d) if d.reference == *r);
            match me.receive_ref(*r, Some(30_000), is_it) {
                Ok(Message::Down(d)) => assert_eq!(d.reason.to_string(), "killed"),
                other => panic!("no DOWN of {pid:?}: {other:?}"),
            }
            assert!(!node.is_alive(*pid));
            hooked += 1;
        }
    }
    assert!(me.receive(Some(0)).is_err(), "one DOWN each");
    let until = Instant::now() + Duration::from_secs(30);
    // A death is announced a moment before its slot is free.
    while node.counts().orphans > 0 || node.counts().processes > 1 || counts.drops.load(SeqCst) < total {
        assert!(Instant::now() < until, "{:?}, {} of {total} dropped", node.counts(), counts.drops.load(SeqCst));
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("{:?}", node.counts());
    assert_eq!(counts.drops.load(SeqCst), total, "each state is dropped once");
    // Some were killed before their first message, or before they ran at all.
    assert!(counts.hooks.load(SeqCst) <= hooked, "each hook runs once");
    assert_eq!((node.counts().processes, node.counts().fibers), (1, 0), "the attached thread is left");
    assert!(node.counts().long_schedules > 0, "no seat was taken: the test shows little");
    drop(me);
    assert_eq!(node.stop(Duration::from_secs(10)), Ok(()));
}
