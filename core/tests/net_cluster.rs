//! Nodes that come and go, hide, lie, drown each other or speak nonsense.

#[path = "dist_support/beam.rs"]
mod beam;
#[path = "net_support/cluster.rs"]
mod support;

use beam::{atom, unique};
use krarup::dist::control::Control;
use krarup::dist::flags::{Flags, Offer};
use krarup::{
    Attached, CallError, Code, Context, Dest, Message, MonitorNodes, Next, Node, NodeEvent, NodeType, Target, Term,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Cluster, SOON, builder, echo, eventually, got, local, text};

fn names(nodes: Vec<krarup::Atom>) -> Vec<String> {
    nodes.into_iter().map(|n| n.as_str().to_owned()).collect()
}

/// Events as text, for looking at.
fn log() -> (Arc<Mutex<Vec<String>>>, impl Fn(&NodeEvent) + Send + Sync + 'static) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let hook = log.clone();
    (log, move |e: &NodeEvent| hook.lock().expect("whole").push(e.to_string()))
}

fn node_monitor(node: &Node, options: MonitorNodes) -> Attached {
    let mut me = node.attach().expect("room");
    me.monitor_nodes(true, options).expect("alive");
    me
}

#[test]
fn a_killed_erlang_is_noticed_by_links_monitors_and_node_monitors_within_a_second() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.builder("ours").visible(true).start().expect("starts");
    let mut erl = cluster.beam("erl", &[]);
    let name = erl.name.clone();
    let mut watcher = node_monitor(&node, MonitorNodes::default());
    let mut informed = node_monitor(&node, MonitorNodes { node_type: NodeType::All, info: true });
    let mut me = node.attach().expect("room");
    me.trap_exit(true);
    erl.eval("register(shell, self()).");
    node.connect(&name).expect("up");
    assert_eq!(text(&got(&mut watcher)), format!("{{nodeup,{name}}}"));
    assert_eq!(text(&got(&mut informed)), format!("{{nodeup,{name},[{{node_type,visible}}]}}"));
    let own = me.self_pid();
    me.send_to(Dest::NameNode(atom("shell"), atom(&name)), own).expect("sent");
    assert_eq!(local(&mut erl, "receive P -> P ! self(), ok after 5000 -> nothing end"), "ok");
    let shell = got(&mut me).as_pid().expect("a pid");
    me.link(shell).expect("linked");
    let by_pid = me.monitor(shell);
    let by_name = me.monitor(Target::NameNode(atom("shell"), atom(&name)));
    me.monitor_node(atom(&name), true).expect("alive");
    me.monitor_node(atom(&name), true).expect("alive");
    me.monitor_node(atom(&name), true).expect("alive");
    me.monitor_node(atom(&name), false).expect("alive");
    assert_eq!(local(&mut erl, "timer:sleep(50), ok"), "ok");
    let killed = Instant::now();
    drop(erl);
    let mut all: Vec<String> = (0..5).map(|_| text(&got(&mut me))).collect();
    assert!(killed.elapsed() < Duration::from_secs(1), "it took {:?}", killed.elapsed());
    let mut expected = vec![
        format!("{{'DOWN',{:?},process,{:?},noconnection}}", Term::from(by_pid), Term::from(shell)),
        format!("{{'DOWN',{:?},process,{{shell,{name}}},noconnection}}", Term::from(by_name)),
        format!("{{'EXIT',{:?},noconnection}}", Term::from(shell)),
        format!("{{nodedown,{name}}}"),
        format!("{{nodedown,{name}}}"),
    ];
    assert!(all[3..].iter().all(|m| m.starts_with("{nodedown")), "losses come before the news: {all:?}");
    all.sort();
    expected.sort();
    assert_eq!(all, expected);
    assert!(me.receive(Some(50)).is_err());
    assert_eq!(text(&got(&mut watcher)), format!("{{nodedown,{name}}}"));
    let facts = "[{nodedown_reason,connection_closed},{node_type,visible}]";
    assert_eq!(text(&got(&mut informed)), format!("{{nodedown,{name},{facts}}}"));
    assert!(node.nodes(NodeType::All).is_empty());
    // It is not there any more: at once, and no connection is left half made.
    me.monitor_node(atom(&name), true).expect("alive");
    assert_eq!(text(&got(&mut me)), format!("{{nodedown,{name}}}"));
    let down = me.monitor(shell);
    let object = Term::from(shell);
    assert_eq!(text(&got(&mut me)), format!("{{'DOWN',{:?},process,{object:?},noconnection}}", Term::from(down)));
}

