//! Limits, names, information, and the seeded mode. Source: C2.15, C2.22, S2.15; OTP process_info/2, register/2.

use krarup::term::atoms;
use krarup::{
    AsyncContext, Atom, Code, Context, Exception, FiberContext, Message, Next, Node, Pid, Priority, SpawnOptions, Term,
};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

fn atom(s: &str) -> Atom {
    Atom::new(s).unwrap()
}

fn idle() -> Code {
    Code::handler(|_: &mut Context, _: Message| Ok(Next::Continue))
}

#[test]
fn the_process_limit_is_an_error_and_the_node_lives_on() {
    let node = Node::builder().workers(2).max_processes(1000).start().unwrap();
    let mut me = node.attach().unwrap();
    let mut all = Vec::new();
    let refused = loop {
        match me.spawn(idle()) {
            Ok(p) => all.push(p),
            Err(e) => break e,
        }
    };
    assert_eq!(refused, Exception::system_limit());
    assert_eq!(all.len(), 999);
    for _ in 0..3 {
        let p = all.pop().unwrap();
        let r = me.monitor(p);
        me.exit(p, atoms::KILL);
        me.receive_ref(r, Some(5000), |m| matches!(m, Message::Down(_))).unwrap();
        all.push(me.spawn(idle()).unwrap());
        assert!(me.spawn(idle()).is_err());
    }
}

#[test]
fn a_pid_is_not_used_again_for_another_process() {
    let node = Node::builder().workers(1).max_processes(64).start().unwrap();
    let mut me = node.attach().unwrap();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..10_000 {
        let (p, r) = me.spawn_monitor(Code::future(|_c: AsyncContext| async { Ok(()) })).unwrap();
        assert!(seen.insert(p), "{p:?} came twice");
        me.receive_ref(r, Some(5000), |m| matches!(m, Message::Down(_))).unwrap();
    }
}

#[test]
fn a_full_mailbox_ends_its_process_with_system_limit() {
    let node = Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    let o = SpawnOptions { max_mailbox: 100, monitor: Some(Default::default()), ..Default::default() };
    let never = Code::future(|mut c: AsyncContext| async move {
        let _ = c.receive_match(None, |m| m.as_term().as_atom() == Some(atoms::OK)).await;
        Ok(())
    });
    let (p, r) = me.spawn_opt(never, &o).unwrap();
    for n in 0..101i64 {
        me.send(p, n);
    }
    let m = me.receive_ref(r.unwrap(), Some(5000), |m| matches!(m, Message::Down(_))).unwrap();
    let Message::Down(d) = m else { panic!() };
    assert_eq!(d.reason.to_string(), "{system_limit,message_queue}");
    me.spawn(idle()).unwrap();
}

#[test]
fn a_full_house_of_fibers_refuses_the_next_and_takes_it_when_one_has_gone() {
    let node = Node::builder().workers(2).max_fibers(10).start().unwrap();
    let mut me = node.attach().unwrap();
    let fiber = || {
        // SAFETY: holds nothing over its waits.
        unsafe {
            Code::assume_fiber_safe(|c: &mut FiberContext| {
                let _ = c.receive(None);
                Ok(())
            })
        }
    };
    let pids: Vec<Pid> = (0..10).map(|_| me.spawn(fiber()).unwrap()).collect();
    assert_eq!(me.spawn(fiber()).unwrap_err(), Exception::system_limit());
    let r = me.monitor(pids[0]);
    me.send(pids[0], 1i64);
    me.receive_ref(r, Some(5000), |m| matches!(m, Message::Down(_))).unwrap();
    me.spawn(fiber()).unwrap();
    assert_eq!(node.counts().fibers, 10);
}

/// C2.22
#[test]
fn registering_refuses_what_otp_refuses() {
    let node = Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    let (p, q) = (me.spawn(idle()).unwrap(), me.spawn(idle()).unwrap());
    let (a, b) = (atom("reg_a"), atom("reg_b"));
    me.register(a, p).unwrap();
    let bad = Exception::badarg();
    assert_eq!(me.register(a, q).unwrap_err(), bad);
    assert_eq!(me.register(b, p).unwrap_err(), bad);
    assert_eq!(me.register(atoms::UNDEFINED, q).unwrap_err(), bad);
    let (dead, r) = me.spawn_monitor(Code::future(|_c: AsyncContext| async { Ok(()) })).unwrap();
    me.receive_ref(r, Some(5000), |m| matches!(m, Message::Down(_))).unwrap();
    assert_eq!(me.register(b, dead).unwrap_err(), bad);
    assert_eq!(me.unregister(b).unwrap_err(), bad);
    assert_eq!(node.registered(), [a]);
    assert_eq!(node.process_info(p, false, PATIENCE).unwrap().registered_name, Some(a));
    me.unregister(a).unwrap();
    me.register(b, p).unwrap();
    assert_eq!((me.whereis(a), me.whereis(b)), (None, Some(p)));
    let myself = me.self_pid();
    me.register(a, myself).unwrap();
    me.send_to(a, 1i64).unwrap();
    assert!(me.receive(Some(5000)).is_ok());
    drop(me);
    let until = std::time::Instant::now() + PATIENCE;
    while node.whereis(a).is_some() && std::time::Instant::now() < until {}
    assert_eq!(node.whereis(a), None);
}

