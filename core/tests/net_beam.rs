//! A node of ours in a cluster with a real Erlang node.

#[path = "dist_support/beam.rs"]
mod beam;
#[path = "net_support/cluster.rs"]
mod support;

use beam::atom;
use krarup::{Dest, Term};
use support::{Cluster, echo, text};

#[test]
fn ping_works_both_ways() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    assert_eq!(erl.eval(&format!("net_adm:ping('{}').", node.name().as_str())), "pong");
    let mut me = node.attach().expect("room");
    let (name, kernel) = (erl.name.clone(), atom("net_kernel"));
    let request = Term::tuple([atom("is_auth").into(), node.name().into()]);
    let answer = me.call(krarup::Target::NameNode(kernel, atom(&name)), request, Some(5000));
    assert_eq!(answer, Ok(atom("yes").into()));
}

#[test]
fn messages_go_by_pid_and_by_name() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    node.register(atom("echo"), node.spawn(echo).expect("room")).expect("free");
    // By name; the answer comes by pid.
    let name = node.name().as_str();
    assert_eq!(
        erl.eval(&format!("{{echo, '{name}'}} ! {{self(), [1, \"two\", #{{3 => <<4:3>>}}]}}.")).is_empty(),
        false
    );
    assert_eq!(
        erl.eval("receive {P, M} -> {node(P), M} after 5000 -> nothing end."),
        format!("{{{name},[1,\"two\",#{{3 => <<4:3>>}}]}}")
    );
    // Ours to theirs, by name, before anything is connected from here.
    assert_eq!(erl.eval("register(shell, self())."), "true");
    node.send(Dest::NameNode(atom("shell"), atom(&erl.name)), atom("hello")).expect("sent");
    assert_eq!(erl.eval("receive hello -> got after 5000 -> nothing end."), "got");
    let mut me = node.attach().expect("room");
    let own = me.self_pid();
    me.send_to(Dest::NameNode(atom("shell"), atom(&erl.name)), own).expect("sent");
    assert_eq!(
        erl.eval("receive Q when is_pid(Q) -> Q ! {self(), answer} after 5000 -> nothing end.").contains("answer"),
        true
    );
    let got = me.receive(Some(5000)).expect("a message").into_term();
    let theirs = got.as_tuple().and_then(|t| t[0].as_pid()).expect("{Pid, answer}");
    me.send(theirs, atom("again"));
    assert_eq!(erl.eval("receive again -> got after 5000 -> nothing end."), "got");
    let _ = text(&got);
}
