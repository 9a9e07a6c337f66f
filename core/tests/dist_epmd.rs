//! epmd both ways: our client against Debian's daemon, our server against real nodes, `epmd -names`, and raw bytes.

#[path = "dist_support/beam.rs"]
mod beam;

use beam::{Beam, Home, OurEpmd, RealEpmd, epmd_names, have_erl, query, register, run, unique};
use krarup::dist::epmd::client::Answer;
use krarup::dist::epmd::{NodeType, Registration, Request};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..300 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what}");
}

/// Sends bytes and reads until the other side closes or falls silent; the flag says that it closed.
fn raw(port: u16, bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut s = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    s.set_read_timeout(Some(Duration::from_millis(500))).expect("a socket");
    s.write_all(bytes).expect("it reads");
    let mut out = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match s.read(&mut buffer) {
            Ok(0) => return (out, true),
            Ok(n) => out.extend(&buffer[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return (out, false),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return (out, true),
            Err(e) => panic!("{e}"),
        }
    }
}

#[test]
fn our_client_registers_with_the_real_daemon_and_looks_nodes_up() {
    if !have_erl() {
        return;
    }
    let home = Home::new();
    let epmd = RealEpmd::start(&home);
    let name = unique("client");
    let node = Registration { extra: b"\0x\0".to_vec(), ..Registration::new(&name, 4711, NodeType::Hidden) };
    let registered = register(epmd.port, node.clone());
    let first = registered.registrar.creation().expect("a creation");
    assert!(first > 3);
    assert!(epmd_names(&home, epmd.port).contains(&format!("name {name} at port 4711")));
    let ask = || query(epmd.port, Request::PortPlease2(name.clone().into()));
    assert_eq!(ask(), Answer::Port(Some(node.clone())));
    let names = query(epmd.port, Request::Names);
    assert_eq!(names, Answer::Names { epmd_port: epmd.port.into(), nodes: vec![(name.clone(), 4711)] });
    // The registration lives as long as its connection, and a new one has another creation.
    drop(registered);
    eventually("the name is freed", || ask() == Answer::Port(None));
    let again = register(epmd.port, node);
    assert_ne!(again.registrar.creation(), Some(first));
}

#[test]
fn our_server_serves_real_nodes_and_the_epmd_program() {
    if !have_erl() {
        return;
    }
    let home = Home::new();
    let epmd = OurEpmd::start(false);
    let (a, b) = (unique("a"), unique("b"));
    let mut first = Beam::start(&home, epmd.port, &format!("{a}@localhost"), "c", &[]);
    let mut second = Beam::start(&home, epmd.port, &format!("{b}@localhost"), "c", &["-hidden"]);
    let listed = epmd_names(&home, epmd.port);
    assert!(listed.contains(&format!("epmd: up and running on port {} with data:", epmd.port)), "{listed}");
    assert!(listed.contains(&format!("name {a} at port ")), "{listed}");
    let names = first.eval("{ok, Names} = erl_epmd:names(\"localhost\"), lists:sort([N || {N, _} <- Names]).");
    assert_eq!(names, format!("[\"{a}\",\"{b}\"]"));
    // They find each other by it.
    assert_eq!(first.eval(&format!("net_adm:ping('{b}@localhost').")), "pong");
    assert_eq!(second.eval("nodes(hidden)."), format!("[{a}@localhost]"));
    let types = [&a, &b].map(|n| match query(epmd.port, Request::PortPlease2(n.as_bytes().to_vec())) {
        Answer::Port(Some(r)) => (r.node_type, r.highest, r.lowest),
        other => panic!("{other:?}"),
    });
    // OTP's nodes register as visible even when they are hidden.
    assert_eq!(types, [(NodeType::Visible, 6, 5); 2]);
    // A name that is taken keeps a second node of that name from starting.
    let mut command = home.command("erl", epmd.port);
    command.args(["-noshell", "-start_epmd", "false", "-sname", &format!("{a}@localhost"), "-eval", "halt(0)."]);
    let refused = run(command);
    assert!(!refused.status.success());
    // Names are freed when their nodes end.
    drop(first);
    eventually("the name is freed", || !epmd_names(&home, epmd.port).contains(&format!("name {a} at")));
    assert_eq!(second.eval("{ok, [{N, _}]} = erl_epmd:names(\"localhost\"), N."), format!("\"{b}\""));
    // Killing is refused while nodes live.
    let kill = |port: u16| {
        let mut command = home.command("epmd", port);
        command.args(["-port", &port.to_string(), "-kill"]);
        String::from_utf8_lossy(&run(command).stdout).into_owned()
    };
    assert!(kill(epmd.port).contains("Killing not allowed"), "as epmd itself says");
    assert!(!epmd.has_ended());
    drop(second);
    eventually("the registry is empty", || !epmd_names(&home, epmd.port).contains("name "));
    assert!(kill(epmd.port).contains("Killed"));
    eventually("it ends", || epmd.has_ended());
}

/// What OTP's own suite asks of epmd, over raw sockets: each of the two servers gives the same answers.
#[test]
fn raw_requests_are_answered_as_the_real_daemon_answers_them() {
    let ours = OurEpmd::start(false);
    raw_requests(ours.port);
    if have_erl() {
        let home = Home::new();
        let real = RealEpmd::start(&home);
        raw_requests(real.port);
    }
}

fn alive(name: &[u8], highest: u16, extra: &[u8]) -> Vec<u8> {
    let mut body = vec![120, 0x15, 0xb3, 77, 0];
    body.extend(highest.to_be_bytes());
    body.extend([0, 5]);
    body.extend((name.len() as u16).to_be_bytes());
    body.extend(name);
    body.extend((extra.len() as u16).to_be_bytes());
    body.extend(extra);
    packet(&body)
}

fn packet(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u16).to_be_bytes()[..], body].concat()
}