#[test]
fn our_stopping_and_our_disconnecting_are_noticed_there() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.builder("ours").visible(true).start().expect("starts");
    let mut erl = cluster.beam("erl", &[]);
    let name = node.name().as_str();
    erl.eval("net_kernel:monitor_nodes(true), register(shell, self()).");
    node.connect(&erl.name).expect("up");
    assert_eq!(erl.eval("receive {nodeup, N1} -> N1 after 5000 -> nothing end."), name);
    assert!(node.disconnect(&erl.name));
    assert_eq!(erl.eval("receive {nodedown, N2} -> N2 after 5000 -> nothing end."), name);
    eventually("the end here", || node.nodes(NodeType::All).is_empty());
    assert!(!node.disconnect(&erl.name));
    // They disconnect us.
    node.connect(&erl.name).expect("up");
    let mut me = node.attach().expect("room");
    me.monitor_node(atom(&erl.name), true).expect("alive");
    assert_eq!(erl.eval("receive {nodeup, N3} -> erlang:disconnect_node(N3) end."), "true");
    assert_eq!(text(&got(&mut me)), format!("{{nodedown,{}}}", erl.name));
    assert_eq!(erl.eval("receive {nodedown, N4} -> N4 after 5000 -> nothing end."), name);
    node.connect(&erl.name).expect("up");
    assert_eq!(erl.eval("receive {nodeup, N5} -> N5 after 5000 -> nothing end."), name);
    drop(me);
    // What was said before the stop arrives before the end.
    node.send(Dest::NameNode(atom("shell"), atom(&erl.name)), atom("last")).expect("sent");
    node.stop(Duration::from_secs(5)).expect("stops");
    assert_eq!(erl.eval("receive last -> got after 5000 -> nothing end."), "got");
    assert_eq!(erl.eval("receive {nodedown, N6} -> N6 after 1000 -> nothing end."), name);
}

#[test]
fn a_node_hides_unless_it_is_asked_to_show() {
    let Some(cluster) = Cluster::start() else { return };
    let hidden = cluster.node("hidden");
    let visible = cluster.builder("visible").visible(true).start().expect("starts");
    let mut erl = cluster.beam("erl", &[]);
    hidden.connect(&erl.name).expect("up");
    visible.connect(&erl.name).expect("up");
    let (h, v) = (hidden.name().as_str(), visible.name().as_str());
    assert_eq!(erl.eval("nodes()."), format!("[{v}]"));
    assert_eq!(erl.eval("nodes(hidden)."), format!("[{h}]"));
    assert_eq!(names(hidden.nodes(NodeType::Visible)), [""; 0]);
    assert_eq!(names(hidden.nodes(NodeType::Hidden)), [erl.name.as_str()]);
    assert_eq!(names(visible.nodes(NodeType::Visible)), [erl.name.as_str()]);
    assert_eq!(names(visible.nodes(NodeType::All)), [erl.name.as_str()]);
    // A hidden Erlang is hidden to a visible node of ours, too.
    let quiet = cluster.beam("quiet", &["-hidden"]);
    visible.connect(&quiet.name).expect("up");
    assert_eq!(names(visible.nodes(NodeType::Hidden)), [quiet.name.as_str()]);
}

