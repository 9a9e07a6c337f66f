//! A node of ours in a cluster with a real Erlang node: what its processes see of ours, and ours of its.

#[path = "dist_support/beam.rs"]
mod beam;
#[path = "net_support/cluster.rs"]
mod support;

use beam::{Beam, atom};
use krarup::{AliasMode, Dest, Message, MonitorOptions, Pid, Target, Term};
use support::{Cluster, SOON, echo, eventually, got, local, text};

/// `{Name, 'node@host'}` of a process there.
fn there(name: &str, erl: &Beam) -> Target {
    Target::NameNode(atom(name), atom(&erl.name))
}

/// Spawns a process there that sends us its pid and then does what `body` says.
fn spawn_there(erl: &mut Beam, me: &mut krarup::Attached, body: &str) -> Pid {
    let own = me.self_pid();
    me.send_to(Dest::NameNode(atom("shell"), atom(&erl.name)), own).expect("sent");
    let line = format!(
        "receive Me when is_pid(Me) -> spawn(fun() -> Me ! {{pid, self()}}, {body} end), ok after 15000 -> nothing end"
    );
    assert_eq!(erl.eval("catch register(shell, self()), f."), "f");
    assert_eq!(local(erl, &line), "ok");
    let pid = me
        .receive_match(SOON, |m| m.as_term().as_tuple().is_some_and(|t| t[0] == Term::from(atom("pid"))))
        .expect("the pid")
        .into_term();
    pid.as_tuple().and_then(|t| t[1].as_pid()).expect("a pid")
}

#[test]
fn ping_works_both_ways() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    assert_eq!(erl.eval(&format!("net_adm:ping('{}').", node.name().as_str())), "pong");
    let mut me = node.attach().expect("room");
    // OTP's net_kernel replies to the pid, not to the alias.
    let request = Term::tuple([atom("is_auth").into(), node.name().into()]);
    assert_eq!(me.call(there("net_kernel", &erl), request, SOON), Ok(atom("yes").into()));
}

#[test]
fn messages_go_by_pid_by_name_and_by_alias() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    node.register(atom("echo"), node.spawn(echo).expect("room")).expect("free");
    let name = node.name().as_str();
    let sent = erl.eval(&format!("{{echo, '{name}'}} ! {{self(), [1, \"two\", #{{3 => <<4:3>>}}]}}, sent."));
    assert_eq!(sent, "sent");
    let answer = erl.eval("receive {P, M} -> {node(P), M} after 5000 -> nothing end.");
    assert_eq!(answer, format!("{{{name},[1,\"two\",#{{3 => <<4:3>>}}]}}"));
    assert_eq!(erl.eval("register(shell, self())."), "true");
    node.send(Dest::NameNode(atom("shell"), atom(&erl.name)), atom("hello")).expect("sent");
    assert_eq!(erl.eval("receive hello -> got after 5000 -> nothing end."), "got");
    let mut me = node.attach().expect("room");
    let own = me.self_pid();
    me.send_to(Dest::NameNode(atom("shell"), atom(&erl.name)), own).expect("sent");
    erl.eval("receive Q when is_pid(Q) -> Q ! {self(), alias([reply])} after 5000 -> nothing end.");
    let message = got(&mut me);
    let Some([theirs, alias]) = message.as_tuple() else { panic!("{message:?}") };
    let (theirs, alias) = (theirs.as_pid().expect("a pid"), alias.as_ref().expect("an alias"));
    me.send(theirs, atom("again"));
    assert_eq!(erl.eval("receive again -> got after 5000 -> nothing end."), "got");
    me.send_to(Dest::Alias(alias, theirs), atom("first")).expect("sent");
    me.send_to(Dest::Alias(alias, theirs), atom("second")).expect("sent");
    me.send(theirs, atom("end"));
    assert_eq!(erl.eval("receive X1 -> X1 end, receive X2 -> {X1, X2} after 5000 -> nothing end."), "{first,'end'}");
    // And an alias of ours, which counts once.
    let own_alias = me.alias(AliasMode::Reply);
    me.send(theirs, own_alias);
    erl.eval("receive R when is_reference(R) -> R ! one, R ! two, Q ! three after 5000 -> nothing end.");
    assert_eq!([got(&mut me), got(&mut me)].map(|t| text(&t)), ["one", "three"]);
    // Nobody there, nobody here: silence, and the connection lives.
    me.send_to(Dest::NameNode(atom("nobody"), atom(&erl.name)), atom("hello")).expect("sent");
    erl.eval(&format!("{{nobody, '{name}'}} ! hello."));
    assert_eq!(erl.eval(&format!("net_adm:ping('{name}').")), "pong");
}