fn raw_requests(port: u16) {
    let port_of = |name: &str| raw(port, &packet(&[b"z", name.as_bytes()].concat())).0;
    // A registration that stays.
    let mut kept = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    kept.write_all(&alive(b"kept", 6, b"a\0b\0")).expect("it reads");
    let mut answer = [0; 6];
    kept.read_exact(&mut answer).expect("it answers");
    assert_eq!(answer[..2], [118, 0]);
    assert_eq!(port_of("kept"), b"w\0\x15\xb3M\0\0\x06\0\x05\0\x04kept\0\x04a\0b\0");
    // A duplicate, in the form its version reads; it does not disturb the first.
    assert_eq!(raw(port, &alive(b"kept", 6, b"")).0, b"v\x01\0\0\0c");
    assert_eq!(raw(port, &alive(b"kept", 5, b"")).0, b"y\x01\0c");
    assert_eq!(port_of("kept")[..2], *b"w\0");
    assert_eq!(port_of("unknown"), b"w\x01");
    // Old nodes get short creations.
    let (short, _) = raw(port, &alive(b"old", 5, b""));
    assert!(matches!(short[..], [121, 0, 0, 1..=3]), "{short:?}");
    // Names: longest, too long, in every script, not text at all.
    assert_eq!(raw(port, &alive("å".repeat(255).as_bytes(), 6, b"")).0[..2], [118, 0]);
    assert_eq!(raw(port, &alive("å".repeat(256).as_bytes(), 6, b"")).0, b"v\x01\0\0\0c");
    assert_eq!(raw(port, &alive(b"\xff", 6, b"")).0, b"v\x01\0\0\0c");
    assert_eq!(raw(port, &alive(b"x", 6, &[1; 1020])).0[..2], [118, 0]);
    assert_eq!(raw(port, &alive(b"x", 6, &[1; 1021])).0, b"v\x01\0\0\0c");
    // Closed without an answer.
    let whole = alive(b"abc", 6, b"");
    let too_short = packet(&whole[2..whole.len() - 2]);
    let mut lying = whole.clone();
    lying[12] = 200;
    let silent: [&[u8]; 10] = [
        b"\0\0",
        b"\0\x01q",
        b"\0\x01x",
        b"\0\x01z",
        b"\0\x05zke\0p",
        &too_short,
        &lying,
        &alive(b"a\0b", 6, b""),
        &alive(b"", 6, b""),
        b"\0\x05skept",
    ];
    for bytes in silent {
        assert_eq!(raw(port, bytes), (Vec::new(), true), "{bytes:?}");
    }
    // A second request behind the first closes the connection.
    assert_eq!(raw(port, b"\0\x01n\0\x01n"), (Vec::new(), true));
    // Byte by byte.
    let mut slow = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    for b in packet(b"zkept") {
        slow.write_all(&[b]).expect("it reads");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).expect("it answers");
    assert_eq!(answer[..2], *b"w\0");
    assert_eq!(raw(port, b"\0\x01k"), (b"NO".to_vec(), true));
    let (names, closed) = raw(port, b"\0\x01n");
    assert!(closed && names.ends_with(b"name kept at port 5555\n"));
    assert_eq!(names[..4], u32::from(port).to_be_bytes());
    // The name is free when its connection is gone.
    drop(kept);
    eventually("the name is freed", || port_of("kept") == b"w\x01");
}

#[test]
fn a_relaxed_server_stops_names_and_itself() {
    let epmd = OurEpmd::start(true);
    let mut kept = TcpStream::connect(("127.0.0.1", epmd.port)).expect("it listens");
    kept.write_all(&alive(b"kept", 6, b"")).expect("it reads");
    kept.read_exact(&mut [0; 6]).expect("it answers");
    assert_eq!(raw(epmd.port, b"\0\x06sother"), (b"NOEXIST".to_vec(), true));
    assert_eq!(raw(epmd.port, b"\0\x05skept"), (b"STOPPED".to_vec(), true));
    assert_eq!(kept.read(&mut [0; 1]).expect("closed"), 0, "its connection is closed");
    assert_eq!(raw(epmd.port, b"\0\x01k"), (b"OK".to_vec(), true));
    eventually("it ends", || epmd.has_ended());
}
