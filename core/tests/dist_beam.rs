//! Our connection against real nodes of OTP, both roles, by hand-made control messages.

#[path = "dist_support/beam.rs"]
mod beam;

use beam::{Beam, Home, Link, OurNode, RealEpmd, atom, have_erl, unique};
use krarup::dist::connection::{DownReason, Event};
use krarup::dist::control::{Control, Target};
use krarup::dist::flags::{Flags, Offer};
use krarup::dist::handshake::{Identity, Refusal, Step, Verdict};
use krarup::dist::name::NodeName;
use krarup::dist::ticker::TickTime;
use krarup::term::{NodeId, Pid, Term};
use std::time::{Duration, Instant};

/// A private epmd, a real node, and a node of ours.
struct Stage {
    // Dropped in this order.
    beam: Beam,
    ours: OurNode,
    epmd: RealEpmd,
    home: Home,
}

const COOKIE: &str = "a cookie with spaces";

fn stage(offer: Flags, more: &[&str]) -> Stage {
    let home = Home::new();
    let epmd = RealEpmd::start(&home);
    let beam = Beam::start(&home, epmd.port, &format!("{}@localhost", unique("beam")), COOKIE, more);
    let ours = OurNode::start(epmd.port, COOKIE, offer);
    Stage { beam, ours, epmd, home }
}

fn hidden() -> Flags {
    Offer::default().flags()
}

impl Stage {
    /// A connection that we dialled and that is up.
    fn dial(&self) -> Link {
        let mut link = self.ours.dial(&self.beam.name);
        link.up();
        link
    }

    /// Says to the node's shell process: `{From, Term}` to the registered name `echo` comes back.
    fn start_echo(&mut self) {
        let line = "register(echo, spawn(fun Loop() -> receive {From, M} -> From ! M, Loop() end end)).";
        assert_eq!(self.beam.eval(line), "true");
    }

    fn me(&self) -> Pid {
        self.ours.pid(1)
    }

    fn echo(&self, link: &mut Link, message: &Term) -> Term {
        let envelope = Term::tuple([self.me().into(), message.clone()]);
        link.send(Control::RegSend { from: self.me(), to: atom("echo"), message: envelope, token: None });
        let me = self.me();
        link.until("an echo", |e| match e {
            Event::Control(Control::Send { to, message, .. }) if *to == me => Some(message.clone()),
            _ => None,
        })
    }
}

#[test]
fn we_dial_a_node_which_pings_and_calls_us() {
    if !have_erl() {
        return;
    }
    let mut s = stage(hidden(), &[]);
    let mut link = s.ours.dial(&s.beam.name);
    let peer = link.up();
    assert_eq!(peer.name.as_str(), s.beam.name);
    assert_eq!(peer.flags, Flags(0xD_07DF_7FBD));
    assert!(!peer.is_visible());
    let us = s.ours.name.clone();
    assert_eq!(s.beam.eval("nodes(hidden)."), format!("[{us}]"));
    assert_eq!(s.beam.eval("nodes()."), "[]");
    s.beam.tell(&format!("net_adm:ping('{us}')."));
    assert_eq!(link.serve_until_answer(&s.beam), "pong");
    // A call of gen_server's kind: monitor, request, reply through the alias, demonitor.
    s.beam.tell(&format!("gen_server:call({{allocator, '{us}'}}, {{take, 3}}, 20000)."));
    // The end of the ping's own monitor may still come.
    let allocator = Target::Name(atom("allocator"));
    let (from, target, reference) = link.until("a monitor", |e| match e {
        Event::Control(Control::Monitor { from, target, reference }) if *target == allocator => {
            Some((*from, *target, *reference))
        }
        _ => None,
    });
    let Control::RegSend { to, message, .. } = link.control("a request") else { panic!() };
    assert_eq!(to, atom("allocator"));
    let Some([call, caller, request]) = message.as_tuple() else { panic!("{message:?}") };
    assert_eq!(call.as_atom(), Some(atom("$gen_call")));
    assert!(*request == Term::tuple([atom("take").into(), Term::from(3_i64)]));
    link.reply(caller, Term::tuple([atom("ok").into(), Term::list([1_i64, 2, 3].map(Term::from))]));
    assert_eq!(link.serve_until_answer_and(&s.beam, |c| assert_demonitor(c, from, target, reference)), "{ok,[1,2,3]}");
}

