//! Native code that overstays, blocks, never returns, is killed meanwhile. Source: architecture §5, C8.56.

use krarup::term::atoms;
use krarup::{
    AsyncContext, Atom, Attached, Code, Context, Exception, FiberContext, Handler, Message, Next, Node, Pid,
    SpawnOptions, Term,
};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

fn atom(s: &str) -> Atom {
    Atom::new(s).unwrap()
}

fn down_reason(me: &mut Attached, r: krarup::Ref) -> String {
    match me.receive_ref(r, Some(10_000), |m| matches!(m, Message::Down(d) if d.reference == r)) {
        Ok(Message::Down(d)) => d.reason.to_string(),
        other => panic!("no DOWN: {other:?}"),
    }
}

fn echo() -> Code {
    Code::handler(|ctx: &mut Context, m: Message| {
        if let Message::Call(c) = m {
            let (from, request) = c.into_parts();
            ctx.reply(from, request);
        }
        Ok(Next::Continue)
    })
}

/// Sleeps in its callback as long as it is told; counts hooks and destructors.
struct Sleeper {
    hooks: Arc<AtomicUsize>,
    drops: Arc<AtomicUsize>,
    release: Arc<AtomicBool>,
    entered: mpsc::Sender<()>,
}

impl Handler for Sleeper {
    fn init(&mut self, ctx: &mut Context) -> Result<Next, Exception> {
        let hooks = self.hooks.clone();
        ctx.on_exit(move |_| {
            hooks.fetch_add(1, SeqCst);
        });
        Ok(Next::Continue)
    }
    fn handle(&mut self, ctx: &mut Context, m: Message) -> Result<Next, Exception> {
        let Message::Term(t) = m else { return Ok(Next::Continue) };
        let _ = self.entered.send(());
        while !self.release.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        // Has no effect if the process is dead by now.
        if let Some(p) = t.as_pid() {
            ctx.send(p, atom("effect"));
        }
        Ok(Next::Continue)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.drops.fetch_add(1, SeqCst);
    }
}

struct Probe {
    hooks: Arc<AtomicUsize>,
    drops: Arc<AtomicUsize>,
    release: Arc<AtomicBool>,
    entered: mpsc::Receiver<()>,
}

fn sleeper() -> (Sleeper, Probe) {
    let (tx, rx) = mpsc::channel();
    let s = Sleeper { hooks: Arc::default(), drops: Arc::default(), release: Arc::default(), entered: tx };
    let p = Probe { hooks: s.hooks.clone(), drops: s.drops.clone(), release: s.release.clone(), entered: rx };
    (s, p)
}

#[test]
fn a_callback_that_never_returns_does_not_hold_its_worker() {
    for workers in [1, 2] {
        let node = Node::builder().workers(workers).start().unwrap();
        let mut me = node.attach().unwrap();
        let mut hogs = Vec::new();
        for _ in 0..2 * workers {
            let (s, p) = sleeper();
            let pid = me.spawn(s).unwrap();
            me.send(pid, 1i64);
            p.entered.recv_timeout(Duration::from_secs(5)).unwrap();
            hogs.push(p);
        }
        let server = me.spawn(echo()).unwrap();
        for n in 0..100i64 {
            assert_eq!(me.call(server, n, Some(5000)), Ok(Term::from(n)));
        }
        assert!(node.counts().long_schedules >= 1);
        hogs.iter().for_each(|p| p.release.store(true, SeqCst));
    }
}

#[test]
fn a_kill_of_a_stuck_process_is_told_in_time_and_its_code_cleaned_up_once_when_it_returns() {
    let node = Node::builder().workers(2).cleanup_ms(100).start().unwrap();
    let mut me = node.attach().unwrap();
    for slow in [false, true] {
        let (s, p) = sleeper();
        let o = SpawnOptions { slow, monitor: Some(Default::default()), ..Default::default() };
        let (pid, r) = me.spawn_opt(s, &o).unwrap();
        let name = atom("stuck");
        me.register(name, pid).unwrap();
        let myself = me.self_pid();
        me.send(pid, myself);
        p.entered.recv_timeout(Duration::from_secs(5)).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let start = Instant::now();
        me.exit(pid, atoms::KILL);
        assert_eq!(down_reason(&mut me, r.unwrap()), "killed");
        let took = start.elapsed();
        assert!(took <= Duration::from_millis(150 + 50), "told after {took:?}");
        assert_eq!(node.whereis(name), None);
        assert_eq!(node.counts().orphans, 1);
        assert_eq!((p.hooks.load(SeqCst), p.drops.load(SeqCst)), (0, 0));
        p.release.store(true, SeqCst);
        let until = Instant::now() + Duration::from_secs(5);
        while node.counts().orphans > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(node.counts().orphans, 0);
        assert_eq!((p.hooks.load(SeqCst), p.drops.load(SeqCst)), (1, 1));
        assert!(me.receive(Some(50)).is_err(), "the dead process had an effect");
    }
}

