//! Calls between a node of ours and Erlang, in both directions, as `gen:call` makes them.

#[path = "dist_support/beam.rs"]
mod beam;
#[path = "net_support/cluster.rs"]
mod support;

use beam::{Beam, atom};
use krarup::{CallError, Code, Target, Term};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use support::{Cluster, SOON, eventually, local, server};

/// A gen_server in Erlang, compiled there: `slow` takes 300 ms, `die` ends it, `forward` is answered by another process.
fn start_server(erl: &mut Beam) {
    let source = "-module(srv). -compile([export_all, nowarn_export_all]). -behaviour(gen_server). \
        start() -> gen_server:start({local, srv}, srv, [], []). \
        init([]) -> {ok, 0}. \
        handle_call({add, N}, _, S) -> {reply, S + N, S + N}; \
        handle_call(slow, _, S) -> timer:sleep(300), {reply, late, S}; \
        handle_call({die, R}, _, S) -> {stop, R, S}; \
        handle_call(ignore, _, S) -> {noreply, S}; \
        handle_call(pid, _, S) -> {reply, self(), S}; \
        handle_call(watched, _, S) -> {reply, element(2, process_info(self(), monitored_by)), S}; \
        handle_call(forward, From, S) -> spawn(fun() -> gen_server:reply(From, forwarded) end), {noreply, S}. \
        handle_cast(_, S) -> {noreply, S}. \
        handle_info(_, S) -> {noreply, S}.";
    let quoted = source.replace('"', "\\\"");
    let load = format!(
        "Forms = fun F([]) -> []; F(Ts) -> {{L, R}} = lists:splitwith(fun({{dot, _}}) -> false; (_) -> true end, Ts), \
         {{ok, Form}} = erl_parse:parse_form(L ++ [hd(R)]), [Form | F(tl(R))] end, \
         {{ok, Ts, _}} = erl_scan:string(\"{quoted}\"), \
         {{ok, M, B}} = compile:forms(Forms(Ts), [nowarn_export_all]), {{module, M}} = code:load_binary(M, \"srv\", B), \
         {{ok, _}} = srv:start(), started"
    );
    assert_eq!(local(erl, &load), "started");
}

fn srv(erl: &Beam) -> Target {
    Target::NameNode(atom("srv"), atom(&erl.name))
}

fn tuple(name: &str, value: impl Into<Term>) -> Term {
    Term::tuple([atom(name).into(), value.into()])
}

#[test]
fn our_calls_to_a_gen_server_behave_as_gen_call() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    start_server(&mut erl);
    let mut me = node.attach().expect("room");
    assert_eq!(me.call(srv(&erl), tuple("add", 5), SOON), Ok(Term::from(5)));
    let pid = me.call(srv(&erl), atom("pid"), SOON).expect("a reply").as_pid().expect("a pid");
    assert_eq!(me.call(pid, tuple("add", 2), SOON), Ok(Term::from(7)));
    assert_eq!(me.call(pid, atom("forward"), SOON), Ok(atom("forwarded").into()));
    // No monitor is left behind but that of the call itself.
    let watchers = me.call(pid, atom("watched"), SOON).expect("a reply");
    assert_eq!(watchers.as_list().expect("a list").len(), 1, "{watchers:?}");
    // Too late: dropped, wherever it comes.
    assert_eq!(me.call(pid, atom("slow"), Some(30)), Err(CallError::Timeout));
    assert_eq!(me.call(pid, tuple("add", 0), SOON), Ok(Term::from(7)));
    assert!(me.receive(Some(50)).is_err(), "a late reply came");
    let noproc = Err(CallError::Exit(atom("noproc").into()));
    assert_eq!(me.call(Target::NameNode(atom("nobody"), atom(&erl.name)), atom("x"), SOON), noproc);
    // Its death while it works.
    assert_eq!(me.call(pid, tuple("die", atom("tired")), SOON), Err(CallError::Exit(atom("tired").into())));
    assert_eq!(me.call(pid, atom("x"), SOON), noproc);
    assert_eq!(me.call(srv(&erl), atom("x"), SOON), noproc);
    assert!(me.receive(Some(50)).is_err(), "something else came");
}

