//! The call: every way it ends, and that nothing is left behind. Source: ch03 C3.21-C3.32, S3.9-S3.17; OTP gen:call.

use krarup::term::{View, atoms};
use krarup::{
    AliasMode, AsyncContext, Atom, Attached, CallError, CallFrom, Code, Context, Dest, Exception, FiberContext,
    Handler, Message, MonitorOptions, Next, Node, Pid, Term,
};
use std::future::Future as _;
use std::time::{Duration, Instant};

fn atom(s: &str) -> Atom {
    Atom::new(s).unwrap()
}

fn node() -> Node {
    Node::builder().workers(2).start().unwrap()
}

/// Replies to `echo` requests at once, keeps `later` ones until `now` comes, ends at `die`, ignores `never`.
#[derive(Default)]
struct Server {
    kept: Vec<CallFrom>,
}

impl Handler for Server {
    fn handle(&mut self, ctx: &mut Context, m: Message) -> Result<Next, Exception> {
        let (from, request) = match m {
            Message::Call(c) => c.into_parts(),
            Message::Term(t) if t.as_atom() == Some(atom("now")) => {
                for f in self.kept.drain(..) {
                    ctx.reply(f, atom("late"));
                }
                return Ok(Next::Continue);
            }
            _ => return Ok(Next::Continue),
        };
        match request.as_atom().map(Atom::as_str) {
            Some("later") => self.kept.push(from),
            Some("die") => return Err(Exception::exit(atom("died"))),
            Some("never") => {}
            _ => ctx.reply(from, request),
        }
        Ok(Next::Continue)
    }
}

fn left_over(me: &mut Attached) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(m) = me.receive(Some(20)) {
        all.push(m.into_term().to_string());
    }
    all
}

#[test]
fn a_call_gets_its_reply_from_every_kind_of_caller() {
    let node = node();
    let server = node.spawn(Server::default()).unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    for n in 0..1000i64 {
        assert_eq!(me.call(server, n, Some(5000)), Ok(Term::from(n)));
    }
    let asynchronous = Code::future(move |mut c: AsyncContext| async move {
        for n in 0..1000i64 {
            assert_eq!(c.call(server, n, Some(5000)).await, Ok(Term::from(n)));
        }
        c.send(to, atom("done"));
        Ok(())
    });
    // SAFETY: holds nothing over its waits.
    let fiber = unsafe {
        Code::assume_fiber_safe(move |c: &mut FiberContext| {
            for n in 0..1000i64 {
                assert_eq!(c.call(server, n, Some(5000)), Ok(Term::from(n)));
            }
            c.send(to, atom("done"));
            Ok(())
        })
    };
    node.spawn(asynchronous).unwrap();
    node.spawn(fiber).unwrap();
    for _ in 0..2 {
        assert_eq!(me.receive(Some(10_000)).unwrap().into_term(), Term::from(atom("done")));
    }
    assert!(left_over(&mut me).is_empty());
}

#[test]
fn a_call_that_times_out_never_sees_its_late_reply() {
    let node = node();
    let server = node.spawn(Server::default()).unwrap();
    let mut me = node.attach().unwrap();
    let start = Instant::now();
    assert_eq!(me.call(server, atom("later"), Some(50)), Err(CallError::Timeout));
    assert!(start.elapsed() >= Duration::from_millis(50));
    me.send(server, atom("now"));
    assert_eq!(me.call(server, 1i64, Some(5000)), Ok(Term::from(1i64)));
    assert_eq!(left_over(&mut me), Vec::<String>::new());
    // Poll: a timeout of nothing fails unless the reply is there.
    assert_eq!(me.call(server, atom("never"), Some(0)), Err(CallError::Timeout));
    let info = node.process_info(server, false, Duration::from_secs(5)).unwrap();
    // `never` was dropped unanswered; the caller gave up: nobody waits.
    assert!(info.monitored_by.is_empty(), "{info:?}");
}

#[test]
fn a_reply_may_come_from_a_third_process_and_in_another_order() {
    let node = node();
    let server = node.spawn(Server::default()).unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    for n in 0..10i64 {
        node.spawn(Code::future(move |mut c: AsyncContext| async move {
            let r = c.call(server, atom("later"), Some(5000)).await;
            c.send(to, Term::tuple([Term::from(n), r.unwrap()]));
            Ok(())
        }))
        .unwrap();
    }
    while node.process_info(server, false, Duration::from_secs(5)).unwrap().monitored_by.len() < 10 {}
    me.send(server, atom("now"));
    for _ in 0..10 {
        let t = me.receive(Some(5000)).unwrap().into_term();
        let View::Tuple([_, r]) = t.view() else { panic!("{t}") };
        assert_eq!(r.as_atom(), Some(atom("late")));
    }
}