#[test]
fn a_kill_of_a_process_whose_code_returns_soon_waits_for_it() {
    let node = Node::builder().workers(2).cleanup_ms(2000).start().unwrap();
    let mut me = node.attach().unwrap();
    let (s, p) = sleeper();
    let (pid, r) = me.spawn_monitor(s).unwrap();
    me.send(pid, 1i64);
    p.entered.recv_timeout(Duration::from_secs(5)).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    me.exit(pid, atoms::KILL);
    std::thread::sleep(Duration::from_millis(30));
    p.release.store(true, SeqCst);
    assert_eq!(down_reason(&mut me, r), "killed");
    assert_eq!((p.hooks.load(SeqCst), p.drops.load(SeqCst)), (1, 1));
    assert_eq!(node.counts().orphans_ever, 0);
}

#[test]
fn an_overstaying_process_keeps_its_messages_in_order_and_lives_on() {
    let node = Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    let mut n = 0i64;
    let pid = me
        .spawn(Code::handler(move |ctx: &mut Context, m: Message| {
            let t = m.into_term();
            assert_eq!(t.as_i64(), Some(n));
            if n % 10 == 0 {
                std::thread::sleep(Duration::from_millis(8));
            }
            n += 1;
            ctx.send(to, t);
            Ok(Next::Continue)
        }))
        .unwrap();
    for n in 0..200i64 {
        me.send(pid, n);
    }
    for n in 0..200i64 {
        assert_eq!(me.receive(Some(10_000)).unwrap().into_term(), Term::from(n));
    }
    assert!(node.process_info(pid, false, Duration::from_secs(5)).unwrap().slow);
}

#[test]
fn a_hundred_quick_slices_bring_a_slow_process_back_to_the_seats() {
    let node = Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    let server = me
        .spawn(Code::handler(|ctx: &mut Context, m: Message| {
            if let Message::Call(c) = m {
                let (from, request) = c.into_parts();
                if request.as_i64() == Some(0) {
                    std::thread::sleep(Duration::from_millis(50));
                }
                ctx.reply(from, request);
            }
            Ok(Next::Continue)
        }))
        .unwrap();
    assert_eq!(me.call(server, 0i64, Some(5000)), Ok(Term::from(0i64)));
    let is_slow = |node: &Node| node.process_info(server, false, Duration::from_secs(5)).unwrap().slow;
    assert!(is_slow(&node));
    let until = Instant::now() + Duration::from_secs(20);
    while is_slow(&node) {
        assert!(Instant::now() < until, "still slow");
        assert_eq!(me.call(server, 1i64, Some(5000)), Ok(Term::from(1i64)));
    }
}

