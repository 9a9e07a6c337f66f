//! Servers in their own language: starts, callers of every kind, nested calls, registries, collections of requests.
//! Source: S3.6, S3.14, S3.15, S3.17, S4.3-S4.5, S4.13, S4.21, S4.22, S4.27, S4.28, S4.30-S4.32, C4.24, C4.55.

#[path = "gen_support/fixture.rs"]
mod fixture;
#[path = "gen_support/puppet.rs"]
mod puppet;

use fixture::*;
use krarup::r#gen::Registry;
use krarup::gen_server::{
    self, After, AsyncGenServer, CallReturn, From, GenServer, Init, Linkage, Name, OneOf, Options, RequestIds,
    Response, Return, ServerRef, Started,
};
use krarup::term::View;
use krarup::{AsyncContext, Attached, Code, Context, Exception, FiberContext, Message, Pid, Term, proc_lib};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Tells its starter its argument, then waits so long; replies with its argument.
struct Slow {
    args: Term,
    slept: usize,
}

static NAPS: AtomicUsize = AtomicUsize::new(0);

impl GenServer for Slow {
    type Args = (Pid, Term, u64);
    fn init(ctx: &mut Context, (tell, args, ms): Self::Args) -> Result<Init<Self>, Exception> {
        std::thread::sleep(Duration::from_millis(ms));
        ctx.send(tell, tuple([atom("inited").into(), args.clone()]));
        Ok(Init::Ok(Self { args, slept: 0 }, After::Wait))
    }
    fn handle_call(&mut self, _: &mut Context, request: &Term, _: &From) -> Result<CallReturn, Exception> {
        if let Some(ms) = request.as_int() {
            std::thread::sleep(Duration::from_millis(ms as u64));
        }
        if request.as_atom() == Some(atom("nap")) {
            return Ok(CallReturn::Reply(atom("ok").into(), After::Hibernate));
        }
        Ok(CallReturn::reply(self.args.clone()))
    }
    fn handle_cast(&mut self, _: &mut Context, request: &Term) -> Result<Return, Exception> {
        Ok(if request.as_atom() == Some(atom("die")) { Return::stop(atom("died")) } else { Return::noreply() })
    }
    fn hibernate(&mut self) {
        self.slept += 1;
        NAPS.fetch_add(1, SeqCst);
    }
}

fn slow(me: &mut Attached, linkage: Linkage, args: Term, ms: u64, options: Options) -> Started {
    let args = (me.self_pid(), args, ms);
    gen_server::start_with::<Slow, _>(me, linkage, None, args, options).unwrap()
}

fn inited(me: &mut Attached) {
    let is = |m: &Message| m.as_term().as_tuple().is_some_and(|t| t[0] == atom("inited").into());
    me.receive_match(Some(1000), is).unwrap();
}

#[test]
fn a_start_returns_when_init_has_and_starts_keep_their_order_s4_3_s4_4() {
    let node = node();
    let mut me = trapping(&node);
    let begun = Instant::now();
    assert!(matches!(slow(&mut me, Linkage::Link, t("x"), 100, Options::default()), Started::Ok(_)));
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert_eq!(me.receive(Some(0)).unwrap().into_term(), t("{inited,x}"));
    let args = ["[foo,bar]", "undefined", "{}", "[]", "#{a => b}"];
    for round in 0..20 {
        for a in args {
            slow(&mut me, Linkage::Link, t(a), 0, Options::default());
        }
        for a in args {
            let got = me.receive(Some(0)).unwrap().into_term();
            assert_eq!(got, tuple([atom("inited").into(), t(a)]), "round {round}");
        }
    }
}

#[test]
fn a_start_that_takes_too_long_is_undone_s4_5() {
    let node = node();
    for linkage in [Linkage::Link, Linkage::None, Linkage::Monitor] {
        let mut me = node.attach().unwrap();
        let options = Options { timeout_ms: Some(30), ..Default::default() };
        let name = Some(Name::Local(atom("late")));
        let args = (me.self_pid(), t("x"), 300);
        let started = gen_server::start_with::<Slow, _>(&mut me, linkage, name.clone(), args, options).unwrap();
        assert_eq!(started, Started::Error(t("timeout")));
        assert_eq!(node.whereis(atom("late")), None, "the name is free at once");
        let args = (me.self_pid(), t("y"), 0);
        let again = gen_server::start_with::<Slow, _>(&mut me, linkage, name, args, Options::default()).unwrap();
        assert!(again.pid().is_some(), "the caller has survived, and the name can be taken: {again:?}");
        std::thread::sleep(Duration::from_millis(350));
        let left: Vec<String> = flush(&mut me).iter().map(Term::to_string).collect();
        assert_eq!(left, ["{inited,y}"]);
        gen_server::stop(&mut me, again.pid().unwrap()).unwrap();
    }
}

