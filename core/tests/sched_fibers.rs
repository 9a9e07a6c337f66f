//! Fibers and takeovers: a fiber resumes only on the thread where it began, whatever its thread has lost.

use krarup::{Code, Message, Node};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// Fibers that pause just as the watchdog takes their thread's seat: the takeover and the pause cross.
#[test]
fn a_fiber_stays_at_home_when_its_thread_loses_its_seat() {
    const FIBERS: u64 = 400;
    let node = Node::builder().workers(1).overstay_ms(1).start().unwrap();
    let strays = Arc::new(AtomicUsize::new(0));
    let mut me = node.attach().unwrap();
    let my_pid = me.self_pid();
    for n in 0..FIBERS {
        let strays = strays.clone();
        // SAFETY: holds nothing over its waits.
        let code = unsafe {
            Code::assume_fiber_safe(move |c| {
                let home = std::thread::current().id();
                // Takeovers come a tick or two after the slice began.
                let busy = Instant::now() + Duration::from_micros(900 + n * 7919 % 1500);
                while Instant::now() < busy {
                    std::hint::spin_loop();
                }
                let _ = c.receive(Some(1));
                strays.fetch_add(usize::from(std::thread::current().id() != home), SeqCst);
                c.send(my_pid, 1i64);
                Ok(())
            })
        };
        node.spawn(code).unwrap();
        if n % 4 == 3 {
            for _ in 0..4 {
                assert!(matches!(me.receive(Some(30_000)), Ok(Message::Term(_))));
            }
        }
    }
    let taken = node.counts().long_schedules;
    println!("{taken} seats taken");
    assert_eq!(strays.load(SeqCst), 0, "resumed on another thread");
    assert!(taken > 0, "the test shows nothing");
}

/// The thread has lost its seat and serves its parked fibers; one of them holds it. Every seat sleeps, and the watchdog
/// has gone to sleep too: a kill of the other fiber needs it.
#[test]
fn a_parked_fiber_is_killed_while_another_holds_their_thread_and_the_seats_sleep() {
    let node = Node::builder().workers(1).overstay_ms(1).cleanup_ms(5).start().unwrap();
    let mut me = node.attach().unwrap();
    let (release, entered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut fiber = || {
        let (release, entered) = (release.clone(), entered.clone());
        // SAFETY: holds nothing over its waits.
        let code = unsafe {
            Code::assume_fiber_safe(move |c| {
                loop {
                    let Ok(Message::Term(t)) = c.receive(None) else { continue };
                    let round = t.as_int().unwrap_or(0);
                    // Not a message: that would wake a seat.
                    entered.fetch_add(1, SeqCst);
                    while (release.load(SeqCst) as i64) < round {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
            })
        };
        me.spawn_monitor(code).unwrap()
    };
    let (holder, _) = fiber();
    let (parked, r) = fiber();
    let wait_for = |what: &str, so: &dyn Fn() -> bool| {
        let until = Instant::now() + Duration::from_secs(10);
        while !so() {
            assert!(Instant::now() < until, "never: {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    // Both are at home on the one thread; the first loses its seat for it.
    me.send(parked, 0i64);
    wait_for("the parked one has begun", &|| entered.load(SeqCst) == 1);
    me.send(holder, 1i64);
    wait_for("the seat is taken", &|| node.counts().long_schedules > 0);
    release.store(1, SeqCst);
    // Everybody goes to sleep.
    std::thread::sleep(Duration::from_millis(200));
    me.send(holder, 2i64);
    wait_for("the thread is held", &|| entered.load(SeqCst) == 3);
    std::thread::sleep(Duration::from_millis(50));
    node.exit(parked, krarup::term::atoms::KILL);
    match me.receive_ref(r, Some(5_000), |m| matches!(m, Message::Down(d) if d.reference == r)) {
        Ok(Message::Down(d)) => assert_eq!(d.reason.to_string(), "killed"),
        other => panic!("no DOWN: {other:?}"),
    }
    release.store(2, SeqCst);
    wait_for("the orphan is unwound at home", &|| node.counts().orphans == 0);
}