/// A fiber parked on a thread that a hog holds: it says so, it can be killed in time, and its stack is unwound when the
/// hog has let go.
#[test]
fn a_fiber_behind_a_hog_can_be_killed() {
    let node = Node::builder().workers(1).cleanup_ms(100).start().unwrap();
    let mut me = node.attach().unwrap();
    struct OnStack(Arc<AtomicUsize>);
    impl Drop for OnStack {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let unwound = Arc::new(AtomicUsize::new(0));
    let d = unwound.clone();
    // SAFETY: holds nothing that is tied to the thread over its waits.
    let fiber = unsafe {
        Code::assume_fiber_safe(move |c: &mut FiberContext| {
            let _on_stack = OnStack(d);
            c.receive(None).map_err(|_| Exception::badarg())?;
            Ok(())
        })
    };
    let (pid, r) = me.spawn_monitor(fiber).unwrap();
    while node.process_info(pid, false, Duration::from_secs(5)).unwrap().reductions == 0 {}
    // The only worker is the fiber's, and the hog sits down on it.
    let (s, p) = sleeper();
    let hog = me.spawn(s).unwrap();
    me.send(hog, 1i64);
    p.entered.recv_timeout(Duration::from_secs(5)).unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while node.process_info(pid, false, Duration::from_secs(5)).is_none_or(|i| i.blocked_behind != Some(hog)) {
        assert!(Instant::now() < until, "nothing says that it is blocked");
    }
    let start = Instant::now();
    me.exit(pid, atoms::KILL);
    assert_eq!(down_reason(&mut me, r), "killed");
    assert!(start.elapsed() <= Duration::from_millis(200), "told after {:?}", start.elapsed());
    assert_eq!((unwound.load(SeqCst), node.counts().orphans), (0, 1));
    p.release.store(true, SeqCst);
    let until = Instant::now() + Duration::from_secs(5);
    while node.counts().orphans > 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!((unwound.load(SeqCst), node.counts().orphans, node.counts().fibers), (1, 0, 0));
}

#[test]
fn a_fiber_that_is_killed_while_parked_unwinds_its_stack_once() {
    let node = Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    struct OnStack(Arc<AtomicUsize>);
    impl Drop for OnStack {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    for n in 1..=200 {
        let d = drops.clone();
        // SAFETY: holds nothing that is tied to the thread over its waits.
        let code = unsafe {
            Code::assume_fiber_safe(move |c: &mut FiberContext| {
                let _on_stack = OnStack(d);
                c.receive(None).map_err(|_| Exception::badarg())?;
                Ok(())
            })
        };
        let (pid, r) = me.spawn_monitor(code).unwrap();
        while node.process_info(pid, false, Duration::from_secs(5)).is_none() {}
        me.exit(pid, atoms::KILL);
        assert_eq!(down_reason(&mut me, r), "killed");
        assert_eq!(drops.load(SeqCst), n);
    }
    assert_eq!(node.counts().fibers, 0);
}

#[test]
fn an_async_body_that_is_killed_is_dropped_once() {
    let node = Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    let guard = Arc::new(());
    for _ in 0..200 {
        let g = guard.clone();
        let (pid, r) = me
            .spawn_monitor(Code::future(move |mut c: AsyncContext| async move {
                let _g = g;
                c.receive().await;
                Ok(())
            }))
            .unwrap();
        me.exit(pid, atoms::KILL);
        assert_eq!(down_reason(&mut me, r), "killed");
        assert_eq!(Arc::strong_count(&guard), 1);
    }
}

#[test]
fn blocking_work_runs_beside_the_scheduler() {
    let node = Node::builder().workers(1).start().unwrap();
    let mut me = node.attach().unwrap();
    let start = Instant::now();
    let refs: Vec<_> = (0..20i64)
        .map(|n| {
            me.blocking(move || {
                std::thread::sleep(Duration::from_millis(100));
                Term::from(n)
            })
            .unwrap()
        })
        .collect();
    let server: Pid = me.spawn(echo()).unwrap();
    assert_eq!(me.call(server, 1i64, Some(5000)), Ok(Term::from(1i64)));
    for (n, r) in refs.into_iter().enumerate() {
        let m = me
            .receive_ref(r, Some(5000), |m| m.as_term().as_tuple().is_some_and(|t| t[0].as_ref() == Some(r)))
            .unwrap();
        assert_eq!(m.into_term().as_tuple().unwrap()[1], Term::from(n as i64));
    }
    assert!(start.elapsed() < Duration::from_millis(1500), "the pool ran one after the other");
}

#[test]
fn a_foreign_future_may_wake_a_process_from_any_thread() {
    let node = Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    node.spawn(Code::future(move |mut c: AsyncContext| async move {
        for n in 0..100i64 {
            let shared = Arc::new((std::sync::Mutex::new(None::<std::task::Waker>), AtomicBool::new(false)));
            let theirs = shared.clone();
            std::thread::spawn(move || {
                theirs.1.store(true, SeqCst);
                if let Some(w) = theirs.0.lock().unwrap().take() {
                    w.wake();
                }
            });
            std::future::poll_fn(|cx| {
                *shared.0.lock().unwrap() = Some(cx.waker().clone());
                if shared.1.load(SeqCst) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
            c.send(to, n);
        }
        Ok(())
    }))
    .unwrap();
    for n in 0..100i64 {
        assert_eq!(me.receive(Some(10_000)).unwrap().into_term(), Term::from(n));
    }
}