fn assert_demonitor(c: &Control, from: Pid, target: Target, reference: krarup::term::Ref) {
    assert_eq!(*c, Control::Demonitor { from, target, reference });
}

#[test]
fn a_node_dials_us_and_visible_nodes_see_each_other() {
    if !have_erl() {
        return;
    }
    for (visible, expected) in [(false, "[[],[us]]"), (true, "[[us],[]]")] {
        let mut s = stage(Offer { visible, ..Offer::default() }.flags(), &[]);
        let us = s.ours.name.clone();
        s.beam.tell(&format!("net_kernel:connect_node('{us}')."));
        let mut link = s.ours.accept();
        let peer = link.up();
        assert_eq!(peer.is_visible(), visible);
        assert_eq!(link.asked.clone().and_then(|h| h.name), NodeName::new(&s.beam.name).ok());
        assert_eq!(link.serve_until_answer(&s.beam), "true");
        s.beam.tell("[nodes(), nodes(hidden)].");
        assert_eq!(link.serve_until_answer(&s.beam), expected.replace("us", us.as_str()));
    }
}

#[test]
fn terms_come_back_equal_under_every_negotiation() {
    if !have_erl() {
        return;
    }
    let full = hidden();
    let optional = Flags::DIST_HDR_ATOM_CACHE | Flags::FRAGMENTS;
    let offers = [
        full,
        full.without(Flags::DIST_HDR_ATOM_CACHE),
        full.without(Flags::FRAGMENTS),
        full.without(optional),
        Flags::MANDATORY_25 | Flags::DIST_HDR_ATOM_CACHE | Flags::FRAGMENTS,
        Flags::MANDATORY_25,
        Flags::MANDATORY_25_DIGEST,
    ];
    let mut s = stage(full, &[]);
    s.start_echo();
    for flags in offers {
        s.ours.settings.setup.flags = flags;
        let mut link = s.ours.dial(&s.beam.name);
        assert_eq!(link.up().negotiated, flags.expanded());
        let big = Term::binary((0..1_500_000_u32).map(|i| i as u8).collect::<Vec<u8>>());
        let many = Term::list((0..6000).map(|i| Term::from(atom(&format!("atom_{i}_å")))));
        let few = Term::tuple([
            Term::from(s.me()),
            Term::from(s.ours.reference(5)),
            Term::improper_list([Term::from(atom("alias"))], Term::from(s.ours.reference(6))),
            Term::map([(Term::string("key"), Term::from(u64::MAX))]),
            Term::bitstring(vec![0b1010_0000], 3),
            Term::float(0.1).expect("finite"),
            Term::nil(),
        ]);
        for message in [few.clone(), big, many.clone(), few, many] {
            assert!(s.echo(&mut link, &message) == message, "{flags}");
        }
        link.connection.disconnect();
        let name = s.ours.name.clone();
        drop(link);
        s.beam.eval(&format!("(fun W() -> case lists:member('{name}', nodes(hidden)) of true -> timer:sleep(10), W(); false -> ok end end)()."));
    }
}