/// The server that passes its caller on does not remember the call.
#[test]
fn a_reply_by_somebody_else_leaves_nothing_with_the_server() {
    let node = node();
    let mut me = node.attach().unwrap();
    let server = node
        .spawn(Code::handler(|ctx: &mut Context, m: Message| {
            if let Message::Call(c) = m {
                let (from, request) = c.into_parts();
                ctx.spawn(Code::future(move |mut c: AsyncContext| async move {
                    c.reply(from, request);
                    Ok(())
                }))?;
            }
            Ok(Next::Continue)
        }))
        .unwrap();
    for n in 0..1000i64 {
        assert_eq!(me.call(server, n, Some(5000)), Ok(Term::from(n)));
    }
    let until = Instant::now() + Duration::from_secs(5);
    while !node.process_info(server, false, Duration::from_secs(5)).unwrap().monitored_by.is_empty() {
        assert!(Instant::now() < until, "the server still counts callers");
    }
}

#[test]
fn the_end_of_the_server_fails_the_call_with_its_reason() {
    let node = node();
    let mut me = node.attach().unwrap();
    let server = node.spawn(Server::default()).unwrap();
    assert_eq!(me.call(server, atom("die"), Some(5000)), Err(CallError::Exit(Term::from(atom("died")))));
    assert_eq!(me.call(server, 1i64, Some(5000)), Err(CallError::Exit(Term::from(atoms::NOPROC))));
    // Killed by somebody else while the request waits in its queue.
    let server = node.spawn(Server::default()).unwrap();
    let killer = Code::future(move |mut c: AsyncContext| async move {
        c.sleep(30).await;
        c.exit(server, atoms::KILL);
        Ok(())
    });
    node.spawn(killer).unwrap();
    assert_eq!(me.call(server, atom("later"), Some(5000)), Err(CallError::Exit(Term::from(atoms::KILLED))));
    assert_eq!(left_over(&mut me), Vec::<String>::new());
}

#[test]
fn a_dropped_call_future_leaves_nothing() {
    let node = node();
    let server = node.spawn(Server::default()).unwrap();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    node.spawn(Code::future(move |mut c: AsyncContext| async move {
        {
            let call = std::pin::pin!(c.call(server, atom("later"), None));
            let mut call = Some(call);
            // Polled once, then dropped.
            std::future::poll_fn(|cx| {
                let polled = call.as_mut().map(|f| f.as_mut().poll(cx).is_ready());
                assert_eq!(polled, Some(false));
                std::task::Poll::Ready(())
            })
            .await;
        }
        c.send(server, atom("now"));
        assert_eq!(c.call(server, 5i64, Some(5000)).await, Ok(Term::from(5i64)));
        let rest = c.receive_timeout(20).await.is_ok();
        c.send(to, Term::from(rest));
        Ok(())
    }))
    .unwrap();
    assert_eq!(me.receive(Some(5000)).unwrap().into_term(), Term::from(false));
}

/// The native call is `'$gen_call'` to whoever looks at it as a term, and takes a reply in term form.
#[test]
fn a_call_seen_as_a_term_is_otps_and_takes_a_reply_in_its_form() {
    let node = node();
    let mut me = node.attach().unwrap();
    let old_style = Code::handler(|ctx: &mut Context, m: Message| {
        let t = m.into_term();
        let View::Tuple([tag, from, request]) = t.view() else { panic!("{t}") };
        assert_eq!(tag.as_atom(), Some(atoms::GEN_CALL));
        let View::Tuple([pid, alias_tag]) = from.view() else { panic!("{from}") };
        assert!(alias_tag.to_string().starts_with("[alias|#Ref<"), "{alias_tag}");
        let View::List(l) = alias_tag.view() else { panic!("{alias_tag}") };
        let alias = l.tail().as_ref().unwrap();
        let reply = Term::tuple([alias_tag.clone(), Term::tuple([Term::from(atom("got")), request.clone()])]);
        ctx.send_to(Dest::Alias(alias, pid.as_pid().unwrap()), reply)?;
        Ok(Next::Continue)
    });
    let server = node.spawn(old_style).unwrap();
    for n in 0..100i64 {
        assert_eq!(me.call(server, n, Some(5000)).unwrap().to_string(), format!("{{got,{n}}}"));
    }
    assert_eq!(left_over(&mut me), Vec::<String>::new());
    assert!(node.process_info(server, false, Duration::from_secs(5)).unwrap().monitored_by.is_empty());
}