#[test]
fn another_cookie_is_refused_in_words_both_ways() {
    let Some(cluster) = Cluster::start() else { return };
    let (events, hook) = log();
    let node = cluster.builder("ours").cookie("another").on_event(hook).start().expect("starts");
    let mut erl = cluster.beam("erl", &[]);
    let words = node.connect(&erl.name).expect_err("refused").to_string();
    assert!(words.contains("cookie"), "{words}");
    assert_eq!(erl.eval(&format!("net_adm:ping('{}').", node.name().as_str())), "pang");
    eventually("the report", || {
        let events = events.lock().expect("whole");
        let about = format!("{} has another cookie", erl.name);
        events.iter().any(|e| e.starts_with("refused a connection from 127.0.0.1:") && e.ends_with(&about))
    });
    let mut me = node.attach().expect("room");
    let monitor = me.monitor(Target::NameNode(atom("net_kernel"), atom(&erl.name)));
    let object = format!("{{net_kernel,{}}}", erl.name);
    assert_eq!(text(&got(&mut me)), format!("{{'DOWN',{:?},process,{object},noconnection}}", Term::from(monitor)));
}

#[test]
fn nodes_that_cannot_be_reached_are_refused_in_words() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let words = |name: &str| node.connect(name).expect_err("refused").to_string();
    assert!(words("nosuchnode@localhost").contains("knows no node \"nosuchnode\""));
    assert!(words("noname").contains("alive@host"));
    assert!(words("a@b.c").contains("short names"));
    assert!(words("a@no-such-host-anywhere").contains("does not resolve"));
    assert_eq!(node.connect(node.name().as_str()).map_err(|e| e.to_string()), Ok(()));
    let local = Node::builder().workers(1).start().expect("starts");
    assert!(local.connect("a@localhost").expect_err("refused").to_string().contains("has no name"));
}

#[test]
fn a_node_that_comes_back_is_another_one() {
    let Some(cluster) = Cluster::start() else { return };
    let name = format!("{}@localhost", unique("again"));
    let start = || cluster.builder("x").sname(name.clone()).start().expect("starts");
    let mut erl = cluster.beam("erl", &[]);
    let old = start();
    let pid = old.spawn(echo).expect("room");
    old.register(atom("echo"), pid).expect("free");
    erl.eval(&format!(
        "{{echo, '{name}'}} ! {{self(), one}}, Old = receive {{P1, one}} -> P1 after 5000 -> nothing end."
    ));
    assert_eq!(erl.eval("is_pid(Old)."), "true");
    old.stop(Duration::from_secs(5)).expect("stops");
    let new = start();
    // The same place in the table, another life.
    let pid = new.spawn(echo).expect("room");
    new.register(atom("echo"), pid).expect("free");
    erl.eval(&format!(
        "{{echo, '{name}'}} ! {{self(), two}}, New = receive {{P2, two}} -> P2 after 5000 -> nothing end."
    ));
    assert_eq!(erl.eval("{is_pid(New), Old =:= New, node(Old) =:= node(New)}."), "{true,false,true}");
    assert_eq!(
        local(&mut erl, "M = monitor(process, Old), receive {'DOWN', M, _, _, R} -> R after 5000 -> no end"),
        "noproc"
    );
    assert_eq!(
        local(&mut erl, "process_flag(trap_exit, true), link(Old), receive {'EXIT', Old, R} -> R after 5000 -> no end"),
        "noproc"
    );
    assert_eq!(local(&mut erl, "Old ! {self(), three}, receive X -> X after 100 -> nothing end"), "nothing");
    assert_eq!(local(&mut erl, "New ! {self(), four}, receive {New, X} -> X after 5000 -> nothing end"), "four");
}