#[test]
fn a_failed_linked_start_leaves_no_exit_and_ends_who_does_not_trap_s4_6() {
    let node = node();
    let mut me = trapping(&node);
    let p = |me: &Attached, what: &str| Box::new(puppet::Puppet::new(me.self_pid(), t(what)));
    for (what, want) in [("{ret,{stop,r}}", "{error,r}"), ("{ret,ignore}", "ignore"), ("{ret,{error,e}}", "{error,e}")]
    {
        let args = p(&me, what);
        let s = gen_server::start_link::<gen_server::Dynamic, _>(&mut me, args, Options::default()).unwrap();
        assert_eq!(s.to_term(), t(want));
        assert!(flush(&mut me).is_empty(), "{what}");
    }
    for (what, ends) in [("{ret,{stop,r}}", "r"), ("{ret,ignore}", "normal"), ("{ret,{error,e}}", "normal")] {
        let args = p(&me, what);
        let code = Code::future(move |mut c: AsyncContext| async move {
            gen_server::start_link::<gen_server::Dynamic, _>(&mut c, args, Options::default()).await?;
            Ok(())
        });
        let (_, r) = me.spawn_monitor(code).unwrap();
        let down = me.receive_ref(r, Some(5000), |m| matches!(m, Message::Down(_))).unwrap();
        let Message::Down(d) = down else { unreachable!() };
        assert_eq!(d.reason, t(ends), "{what}");
    }
    let o = krarup::SpawnOptions { monitor: Some(Default::default()), ..Default::default() };
    let refused = gen_server::start_link::<Freq, _>(&mut me, (), Options { spawn: o, ..Default::default() });
    assert_eq!(refused.unwrap_err().reason, t("badarg"), "S5.17");
}

#[test]
fn a_monitored_start_gives_the_monitor() {
    let node = node();
    let mut me = node.attach().unwrap();
    let s = gen_server::start_monitor::<Freq, _>(&mut me, (), Options::default()).unwrap();
    let Started::Monitored(pid, r) = s else { panic!("{s:?}") };
    gen_server::stop_reason(&mut me, pid, atom("bye"), Some(1000)).unwrap();
    let Message::Down(d) = me.receive(Some(1000)).unwrap() else { panic!() };
    assert_eq!((d.reference, d.reason), (r, t("bye")));
}

#[test]
fn every_kind_of_caller_uses_the_same_functions() {
    let node = node();
    let mut me = node.attach().unwrap();
    let p = gen_server::start::<Freq, _>(&mut me, (), Options::default()).unwrap().pid().unwrap();
    let to = me.self_pid();
    let ask = tuple([atom("allocate").into(), to.into()]);
    assert_eq!(gen_server::call(&mut me, p, ask.clone()), Ok(t("{ok,10}")));
    let request = ask.clone();
    me.spawn(Code::future(move |mut c: AsyncContext| async move {
        let r = gen_server::call(&mut c, p, request).await?;
        c.send(to, r);
        Ok(())
    }))
    .unwrap();
    assert_eq!(me.receive(Some(5000)).unwrap().into_term(), t("{ok,11}"));
    // SAFETY: holds nothing over its waits.
    let fiber = unsafe {
        Code::assume_fiber_safe(move |c: &mut FiberContext| {
            let r = gen_server::call(c, p, ask)?;
            c.send(to, r);
            gen_server::stop(c, p)?;
            Ok(())
        })
    };
    me.spawn(fiber).unwrap();
    assert_eq!(me.receive(Some(5000)).unwrap().into_term(), t("{ok,12}"));
    eventually("the stop", || !node.is_alive(p));
}

/// Asks another server while it handles a call.
struct Asker;

