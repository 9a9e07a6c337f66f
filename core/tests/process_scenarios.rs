//! Scenarios of ch02 that need nothing but processes, and races that a scenario names. Source: ch02 S2.8-S2.32.

use krarup::term::{View, atoms};
use krarup::{
    AsyncContext, Atom, Attached, Code, Context, Exception, Handler, Message, Next, Node, Pid, Ref, SpawnOptions, Term,
};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

fn atom(s: &str) -> Atom {
    Atom::new(s).unwrap()
}

fn node() -> Node {
    Node::builder().workers(2).start().unwrap()
}

fn idle() -> Code {
    Code::handler(|_: &mut Context, _: Message| Ok(Next::Continue))
}

fn down(me: &mut Attached, r: Ref) -> Term {
    match me.receive_ref(r, Some(10_000), |m| matches!(m, Message::Down(d) if d.reference == r)) {
        Ok(Message::Down(d)) => d.reason,
        other => panic!("no 'DOWN': {other:?}"),
    }
}

fn end_of(me: &mut Attached, pid: Pid) -> Term {
    let r = me.monitor(pid);
    down(me, r)
}

fn next(me: &mut Attached) -> String {
    me.receive(Some(10_000)).unwrap().into_term().to_string()
}

fn nothing_is_left(me: &mut Attached) {
    if let Ok(m) = me.receive(Some(20)) {
        panic!("unexpected: {}", m.into_term());
    }
}

/// C2.19: what B has sent is before what the runtime says of B's end, also when the link comes too late.
#[test]
fn a_message_of_the_dead_comes_before_the_news_that_there_is_nobody_to_link_to() {
    let node = node();
    let mut me = node.attach().unwrap();
    for _ in 0..300 {
        let b = me
            .spawn(Code::future(|mut c: AsyncContext| async move {
                let to = c.receive().await.into_term().as_pid().unwrap();
                c.send(to, atom("last_words"));
                Ok(())
            }))
            .unwrap();
        let code = Code::future(move |mut c: AsyncContext| async move {
            c.trap_exit(true);
            let myself = c.self_pid();
            c.send(b, Term::from(myself));
            while c.is_alive(b) {}
            c.link(b)?;
            let first = c.receive().await.into_term();
            let second = c.receive().await.into_term();
            Err(Exception::exit(Term::tuple([first, second])))
        });
        let (_, r) = me.spawn_monitor(code).unwrap();
        assert_eq!(down(&mut me, r).to_string(), format!("{{last_words,{{'EXIT',{},noproc}}}}", Term::from(b)));
    }
}