#[test]
fn monitors_and_links_work_both_ways() {
    if !have_erl() {
        return;
    }
    let mut s = stage(hidden(), &[]);
    s.start_echo();
    let mut link = s.dial();
    let me = s.me();
    // The node learns our pid, by a message to its shell.
    s.beam.eval("register(shell_too, self()).");
    let hello = Term::tuple([atom("pid").into(), me.into()]);
    link.send(Control::RegSend { from: me, to: atom("shell_too"), message: hello, token: None });
    assert_eq!(s.beam.eval("P = receive {pid, Q} -> Q end, node(P) =/= node()."), "true");

    // It monitors our process, which ends.
    s.beam.tell("R = monitor(process, P), receive {'DOWN', R, process, P, Why} -> Why end.");
    let Control::Monitor { from, target, reference } = link.control("a monitor") else { panic!() };
    assert_eq!(target, Target::Pid(me));
    let reason = Term::tuple([atom("shutdown").into(), Term::from(7_i64)]);
    link.send(Control::MonitorExit { from: target, to: from, reference, reason });
    assert_eq!(s.beam.answer(), "{shutdown,7}");

    // It monitors a name, which nobody bears.
    let us = s.ours.name.clone();
    s.beam.tell(&format!(
        "R2 = monitor(process, {{nobody, '{us}'}}), receive {{'DOWN', R2, process, O, W2}} -> {{O, W2}} end."
    ));
    let Control::Monitor { from, target, reference } = link.control("a monitor") else { panic!() };
    assert_eq!(target, Target::Name(atom("nobody")));
    link.send(Control::MonitorExit { from: target, to: from, reference, reason: atom("noproc").into() });
    assert_eq!(s.beam.answer(), format!("{{{{nobody,{us}}},noproc}}"));

    // We monitor a name and a pid of theirs.
    let reference = s.ours.reference(1);
    let nobody = Target::Name(atom("nobody_there"));
    link.send(Control::Monitor { from: me, target: nobody, reference });
    let down = Control::MonitorExit { from: nobody, to: me, reference, reason: atom("noproc").into() };
    assert_eq!(link.control("a down"), down);
    let reference = s.ours.reference(2);
    let echo = Target::Name(atom("echo"));
    link.send(Control::Monitor { from: me, target: echo, reference });
    assert!(s.echo(&mut link, &Term::from(1_i64)) == Term::from(1_i64));
    s.beam.eval("exit(whereis(echo), {bad, day}).");
    let reason = Term::tuple([atom("bad").into(), atom("day").into()]);
    assert_eq!(link.control("a down"), Control::MonitorExit { from: echo, to: me, reference, reason });

    // A process of theirs links to ours; ours ends.
    s.beam.tell("process_flag(trap_exit, true), link(P), receive {'EXIT', P, W3} -> W3 end.");
    let Control::Link { from: shell, to } = link.control("a link") else { panic!() };
    assert_eq!(to, me);
    link.send(Control::Exit { from: me, to: shell, reason: atom("gone").into(), token: None });
    assert_eq!(s.beam.answer(), "gone");

    // It links and unlinks; the acknowledgement lets it link anew.
    s.beam.eval("link(P), unlink(P), link(P).");
    assert_eq!(link.control("a link"), Control::Link { from: shell, to: me });
    let Control::Unlink { from, to, id: Some(id) } = link.control("an unlink") else { panic!() };
    assert_eq!((from, to), (shell, me));
    link.send(Control::UnlinkAck { from: me, to: shell, id });
    assert_eq!(link.control("a link"), Control::Link { from: shell, to: me });
    s.beam.tell("exit(P, {please, stop}).");
    s.beam.answer();
    let reason = Term::tuple([atom("please").into(), atom("stop").into()]);
    assert_eq!(link.control("an exit"), Control::Exit2 { from: shell, to: me, reason, token: None });

    // We link to a process of theirs, unlink, link again, and kill it.
    let line = "V = spawn(fun() -> receive never -> ok end end), P ! V, ok.";
    s.beam.eval(line);
    let Control::Send { message, .. } = link.control("a pid") else { panic!() };
    let victim = message.as_pid().expect("a pid");
    link.send(Control::Link { from: me, to: victim });
    link.send(Control::Unlink { from: me, to: victim, id: Some(1 << 63) });
    assert_eq!(link.control("an ack"), Control::UnlinkAck { from: victim, to: me, id: 1 << 63 });
    link.send(Control::Link { from: me, to: victim });
    link.send(Control::Exit2 { from: me, to: victim, reason: atom("kill").into(), token: None });
    let killed = Control::Exit { from: victim, to: me, reason: atom("killed").into(), token: None };
    assert_eq!(link.control("an exit"), killed);
    // A link to the dead is answered.
    link.send(Control::Link { from: me, to: victim });
    let noproc = Control::Exit { from: victim, to: me, reason: atom("noproc").into(), token: None };
    assert_eq!(link.control("an exit"), noproc);
}