#[test]
fn ten_thousand_messages_arrive_in_order_each_way() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let mut erl = cluster.beam("erl", &[]);
    erl.eval("register(shell, self()).");
    let target = Dest::NameNode(atom("shell"), atom(&erl.name));
    let sender = Code::future(move |mut ctx| async move {
        for i in 0..10_000 {
            ctx.send_to(target, Term::from(i))?;
            ctx.checkpoint().await;
        }
        Ok(())
    });
    node.spawn(sender).expect("room");
    let all = "[receive N when is_integer(N) -> N after 15000 -> nothing end || _ <- lists:seq(1, 10000)]";
    assert_eq!(local(&mut erl, &format!("{all} =:= lists:seq(0, 9999)")), "true");
    let mut me = node.attach().expect("room");
    node.register(atom("me"), me.self_pid()).expect("free");
    let send = format!("[{{me, '{}'}} ! N || N <- lists:seq(0, 9999)], done", node.name().as_str());
    assert_eq!(local(&mut erl, &send), "done");
    for i in 0..10_000 {
        assert_eq!(got(&mut me), Term::from(i));
    }
    // Large ones are cut, and overtaken by nobody of the same sender.
    let big = Term::binary(vec![7_u8; 300_000]);
    for i in 0..20 {
        me.send_to(target, Term::tuple([Term::from(i), big.clone()])).expect("sent");
        me.send_to(target, Term::from(i)).expect("sent");
    }
    let order = "lists:append([receive {I, B} when byte_size(B) =:= 300000 -> [I] after 15000 -> [no] end ++ \
                 receive J when is_integer(J) -> [J] after 15000 -> [no] end || _ <- lists:seq(1, 20)])";
    let expected: Vec<String> = (0..20).flat_map(|i| [i.to_string(), i.to_string()]).collect();
    assert_eq!(local(&mut erl, order), format!("[{}]", expected.join(",")));
}

#[test]
fn a_sender_is_suspended_while_its_peer_does_not_read_and_the_queue_has_an_end() {
    let Some(cluster) = Cluster::start() else { return };
    let (events, hook) = log();
    let node = cluster.builder("ours").dist_buffer(64 << 10, 64 << 20).on_event(hook).start().expect("starts");
    let mut erl = cluster.beam("erl", &[]);
    erl.eval("register(shell, self()).");
    node.connect(&erl.name).expect("up");
    let target = Dest::NameNode(atom("shell"), atom(&erl.name));
    let os_pid = erl.eval("list_to_integer(os:getpid()).");
    let kill = |signal: &str| {
        let done = std::process::Command::new("kill").args([signal, &os_pid]).status().expect("kill");
        assert!(done.success());
    };
    kill("-STOP");
    let (tell, told) = channel();
    let sender = Code::future(move |mut ctx| async move {
        let chunk = Term::binary(vec![1_u8; 64 << 10]);
        for i in 0..400 {
            ctx.send_to(target, Term::tuple([Term::from(i), chunk.clone()]))?;
            let _ = tell.send(i);
            ctx.yield_now().await;
        }
        Ok(())
    });
    let pid = node.spawn(sender).expect("room");
    eventually("the suspension", || node.process_info(pid, false, Duration::from_secs(5)).expect("alive").suspended);
    let sent = told.try_iter().count();
    assert!(sent < 399, "it was never stopped");
    // A suspended process can be killed, and one that is not goes on when there is room.
    kill("-CONT");
    assert_eq!(
        local(&mut erl, "[receive {I, _} -> I after 15000 -> no end || _ <- lists:seq(0, 399)] =:= lists:seq(0, 399)"),
        "true"
    );
    eventually("its end", || !node.is_alive(pid));
    // Whoever cannot be suspended runs into the limit.
    kill("-STOP");
    let mut me = node.attach().expect("room");
    me.monitor_node(atom(&erl.name), true).expect("alive");
    let chunk = Term::binary(vec![1_u8; 1 << 20]);
    for _ in 0..80 {
        me.send_to(target, chunk.clone()).expect("sent");
    }
    assert_eq!(text(&got(&mut me)), format!("{{nodedown,{}}}", erl.name));
    kill("-CONT");
    let said = format!("disconnecting {}: too much waits to be sent to it", erl.name);
    assert!(events.lock().expect("whole").contains(&said));
}

