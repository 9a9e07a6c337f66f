//! Names: epmd of the host or our own, cookies, long and short names.

#[path = "dist_support/beam.rs"]
mod beam;
#[path = "net_support/cluster.rs"]
mod support;

use beam::{Beam, Home, RealEpmd, epmd_names, have_erl, unique};
use krarup::{Epmd, Node, NodeBuilder, NodeType};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::Duration;
use support::{COOKIE, Cluster, builder, eventually};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}

fn alive(node: &Node) -> String {
    node.name().as_str().split('@').next().expect("a name").to_owned()
}

#[test]
fn an_epmd_of_our_own_serves_erlang_and_the_next_node_takes_it_over() {
    if !have_erl() {
        return;
    }
    let home = Home::new();
    let port = free_port();
    let first = builder("first", port).start().expect("starts");
    let second = builder("second", port).start().expect("starts");
    let mut erl = Beam::start(&home, port, &format!("{}@localhost", unique("erl")), COOKIE, &[]);
    let names = epmd_names(&home, port);
    for name in [alive(&first), alive(&second), erl.name.split('@').next().expect("a name").to_owned()] {
        assert!(names.contains(&format!("name {name} at port ")), "{names}");
    }
    assert_eq!(erl.eval(&format!("net_adm:ping('{}').", first.name().as_str())), "pong");
    first.connect(&erl.name).expect("up");
    // The server goes with its node; another node notices, serves, and Erlang registers again, too.
    first.stop(Duration::from_secs(5)).expect("stops");
    let name = format!("name {} at port ", alive(&second));
    eventually("the second epmd", || epmd_names(&home, port).contains(&name));
    eventually("that erl is registered again", || {
        epmd_names(&home, port).contains(erl.name.split('@').next().expect("a name"))
    });
    let third = builder("third", port).start().expect("starts");
    third.connect(&erl.name).expect("up");
}

#[test]
fn a_name_that_is_taken_is_refused_and_free_after_its_node() {
    let Some(cluster) = Cluster::start() else { return };
    let node = cluster.node("ours");
    let again = || cluster.builder("x").sname(node.name().as_str());
    let words = again().start().expect_err("taken").to_string();
    assert!(words.contains("registered already"), "{words}");
    let name = node.name().as_str().to_owned();
    node.stop(Duration::from_secs(5)).expect("stops");
    let node = cluster.builder("x").sname(name).start().expect("free");
    drop(node);
    eventually("the end", || !epmd_names(&cluster.home, cluster.epmd.port).contains("name "));
}

#[test]
fn a_registration_survives_the_epmd() {
    if !have_erl() {
        return;
    }
    let home = Home::new();
    let epmd = RealEpmd::start(&home);
    let port = epmd.port;
    let node = builder("ours", port).epmd(Epmd::Use).start().expect("starts");
    drop(epmd);
    let mut again = home.command("epmd", port);
    let mut child = again.args(["-port", &port.to_string(), "-address", "127.0.0.1"]).spawn().expect("epmd");
    eventually("the registration", || epmd_names(&home, port).contains(&alive(&node)));
    child.kill().expect("killed");
    child.wait().expect("dead");
    let words = builder("other", free_port()).epmd(Epmd::Use).start().expect_err("there is none").to_string();
    assert!(words.contains("no epmd answers"), "{words}");
}

#[test]
fn without_epmd_nodes_meet_on_a_fixed_port() {
    if !have_erl() {
        return;
    }
    let home = Home::new();
    let port = free_port();
    let more = ["-erl_epmd_port", &port.to_string()].map(str::to_owned);
    let mut erl = Beam::start(
        &home,
        1,
        &format!("{}@localhost", unique("erl")),
        COOKIE,
        &more.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let b = builder("ours", 1).epmd(Epmd::Without { peers: Some(port) });
    let node = b.start().expect("starts");
    node.connect(&erl.name).expect("up");
    assert_eq!(erl.eval("nodes(hidden)."), format!("[{}]", node.name().as_str()));
    let none = builder("none", 1).epmd(Epmd::Without { peers: None }).start().expect("starts");
    assert!(none.connect(&erl.name).is_err());
}

#[test]
fn long_names_meet_long_names() {
    let Some(cluster) = Cluster::start() else { return };
    let name = format!("{}@127.0.0.1", unique("long"));
    let node = cluster.builder("x").name(name.clone()).start().expect("starts");
    let mut command = cluster.home.command("erl", cluster.epmd.port);
    let other = format!("{}@127.0.0.1", unique("erl"));
    let line = format!("io:format(\"~p\", [net_adm:ping('{name}')]), halt().");
    command.args(["-noshell", "-start_epmd", "false", "-name", &other, "-setcookie", COOKIE, "-eval", &line]);
    command.args(["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]);
    let Output { stdout, .. } = beam::run(command);
    assert_eq!(String::from_utf8_lossy(&stdout), "pong");
    assert!(node.nodes(NodeType::All).len() <= 1);
    let words = cluster.builder("x").name("a@nodot").start().expect_err("short").to_string();
    assert!(words.contains("long names"), "{words}");
    let words = cluster.builder("x").sname("a@b.c").start().expect_err("long").to_string();
    assert!(words.contains("short names"), "{words}");
    let words = Node::builder().sname("x").cookie("").start().expect_err("empty").to_string();
    assert!(words.contains("cookie"), "{words}");
    let words = Node::builder().sname("x@localhost").cookie("c").seeded(1).start().expect_err("seeded").to_string();
    assert!(words.contains("virtual clock"), "{words}");
}

const CHILD: &str = "KRARUP_TEST_COOKIE_CHILD";

/// Not a test of its own: a node without a given cookie, in an OS process with another home.
#[test]
fn child_with_a_home() {
    let Ok(epmd) = std::env::var(CHILD) else { return };
    let b: NodeBuilder = Node::builder().workers(1).sname(format!("{}@localhost", unique("child")));
    let b = b.epmd_port(epmd.parse().expect("a port")).listen_address("127.0.0.1".parse().expect("an address"));
    match b.start() {
        Ok(node) => println!("started {}", node.name().as_str()),
        Err(e) => println!("refused {e}"),
    }
}

#[test]
fn the_cookie_file_is_made_read_and_judged_by_its_mode() {
    let Some(cluster) = Cluster::start() else { return };
    let run = || {
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        child.args(["child_with_a_home", "--exact", "--nocapture"]);
        child.env("HOME", cluster.home.path()).env(CHILD, cluster.epmd.port.to_string());
        String::from_utf8_lossy(&beam::run(child).stdout).into_owned()
    };
    let file = cluster.home.path().join(".erlang.cookie");
    assert!(!file.exists());
    let said = run();
    assert!(said.contains("started "), "{said}");
    let cookie = std::fs::read_to_string(&file).expect("made");
    assert!(cookie.len() == 20 && cookie.bytes().all(|b| b.is_ascii_uppercase()), "{cookie:?}");
    assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o400);
    assert_eq!(std::fs::read_dir(cluster.home.path()).expect("a home").count(), 1, "nothing else is left");
    // Erlang takes it for its own.
    let mut command = cluster.home.command("erl", cluster.epmd.port);
    let line = "io:format(\"~s\", [erlang:get_cookie()]), halt().";
    let name = format!("{}@localhost", unique("erl"));
    command.args(["-noshell", "-start_epmd", "false", "-sname", &name, "-eval", line]);
    assert_eq!(String::from_utf8_lossy(&beam::run(command).stdout), cookie);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("ours");
    let said = run();
    assert!(said.contains("refused ") && said.contains("its mode is 644"), "{said}");
}