impl AsyncGenServer for Asker {
    type Args = ();
    async fn init(_: &mut AsyncContext, (): ()) -> Result<Init<Self>, Exception> {
        Ok(Init::Ok(Self, After::Wait))
    }
    async fn handle_call(&mut self, ctx: &mut AsyncContext, q: &Term, _: &From) -> Result<CallReturn, Exception> {
        let Some([_, other, back, ms]) = q.as_tuple() else { return Ok(CallReturn::reply(atom("leaf"))) };
        // Who is asked waits longer: it is clear who gives up first.
        let longer = ms.as_int().unwrap_or(0) + 300;
        let request = match back.as_atom() {
            Some(a) => tuple([atom("ask").into(), a.into(), Term::nil(), longer.into()]),
            None => atom("leaf").into(),
        };
        let to = ServerRef::from_term(other).ok_or_else(Exception::badarg)?;
        let r = gen_server::call_timeout(ctx, to, request, ms.as_int().map(|n| n as u64)).await?;
        Ok(CallReturn::reply(r))
    }
    async fn handle_cast(&mut self, _: &mut AsyncContext, _: &Term) -> Result<Return, Exception> {
        Ok(Return::noreply())
    }
}

#[test]
fn two_servers_that_wait_for_each_other_end_by_timeout_s4_22_s3_16() {
    let node = node();
    let kept = Kept::on(&node);
    let mut me = trapping(&node);
    let mut start = |name: &str| {
        let name = Some(Name::Local(atom(name)));
        gen_server::start_async_with::<Asker, _>(&mut me, Linkage::None, name, (), Options::default())
            .unwrap()
            .pid()
            .unwrap()
    };
    let (a, b) = (start("a"), start("b"));
    let ms = 200i64;
    // No cycle: fine.
    let fine = tuple([atom("ask").into(), atom("b").into(), Term::nil(), ms.into()]);
    assert_eq!(gen_server::call(&mut me, a, fine), Ok(t("leaf")));
    let q = tuple([atom("ask").into(), atom("b").into(), atom("a").into(), ms.into()]);
    let begun = Instant::now();
    let e = gen_server::call(&mut me, a, q.clone()).unwrap_err();
    assert!(begun.elapsed() >= Duration::from_millis(200));
    let View::Tuple([why, _]) = e.reason.view() else { panic!() };
    let inner = tuple([atom("ask").into(), atom("a").into(), Term::nil(), (ms + 300).into()]);
    let call = tuple([t("gen_server"), t("call"), Term::list([t("b"), inner, ms.into()])]);
    assert_eq!(*why, tuple([t("timeout"), call]));
    eventually("both ends", || !node.is_alive(a) && !node.is_alive(b));
    eventually("four reports", || kept.len() >= 4);
}

#[test]
fn late_replies_and_second_replies_are_dropped_s3_15_s3_17() {
    let node = node();
    let mut me = trapping(&node);
    let args = Box::new(puppet::Puppet::new(me.self_pid(), t("ok")));
    let p = gen_server::start::<gen_server::Dynamic, _>(&mut me, args, Options::default()).unwrap().pid().unwrap();
    assert_eq!(gen_server::call(&mut me, p, t("{twice,b}")), Ok(t("b")));
    assert_eq!(
        gen_server::call_timeout(&mut me, p, t("{sleep,80}"), Some(10)).unwrap_err().reason.as_tuple().unwrap()[0],
        t("timeout")
    );
    assert_eq!(gen_server::call(&mut me, p, atom("get")), Ok(t("s0")), "the abandoned request was done first");
    // A server that dies after each reply leaves nothing behind in its callers.
    for _ in 0..300 {
        let p = slow(&mut me, Linkage::None, t("x"), 0, Options::default()).pid().unwrap();
        me.receive(Some(1000)).unwrap();
        assert_eq!(gen_server::call(&mut me, p, atom("x")), Ok(t("x")));
        gen_server::cast(&mut me, p, atom("die"));
    }
    assert!(flush(&mut me).is_empty());
}

#[test]
fn a_killed_client_does_not_harm_the_server_s3_14() {
    let node = node();
    let mut me = node.attach().unwrap();
    let p = slow(&mut me, Linkage::None, t("x"), 0, Options::default()).pid().unwrap();
    let client = me
        .spawn(Code::future(move |mut c: AsyncContext| async move {
            gen_server::call(&mut c, p, 60i64).await?;
            Ok(())
        }))
        .unwrap();
    std::thread::sleep(Duration::from_millis(10));
    me.exit(client, atom("kill"));
    assert_eq!(gen_server::call(&mut me, p, atom("x")), Ok(t("x")));
}

