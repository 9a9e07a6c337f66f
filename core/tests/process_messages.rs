//! Sending and receiving in every body: order, selective receive, timeouts. Source: ch02 S2.8-S2.14, C2.18-C2.21.

use krarup::term::View;
use krarup::{AsyncContext, Atom, Code, Context, Exception, FiberContext, Handler, Message, Next, Node, Pid, Term};
use std::time::{Duration, Instant};

fn atom(s: &str) -> Atom {
    Atom::new(s).unwrap()
}

fn int(m: Message) -> i64 {
    let t = m.into_term();
    t.as_i64().unwrap_or_else(|| panic!("not an integer: {t}"))
}

/// Answers `{From, N}` with `N + 1`.
struct Successor;

impl Handler for Successor {
    fn handle(&mut self, ctx: &mut Context, m: Message) -> Result<Next, Exception> {
        let t = m.into_term();
        if let View::Tuple([from, n]) = t.view() {
            ctx.send(from.as_pid().unwrap(), Term::from(n.as_i64().unwrap() + 1));
        }
        Ok(Next::Continue)
    }
}

#[test]
fn a_handler_answers_an_attached_thread() {
    let node = Node::builder().start().unwrap();
    let server = node.spawn(Successor).unwrap();
    let mut me = node.attach().unwrap();
    for n in 0..1000i64 {
        let request = Term::tuple([Term::from(me.self_pid()), Term::from(n)]);
        me.send(server, request);
        assert_eq!(int(me.receive(Some(5000)).unwrap()), n + 1);
    }
}

#[test]
fn messages_between_two_processes_arrive_in_order_whatever_the_body() {
    let node = Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    const N: i64 = 20_000;
    let sources: [Code; 3] = [
        Code::future(move |mut c: AsyncContext| async move {
            for n in 0..N {
                c.send(to, Term::tuple([Term::from(0i64), Term::from(n)]));
                c.checkpoint().await;
            }
            Ok(())
        }),
        // SAFETY: holds nothing over its waits.
        unsafe {
            Code::assume_fiber_safe(move |c: &mut FiberContext| {
                for n in 0..N {
                    c.send(to, Term::tuple([Term::from(1i64), Term::from(n)]));
                }
                Ok(())
            })
        },
        Code::handler(move |c: &mut Context, _m: Message| {
            for n in 0..N {
                c.send(to, Term::tuple([Term::from(2i64), Term::from(n)]));
            }
            Ok(Next::Continue)
        }),
    ];
    for code in sources {
        let pid = node.spawn(code).unwrap();
        node.send(pid, atom("go")).unwrap();
    }
    let mut next = [0i64; 3];
    for _ in 0..3 * N {
        let t = me.receive(Some(10_000)).unwrap().into_term();
        let View::Tuple([s, n]) = t.view() else { panic!("{t}") };
        let s = s.as_i64().unwrap() as usize;
        assert_eq!(n.as_i64(), Some(next[s]), "source {s}");
        next[s] += 1;
    }
    assert_eq!(next, [N; 3]);
}

#[test]
fn selective_receive_takes_the_oldest_match_and_leaves_the_rest_in_order() {
    let node = Node::builder().start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    let pid = node
        .spawn(Code::future(move |mut c: AsyncContext| async move {
            let mut order = Vec::new();
            for want in [5i64, 3, 9] {
                let m = c.receive_match(None, |m| m.as_term().as_i64() == Some(want)).await.unwrap();
                order.push(m.into_term());
            }
            while let Ok(m) = c.receive_timeout(0).await {
                order.push(m.into_term());
            }
            c.send(to, Term::list(order));
            Ok(())
        }))
        .unwrap();
    for n in 0..10i64 {
        node.send(pid, n).unwrap();
    }
    let got = me.receive(Some(5000)).unwrap().into_term();
    assert_eq!(got.to_string(), "[5,3,9,0,1,2,4,6,7,8]");
}

/// Takes `2`, then everything in order: C2.20 for a handler.
struct Picky {
    to: Pid,
    seen_two: bool,
}

impl Handler for Picky {
    fn handle(&mut self, ctx: &mut Context, m: Message) -> Result<Next, Exception> {
        if !self.seen_two && m.as_term().as_i64() != Some(2) {
            return Ok(Next::Skip(m));
        }
        self.seen_two = true;
        ctx.send(self.to, m.into_term());
        Ok(Next::Continue)
    }
}