#[test]
fn aliases_and_group_leaders_cross() {
    if !have_erl() {
        return;
    }
    let mut s = stage(hidden(), &[]);
    let mut link = s.dial();
    let me = s.me();
    s.beam.eval("register(shell_too, self()).");
    // Their alias, used by us; then one that has ended.
    let hello = Term::tuple([atom("pid").into(), me.into()]);
    link.send(Control::RegSend { from: me, to: atom("shell_too"), message: hello, token: None });
    s.beam.eval("P = receive {pid, Q} -> Q end, A = alias([reply]), P ! {use, A}, ok.");
    let Control::Send { message, .. } = link.control("an alias") else { panic!() };
    let alias = message.as_tuple().expect("a tuple")[1].as_ref().expect("a reference");
    for n in 1..=2_i64 {
        link.send(Control::AliasSend { from: me, to: alias, message: Term::from(n), token: None });
    }
    let done = Term::from(atom("done"));
    link.send(Control::RegSend { from: me, to: atom("shell_too"), message: done, token: None });
    assert_eq!(s.beam.eval("[receive M -> M end, receive M2 -> M2 end]."), "[1,done]", "the second was too late");
    // Our alias, used by them.
    let ours = s.ours.reference(77);
    let message = Term::tuple([atom("alias").into(), ours.into()]);
    link.send(Control::RegSend { from: me, to: atom("shell_too"), message, token: None });
    s.beam.eval("receive {alias, Al} -> Al ! {through, Al} end.");
    let Control::AliasSend { to, message, .. } = link.control("a message") else { panic!() };
    assert_eq!(to, ours);
    assert!(message == Term::tuple([atom("through").into(), ours.into()]));
    // Their process becomes the leader of ours, and ours the leader of theirs.
    s.beam.eval("group_leader(self(), P).");
    assert!(matches!(link.control("a leader"), Control::GroupLeader { member, .. } if member == me));
    s.beam.eval("V = spawn(fun() -> receive {tell, To} -> To ! {leader, group_leader()} end end), P ! V, ok.");
    let Control::Send { message, .. } = link.control("a pid") else { panic!() };
    let member = message.as_pid().expect("a pid");
    link.send(Control::GroupLeader { leader: me, member });
    let tell = Term::tuple([atom("tell").into(), me.into()]);
    link.send(Control::Send { from: Some(me), to: member, message: tell, token: None });
    let Control::Send { message, .. } = link.control("the leader") else { panic!() };
    assert!(message == Term::tuple([atom("leader").into(), me.into()]));
}

#[test]
fn spawn_requests_cross_when_they_are_offered() {
    if !have_erl() {
        return;
    }
    let mut s = stage(Offer { spawn: true, ..Offer::default() }.flags(), &[]);
    let mut link = s.dial();
    let (me, reference) = (s.me(), s.ours.reference(9));
    let request = krarup::dist::control::SpawnRequest {
        reference,
        from: me,
        leader: me,
        module: atom("erlang"),
        function: atom("exit"),
        arguments: Term::list([Term::from(atom("over"))]),
        options: Term::list([Term::from(atom("monitor"))]),
        token: None,
    };
    link.send(Control::SpawnRequest(Box::new(request)));
    let Control::SpawnReply { reference: r, to, flags, result: Ok(child), .. } = link.control("a reply") else {
        panic!()
    };
    assert_eq!((r, to, flags), (reference, me, krarup::dist::control::SPAWN_MONITORED));
    let down = Control::MonitorExit { from: Target::Pid(child), to: me, reference, reason: atom("over").into() };
    assert_eq!(link.control("a down"), down);
    // Their rpc:call is a spawn request to us.
    let us = s.ours.name.clone();
    s.beam.tell(&format!("rpc:call('{us}', adder, add, [1, 2])."));
    let Control::SpawnRequest(r) = link.control("a request") else { panic!() };
    assert_eq!((r.module, r.function), (atom("erpc"), atom("execute_call")));
    let arguments: Vec<Term> = r.arguments.as_list().expect("a list").iter().cloned().collect();
    let child = s.ours.pid(50);
    let flags = krarup::dist::control::SPAWN_MONITORED;
    link.send(Control::SpawnReply { reference: r.reference, to: r.from, flags, result: Ok(child), token: None });
    let result = Term::tuple([arguments[0].clone(), atom("return").into(), Term::from(3_i64)]);
    link.send(Control::MonitorExit { from: Target::Pid(child), to: r.from, reference: r.reference, reason: result });
    assert_eq!(link.serve_until_answer(&s.beam), "3");
    // Without the flag the node does not even ask.
    let mut s = stage(hidden(), &[]);
    let mut link = s.dial();
    s.beam.tell(&format!("rpc:call('{}', adder, add, [1, 2]).", s.ours.name));
    assert_eq!(link.serve_until_answer(&s.beam), "{badrpc,notsup}");
}