#[test]
fn aliases_of_every_kind_end_when_they_should() {
    let node = node();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    let through = |me: &mut Attached, r, n: i64| me.send_to(Dest::Alias(r, to), n).unwrap();
    let explicit = me.alias(AliasMode::ExplicitUnalias);
    let once = me.alias(AliasMode::Reply);
    for n in [1, 2] {
        through(&mut me, explicit, n);
        through(&mut me, once, 10 * n);
    }
    assert_eq!(left_over(&mut me), ["1", "10", "2"]);
    assert!(me.unalias(explicit));
    assert!(!me.unalias(explicit));
    assert!(!me.unalias(once));
    through(&mut me, explicit, 3);
    assert_eq!(left_over(&mut me), Vec::<String>::new());

    let idle = || {
        Code::future(|mut c: AsyncContext| async move {
            c.receive().await;
            Ok(())
        })
    };
    let p = me.spawn(idle()).unwrap();
    let with = |mode| MonitorOptions { alias: Some(mode), tag: None };
    // Ends with the monitor, whichever way that ends.
    let r = me.monitor_opt(p, with(AliasMode::Demonitor));
    through(&mut me, r, 1);
    assert!(me.demonitor(r));
    through(&mut me, r, 2);
    assert_eq!(left_over(&mut me), ["1"]);
    // The first message through it takes the monitor with it.
    let r = me.monitor_opt(p, with(AliasMode::ReplyDemonitor));
    through(&mut me, r, 1);
    through(&mut me, r, 2);
    assert_eq!(left_over(&mut me), ["1"]);
    assert!(!me.demonitor(r));
    // Independent of the monitor.
    let r = me.monitor_opt(p, with(AliasMode::ExplicitUnalias));
    assert!(me.demonitor(r));
    through(&mut me, r, 1);
    assert_eq!(left_over(&mut me), ["1"]);
    assert!(me.unalias(r));
    // The target's death ends monitor and alias; another tag replaces 'DOWN'.
    let tag = Some(Term::tuple([Term::from(atom("gone")), Term::from(1i64)]));
    let r = me.monitor_opt(p, MonitorOptions { alias: Some(AliasMode::Demonitor), tag });
    me.send(p, 0i64);
    let text = me.receive(Some(5000)).unwrap().into_term().to_string();
    assert_eq!(text, format!("{{{{gone,1}},{},process,{},normal}}", Term::from(r), Term::from(p)));
    through(&mut me, r, 1);
    assert_eq!(left_over(&mut me), Vec::<String>::new());
}

/// C3.27: two servers that call each other wait until their timeouts, and are well afterwards.
#[test]
fn a_deadlock_of_two_callers_ends_with_their_timeouts() {
    let node = node();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    let caller = |other: Option<Pid>| {
        Code::future(move |mut c: AsyncContext| async move {
            let other = match other {
                Some(p) => p,
                None => {
                    let pid = c.receive_match(None, |m| m.as_term().as_pid().is_some()).await;
                    pid.unwrap().into_term().as_pid().unwrap()
                }
            };
            let r = c.call(other, atom("hello"), Some(100)).await;
            assert_eq!(r, Err(CallError::Timeout));
            // The request of the other is still there, in order.
            assert!(matches!(c.receive().await, Message::Call(_)));
            c.send(to, atom("ok"));
            // It must not end before the other's time is up.
            c.sleep(1000).await;
            Ok(())
        })
    };
    let a = node.spawn(caller(None)).unwrap();
    let b = node.spawn(caller(Some(a))).unwrap();
    node.send(a, Term::from(b)).unwrap();
    for _ in 0..2 {
        assert_eq!(me.receive(Some(5000)).unwrap().into_term(), Term::from(atom("ok")));
    }
}

/// S3.15: calls to servers that die right after replying leave nothing in the caller.
#[test]
fn ten_thousand_calls_to_dying_servers_leave_nothing() {
    let node = node();
    let mut me = node.attach().unwrap();
    for n in 0..10_000i64 {
        let server = me
            .spawn(Code::handler(|ctx: &mut Context, m: Message| {
                if let Message::Call(c) = m {
                    let (from, request) = c.into_parts();
                    ctx.reply(from, request);
                }
                Ok(Next::Stop(Term::from(atoms::NORMAL)))
            }))
            .unwrap();
        assert_eq!(me.call(server, n, Some(5000)), Ok(Term::from(n)));
    }
    let info = me.info().unwrap();
    assert_eq!((info.message_queue_len, info.monitors.len()), (0, 0));
}