#[test]
fn a_long_mailbox_does_not_slow_calls_and_stays_in_order_s4_21() {
    let node = node();
    let mut me = node.attach().unwrap();
    let p = gen_server::start::<Freq, _>(&mut me, (), Options::default()).unwrap().pid().unwrap();
    let ask = tuple([atom("allocate").into(), me.self_pid().into()]);
    let time = |me: &mut Attached| {
        let start = Instant::now();
        for _ in 0..300 {
            gen_server::call(me, p, ask.clone()).unwrap();
            let r = gen_server::send_request(me, p, ask.clone());
            assert!(gen_server::receive_response(me, &r, None).is_some());
        }
        start.elapsed()
    };
    let empty = time(&mut me);
    let to = me.self_pid();
    for n in 0..200_000i64 {
        me.send(to, n);
    }
    let full = time(&mut me);
    assert!(full < empty * 5 + Duration::from_millis(100), "{empty:?} and {full:?}");
    for n in 0..1000i64 {
        assert_eq!(me.receive(Some(0)).unwrap().into_term(), Term::from(n));
    }
}

#[test]
fn collections_of_requests_answer_in_any_order() {
    let node = node();
    let mut me = node.attach().unwrap();
    let mut ids = RequestIds::new();
    assert_eq!(ids.wait_response(&mut me, Some(0)), OneOf::NoRequest);
    for (n, ms) in [(1i64, 60i64), (2, 0), (3, 30)] {
        let p = slow(&mut me, Linkage::None, n.into(), 0, Options::default()).pid().unwrap();
        inited(&mut me);
        ids.add(gen_server::send_request(&mut me, p, ms), n);
    }
    ids.add(gen_server::send_request(&mut me, atom("nobody"), atom("x")), atom("none"));
    assert_eq!(ids.size(), 4);
    let mut got = Vec::new();
    while ids.size() > 0 {
        match ids.receive_response(&mut me, Some(5000)) {
            OneOf::Response(Response::Reply(r), label) => {
                assert_eq!(r, label);
                got.push(label.to_string());
            }
            OneOf::Response(Response::Error(why, _), label) => got.push(format!("{label} {why}")),
            other => panic!("{other:?}"),
        }
    }
    got.sort();
    assert_eq!(got, ["1", "2", "3", "none noproc"]);
    let p = slow(&mut me, Linkage::None, t("x"), 0, Options::default()).pid().unwrap();
    inited(&mut me);
    ids.add(gen_server::send_request(&mut me, p, 60i64), atom("late"));
    assert_eq!(ids.wait_response(&mut me, Some(5)), OneOf::Timeout);
    assert_eq!(ids.to_list().len(), 1);
    assert_eq!(ids.receive_response(&mut me, Some(5)), OneOf::Timeout);
    std::thread::sleep(Duration::from_millis(100));
    assert!(flush(&mut me).is_empty(), "abandoned: its reply is dropped");
}

#[derive(Default)]
struct Names(Mutex<HashMap<Term, Pid>>);

impl Registry for Names {
    fn register_name(&self, ctx: &mut Context, name: &Term, pid: Pid) -> bool {
        let mut all = self.0.lock().unwrap();
        if all.get(name).is_some_and(|p| ctx.is_alive(*p)) {
            return false;
        }
        all.insert(name.clone(), pid);
        true
    }
    fn unregister_name(&self, _: &mut Context, name: &Term) {
        self.0.lock().unwrap().remove(name);
    }
    fn whereis_name(&self, ctx: &mut Context, name: &Term) -> Option<Pid> {
        self.0.lock().unwrap().get(name).copied().filter(|p| ctx.is_alive(*p))
    }
}

