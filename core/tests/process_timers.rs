//! Timers of processes. Source: OTP send_after/3, start_timer/3, cancel_timer/1, read_timer/1.

use krarup::{AsyncContext, Atom, Attached, Code, Exception, MAX_TIMEOUT_MS, Node, Term};
use std::time::{Duration, Instant};

fn atom(s: &str) -> Atom {
    Atom::new(s).unwrap()
}

fn text(me: &mut Attached, ms: u64) -> Option<String> {
    me.receive(Some(ms)).ok().map(|m| m.into_term().to_string())
}

#[test]
fn timers_fire_in_order_of_their_times_and_never_early() {
    let node = Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    let start = Instant::now();
    for ms in [60u64, 20, 0, 40] {
        me.send_after(ms, to, ms as i64).unwrap();
    }
    for ms in [0u64, 20, 40, 60] {
        assert_eq!(text(&mut me, 5000), Some(ms.to_string()));
        assert!(start.elapsed() >= Duration::from_millis(ms));
    }
}

#[test]
fn start_timer_names_itself_in_its_message() {
    let node = Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    let r = me.start_timer(10, to, atom("wake")).unwrap();
    assert_eq!(text(&mut me, 5000), Some(format!("{{timeout,{},wake}}", Term::from(r))));
    assert_eq!((me.cancel_timer(r), me.read_timer(r)), (None, None));
}

#[test]
fn a_cancelled_timer_says_what_was_left_and_never_fires() {
    let node = Node::builder().seeded(3).start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    let r = me.send_after(1000, to, 1i64).unwrap();
    node.advance(Duration::from_millis(300));
    assert_eq!(me.read_timer(r), Some(700));
    assert_eq!(me.cancel_timer(r), Some(700));
    assert_eq!(me.cancel_timer(r), None);
    node.advance(Duration::from_secs(10));
    assert_eq!(text(&mut me, 0), None);
}

#[test]
fn a_name_is_looked_up_when_the_timer_fires() {
    let node = Node::builder().seeded(4).start().unwrap();
    let mut me = node.attach().unwrap();
    let name = atom("late_name");
    me.send_after(10, name, 1i64).unwrap();
    me.send_after(1000, name, 2i64).unwrap();
    node.advance(Duration::from_millis(100));
    let myself = me.self_pid();
    me.register(name, myself).unwrap();
    node.advance(Duration::from_secs(2));
    assert_eq!(text(&mut me, 0), Some("2".into()));
    assert_eq!(text(&mut me, 0), None);
}

#[test]
fn a_timer_too_far_away_is_badarg() {
    let node = Node::builder().workers(1).start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    assert_eq!(me.send_after(MAX_TIMEOUT_MS + 1, to, 1i64).unwrap_err(), Exception::badarg());
    assert!(me.send_after(MAX_TIMEOUT_MS, to, 1i64).is_ok());
}

#[test]
fn a_foreign_reference_is_no_timer() {
    let node = Node::builder().workers(1).start().unwrap();
    let mut me = node.attach().unwrap();
    let r = me.make_ref();
    assert_eq!((me.cancel_timer(r), me.read_timer(r)), (None, None));
    let other = Node::builder().workers(1).start().unwrap();
    let mut there = other.attach().unwrap();
    let to = there.self_pid();
    let t = there.send_after(10_000, to, 1i64).unwrap();
    assert_eq!(me.cancel_timer(t), None);
    assert!(there.cancel_timer(t).is_some());
}

#[test]
fn a_hundred_thousand_timers_all_fire_once() {
    let node = Node::builder().seeded(5).start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    let mut kept = 0;
    for n in 0..100_000u64 {
        let r = me.send_after(n % 977 + 1, to, n as i64).unwrap();
        if n % 3 == 0 {
            assert!(me.cancel_timer(r).is_some());
        } else {
            kept += 1;
        }
    }
    node.advance(Duration::from_secs(2));
    let mut got = std::collections::HashSet::new();
    while let Ok(m) = me.receive(Some(0)) {
        assert!(got.insert(m.into_term().as_i64().unwrap()));
    }
    assert_eq!(got.len(), kept);
}

#[test]
fn a_sleep_and_a_receive_timeout_use_the_nodes_clock() {
    let node = Node::builder().seeded(6).start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    node.spawn(Code::future(move |mut c: AsyncContext| async move {
        c.sleep(3_600_000).await;
        c.send(to, atom("slept"));
        assert!(c.receive_timeout(3_600_000).await.is_err());
        c.send(to, atom("timed_out"));
        Ok(())
    }))
    .unwrap();
    node.advance(Duration::from_secs(3599));
    assert_eq!(text(&mut me, 0), None);
    node.advance(Duration::from_secs(2));
    assert_eq!(text(&mut me, 0), Some("slept".into()));
    node.advance(Duration::from_secs(3601));
    assert_eq!(text(&mut me, 0), Some("timed_out".into()));
}