#[test]
fn monitors_of_erlang_processes_tell_the_true_reason() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    let mut me = node.attach().expect("room");
    let pid = spawn_there(&mut erl, &mut me, "receive R -> exit({because, R}) end");
    let monitor = me.monitor(pid);
    me.send(pid, 7);
    let down = Term::tuple([Term::from(atom("because")), Term::from(7)]);
    assert_eq!(got(&mut me), down_message("DOWN", monitor, Term::from(pid), down));
    // Dead already.
    let monitor = me.monitor(pid);
    assert_eq!(got(&mut me), down_message("DOWN", monitor, Term::from(pid), atom("noproc").into()));
    // By name, with a tag; the answer repeats the name.
    let options = MonitorOptions { tag: Some(atom("gone").into()), ..MonitorOptions::default() };
    let object = Term::tuple([Term::from(atom("victim")), atom(&erl.name).into()]);
    let monitor = me.monitor_opt(there("victim", &erl), options.clone());
    assert_eq!(got(&mut me), down_message("gone", monitor, object.clone(), atom("noproc").into()));
    let pid = spawn_there(&mut erl, &mut me, "register(victim, self()), Me ! ready, receive R -> exit(R) end");
    assert_eq!(text(&got(&mut me)), "ready");
    let monitor = me.monitor_opt(there("victim", &erl), options);
    me.send(pid, atom("bye"));
    assert_eq!(got(&mut me), down_message("gone", monitor, object, atom("bye").into()));
    // Undone: nothing comes, and there the monitor is gone, too.
    let pid =
        spawn_there(&mut erl, &mut me, "receive {ask, P} -> P ! element(2, process_info(self(), monitored_by)) end");
    let monitor = me.monitor(pid);
    assert!(me.demonitor(monitor));
    let own = me.self_pid();
    me.send(pid, Term::tuple([atom("ask").into(), Term::from(own)]));
    assert_eq!(text(&got(&mut me)), "[]");
}

fn down_message(tag: &str, monitor: krarup::Ref, object: Term, reason: Term) -> Term {
    Term::tuple([atom(tag).into(), monitor.into(), atom("process").into(), object, reason])
}

#[test]
fn monitors_of_our_processes_tell_the_true_reason() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    let name = node.name().as_str();
    let die = |ctx: &mut krarup::Context, m: Message| {
        let _ = ctx;
        Ok(krarup::Next::Stop(m.into_term()))
    };
    let spawned = |label: &str| {
        let pid = node.spawn(die).expect("room");
        node.register(atom(label), pid).expect("free");
    };
    spawned("one");
    assert_eq!(
        erl.eval(&format!("M1 = monitor(process, {{one, '{name}'}}), {{one, '{name}'}} ! {{some, reason}}, ok.")),
        "ok"
    );
    let answer = erl.eval("receive {'DOWN', M1, process, O, R1} -> {O, R1} after 5000 -> nothing end.");
    assert_eq!(answer, format!("{{{{one,{name}}},{{some,reason}}}}"));
    erl.eval(&format!("M2 = monitor(process, {{one, '{name}'}})."));
    let answer = erl.eval("receive {'DOWN', M2, process, O2, R2} -> {O2, R2} after 5000 -> nothing end.");
    assert_eq!(answer, format!("{{{{one,{name}}},noproc}}"));
    // By pid: its echo tells it.
    let pid = node.spawn(echo).expect("room");
    node.register(atom("echo"), pid).expect("free");
    erl.eval(&format!(
        "{{echo, '{name}'}} ! {{self(), hello}}, Pid = receive {{P, hello}} -> P end, M3 = monitor(process, Pid)."
    ));
    assert_eq!(erl.eval("node(Pid) =:= node()."), "false");
    eventually("the monitor", || {
        let info = node.process_info(pid, false, std::time::Duration::from_secs(5)).expect("alive");
        info.monitored_by.len() == 1
    });
    assert_eq!(erl.eval("demonitor(M3), M4 = monitor(process, Pid), exit(Pid, {shot, down}), ok."), "ok");
    let answer = erl.eval("receive {'DOWN', M, process, Pid, R4} -> {M =:= M4, R4} after 5000 -> nothing end.");
    assert_eq!(answer, "{true,{shot,down}}");
    assert_eq!(
        erl.eval("M5 = monitor(process, Pid), receive {'DOWN', M5, process, Pid, R5} -> R5 after 5000 -> no end."),
        "noproc"
    );
}

