//! A long mixed load that must not leak: `soak [SECONDS] [SEED]`. Default: until 10^7 spawns and 10^8 messages.
//!
//! Every round spawns, links, monitors, kills, calls, times out, floods and sets timers in random numbers, then waits
//! until the node is empty. After a warm-up the resident memory must not grow by more than a tenth and 16 MiB, and
//! nothing may be left: no process, name, fiber, orphan or live block of a term.

use krarup::term::atoms;
use krarup::{AsyncContext, Atom, Attached, Code, Context, Exception, FiberContext, Message, Next, Node, Pid, Term};
use std::error::Error;
use std::time::{Duration, Instant};

const SPAWNS: u64 = 10_000_000;
const MESSAGES: u64 = 100_000_000;
/// Rounds of the greatest size, after which memory must be steady.
const WARM_UP: u64 = 3;

/// Numbers of a seed; while `most`, always the greatest: the warm-up needs as much as any round will.
struct Random {
    state: u64,
    most: bool,
}

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        if self.most {
            return n - 1;
        }
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % n
    }
}

#[derive(Default)]
struct Done {
    spawns: u64,
    messages: u64,
    rounds: u64,
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS:"));
    line.and_then(|l| l.split_whitespace().nth(1)).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn sink() -> Code {
    Code::handler(|ctx: &mut Context, m: Message| {
        if let Message::Call(c) = m {
            let (from, request) = c.into_parts();
            ctx.reply(from, request);
        }
        Ok(Next::Continue)
    })
}

/// Short lives of every kind and every end.
fn lives(me: &mut Attached, r: &mut Random, done: &mut Done) -> Result<(), Exception> {
    let n = 20_000 + r.below(20_000);
    me.trap_exit(true);
    let mut ends = 0;
    for i in 0..n {
        let code = match r.below(4) {
            0 => Code::future(|_c: AsyncContext| async { Ok(()) }),
            1 => Code::future(|_c: AsyncContext| async { Err(Exception::error(atoms::BADARG)) }),
            2 => sink(),
            _ => Code::future(|mut c: AsyncContext| async move {
                let child = c.spawn_link(sink())?;
                c.call(child, Term::from(1i64), Some(5000)).await.map_err(|_| Exception::badarg())?;
                Err(Exception::exit(atoms::SHUTDOWN))
            }),
        };
        let pid = if i % 2 == 0 { me.spawn_link(code)? } else { me.spawn_monitor(code)?.0 };
        me.exit(pid, atoms::KILL);
        ends += 1;
        done.spawns += 1;
    }
    for _ in 0..ends {
        me.receive(Some(60_000)).map_err(|_| Exception::error(atoms::TIMEOUT))?;
    }
    me.trap_exit(false);
    Ok(())
}

fn flood(node: &Node, me: &mut Attached, r: &mut Random, done: &mut Done) -> Result<(), Exception> {
    let to = me.spawn(sink())?;
    let (senders, each) = (1 + r.below(8), 50_000 + r.below(50_000));
    let size = r.below(40) as usize;
    let home = me.self_pid();
    if r.most {
        me.suspend_process(to);
    }
    for _ in 0..senders {
        me.spawn(Code::future(move |mut c: AsyncContext| async move {
            for n in 0..each {
                c.send(to, Term::tuple([Term::from(n as i64), Term::binary(vec![7u8; size])]));
                c.checkpoint().await;
            }
            c.call(to, Term::from(0i64), None).await.map_err(|_| Exception::badarg())?;
            c.send(home, 0i64);
            Ok(())
        }))?;
        done.spawns += 1;
        done.messages += each;
    }
    if r.most {
        // All of it lies in the queue at once.
        let waiting = |node: &Node| node.process_info(to, false, Duration::from_secs(60)).map(|i| i.message_queue_len);
        while waiting(node).is_some_and(|n| (n as u64) < senders * each) {
            std::thread::sleep(Duration::from_millis(5));
        }
        me.resume_process(to);
    }
    for _ in 0..senders {
        me.receive(Some(60_000)).map_err(|_| Exception::error(atoms::TIMEOUT))?;
    }
    me.exit(to, atoms::KILL);
    done.spawns += 1;
    Ok(())
}

fn timers_and_timeouts(me: &mut Attached, r: &mut Random) -> Result<(), Exception> {
    let home = me.self_pid();
    let mut fired = 0;
    for i in 0..2_000 {
        let t = me.send_after(1 + r.below(20), home, i as i64)?;
        if r.below(2) == 0 {
            fired += u64::from(me.cancel_timer(t).is_none());
        } else {
            fired += 1;
        }
    }
    let silent = me.spawn(Code::handler(|_: &mut Context, _: Message| Ok(Next::Continue)))?;
    for _ in 0..3 {
        let _ = me.call(silent, Term::nil(), Some(1));
    }
    me.exit(silent, atoms::KILL);
    for _ in 0..fired {
        me.receive(Some(60_000)).map_err(|_| Exception::error(atoms::TIMEOUT))?;
    }
    Ok(())
}

fn fibers_and_names(me: &mut Attached, r: &mut Random, done: &mut Done) -> Result<(), Exception> {
    let n = 100 + r.below(400);
    let mut pids: Vec<Pid> = Vec::new();
    for i in 0..n {
        // SAFETY: the closure holds nothing over its wait.
        let code = unsafe {
            Code::assume_fiber_safe(|c: &mut FiberContext| {
                let _ = c.receive(None);
                Ok(())
            })
        };
        let pid = me.spawn(code)?;
        let name = Atom::new(&format!("soak_{i}")).map_err(|_| Exception::system_limit())?;
        me.register(name, pid)?;
        pids.push(pid);
        done.spawns += 1;
    }
    for p in pids {
        if r.below(2) == 0 {
            me.exit(p, atoms::KILL);
        } else {
            me.send(p, 0i64);
        }
    }
    Ok(())
}

fn empty(node: &Node) -> bool {
    let c = node.counts();
    c.processes == 1 && c.fibers == 0 && c.orphans == 0 && node.registered().is_empty()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let seconds = args.next().map(|s| s.parse::<u64>()).transpose()?;
    let seed = args.next().map(|s| s.parse::<u64>()).transpose()?.unwrap_or_else(|| u64::from(std::process::id()) | 1);
    println!("seed {seed}");
    // What a thread has allocated goes back to the arena it came from, and each arena keeps its own peak: with more than
    // one, resident memory would grow for long without a leak.
    // SAFETY: sets a parameter of the allocator before there is a second thread.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    let node = Node::builder().start()?;
    let mut me = node.attach()?;
    let (mut r, mut done) = (Random { state: seed.max(1), most: true }, Done::default());
    let start = Instant::now();
    let mut base = None;
    loop {
        lives(&mut me, &mut r, &mut done)?;
        flood(&node, &mut me, &mut r, &mut done)?;
        timers_and_timeouts(&mut me, &mut r)?;
        fibers_and_names(&mut me, &mut r, &mut done)?;
        done.rounds += 1;
        let until = Instant::now() + Duration::from_secs(30);
        while !empty(&node) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        if !empty(&node) {
            return Err(format!("left behind: {:?}, names {:?}", node.counts(), node.registered()).into());
        }
        if let Ok(m) = me.receive(Some(0)) {
            return Err(format!("a stray message: {}", m.into_term()).into());
        }
        let rss = resident();
        if done.rounds == WARM_UP {
            base = Some(rss);
            r.most = false;
        }
        if std::env::var_os("SOAK_VERBOSE").is_some() {
            println!("{} KiB", rss >> 10);
        }
        if let Some(base) = base.filter(|_| std::env::var_os("SOAK_VERBOSE").is_none())
            && rss > base + base / 10 + (16 << 20)
        {
            return Err(format!("memory grew from {base} to {rss} bytes").into());
        }
        if done.rounds % 20 == 0 {
            let Done { spawns, messages, rounds } = done;
            println!("round {rounds}: {spawns} spawns, {messages} messages, {} KiB resident", rss >> 10);
        }
        let enough = match seconds {
            Some(s) => start.elapsed() >= Duration::from_secs(s),
            None => done.spawns >= SPAWNS && done.messages >= MESSAGES,
        };
        if enough {
            break;
        }
    }
    drop(me);
    node.stop(Duration::from_secs(5))?;
    let Done { spawns, messages, rounds } = done;
    println!("{rounds} rounds, {spawns} spawns, {messages} messages, nothing left, memory steady");
    Ok(())
}