#[test]
fn process_info_says_what_the_process_is() {
    let node = Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    let watched = me.spawn(idle()).unwrap();
    let code = Code::future(move |mut c: AsyncContext| async move {
        c.trap_exit(true);
        c.set_priority(Priority::High);
        c.link(watched)?;
        c.monitor(watched);
        c.put(atoms::OK, 5i64);
        c.set_label(atoms::ERROR);
        let _ = c.receive_match(None, |m| m.as_term().as_atom() == Some(atoms::OK)).await;
        Ok(())
    });
    let o = SpawnOptions { initial_call: Some((atoms::OK, atoms::ERROR, 2)), ..Default::default() };
    let (p, _) = me.spawn_opt(code, &o).unwrap();
    for n in 0..3i64 {
        me.send(p, n);
    }
    let info = loop {
        let i = node.process_info(p, true, PATIENCE).unwrap();
        if i.label.is_some() {
            break i;
        }
    };
    assert_eq!(info.pid, p);
    assert_eq!(info.parent, me.self_pid());
    assert_eq!((info.links, info.monitors), (vec![watched], vec![krarup::Monitored::Pid(watched)]));
    assert!(info.trap_exit && !info.suspended && !info.slow);
    assert_eq!(info.priority, Priority::High);
    assert_eq!(info.initial_call, Some((atoms::OK, atoms::ERROR, 2)));
    assert_eq!(info.dictionary, [(Term::from(atoms::OK), Term::from(5i64))]);
    assert_eq!(info.label, Some(Term::from(atoms::ERROR)));
    assert_eq!(info.messages.unwrap(), [Term::from(0i64), Term::from(1i64), Term::from(2i64)]);
    assert_eq!(node.process_info(watched, false, PATIENCE).unwrap().monitored_by, [p]);
    let mut all = node.processes();
    all.sort_by_key(|p| p.number);
    assert!(all.contains(&p) && all.contains(&watched) && all.contains(&me.self_pid()));
    assert_eq!(all.len(), node.counts().processes);
}

#[test]
fn a_suspended_process_takes_signals_but_no_turn() {
    let node = Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    let echo = me
        .spawn(Code::handler(|ctx: &mut Context, m: Message| {
            if let Message::Call(c) = m {
                let (from, request) = c.into_parts();
                ctx.reply(from, request);
            }
            Ok(Next::Continue)
        }))
        .unwrap();
    me.suspend_process(echo);
    me.suspend_process(echo);
    assert!(me.call(echo, 1i64, Some(50)).is_err());
    me.resume_process(echo);
    assert!(me.call(echo, 1i64, Some(50)).is_err());
    me.resume_process(echo);
    assert_eq!(me.call(echo, 1i64, Some(5000)), Ok(Term::from(1i64)));
    me.suspend_process(echo);
    let r = me.monitor(echo);
    me.exit(echo, atoms::KILL);
    me.receive_ref(r, Some(5000), |m| matches!(m, Message::Down(_))).unwrap();
}

/// One run of a small world: who received what, in which order.
fn world(seed: u64) -> Vec<String> {
    let node = Node::builder().seeded(seed).start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    for n in 0..10i64 {
        node.spawn(Code::future(move |mut c: AsyncContext| async move {
            c.send(to, n);
            c.yield_now().await;
            c.sleep(n as u64 % 3).await;
            c.send(to, 100 + n);
            Ok(())
        }))
        .unwrap();
    }
    node.advance(Duration::from_millis(100));
    let mut all = Vec::new();
    while let Ok(m) = me.receive(Some(0)) {
        all.push(m.into_term().to_string());
    }
    all
}

#[test]
fn a_seed_gives_the_same_run_again_and_another_seed_another() {
    let runs: Vec<_> = (0..20).map(world).collect();
    assert!(runs.iter().all(|r| r.len() == 20), "{runs:?}");
    for (seed, r) in runs.iter().enumerate() {
        assert_eq!(&world(seed as u64), r, "seed {seed}");
    }
    assert!(runs.iter().any(|r| r != &runs[0]));
}

#[test]
fn several_nodes_live_in_one_os_process() {
    let nodes: Vec<Node> = (0..4).map(|_| Node::builder().workers(1).start().unwrap()).collect();
    let pids: Vec<Pid> = nodes.iter().map(|n| n.spawn(idle()).unwrap()).collect();
    for (i, n) in nodes.iter().enumerate() {
        for (j, p) in pids.iter().enumerate() {
            assert_eq!(n.is_alive(*p), i == j);
        }
    }
    nodes.into_iter().for_each(|n| n.stop(PATIENCE).unwrap());
}

#[test]
fn priorities_are_served_in_otps_order() {
    let node = Node::builder().seeded(1).start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    for (p, n) in [(Priority::Low, 3i64), (Priority::Normal, 2), (Priority::High, 1), (Priority::Max, 0)] {
        let code = Code::future(move |mut c: AsyncContext| async move {
            for _ in 0..50 {
                c.send(to, n);
                c.yield_now().await;
            }
            Ok(())
        });
        me.spawn_opt(code, &SpawnOptions { priority: Some(p), ..Default::default() }).unwrap();
    }
    node.run(u64::MAX);
    let mut order = Vec::new();
    while let Ok(m) = me.receive(Some(0)) {
        order.push(m.into_term().as_i64().unwrap());
    }
    assert_eq!(order.len(), 200);
    let first = |n| order.iter().position(|x| *x == n).unwrap();
    let last = |n| order.iter().rposition(|x| *x == n).unwrap();
    assert!(last(0) < first(1) && last(1) < first(2));
    // Low is not starved by normal: it has its turn long before normal is through.
    assert!(first(3) < last(2));
}