#[test]
fn nonsense_on_the_listener_costs_only_itself() {
    let Some(cluster) = Cluster::start() else { return };
    let (events, hook) = log();
    let b = cluster.builder("ours").max_handshakes(8).net_setuptime_ms(500).on_event(hook);
    let node = b.start().expect("starts");
    let mut erl = cluster.beam("erl", &[]);
    let name = node.name().as_str();
    let port: u16 = {
        let line = beam::epmd_names(&cluster.home, cluster.epmd.port);
        let alive = name.split('@').next().expect("a name");
        let at = line.lines().find(|l| l.contains(alive)).expect("registered");
        at.rsplit(' ').next().and_then(|p| p.parse().ok()).expect("a port")
    };
    let open = || TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let seed = krarup::base::random::Random::from_os().next_u64();
    println!("seed {seed}");
    let mut random = krarup::base::random::Random::seeded(seed);
    let mut nonsense: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![],
        vec![0, 0],
        vec![0xff; 70_000],
        b"\0\x01N".to_vec(),
        b"\0\x07n\0\x05\0\0\0\0".to_vec(),
        // A name that is none, and our own.
        [&b"\0\x12N\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x04\0\x03a@b"[..]].concat(),
    ];
    for _ in 0..20 {
        let length = (random.next_u64() % 300) as usize;
        nonsense.push((0..length).map(|_| random.next_u64() as u8).collect());
    }
    for bytes in &nonsense {
        let mut s = open();
        s.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        let _ = s.write_all(bytes);
        let _ = s.shutdown(std::net::Shutdown::Write);
        // Closed from there, with or without a word.
        let _ = s.read_to_end(&mut Vec::new());
    }
    // Many that say nothing: no more than the limit wait, and all are gone after the setup time.
    let idle: Vec<TcpStream> = (0..40).map(|_| open()).collect();
    eventually("the limit", || events.lock().expect("whole").iter().any(|e| e.contains("too many handshakes")));
    eventually("the timeout", || events.lock().expect("whole").iter().any(|e| e.contains("no progress in time")));
    drop(idle);
    eventually("room", || local(&mut erl, &format!("net_adm:ping('{name}')")) == "pong");
    assert_eq!(names(node.nodes(NodeType::All)), [erl.name.as_str()]);
}

/// A peer that has the cookie and breaks the protocol afterwards loses its connection and nothing else.
#[test]
fn a_peer_that_breaks_the_protocol_is_disconnected_with_a_report() {
    let Some(cluster) = Cluster::start() else { return };
    let (events, hook) = log();
    let node = cluster.builder("ours").on_event(hook).start().expect("starts");
    let mut erl = cluster.beam("erl", &[]);
    node.connect(&erl.name).expect("up");
    let flags = Offer::default().flags();
    let rogue = beam::OurNode::start(cluster.epmd.port, support::COOKIE, flags);
    let mut link = rogue.dial(node.name().as_str());
    link.up();
    eventually("the rogue", || node.nodes(NodeType::All).len() == 2);
    let mut me = node.attach().expect("room");
    me.monitor_node(atom(rogue.name.as_str()), true).expect("alive");
    link.raw(b"\0\0\0\x03\x83\x44\0\xff\xff\xff\xff\xff\xff\xff\xff");
    assert_eq!(text(&got(&mut me)), format!("{{nodedown,{}}}", rogue.name));
    eventually("the report", || events.lock().expect("whole").iter().any(|e| e.contains("broke the protocol")));
    assert_eq!(local(&mut erl, &format!("net_adm:ping('{}')", node.name().as_str())), "pong");
}