#[test]
fn different_cookies_are_refused_in_both_roles() {
    if !have_erl() {
        return;
    }
    let mut s = stage(hidden(), &[]);
    let stranger = OurNode::start(s.epmd.port, "another", hidden());
    let mut link = stranger.dial(&s.beam.name);
    assert_eq!(link.down(), DownReason::Setup(Refusal::Closed(Step::Ack)));
    s.beam.tell(&format!("net_kernel:connect_node('{}').", stranger.name));
    let mut link = stranger.accept();
    assert_eq!(link.down(), DownReason::Setup(Refusal::Digest { peer: s.beam.name.clone() }));
    drop(link);
    assert_eq!(s.beam.answer(), "false");
    // With the cookie set for this node alone it works.
    s.beam.eval(&format!("erlang:set_cookie('{}', another).", stranger.name));
    let mut link = stranger.dial(&s.beam.name);
    link.up();
}

#[test]
fn a_node_refuses_us_without_mandatory_flags_and_says_so() {
    if !have_erl() {
        return;
    }
    let mut s = stage(hidden(), &[]);
    for lacks in [Flags::BIG_CREATION, Flags::MAP_TAG, Flags::HANDSHAKE_23] {
        s.ours.settings.setup.flags = hidden().without(lacks).without(Flags::MANDATORY_25_DIGEST);
        let mut link = s.ours.dial(&s.beam.name);
        assert_eq!(link.down(), DownReason::Setup(Refusal::NotAllowedByPeer), "{lacks}");
    }
    s.ours.settings.setup.flags = hidden();
    s.beam.eval("net_kernel:allow(['nobody@localhost']).");
    let mut link = s.ours.dial(&s.beam.name);
    assert_eq!(link.down(), DownReason::Setup(Refusal::NotAllowedByPeer));
}

#[test]
fn an_acceptors_verdicts_are_understood() {
    if !have_erl() {
        return;
    }
    let mut s = stage(hidden(), &[]);
    let us = s.ours.name.clone();
    let verdict = |s: &mut Stage, verdict: Verdict| {
        s.beam.tell(&format!("net_kernel:connect_node('{us}')."));
        let mut link = s.ours.accept();
        link.verdict = verdict;
        link
    };
    let mut link = verdict(&mut s, Verdict::NotAllowed);
    assert_eq!(link.down(), DownReason::Setup(Refusal::NotAllowed(s.beam.name.clone())));
    drop(link);
    assert_eq!(s.beam.answer(), "false");
    let cookie = s.ours.cookie.clone();
    let mut link = verdict(&mut s, Verdict::AcceptSimultaneous(cookie.clone()));
    link.up();
    assert_eq!(link.serve_until_answer(&s.beam), "true");
    link.connection.disconnect();
    drop(link);
    s.beam.eval("timer:sleep(200).");
    // We claim a living connection; the node confirms that it wants a new one.
    let mut link = verdict(&mut s, Verdict::Alive(cookie));
    link.up();
    assert!(link.dropped_old);
    assert_eq!(link.serve_until_answer(&s.beam), "true");
}

#[test]
fn a_second_connection_replaces_the_living_one() {
    if !have_erl() {
        return;
    }
    let mut s = stage(hidden(), &[]);
    let mut first = s.dial();
    let mut second = s.ours.dial(&s.beam.name);
    second.up();
    assert_eq!(second.still_wanted, Some(true), "the node said that it had a connection");
    assert_eq!(first.down(), DownReason::Closed);
    s.beam.tell(&format!("net_adm:ping('{}').", s.ours.name));
    assert_eq!(second.serve_until_answer(&s.beam), "pong");
}