#[test]
fn links_carry_exits_both_ways() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    let mut me = node.attach().expect("room");
    me.trap_exit(true);
    // Theirs dies.
    let pid = spawn_there(&mut erl, &mut me, "receive R -> exit({because, R}) end");
    me.link(pid).expect("linked");
    me.send(pid, 1);
    assert_eq!(text(&got(&mut me)), format!("{{'EXIT',{:?},{{because,1}}}}", Term::from(pid)));
    // It is dead: a signal, not an error, as for every remote process.
    me.link(pid).expect("no error");
    assert_eq!(text(&got(&mut me)), format!("{{'EXIT',{:?},noproc}}", Term::from(pid)));
    // They link, we die.
    let pid = node.spawn(|_: &mut krarup::Context, m: Message| Ok(krarup::Next::Stop(m.into_term()))).expect("room");
    node.register(atom("mortal"), pid).expect("free");
    let name = node.name().as_str();
    erl.eval("process_flag(trap_exit, true).");
    let target = format!("{{mortal, '{name}'}}");
    // Their pid of ours comes by a monitor's answer only; let them have it by message.
    erl.eval("catch register(shell, self()).");
    node.send(Dest::NameNode(atom("shell"), atom(&erl.name)), pid).expect("sent");
    erl.eval("Ours = receive P1 when is_pid(P1) -> P1 end, link(Ours).");
    erl.eval(&format!("{target} ! {{at, last}}."));
    assert_eq!(erl.eval("receive {'EXIT', Ours, R1} -> R1 after 5000 -> nothing end."), "{at,last}");
    erl.eval("link(Ours).");
    assert_eq!(erl.eval("receive {'EXIT', Ours, R2} -> R2 after 5000 -> nothing end."), "noproc");
    // Unlinked: nothing is heard.
    let pid = spawn_there(&mut erl, &mut me, "receive R -> exit(R) end");
    me.link(pid).expect("linked");
    me.unlink(pid);
    let monitor = me.monitor(pid);
    me.send(pid, atom("over"));
    assert_eq!(got(&mut me), down_message("DOWN", monitor, pid.into(), atom("over").into()));
    assert!(me.receive(Some(50)).is_err());
}