/// A peer of another make, without monitors, aliases and acknowledged unlinks.
#[test]
fn what_a_peer_cannot_be_told_is_answered_here() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let lacks = Flags::UNLINK_ID | Flags::DIST_MONITOR | Flags::ALIAS;
    let simple = beam::OurNode::start(cluster.epmd.port, support::COOKIE, Offer::default().flags().without(lacks));
    let mut link = simple.dial(node.name().as_str());
    link.up();
    let mut me = node.attach().expect("room");
    me.trap_exit(true);
    let (own, there) = (me.self_pid(), simple.pid(7));
    let monitor = me.monitor(there);
    let object = Term::from(there);
    assert_eq!(text(&got(&mut me)), format!("{{'DOWN',{:?},process,{object:?},noconnection}}", Term::from(monitor)));
    let down = Term::tuple([atom("nodedown").into(), Term::from(atom(simple.name.as_str()))]);
    assert_eq!(me.call(there, atom("x"), SOON), Err(CallError::Exit(down)));
    // Lost, as in OTP.
    me.send_to(Dest::Alias(simple.reference(1), there), atom("x")).expect("sent");
    me.link(there).expect("linked");
    assert_eq!(link.control("a link"), Control::Link { from: own, to: there });
    me.unlink(there);
    assert_eq!(link.control("an unlink"), Control::Unlink { from: own, to: there, id: None });
    me.link(there).expect("linked");
    assert_eq!(link.control("a link"), Control::Link { from: own, to: there });
    assert_eq!(me.info().expect("alive").links, [there]);
    // Its own unlink needs no acknowledgement, and gets none.
    link.send(Control::Unlink { from: there, to: own, id: None });
    eventually("the unlink", || me.info().expect("alive").links.is_empty());
    me.link(there).expect("linked");
    assert_eq!(link.control("a link"), Control::Link { from: own, to: there });
    link.send(Control::Exit { from: there, to: own, reason: atom("bye").into(), token: None });
    assert_eq!(text(&got(&mut me)), format!("{{'EXIT',{object:?},bye}}"));
    // The connection's end is heard by those who are linked then.
    me.link(there).expect("linked");
    link.control("a link");
    drop(link);
    assert_eq!(text(&got(&mut me)), format!("{{'EXIT',{object:?},noconnection}}"));
}

#[test]
fn a_term_that_cannot_leave_is_dropped_with_a_report() {
    let Some(cluster) = Cluster::start() else { return };
    let (events, hook) = log();
    let node = cluster.builder("ours").on_event(hook).start().expect("starts");
    let mut erl = cluster.beam("erl", &[]);
    erl.eval("register(shell, self()).");
    node.connect(&erl.name).expect("up");
    let target = Dest::NameNode(atom("shell"), atom(&erl.name));
    let secret = Term::resource(krarup::term::Resource::new(atom("secret"), Arc::new(7_u64), node.id()));
    node.send(target, Term::tuple([atom("secret").into(), secret])).expect("sent");
    node.send(target, atom("next")).expect("sent");
    assert_eq!(local(&mut erl, "receive X -> X after 5000 -> nothing end"), "next");
    eventually("the report", || {
        events.lock().expect("whole").iter().any(|e| e.starts_with(&format!("dropped a message to {}", erl.name)))
    });
}

#[test]
fn two_nodes_of_one_os_process_speak_over_the_network() {
    let Some(cluster) = Cluster::start() else { return };
    let (a, b) = (cluster.node("a"), cluster.builder("b").visible(true).start().expect("starts"));
    two_nodes(&a, &b, b.name().as_str());
    assert_eq!(names(a.nodes(NodeType::Hidden)), [b.name().as_str()]);
}