#[test]
fn a_registry_of_the_users_serves_every_function_s4_30() {
    let node = node();
    let mut me = trapping(&node);
    for module in ["my_names", "global"] {
        node.add_registry(atom(module), std::sync::Arc::new(Names::default()));
        let key = t("{any,\"term\"}");
        let name = || match module {
            "global" => Name::Global(t("{any,\"term\"}")),
            m => Name::Via(atom(m), t("{any,\"term\"}")),
        };
        let start = |me: &mut Attached| {
            gen_server::start_with::<Freq, _>(me, Linkage::Link, Some(name()), (), Options::default()).unwrap()
        };
        let p = start(&mut me).pid().unwrap();
        let taken = tuple([t("already_started"), p.into()]);
        assert_eq!(start(&mut me), Started::Error(taken));
        let to = name().server_ref();
        let ask = tuple([atom("allocate").into(), me.self_pid().into()]);
        assert_eq!(gen_server::call(&mut me, &to, ask), Ok(t("{ok,10}")));
        gen_server::cast(&mut me, &to, t("{deallocate,10}"));
        let state = krarup::sys::get_state(&mut me, &to, 1000).unwrap();
        assert_eq!(state, t("{[10,11,12,13,14,15],[]}"));
        gen_server::stop(&mut me, &to).unwrap();
        let e = gen_server::call(&mut me, &to, atom("x")).unwrap_err();
        assert_eq!(e.reason.as_tuple().unwrap()[0], t("noproc"));
        assert_eq!(to.to_term().as_tuple().unwrap().last(), Some(&key));
        assert!(matches!(start(&mut me), Started::Ok(_)));
    }
}

#[test]
fn a_name_on_several_nodes_is_called_and_cast_to_s4_32() {
    let node = node();
    let mut me = node.attach().unwrap();
    let name = Some(Name::Local(atom("srv")));
    gen_server::start_with::<Freq, _>(&mut me, Linkage::None, name, (), Options::default()).unwrap();
    let here = node.name();
    let nodes = vec![here, atom("bogus@nowhere")];
    let ask = tuple([atom("allocate").into(), me.self_pid().into()]);
    let (good, bad) = gen_server::multi_call(&mut me, nodes.clone(), atom("srv"), ask);
    assert_eq!((good, bad), (vec![(here, t("{ok,10}"))], vec![atom("bogus@nowhere")]));
    let (good, bad) = gen_server::multi_call_timeout(&mut me, vec![here], atom("nosuch"), atom("x"), 100);
    assert_eq!((good.len(), bad), (0, vec![here]));
    gen_server::abcast(&mut me, &nodes, atom("srv"), t("{deallocate,10}"));
    assert_eq!(krarup::sys::get_state(&mut me, atom("srv"), 1000), Ok(t("{[10,11,12,13,14,15],[]}")));
    assert!(flush(&mut me).is_empty());
}

#[test]
fn a_thousand_servers_without_names_are_independent_s4_31() {
    let node = node();
    let mut me = node.attach().unwrap();
    let all: Vec<Pid> = (0..1000)
        .map(|_| gen_server::start_link::<Freq, _>(&mut me, (), Options::default()).unwrap().pid().unwrap())
        .collect();
    let ask = tuple([atom("allocate").into(), me.self_pid().into()]);
    for p in all {
        assert_eq!(gen_server::call(&mut me, p, ask.clone()), Ok(t("{ok,10}")));
    }
}

#[test]
fn a_server_is_told_when_it_hibernates_s4_28() {
    let node = node();
    let mut me = node.attach().unwrap();
    let p = slow(&mut me, Linkage::None, t("x"), 0, Options::default()).pid().unwrap();
    let before = NAPS.load(SeqCst);
    gen_server::call(&mut me, p, atom("nap")).unwrap();
    eventually("a nap", || NAPS.load(SeqCst) == before + 1);
    krarup::sys::get_state(&mut me, p, 1000).unwrap();
    eventually("it goes back to sleep after a system message", || NAPS.load(SeqCst) == before + 2);
    gen_server::call(&mut me, p, atom("x")).unwrap();
    assert_eq!(NAPS.load(SeqCst), before + 2);
}