#[test]
fn crossing_links_and_unlinks_leave_both_sides_of_one_mind() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    let mut me = node.attach().expect("room");
    me.trap_exit(true);
    let body = "process_flag(trap_exit, true), \
                Loop = fun Loop() -> receive \
                    link -> link(Me), Loop(); unlink -> unlink(Me), Loop(); \
                    links -> Me ! {links, element(2, process_info(self(), links))}, Loop(); \
                    stop -> exit(stopped) end end, Loop()";
    let pid = spawn_there(&mut erl, &mut me, &body.replace("\\\n", ""));
    let own = me.self_pid();
    for round in 0..200 {
        // Theirs and ours in a random order; the last word is `link` or `unlink` on both sides.
        let words = [round & 1, round >> 1 & 1, round >> 2 & 1];
        for w in words {
            me.send(pid, atom(if w == 1 { "link" } else { "unlink" }));
            if w == 1 {
                me.unlink(pid);
                me.link(pid).expect("linked");
            } else {
                me.link(pid).expect("linked");
                me.unlink(pid);
            }
        }
        // Quiet, then agreed upon: link or unlink from here decides.
        me.send(pid, atom("links"));
        let _ = me.receive_match(SOON, is_links).expect("its links");
        let last = round & 1 == 1;
        if last {
            me.link(pid).expect("linked");
        } else {
            me.unlink(pid);
        }
        me.send(pid, atom("links"));
        let answer = me.receive_match(SOON, is_links).expect("its links").into_term();
        let links = answer.as_tuple().expect("a pair")[1].clone();
        let ours = me.info().expect("alive").links;
        if last {
            assert_eq!(links, Term::list([Term::from(own)]), "round {round}");
            assert_eq!(ours, [pid], "round {round}");
        } else {
            assert_eq!(links, Term::nil(), "round {round}");
            assert_eq!(ours, [], "round {round}");
        }
    }
    me.link(pid).expect("linked");
    me.send(pid, atom("stop"));
    assert_eq!(text(&got(&mut me)), format!("{{'EXIT',{:?},stopped}}", Term::from(pid)));
}

fn is_links(m: &Message) -> bool {
    m.as_term().as_tuple().is_some_and(|t| t[0] == Term::from(atom("links")))
}

#[test]
fn exit_signals_follow_the_rules_of_exit_2() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    let mut me = node.attach().expect("room");
    for (sent, heard) in [("kill", "killed"), ("shutdown", "shutdown")] {
        let pid = spawn_there(&mut erl, &mut me, "receive never -> ok end");
        let monitor = me.monitor(pid);
        me.exit(pid, atom("normal"));
        me.exit(pid, atom(sent));
        assert_eq!(got(&mut me), down_message("DOWN", monitor, pid.into(), atom(heard).into()));
    }
    // Toward ours.
    erl.eval("catch register(shell, self()).");
    for (sent, heard) in [("kill", "killed"), ("shutdown", "shutdown")] {
        let pid = node.spawn(echo).expect("room");
        let monitor = me.monitor(pid);
        node.send(Dest::NameNode(atom("shell"), atom(&erl.name)), pid).expect("sent");
        local(&mut erl, &format!("receive P -> exit(P, normal), exit(P, {sent}) after 5000 -> nothing end"));
        assert_eq!(got(&mut me), down_message("DOWN", monitor, pid.into(), atom(heard).into()));
    }
    // Trapped: it names its sender.
    me.trap_exit(true);
    let own = me.self_pid();
    node.send(Dest::NameNode(atom("shell"), atom(&erl.name)), own).expect("sent");
    erl.eval("receive P9 -> exit(P9, {as, told}) after 5000 -> nothing end.");
    let message = got(&mut me);
    assert!(text(&message).ends_with(",{as,told}}"), "{message:?}");
    assert_eq!(message.as_tuple().expect("an EXIT")[1].as_pid().expect("a pid").node.name().as_str(), erl.name);
}

#[test]
fn group_leaders_are_set_across_nodes() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    let mut me = node.attach().expect("room");
    let own = me.self_pid();
    let body = "receive {ask, P} -> P ! group_leader() end";
    let pid = spawn_there(&mut erl, &mut me, body);
    me.set_group_leader(own, pid);
    me.send(pid, Term::tuple([atom("ask").into(), Term::from(own)]));
    assert_eq!(got(&mut me), Term::from(own));
    // Theirs upon ours.
    node.send(Dest::NameNode(atom("shell"), atom(&erl.name)), own).expect("sent");
    let set =
        "receive P when node(P) =/= node() -> group_leader(self(), P), P ! {leader, self()}, ok after 5000 -> no end";
    assert_eq!(local(&mut erl, set), "ok");
    let leader = got(&mut me).as_tuple().and_then(|t| t[1].as_pid()).expect("a pid");
    assert_eq!(me.group_leader(), Some(leader));
}
