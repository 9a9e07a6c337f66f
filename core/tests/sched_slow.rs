//! The slow lane when it is full: every thread it may have sits in code that does not come back.

use krarup::term::atoms;
use krarup::{Code, Context, Exception, Message, Next, Node, SpawnOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_kill_does_not_wait_for_a_lane_full_of_code_that_never_returns() {
    const LANE: usize = 256;
    let node = Node::builder().workers(1).cleanup_ms(5).start().unwrap();
    let mut me = node.attach().unwrap();
    let release = Arc::new(AtomicBool::new(false));
    let entered = Arc::new(AtomicUsize::new(0));
    let options = SpawnOptions { slow: true, monitor: Some(Default::default()), ..Default::default() };
    let hogs: Vec<_> = (0..LANE + 4)
        .map(|_| {
            let (release, entered) = (release.clone(), entered.clone());
            let code = move |_: &mut Context, _: Message| -> Result<Next, Exception> {
                entered.fetch_add(1, SeqCst);
                while !release.load(SeqCst) {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Ok(Next::Continue)
            };
            let (pid, r) = me.spawn_opt(Code::handler(code), &options).unwrap();
            me.send(pid, 1i64);
            (pid, r.unwrap())
        })
        .collect();
    until("the lane is full", || entered.load(SeqCst) == LANE);
    // Long enough for the watchdog to have gone to sleep, if it would.
    std::thread::sleep(Duration::from_millis(100));
    // One of these holds a thread, one waits for it: whichever they are, they end.
    for (pid, r) in [hogs[0], hogs[LANE + 3]] {
        node.exit(pid, atoms::KILL);
        match me.receive_ref(r, Some(10_000), |m| matches!(m, Message::Down(d) if d.reference == r)) {
            Ok(Message::Down(d)) => assert_eq!(d.reason.to_string(), "killed"),
            other => panic!("no DOWN: {other:?}"),
        }
    }
    assert!(node.counts().orphans >= 1);
    release.store(true, SeqCst);
    until("the orphans are back", || node.counts().orphans == 0);
    for (pid, r) in &hogs[1..LANE + 3] {
        node.exit(*pid, atoms::KILL);
        assert!(me.receive_ref(*r, Some(10_000), |m| matches!(m, Message::Down(_))).is_ok());
    }
    until("the slots are free", || node.counts().processes == 1);
}