fn two_nodes(a: &Node, b: &Node, name: &str) {
    let echoes = b.spawn(echo).expect("room");
    b.register(atom("echo"), echoes).expect("free");
    let mut me = a.attach().expect("room");
    me.trap_exit(true);
    let own = me.self_pid();
    let hello = Term::tuple([Term::from(own), atom("hello").into()]);
    me.send_to(Dest::NameNode(atom("echo"), atom(name)), hello).expect("sent");
    let answer = got(&mut me);
    let there = answer.as_tuple().and_then(|t| t[0].as_pid()).expect("a pid");
    assert_eq!(there, echoes, "pids of one OS process are one");
    me.link(there).expect("linked");
    let monitor = me.monitor(there);
    me.exit(there, atom("enough"));
    let mut both = [text(&got(&mut me)), text(&got(&mut me))];
    both.sort();
    let object = Term::from(there);
    assert_eq!(both[0], format!("{{'DOWN',{:?},process,{object:?},enough}}", Term::from(monitor)));
    assert_eq!(both[1], format!("{{'EXIT',{object:?},enough}}"));
}

const CHILD: &str = "KRARUP_TEST_CHILD";

/// Not a test of its own: the other OS process of the next.
#[test]
fn child_node() {
    let Ok(arguments) = std::env::var(CHILD) else { return };
    let (name, port) = arguments.split_once(' ').expect("two words");
    let node = builder("x", port.parse().expect("a port")).sname(name).start().expect("starts");
    node.register(atom("echo"), node.spawn(echo).expect("room")).expect("free");
    println!("ready");
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
}

#[test]
fn two_os_processes_speak_and_the_death_of_one_is_noticed() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let name = format!("{}@localhost", unique("child"));
    let mut child = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["child_node", "--exact", "--nocapture"])
        .env(CHILD, format!("{name} {}", cluster.epmd.port))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it runs");
    eventually("the other node", || node.connect(&name).is_ok());
    let mut me = node.attach().expect("room");
    let own = me.self_pid();
    let target = Dest::NameNode(atom("echo"), atom(&name));
    eventually("its echo", || {
        me.send_to(target, Term::tuple([Term::from(own), atom("hello").into()])).expect("sent");
        me.receive(Some(100)).is_ok()
    });
    let monitor = me.monitor(Target::NameNode(atom("echo"), atom(&name)));
    me.receive_match(Some(50), |m| matches!(m, Message::Down(_))).expect_err("it lives");
    let killed = Instant::now();
    child.kill().expect("killed");
    child.wait().expect("dead");
    let down = me.receive_match(SOON, |m| matches!(m, Message::Down(_))).expect("noticed").into_term();
    assert!(killed.elapsed() < Duration::from_secs(1));
    let reference = Term::from(monitor);
    assert_eq!(text(&down), format!("{{'DOWN',{reference:?},process,{{echo,{name}}},noconnection}}"));
}

/// Both dial at the same moment, again and again: one connection comes of it and nothing is lost.
#[test]
fn simultaneous_dials_make_one_connection_and_lose_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    for round in 0..20 {
        let (a, b) = (cluster.node("a"), cluster.node("b"));
        let collect = |node: &Node| -> Receiver<i64> {
            let (tell, told) = channel();
            let count = move |_: &mut Context, m: Message| {
                let _ = tell.send(m.into_term().as_i64().unwrap_or(-1));
                Ok(Next::Continue)
            };
            node.register(atom("count"), node.spawn(count).expect("room")).expect("free");
            told
        };
        let (at_a, at_b) = (collect(&a), collect(&b));
        std::thread::scope(|s| {
            for (from, to) in [(&a, &b), (&b, &a)] {
                s.spawn(move || {
                    let mut me = from.attach().expect("room");
                    for i in 0..50 {
                        me.send_to(Dest::NameNode(atom("count"), to.name()), Term::from(i)).expect("sent");
                    }
                });
            }
        });
        for told in [at_a, at_b] {
            let all: Vec<i64> =
                (0..50).map(|_| told.recv_timeout(Duration::from_secs(15)).expect("all come")).collect();
            assert_eq!(all, (0..50).collect::<Vec<_>>(), "round {round}");
        }
        assert_eq!((a.nodes(NodeType::All).len(), b.nodes(NodeType::All).len()), (1, 1));
    }
}