#[test]
fn a_call_whose_node_is_lost_or_not_there_says_nodedown() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    start_server(&mut erl);
    let mut me = node.attach().expect("room");
    let pid = me.call(srv(&erl), atom("pid"), SOON).expect("a reply").as_pid().expect("a pid");
    let nodedown = |erl: &Beam| Err(CallError::Exit(tuple("nodedown", atom(&erl.name))));
    let name = erl.name.clone();
    let (tell, told) = channel();
    let code = Code::future(move |mut ctx| async move {
        let answer = ctx.call(pid, atom("ignore"), None).await;
        let _ = tell.send((answer, Instant::now()));
        Ok(())
    });
    node.spawn(code).expect("room");
    assert!(told.recv_timeout(Duration::from_millis(200)).is_err(), "the server ignores it");
    let killed = Instant::now();
    let expected = nodedown(&erl);
    drop(erl);
    let (answer, at) = told.recv_timeout(Duration::from_secs(5)).expect("the call ends");
    assert_eq!(answer, expected);
    assert!(at - killed < Duration::from_secs(1), "it took {:?}", at - killed);
    assert_eq!(me.call(pid, atom("x"), SOON), expected);
    let target = Target::NameNode(atom("srv"), atom(&name));
    assert_eq!(me.call(target, atom("x"), SOON), expected);
    let nowhere = Target::NameNode(atom("srv"), atom("nosuchnode@localhost"));
    let expected = Err(CallError::Exit(tuple("nodedown", atom("nosuchnode@localhost"))));
    assert_eq!(me.call(nowhere, atom("x"), SOON), expected);
}

#[test]
fn gen_server_calls_our_processes() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    let pid = node.spawn(server).expect("room");
    node.register(atom("srv"), pid).expect("free");
    let srv = format!("{{srv, '{}'}}", node.name().as_str());
    assert_eq!(erl.eval(&format!("gen_server:call({srv}, {{echo, [a, 1.5, <<\"b\">>]}}).")), "[a,1.5,<<\"b\">>]");
    erl.eval(&format!("Pid = gen_server:call({srv}, pid)."));
    assert_eq!(erl.eval("gen_server:call(Pid, {echo, 2})."), "2");
    assert_eq!(erl.eval(&format!("gen_server:cast({srv}, {{cast, 1}}).")), "ok");
    // Requests that are not waited for, and many at once.
    let many = format!(
        "Rs = [gen_server:send_request({srv}, {{echo, N}}) || N <- lists:seq(1, 100)], \
         [N || {{reply, N}} <- [gen_server:receive_response(R, 5000) || R <- Rs]] =:= lists:seq(1, 100)"
    );
    assert_eq!(local(&mut erl, &many), "true");
    let multi = format!("gen_server:multi_call(['{}'], srv, {{echo, x}})", node.name().as_str());
    assert_eq!(local(&mut erl, &multi), format!("{{[{{{},x}}],[]}}", node.name().as_str()));
    // Too slow, and a late answer that must not come.
    let slow = format!("catch gen_server:call({srv}, ignore, 50)");
    assert!(local(&mut erl, &slow).starts_with("{'EXIT',{timeout,"));
    let dies = format!("try gen_server:call({srv}, {{die, tired}}) catch exit:{{R, _}} -> R end");
    assert_eq!(local(&mut erl, &dies), "tired");
    let gone = format!("try gen_server:call({srv}, pid) catch exit:{{R, _}} -> R end");
    assert_eq!(local(&mut erl, &gone), "noproc");
    assert_eq!(local(&mut erl, "try gen_server:call(Pid, pid) catch exit:{R, _} -> R end"), "noproc");
    assert_eq!(local(&mut erl, "receive X -> X after 0 -> nothing end"), "nothing");
    // Our end while it waits.
    let pid = node.spawn(server).expect("room");
    node.register(atom("srv"), pid).expect("free");
    erl.tell(&format!("(fun() -> try gen_server:call({srv}, ignore, infinity) catch exit:{{R, _}} -> R end end)()."));
    eventually("the call", || {
        node.process_info(pid, false, Duration::from_secs(5)).is_some_and(|i| i.monitored_by.len() == 1)
    });
    let name = node.name().as_str();
    node.stop(Duration::from_secs(5)).expect("stops");
    assert_eq!(erl.answer(), format!("{{nodedown,{name}}}"));
}

#[test]
fn a_spawn_request_is_refused_where_it_is_made() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    let name = node.name().as_str();
    assert_eq!(erl.eval(&format!("rpc:call('{name}', erlang, node, []).")), "{badrpc,notsup}");
    assert_eq!(erl.eval(&format!("net_adm:ping('{name}').")), "pong");
}

#[test]
fn calls_between_two_nodes_of_ours_are_those_of_the_wire() {
    let Some(cluster) = Cluster::start() else { return };
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let pid = b.spawn(server).expect("room");
    b.register(atom("srv"), pid).expect("free");
    let mut me = a.attach().expect("room");
    let target = Target::NameNode(atom("srv"), b.name());
    assert_eq!(me.call(target, tuple("echo", 1), SOON), Ok(Term::from(1)));
    assert_eq!(me.call(pid, tuple("echo", 2), SOON), Ok(Term::from(2)));
    assert_eq!(me.call(pid, atom("ignore"), Some(30)), Err(CallError::Timeout));
    eventually("the demonitor", || {
        b.process_info(pid, false, Duration::from_secs(5)).expect("alive").monitored_by.is_empty()
    });
    assert_eq!(me.call(pid, tuple("die", atom("tired")), SOON), Err(CallError::Exit(atom("tired").into())));
    assert_eq!(me.call(target, tuple("echo", 1), SOON), Err(CallError::Exit(atom("noproc").into())));
}