#[test]
fn simultaneous_attempts_leave_one_connection() {
    if !have_erl() {
        return;
    }
    let mut s = stage(hidden(), &[]);
    let us = s.ours.name.clone();
    // The node dials us and hears nothing, while we dial it. Its name, "beam...", is below ours, "ours...": it yields.
    s.beam.tell(&format!("net_kernel:connect_node('{us}')."));
    let stalled = s.ours.accept();
    let mut link = s.ours.dial(&s.beam.name);
    let up = link.up();
    assert_eq!(up.name.as_str(), s.beam.name);
    drop(stalled);
    assert_eq!(link.serve_until_answer(&s.beam), "true");
    // A node with a name above ours keeps its own attempt.
    let name = format!("{}@localhost", unique("zbeam"));
    let mut above = Beam::start(&s.home, s.epmd.port, &name, COOKIE, &[]);
    above.tell(&format!("net_kernel:connect_node('{us}')."));
    let mut incoming = s.ours.accept();
    let mut outgoing = s.ours.dial(&name);
    assert_eq!(outgoing.down(), DownReason::Setup(Refusal::NokByPeer));
    incoming.verdict = Verdict::AcceptSimultaneous(s.ours.cookie.clone());
    incoming.up();
    assert_eq!(incoming.serve_until_answer(&above), "true");
}

#[test]
fn a_nameless_node_is_given_a_name_either_way() {
    if !have_erl() {
        return;
    }
    let mut s = stage(hidden(), &[]);
    // We ask a node for a name.
    let nameless = NodeId::new_local(atom("nonode@nohost")).expect("room");
    let mut settings = s.ours.settings.clone();
    settings.home = nameless;
    settings.setup.identity = Identity::Nameless("localhost".into());
    let mut link = s.ours.dial_as(settings, &s.beam.name);
    let (given, creation) = link.up().adopted.expect("given");
    assert!(given.as_str().ends_with("@localhost") && creation != 0);
    nameless.rename(atom(given.as_str()), creation);
    assert_eq!(s.beam.eval("nodes(hidden)."), format!("['{given}']"));
    let me = Pid { node: nameless, number: 1, serial: 0 };
    s.start_echo();
    let envelope = Term::tuple([me.into(), me.into()]);
    link.send(Control::RegSend { from: me, to: atom("echo"), message: envelope, token: None });
    let Control::Send { to, message, .. } = link.control("an echo") else { panic!() };
    assert_eq!((to, message.as_pid()), (me, Some(me)));
    // A node asks us.
    let mut asking = Beam::start(&s.home, s.epmd.port, "undefined@localhost", COOKIE, &[]);
    asking.tell(&format!("net_kernel:connect_node('{}').", s.ours.name));
    let mut link = s.ours.accept();
    let name = NodeName::new("GIVEN1@localhost").expect("a name");
    link.verdict = Verdict::Named(name.clone(), 12_345, s.ours.cookie.clone());
    assert_eq!(link.up().name, name);
    assert_eq!(link.asked.clone().map(|h| h.name), Some(None));
    assert_eq!(link.serve_until_answer(&asking), "true");
    assert_eq!(asking.eval("{node(), erlang:system_info(creation)}."), "{'GIVEN1@localhost',12345}");
}