#[test]
fn a_handler_that_skips_finds_the_skipped_again_in_order() {
    let node = Node::builder().start().unwrap();
    let mut me = node.attach().unwrap();
    let pid = node.spawn(Picky { to: me.self_pid(), seen_two: false }).unwrap();
    for n in [0i64, 1, 2, 3] {
        node.send(pid, n).unwrap();
    }
    let got: Vec<i64> = (0..4).map(|_| int(me.receive(Some(5000)).unwrap())).collect();
    assert_eq!(got, [2, 0, 1, 3]);
}

#[test]
fn a_receive_times_out_and_leaves_later_messages() {
    let node = Node::builder().start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    // SAFETY: holds nothing over its waits.
    let fiber = unsafe {
        Code::assume_fiber_safe(move |c: &mut FiberContext| {
            let start = Instant::now();
            let r = c.receive_match(Some(50), |m| m.as_term().as_i64() == Some(1));
            assert!(r.is_err() && start.elapsed() >= Duration::from_millis(50));
            let rest = c.receive(Some(0)).unwrap().into_term();
            c.send(to, rest);
            Ok(())
        })
    };
    let pid = node.spawn(fiber).unwrap();
    node.send(pid, 7i64).unwrap();
    assert_eq!(int(me.receive(Some(5000)).unwrap()), 7);
    let start = Instant::now();
    assert!(me.receive(Some(30)).is_err());
    assert!(start.elapsed() >= Duration::from_millis(30));
}

#[test]
fn sending_to_the_dead_and_to_unknown_names_follows_otp() {
    let node = Node::builder().start().unwrap();
    let mut me = node.attach().unwrap();
    let (dead, m) = me.spawn_monitor(Code::future(|_c: AsyncContext| async { Ok(()) })).unwrap();
    me.receive_ref(m, Some(5000), |m| matches!(m, Message::Down(_))).unwrap();
    me.send(dead, 1i64);
    assert_eq!(me.send_to(atom("nobody_has_it"), 1i64).unwrap_err(), Exception::badarg());
    me.send_to(krarup::Dest::NameNode(atom("nobody_has_it"), node.name()), 1i64).unwrap();
    me.send_to(krarup::Dest::NameNode(atom("nobody_has_it"), atom("no@where")), 1i64).unwrap();
    assert!(me.receive(Some(20)).is_err());
}

#[test]
fn a_reference_made_after_a_backlog_is_found_without_scanning_it() {
    let node = Node::builder().start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    for n in 0..10_000i64 {
        me.send(to, n);
    }
    // Everything is in the queue before the reference is made.
    assert_eq!(me.info().unwrap().message_queue_len, 10_000);
    let r = me.make_ref();
    node.spawn(Code::future(move |mut c: AsyncContext| async move {
        c.send(to, Term::from(r));
        Ok(())
    }))
    .unwrap();
    let mut looked = 0;
    let m = me
        .receive_ref(r, Some(5000), |m| {
            looked += 1;
            Term::as_ref(&m.as_term()) == Some(r)
        })
        .unwrap();
    assert_eq!(m.into_term().as_ref(), Some(r));
    assert!(looked <= 2, "looked at {looked} messages");
    for n in 0..10_000i64 {
        assert_eq!(int(me.receive(Some(0)).unwrap()), n);
    }
}

#[test]
fn a_flood_from_two_cores_loses_and_doubles_nothing() {
    let node = Node::builder().workers(2).start().unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    let sum = node
        .spawn(Code::future(move |mut c: AsyncContext| async move {
            let mut total = 0i64;
            for _ in 0..400_000 {
                total += c.receive().await.into_term().as_i64().unwrap();
            }
            c.send(to, total);
            Ok(())
        }))
        .unwrap();
    for s in 0..4i64 {
        node.spawn(Code::future(move |mut c: AsyncContext| async move {
            for n in 0..100_000i64 {
                c.send(sum, n * 4 + s);
                c.checkpoint().await;
            }
            Ok(())
        }))
        .unwrap();
    }
    assert_eq!(int(me.receive(Some(60_000)).unwrap()), 400_000i64 * 399_999 / 2);
}