#[test]
fn a_process_becomes_a_server_only_if_it_was_started_as_one_c4_55() {
    let node = node();
    let mut me = trapping(&node);
    let body = |name: Option<Name>| {
        move |mut c: AsyncContext| async move {
            Err(gen_server::enter_loop(&mut c, Asker, atom("asker"), name, Options::default(), After::Wait).await)
        }
    };
    let reason = |me: &mut Attached, code: Code, proper: bool| {
        let call = (atom("m"), atom("f"), 0);
        let o = krarup::SpawnOptions { monitor: Some(Default::default()), ..Default::default() };
        let (p, r) = if proper { proc_lib::spawn_opt(me, call, code, &o) } else { me.spawn_opt(code, &o) }.unwrap();
        let r = r.unwrap();
        std::thread::sleep(Duration::from_millis(20));
        if me.is_alive(p) {
            assert_eq!(gen_server::call(me, p, atom("x")), Ok(t("leaf")));
            gen_server::stop_reason(me, p, atom("asked"), Some(1000)).unwrap();
        }
        let Message::Down(d) = me.receive_ref(r, Some(1000), |m| matches!(m, Message::Down(_))).unwrap() else {
            unreachable!()
        };
        d.reason.to_string()
    };
    assert_eq!(reason(&mut me, Code::future(body(None)), false), "process_was_not_started_by_proc_lib");
    assert_eq!(reason(&mut me, proc_lib::future(body(None)), true), "asked");
    let name = Some(Name::Local(atom("not_mine")));
    assert_eq!(reason(&mut me, proc_lib::future(body(name)), true), "process_not_registered");
}

#[test]
fn proc_lib_starts_say_what_the_child_says_c10_7_c10_9_c10_13() {
    let node = node();
    let mut me = trapping(&node);
    let to = me.self_pid();
    let call = (atom("m"), atom("f"), 0);
    let mut start = |f: fn(&mut AsyncContext, Pid) -> Result<(), Exception>, timeout_ms: Option<u64>| {
        let code = proc_lib::future(move |mut c: AsyncContext| async move {
            f(&mut c, to)?;
            c.sleep(200).await;
            Ok(())
        });
        let o = proc_lib::StartOptions { timeout_ms, ..Default::default() };
        proc_lib::start_link(&mut me, call, code, o).unwrap().to_string()
    };
    let ack = |c: &mut AsyncContext, to| {
        proc_lib::init_ack(c, to, t("{any,thing}"));
        Ok(())
    };
    assert_eq!(start(ack, None), "{any,thing}");
    assert_eq!(start(|_, _| Err(Exception::exit(t("r"))), None), "{error,r}");
    assert_eq!(start(|_, _| Err(Exception::error(t("r"))), None), "{error,{r,[]}}");
    assert_eq!(start(|_, _| Err(Exception::throw(t("r"))), None), "{error,{{nocatch,r},[]}}");
    assert_eq!(start(|_, _| Ok(()), None), "{error,normal}");
    assert_eq!(start(|_, _| Ok(()), Some(20)), "{error,timeout}");
    let nack = |c: &mut AsyncContext, to| Err(proc_lib::init_fail(c, to, t("nope"), Exception::exit(t("why"))));
    assert_eq!(start(nack, None), "nope");
    let left: Vec<String> = flush(&mut me).iter().map(|m| puppet::norm(m, to, None).to_string()).collect();
    assert_eq!(left, ["{'EXIT',pid,normal}"], "of the one that was started, none of those that failed");
}

#[test]
fn ancestors_and_initial_call_are_in_the_dictionary_c10_5() {
    let node = node();
    let mut me = node.attach().unwrap();
    let to = me.self_pid();
    me.register(atom("root"), to).unwrap();
    let child = |name: &'static str| {
        proc_lib::future(move |mut c: AsyncContext| async move {
            let inner = proc_lib::future(move |mut c: AsyncContext| async move {
                let seen = Term::list(c.ancestors());
                let call = c.get(&t("'$initial_call'")).unwrap();
                c.put(atom("$ancestors"), t("[mine]"));
                let all = c.dictionary().len();
                let mine = Term::list(c.ancestors());
                c.send(to, tuple([seen, call, mine, (all as i64).into()]));
                Ok(())
            });
            let own = c.self_pid();
            c.register(atom(name), own)?;
            proc_lib::spawn(&mut c, (atom("inner"), atom("init"), 1), inner)?;
            c.receive().await;
            Ok(())
        })
    };
    proc_lib::spawn(&mut me, (atom("outer"), atom("init"), 1), child("middle")).unwrap();
    let got = me.receive(Some(2000)).unwrap().into_term();
    assert_eq!(got.to_string(), "{[middle,root],{inner,init,1},[mine],2}");
}