#[test]
fn ticks_keep_a_quiet_connection_and_silence_ends_it_on_both_sides() {
    if !have_erl() {
        return;
    }
    let mut s = stage(hidden(), &["-kernel", "net_ticktime", "2"]);
    let us = s.ours.name.clone();
    let up = "ok = net_kernel:monitor_nodes(true, [nodedown_reason, {node_type, all}]).";
    s.beam.eval(up);
    s.ours.settings.tick = TickTime { time_ms: 2000, intensity: 4 };
    let mut link = s.dial();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(6) {
        if let Some(event) = link.turn() {
            panic!("{event:?}");
        }
    }
    let c = link.connection.counters();
    assert!(c.messages_in == 0 && c.bytes_in > 40, "only ticks came: {c:?}");
    assert_eq!(s.beam.eval("nodes(hidden)."), format!("[{us}]"));
    // We fall silent.
    let line = format!("receive {{nodedown, '{us}', Info}} -> proplists:get_value(nodedown_reason, Info) end.");
    assert_eq!(s.beam.eval(&line), "net_tick_timeout");
    drop(link);
    // A node that ticks never, to us, is down for us.
    let mut s = stage(hidden(), &["-kernel", "net_ticktime", "60"]);
    s.ours.settings.tick = TickTime { time_ms: 1000, intensity: 4 };
    let mut link = s.dial();
    let start = Instant::now();
    // The node answers our ticks with ticks only each 15 seconds.
    assert_eq!(link.down(), DownReason::TickTimeout);
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn the_end_of_a_node_is_the_end_of_the_connection() {
    if !have_erl() {
        return;
    }
    let mut s = stage(hidden(), &[]);
    let mut link = s.dial();
    s.beam.tell("halt().");
    assert_eq!(link.down(), DownReason::Closed);
    // And ours is for the node: links and monitors end with noconnection.
    let mut s = stage(hidden(), &[]);
    let mut link = s.dial();
    let hello = Term::tuple([atom("pid").into(), s.me().into()]);
    s.beam.eval("register(shell_too, self()).");
    link.send(Control::RegSend { from: s.me(), to: atom("shell_too"), message: hello, token: None });
    let line = "P = receive {pid, Q} -> Q end, process_flag(trap_exit, true), link(P), R = monitor(process, P), ok.";
    s.beam.eval(line);
    assert!(matches!(link.control("a link"), Control::Link { .. }));
    assert!(matches!(link.control("a monitor"), Control::Monitor { .. }));
    drop(link);
    let line = "[receive {'EXIT', P, W} -> W end, receive {'DOWN', R, process, P, W2} -> W2 end].";
    assert_eq!(s.beam.eval(line), "[noconnection,noconnection]");
}

#[test]
fn a_flood_in_both_directions_loses_nothing() {
    if !have_erl() {
        return;
    }
    let mut s = stage(hidden(), &[]);
    s.start_echo();
    let mut link = s.dial();
    let me = s.me();
    // More than the busy limit, in small and in big messages, while answers come back.
    let sizes = [10_usize, 100, 3000, 100_000];
    let message = |i: i64| {
        let label = Term::from(atom(&format!("flood_{}", i % 3000)));
        Term::tuple([Term::from(i), label, Term::binary(vec![i as u8; sizes[i as usize % 4]])])
    };
    let count = 2000_i64;
    let (mut sent, mut heard) = (0, 0);
    let start = Instant::now();
    while heard < count {
        assert!(start.elapsed() < beam::PATIENCE, "{sent} sent, {heard} heard");
        while sent < count && !link.connection.is_busy() {
            let envelope = Term::tuple([me.into(), message(sent)]);
            let c = Control::RegSend { from: me, to: atom("echo"), message: envelope, token: None };
            link.connection.send(Some(me), c).expect("up");
            sent += 1;
        }
        match link.turn() {
            Some(Event::Control(Control::Send { message: m, .. })) => {
                assert!(m == message(heard), "{heard}");
                heard += 1;
            }
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }
}

#[test]
fn fragments_of_many_senders_of_a_node_come_out_whole_and_in_order() {
    if !have_erl() {
        return;
    }
    let mut s = stage(hidden(), &[]);
    let mut link = s.dial();
    s.beam.eval("register(shell_too, self()).");
    let hello = Term::tuple([atom("pid").into(), s.me().into()]);
    link.send(Control::RegSend { from: s.me(), to: atom("shell_too"), message: hello, token: None });
    let sender = "fun() -> [P ! {N, binary:copy(<<N>>, if N rem 3 =:= 0 -> 400000; true -> 9 end)} || N <- lists:seq(0, 20)] end";
    s.beam.tell(&format!("P = receive {{pid, Q}} -> Q end, [spawn({sender}) || _ <- lists:seq(1, 8)], ok."));
    let mut next: std::collections::HashMap<Pid, i64> = std::collections::HashMap::new();
    for _ in 0..8 * 21 {
        let Control::Send { from: Some(from), message, .. } = link.control("a message") else { panic!() };
        let due = next.entry(from).or_default();
        let size = if *due % 3 == 0 { 400_000 } else { 9 };
        assert!(message == Term::tuple([Term::from(*due), Term::binary(vec![*due as u8; size])]), "{due}");
        *due += 1;
    }
    assert_eq!(next.len(), 8);
    assert_eq!(s.beam.answer(), "ok");
}
