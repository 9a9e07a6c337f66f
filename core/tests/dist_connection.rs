//! Two connections joined in memory, and one connection against hostile bytes.

use krarup::base::random::Random;
use krarup::dist::connection::{Connection, DownReason, Event, SendError, Settings, encode};
use krarup::dist::control::{Control, ControlError, Destination, SpawnRequest, Target};
use krarup::dist::flags::{Flags, Offer};
use krarup::dist::frame::{FrameError, Limits};
use krarup::dist::handshake::{Cookie, Framing, Identity, Refusal, Setup, Step, Verdict};
use krarup::dist::name::NodeName;
use krarup::etf::EncodeError;
use krarup::term::{Atom, NodeId, Pid, Ref, Resource, Term};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn atom(text: &str) -> Atom {
    Atom::new(text).expect("an atom")
}

fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("a name")
}

fn cookie() -> Cookie {
    Cookie::new("c").expect("a cookie")
}

/// A local node with a creation of its own, so that tests do not share nodes.
fn node(text: &str) -> NodeId {
    static CREATION: AtomicU32 = AtomicU32::new(1000);
    let id = NodeId::new_local(atom(text)).expect("room");
    // Relaxed: a counter.
    id.rename(atom(text), CREATION.fetch_add(1, Ordering::Relaxed));
    id
}

fn settings(home: NodeId, flags: Flags) -> Settings {
    let identity = Identity::Named(name(home.name().as_str()), home.creation());
    let framing = Framing::Tcp;
    Settings::new(Setup { identity, flags, mandatory: Flags::OUR_MANDATORY, framing, challenge: 7 }, home)
}

struct End {
    home: NodeId,
    connection: Connection,
    events: Vec<Event>,
}

impl End {
    fn pull(&mut self, now: u64) {
        while let Some(event) = self.connection.next_event(now) {
            assert!(!matches!(self.events.last(), Some(Event::Down(_))), "after the end: {event:?}");
            if matches!(event, Event::Ask(_)) {
                self.connection.answer(Verdict::Accept(cookie()), now);
            } else {
                self.events.push(event);
            }
        }
    }

    /// Takes up to `most` bytes off the output.
    fn take(&mut self, most: usize, now: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in self.connection.output() {
            out.extend(&piece[..piece.len().min(most - out.len())]);
        }
        self.connection.wrote(out.len(), now);
        out
    }

    fn controls(&mut self) -> Vec<Control> {
        std::mem::take(&mut self.events)
            .into_iter()
            .map(|e| match e {
                Event::Control(c) => c,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn down(&self) -> &DownReason {
        match self.events.last() {
            Some(Event::Down(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    fn pid(&self, number: u32) -> Pid {
        Pid { node: self.home, number, serial: 3 }
    }

    fn reference(&self, n: u32) -> Ref {
        Ref::new(self.home, [n, 2, 3])
    }
}

struct Pair {
    a: End,
    b: End,
    now: u64,
}

impl Pair {
    fn unconnected(flags: Flags) -> Self {
        let (a, b) = (node("a@host"), node("b@host"));
        let dial = Connection::dial(settings(a, flags), name("b@host"), cookie(), 0);
        let accept = Connection::accept(settings(b, flags), 0);
        let end = |home, connection| End { home, connection, events: Vec::new() };
        Self { a: end(a, dial), b: end(b, accept), now: 0 }
    }

    fn up(flags: Flags) -> Self {
        let mut p = Self::unconnected(flags);
        p.pump(usize::MAX);
        for end in [&mut p.a, &mut p.b] {
            assert!(matches!(end.events[..], [Event::Up(_)]), "{:?}", end.events);
            end.events.clear();
        }
        p
    }

    /// Carries bytes, `chunk` at a time, until nothing moves.
    fn pump(&mut self, chunk: usize) {
        loop {
            let mut moved = 0;
            for turn in 0..2 {
                let (from, to) = if turn == 0 { (&mut self.a, &mut self.b) } else { (&mut self.b, &mut self.a) };
                from.pull(self.now);
                let bytes = from.take(chunk, self.now);
                moved += bytes.len();
                to.connection.feed(&bytes, self.now);
                to.pull(self.now);
            }
            if moved == 0 {
                return;
            }
        }
    }
}

fn full() -> Flags {
    Offer { visible: true, spawn: true, altact_sig: false, ..Offer::default() }.flags()
}

/// Every control message there is, from `a` to `b`.
fn every_control(a: &End, b: &End) -> Vec<Control> {
    let (from, to) = (a.pid(1), b.pid(2));
    let message = Term::tuple([atom("hello").into(), Term::from(1_i64), Term::string("text")]);
    let token = || Some(Term::tuple([Term::from(1_i64), atom("label").into()]));
    let reason = Term::tuple([atom("shutdown").into(), from.into()]);
    let mut all = vec![
        Control::Link { from, to },
        Control::Unlink { from, to, id: Some(1) },
        Control::Unlink { from, to, id: Some(u64::MAX) },
        Control::UnlinkAck { from, to, id: 1 << 63 },
        Control::GroupLeader { leader: from, member: to },
        Control::GroupLeader { leader: to, member: to },
    ];
    for token in [None, token()] {
        let t = || token.clone();
        all.extend([
            Control::Send { from: Some(from), to, message: message.clone(), token: t() },
            Control::RegSend { from, to: atom("registered"), message: message.clone(), token: t() },
            Control::AliasSend { from, to: b.reference(9), message: message.clone(), token: t() },
            Control::Exit { from, to, reason: reason.clone(), token: t() },
            Control::Exit2 { from, to, reason: atom("kill").into(), token: t() },
            Control::SpawnReply { reference: b.reference(4), to, flags: 3, result: Ok(from), token: t() },
            Control::SpawnReply { reference: b.reference(4), to, flags: 0, result: Err(atom("badopt")), token: t() },
            Control::SpawnRequest(Box::new(SpawnRequest {
                reference: a.reference(5),
                from,
                leader: from,
                module: atom("erpc"),
                function: atom("execute_call"),
                arguments: Term::list([message.clone(), Term::nil()]),
                options: Term::list([Term::from(atom("monitor"))]),
                token: t(),
            })),
        ]);
    }
    for target in [Target::Pid(to), Target::Name(atom("registered"))] {
        all.push(Control::Monitor { from, target, reference: a.reference(6) });
        all.push(Control::Demonitor { from, target, reference: a.reference(6) });
    }
    for target in [Target::Pid(from), Target::Name(atom("registered"))] {
        all.push(Control::MonitorExit { from: target, to, reference: b.reference(7), reason: reason.clone() });
    }
    all
}

#[test]
fn every_control_message_crosses_under_every_negotiation() {
    let optional = [
        Flags::NONE,
        Flags::DIST_HDR_ATOM_CACHE,
        Flags::FRAGMENTS,
        Flags::EXIT_PAYLOAD,
        Flags::DIST_HDR_ATOM_CACHE | Flags::FRAGMENTS,
        Flags::DIST_HDR_ATOM_CACHE | Flags::FRAGMENTS | Flags::EXIT_PAYLOAD,
    ];
    let all = optional.iter().fold(Flags::NONE, |a, b| a | *b);
    for flags in optional {
        let mut p = Pair::up(full().without(all) | flags);
        // Twice: the second time the caches are full.
        for _ in 0..2 {
            let controls = every_control(&p.a, &p.b);
            for c in &controls {
                p.a.connection.send(c.sender(), c.clone()).expect("can be said");
            }
            p.pump(13);
            assert_eq!(p.b.controls(), controls, "{flags}");
        }
    }
}

#[test]
fn what_was_not_negotiated_is_refused_at_the_sender() {
    let mut p = Pair::up(Flags::MANDATORY_25);
    let (from, to) = (p.a.pid(1), p.b.pid(2));
    let reference = p.a.reference(1);
    let nil = Term::nil;
    let monitors = Flags::DIST_MONITOR | Flags::DIST_MONITOR_NAME;
    for (control, lacks) in [
        (Control::Monitor { from, target: Target::Pid(to), reference }, monitors),
        (Control::Demonitor { from, target: Target::Pid(to), reference }, monitors),
        (Control::AliasSend { from, to: p.b.reference(1), message: nil(), token: None }, Flags::ALIAS),
        (Control::UnlinkAck { from, to, id: 1 }, Flags::UNLINK_ID),
        (Control::SpawnReply { reference, to, flags: 0, result: Err(atom("x")), token: None }, Flags::SPAWN),
    ] {
        assert_eq!(p.a.connection.send(None, control), Err(SendError::NotNegotiated(lacks)));
    }
    // Without ids there is the old unlink, without senders the old send, without payloads the old exits.
    let said = [
        Control::Unlink { from, to, id: Some(5) },
        Control::Send { from: Some(from), to, message: nil(), token: None },
        Control::Exit { from, to, reason: nil(), token: None },
    ];
    for c in said {
        p.a.connection.send(None, c).expect("can be said");
    }
    p.pump(5);
    let heard = [
        Control::Unlink { from, to, id: None },
        Control::Send { from: None, to, message: nil(), token: None },
        Control::Exit { from, to, reason: nil(), token: None },
    ];
    assert_eq!(p.b.controls(), heard);
}

#[test]
fn aliases_go_by_operation_37_when_it_is_negotiated() {
    let mut p = Pair::up(Offer { altact_sig: true, ..Offer::default() }.flags());
    let (from, to, alias) = (p.a.pid(1), p.b.pid(2), p.b.reference(3));
    let message = Term::from(5_i64);
    let token = Some(Term::nil());
    let alt =
        |priority, exit, to, token| Control::AltSignal { priority, exit, from, to, message: Term::from(5_i64), token };
    p.a.connection.send(None, Control::AliasSend { from, to: alias, message, token: None }).expect("said");
    let others = [
        alt(true, false, Destination::Pid(to), None),
        alt(true, true, Destination::Name(atom("n")), token.clone()),
        alt(false, true, Destination::Alias(alias), token),
    ];
    for c in &others {
        p.a.connection.send(None, c.clone()).expect("said");
    }
    p.pump(usize::MAX);
    let heard = p.b.controls();
    assert_eq!(heard[0], alt(false, false, Destination::Alias(alias), None));
    assert_eq!(heard[1..], others);
}

#[test]
fn a_native_value_does_not_leave_and_does_not_break_the_link() {
    let mut p = Pair::up(full());
    let (from, to) = (p.a.pid(1), p.b.pid(2));
    let resource = Resource::new(atom("database"), Arc::new(1_u8), p.a.home);
    let message = Term::tuple([atom("a_fresh_atom_beside_it").into(), Term::from(resource)]);
    let refused = p.a.connection.send(None, Control::Send { from: Some(from), to, message, token: None });
    assert_eq!(refused, Err(SendError::Term(EncodeError::Resource(atom("database")))));
    let good = Control::Send { from: Some(from), to, message: atom("a_fresh_atom_beside_it").into(), token: None };
    p.a.connection.send(None, good.clone()).expect("said");
    p.pump(usize::MAX);
    assert_eq!(p.b.controls(), [good]);
}

#[test]
fn small_messages_overtake_a_big_one_but_not_that_of_their_own_sender() {
    let mut p = Pair::up(full());
    let (big, small, to) = (p.a.pid(1), p.a.pid(2), p.b.pid(3));
    let send = |from, message| Control::Send { from: Some(from), to, message, token: None };
    let blob = Term::binary(vec![7_u8; 3 << 20]);
    let say = |p: &mut Pair, from, message| p.a.connection.send(Some(from), send(from, message)).expect("said");
    say(&mut p, big, blob.clone());
    say(&mut p, big, Term::from(1_i64));
    say(&mut p, small, Term::from(2_i64));
    say(&mut p, big, blob.clone());
    say(&mut p, big, Term::from(3_i64));
    assert!(p.a.connection.is_busy());
    p.pump(50_000);
    assert!(!p.a.connection.is_busy());
    assert_eq!(p.a.connection.pending_bytes(), 0);
    let order = [
        send(small, Term::from(2_i64)),
        send(big, blob.clone()),
        send(big, Term::from(1_i64)),
        send(big, blob),
        send(big, Term::from(3_i64)),
    ];
    assert_eq!(p.b.controls(), order);
}

#[test]
fn many_senders_of_big_messages_take_turns_and_lose_nothing() {
    let seed = 0x5eed_0001;
    println!("seed {seed:#x}");
    let mut random = Random::seeded(seed);
    for flags in [full(), full().without(Flags::DIST_HDR_ATOM_CACHE), full().without(Flags::FRAGMENTS)] {
        let mut p = Pair::up(flags);
        let to = p.b.pid(0);
        let mut sent: Vec<Vec<Control>> = vec![Vec::new(); 8];
        for i in 0..300_i64 {
            let who = random.below(8) as usize;
            let from = p.a.pid(who as u32);
            let size = [10, 1000, 70_000, 300_000][random.below(4) as usize];
            let label = atom(&format!("label_{}", random.below(3000)));
            let message = Term::tuple([label.into(), Term::from(i), Term::binary(vec![i as u8; size])]);
            let c = Control::Send { from: Some(from), to, message, token: None };
            sent[who].push(c.clone());
            p.a.connection.send(Some(from), c).expect("said");
            if i % 20 == 0 {
                p.pump(1 + random.below(200_000) as usize);
            }
        }
        p.pump(100_000);
        let mut heard: Vec<Vec<Control>> = vec![Vec::new(); 8];
        for c in p.b.controls() {
            heard[c.sender().expect("named").number as usize].push(c);
        }
        assert!(heard == sent, "order or content differs with {flags}");
    }
}

#[test]
fn messages_may_be_encoded_elsewhere() {
    let mut p = Pair::up(full());
    let (from, to) = (p.a.pid(1), p.b.pid(2));
    let flags = p.a.connection.negotiated().expect("up");
    let control = Control::Send { from: Some(from), to, message: atom("elsewhere").into(), token: None };
    let said = control.clone();
    let encoded = std::thread::spawn(move || encode(said, flags)).join().expect("ran").expect("encodes");
    p.a.connection.send_encoded(Some(from), encoded).expect("up");
    p.pump(usize::MAX);
    assert_eq!(p.b.controls(), [control]);
}

#[test]
fn a_silent_peer_goes_down_and_ticks_keep_a_living_one() {
    let mut p = Pair::up(full());
    for now in (0..600_000).step_by(1000) {
        p.now = now;
        p.a.connection.on_time(now);
        p.b.connection.on_time(now);
        p.pump(usize::MAX);
        assert!(p.a.events.is_empty() && p.b.events.is_empty());
    }
    let c = p.a.connection.counters();
    assert!(c.bytes_in > 100 && c.bytes_in < 600, "{c:?}");
    // From now on nothing arrives at a.
    let mut now = p.now;
    while p.a.events.is_empty() {
        now = p.a.connection.deadline().expect("it waits for something");
        p.a.connection.on_time(now);
        p.a.take(usize::MAX, now);
        p.a.pull(now);
    }
    assert_eq!(p.a.down(), &DownReason::TickTimeout);
    assert_eq!(p.a.down().nodedown_reason(), "net_tick_timeout");
    assert!((45_000..=75_000).contains(&(now - p.now)), "{}", now - p.now);
}

#[test]
fn what_came_whole_is_delivered_before_the_end() {
    let mut p = Pair::up(full());
    let (from, to) = (p.a.pid(1), p.b.pid(2));
    let control = Control::Send { from: Some(from), to, message: Term::nil(), token: None };
    p.a.connection.send(None, control.clone()).expect("said");
    p.a.connection.send(None, control.clone()).expect("said");
    let bytes = p.a.take(usize::MAX, 0);
    p.b.connection.feed(&bytes[..bytes.len() - 1], 0);
    p.b.connection.closed(0);
    p.b.pull(0);
    assert_eq!(p.b.events, [Event::Control(control), Event::Down(DownReason::Closed)]);
    assert_eq!(p.b.connection.deadline(), None);
    assert_eq!(p.b.connection.send(None, Control::Link { from: to, to: from }), Err(SendError::NotUp));
}

#[test]
fn a_disconnect_ends_it_at_once() {
    let mut p = Pair::up(full());
    p.a.connection.disconnect();
    p.a.connection.disconnect();
    p.a.connection.closed(0);
    p.a.pull(0);
    assert_eq!(p.a.events, [Event::Down(DownReason::Disconnect)]);
    assert!(p.a.connection.is_down());
}

#[test]
fn a_refusal_is_written_before_the_socket_closes() {
    let mut p = Pair::unconnected(Flags::NONE);
    p.pump(usize::MAX);
    assert!(matches!(p.b.down(), DownReason::Setup(Refusal::MissingFlags { .. })));
    assert!(matches!(p.a.down(), DownReason::Setup(Refusal::NotAllowedByPeer)));
    assert_eq!(p.b.down().nodedown_reason(), "connection_setup_failed");
}

#[test]
fn a_handshake_that_stalls_is_cut() {
    let mut p = Pair::unconnected(full());
    assert_eq!(p.a.connection.deadline(), Some(7000));
    p.a.connection.on_time(6999);
    assert!(!p.a.connection.is_down());
    // Progress restarts the timer.
    let hello = p.a.take(usize::MAX, 6999);
    p.b.connection.feed(&hello, 6999);
    p.b.pull(6999);
    let status = p.b.take(5, 6999);
    p.a.connection.feed(&status, 6999);
    assert_eq!(p.a.connection.deadline(), Some(13_999));
    p.a.connection.on_time(13_999);
    p.a.pull(13_999);
    assert_eq!(p.a.down(), &DownReason::Setup(Refusal::Timeout(Step::Challenge)));
}

#[test]
fn an_adopted_name_is_the_nodes_own_in_what_follows() {
    let b = node("b@host");
    let nameless = NodeId::new_local(atom("nonode@nohost")).expect("room");
    let flags = full();
    let mut s = settings(b, flags);
    s.home = nameless;
    s.setup.identity = Identity::Nameless("host".into());
    let mut a = Connection::dial(s, name("b@host"), cookie(), 0);
    let mut c = Connection::accept(settings(b, flags), 0);
    let mut home = None;
    for _ in 0..6 {
        for (from, to) in [(true, false), (false, true)] {
            let (from, to) = if from && !to { (&mut a, &mut c) } else { (&mut c, &mut a) };
            let bytes: Vec<u8> = from.output().flatten().copied().collect();
            from.wrote(bytes.len(), 0);
            to.feed(&bytes, 0);
        }
        while let Some(event) = c.next_event(0) {
            match event {
                Event::Ask(hello) => {
                    assert_eq!(hello.name, None);
                    c.answer(Verdict::Named(name("Q1@host"), 99, cookie()), 0);
                }
                Event::Up(peer) => {
                    assert_eq!((peer.name.as_str(), peer.creation), ("Q1@host", 99));
                    // Sent at once, to a pid of the name that was just given.
                    let to = Pid { node: NodeId::intern(atom("Q1@host"), 99).expect("room"), number: 5, serial: 0 };
                    let from = Pid { node: b, number: 1, serial: 0 };
                    c.send(None, Control::Link { from, to }).expect("up");
                }
                other => panic!("{other:?}"),
            }
        }
        while let Some(event) = a.next_event(0) {
            match event {
                Event::Up(peer) => {
                    let (given, creation) = peer.adopted.expect("given");
                    nameless.rename(atom(given.as_str()), creation);
                    home = Some(nameless);
                }
                Event::Control(Control::Link { to, .. }) => {
                    assert_eq!(Some(to.node), home);
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("the link did not come");
}

/// Feeds raw frames to an established connection.
fn raw(flags: Flags, local: NodeId, frames: &[&[u8]]) -> End {
    let mut p = Pair::up(flags);
    let mut s = settings(local, flags);
    s.limits = Limits { frame: 1 << 20, assembly: 1 << 20, sequences: 10 };
    p.b = End { home: local, connection: Connection::accept(s, 0), events: Vec::new() };
    let peer = node("bb@localhost");
    let dial = Connection::dial(settings(peer, flags), name(local.name().as_str()), cookie(), 0);
    p.a = End { home: peer, connection: dial, events: Vec::new() };
    p.pump(usize::MAX);
    p.b.events.clear();
    for frame in frames {
        p.b.connection.feed(&(frame.len() as u32).to_be_bytes(), 0);
        p.b.connection.feed(frame, 0);
    }
    p.b.pull(0);
    p.b
}

/// `Me ! {small,atom1,atom2}` from OTP 25.2.3, the first time and again.
const GOLDEN: [&[u8]; 2] = [
    b"\x83\x44\x05\xcf\xba\x0b\x22\x0cbb@localhost\x69\x0cg2@localhost\xca\x05small\x28\x05atom1\x29\x05atom2\x68\x03\x61\x16\
      \x58\x52\x00\x00\x00\x00\x55\x00\x00\x00\x00\x6b\x03\xdb\x02\x58\x52\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x1e\x61\
      \x68\x03\x52\x02\x52\x03\x52\x04",
    b"\x83\x44\x05\x47\x32\x03\x22\x69\xca\x28\x29\x68\x03\x61\x16\x58\x52\x00\x00\x00\x00\x55\x00\x00\x00\x00\x6b\x03\xdb\x02\
      \x58\x52\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x1e\x61\x68\x03\x52\x02\x52\x03\x52\x04",
];

#[test]
fn golden_frames_of_a_real_node_are_read() {
    assert_eq!((GOLDEN[0].len(), GOLDEN[1].len()), (97, 53));
    let g2 = NodeId::new_local(atom("g2@localhost")).expect("room");
    g2.rename(atom("g2@localhost"), 0x1e61);
    let mut end = raw(full(), g2, &GOLDEN);
    let from = Pid { node: NodeId::intern(atom("bb@localhost"), 0x6b03_db02).expect("room"), number: 85, serial: 0 };
    let to = Pid { node: g2, number: 1, serial: 0 };
    let message = Term::tuple(["small", "atom1", "atom2"].map(|t| Term::from(atom(t))));
    let control = Control::Send { from: Some(from), to, message, token: None };
    assert_eq!(end.controls(), [control.clone(), control]);
}

#[test]
fn broken_frames_and_messages_each_cost_the_connection() {
    let flags = full();
    let g = node("g@localhost");
    let other = full().without(Flags::DIST_HDR_ATOM_CACHE | Flags::FRAGMENTS);
    let tables: [(Flags, &[u8], DownReason); 12] = [
        (flags, b"\x70\x83\x68\x01\x61\x01", FrameError::Kind { first: 112, second: Some(131) }.into()),
        (flags, b"\x83\x43\x00", FrameError::Kind { first: 131, second: Some(67) }.into()),
        (other, b"\x83\x44\x00\x68\x01\x61\x01", FrameError::Kind { first: 131, second: Some(68) }.into()),
        (flags, b"\x83\x45\x00", FrameError::Short.into()),
        (flags, b"\x83\x44", FrameError::Short.into()),
        (flags, b"\x83\x44\x01\x00\x07\x68\x01\x52\x00", FrameError::NoEntry(7).into()),
        (flags, b"\x83\x46\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x01", FrameError::NoSequence(9).into()),
        (flags, b"\x83\x44\x00\x61\x01", ControlError::NoOperation.into()),
        (flags, b"\x83\x44\x00\x68\x01\x61\x63", ControlError::Unknown(99).into()),
        (flags, b"\x83\x44\x00\x68\x01\x61\x05", ControlError::Unknown(5).into()),
        (flags, b"\x83\x44\x00\x68\x01\x61\x01", ControlError::Arity { op: 1, size: 1 }.into()),
        (
            flags,
            b"\x83\x44\x00\x68\x03\x61\x01\x61\x02\x61\x03",
            ControlError::Element { op: 1, at: 2, wants: "a pid of the peer" }.into(),
        ),
    ];
    for (flags, frame, reason) in tables {
        let end = raw(flags, g, &[frame]);
        assert_eq!(end.events, [Event::Down(reason)], "{frame:?}");
        assert_eq!(end.down().nodedown_reason(), "connection_closed");
        assert!(end.down().is_violation());
    }
    let undecodable = raw(flags, g, &[b"\x83\x44\x00\x68\x03\x61"]);
    assert!(matches!(undecodable.down(), DownReason::Term(_)));
    let trailing = raw(flags, g, &[b"\x83\x44\x00\x6a\x6a\x6a"]);
    assert_eq!(trailing.down(), &DownReason::Trailing(1));
    let mut long = raw(flags, g, &[]);
    long.connection.feed(&[0, 0x10, 0, 1], 0);
    long.pull(0);
    assert_eq!(long.down(), &DownReason::Frame(FrameError::TooLong { length: 0x0010_0001, limit: 1 << 20 }));
}

#[test]
fn malformed_control_messages_are_refused_one_by_one() {
    let p = Pair::up(full());
    let ends = krarup::dist::control::Ends { local: p.b.home.name(), peer: p.a.home.name() };
    let flags = full() | Flags::ALTACT_SIG;
    let stranger = Term::from(Pid { node: node("c@host"), number: 1, serial: 1 });
    let mut refused = 0;
    for control in every_control(&p.a, &p.b) {
        let (term, payload) = control.clone().encode(flags).expect("encodes");
        let elements = term.as_tuple().expect("a tuple").to_vec();
        if !matches!(control, Control::AliasSend { .. }) {
            assert_eq!(Control::decode(&term, payload.clone(), ends), Ok(control.clone()));
        }
        // One element more, one less, no payload or one too many.
        let longer = Term::tuple(elements.iter().cloned().chain([Term::nil()]));
        assert!(
            matches!(Control::decode(&longer, payload.clone(), ends), Err(ControlError::Arity { .. })),
            "{control:?}"
        );
        let shorter = Term::tuple(elements[..elements.len() - 1].iter().cloned());
        assert!(
            matches!(Control::decode(&shorter, payload.clone(), ends), Err(ControlError::Arity { .. })),
            "{control:?}"
        );
        let other = if payload.is_some() { None } else { Some(Term::nil()) };
        assert!(matches!(
            Control::decode(&term, other, ends),
            Err(ControlError::Payload(_) | ControlError::NoPayload(_))
        ));
        // Each element replaced by things that do not belong there.
        for at in 1..elements.len() {
            for wrong in [Term::from(-1_i64), stranger.clone(), Term::map([])] {
                let mut e = elements.clone();
                e[at] = wrong;
                match Control::decode(&Term::tuple(e), payload.clone(), ends) {
                    Err(ControlError::Element { .. } | ControlError::Arity { .. }) => refused += 1,
                    // Elements that may be any term: reasons, tokens, what is not used.
                    Ok(_) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
    }
    assert!(refused > 150, "{refused}");
    for not_a_control in [Term::nil(), Term::tuple([]), Term::tuple([atom("x").into()]), Term::from(1_i64)] {
        assert_eq!(Control::decode(&not_a_control, None, ends), Err(ControlError::NoOperation));
    }
    for op in (-3..400).filter(|op| matches!(op, -3..=0 | 5 | 9..=11 | 14..=15 | 17 | 38..=400)) {
        let unknown = Control::decode(&Term::tuple([Term::from(op)]), None, ends);
        assert_eq!(unknown, Err(ControlError::Unknown(op)));
    }
}

#[test]
fn links_and_monitors_must_come_from_the_peer_itself() {
    let p = Pair::up(full());
    let ends = krarup::dist::control::Ends { local: p.b.home.name(), peer: p.a.home.name() };
    let third = Pid { node: node("c@host"), number: 1, serial: 1 };
    let to = p.b.pid(2);
    let reference = p.a.reference(1);
    for forged in [
        Control::Link { from: third, to },
        Control::Exit { from: third, to, reason: Term::nil(), token: None },
        Control::Unlink { from: third, to, id: Some(1) },
        Control::UnlinkAck { from: third, to, id: 1 },
        Control::Monitor { from: third, target: Target::Pid(to), reference },
        Control::MonitorExit { from: Target::Pid(third), to, reference, reason: Term::nil() },
        Control::Link { from: p.a.pid(1), to: third },
        Control::Send { from: None, to: third, message: Term::nil(), token: None },
    ] {
        let (term, payload) = forged.clone().encode(full()).expect("encodes");
        let refused = Control::decode(&term, payload, ends);
        assert!(matches!(refused, Err(ControlError::Element { .. })), "{forged:?}");
    }
    // A receiver of another incarnation of this node passes: the room above answers as death would.
    let old = Pid { node: NodeId::intern(p.b.home.name(), 1).expect("room"), number: 2, serial: 3 };
    let (term, _) = Control::Link { from: p.a.pid(1), to: old }.encode(full()).expect("encodes");
    assert_eq!(Control::decode(&term, None, ends), Ok(Control::Link { from: p.a.pid(1), to: old }));
}

#[test]
fn damaged_streams_cost_the_connection_only() {
    let seed = 0x5eed_0002;
    println!("seed {seed:#x}");
    let mut random = Random::seeded(seed);
    // One conversation, recorded.
    let mut p = Pair::up(full());
    for c in every_control(&p.a, &p.b) {
        p.a.connection.send(c.sender(), c).expect("said");
    }
    let from = p.a.pid(1);
    let blob = Term::binary(vec![1_u8; 200_000]);
    let big = Control::Send { from: Some(from), to: p.b.pid(2), message: blob, token: None };
    p.a.connection.send(Some(from), big).expect("said");
    let recorded = p.a.take(usize::MAX, 0);
    let rest: Vec<u8> =
        std::iter::from_fn(|| Some(p.a.take(usize::MAX, 0)).filter(|b| !b.is_empty())).flatten().collect();
    let recorded = [recorded, rest].concat();
    let home = p.b.home;
    let (mut ended, mut survived) = (0, 0);
    for round in 0..3000 {
        let mut b = Pair::up(full()).b;
        assert_ne!(b.home, home);
        let mut bytes = recorded.clone();
        match round % 3 {
            // Damage near the start, where the structure is.
            0 => {
                for _ in 0..=random.below(4) {
                    let bit = random.below(3000 * 8) as usize;
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
            }
            1 => {
                let at = random.below(3000) as usize;
                bytes.drain(at..at + 1 + random.below(20) as usize);
            }
            _ => bytes = (0..random.below(2000)).map(|_| random.next_u64() as u8 & 0x8f).collect(),
        }
        for piece in bytes.chunks(1 + random.below(10_000) as usize) {
            b.connection.feed(piece, 0);
            b.pull(0);
        }
        b.connection.closed(0);
        b.pull(0);
        let downs = b.events.iter().filter(|e| matches!(e, Event::Down(_))).count();
        assert_eq!(downs, 1);
        if b.down().is_violation() { ended += 1 } else { survived += 1 }
    }
    println!("{ended} ended, {survived} survived");
    assert!(ended > 1000);
}

#[test]
fn fragments_of_hostile_shape_cost_the_connection() {
    let g = node("g@localhost");
    let first = |sequence: u64, fragment: u64, body: &[u8]| {
        let mut f = vec![131, 69];
        f.extend(sequence.to_be_bytes());
        f.extend(fragment.to_be_bytes());
        f.push(0);
        f.extend(body);
        f
    };
    let next = |sequence: u64, fragment: u64, body: &[u8]| {
        let mut f = first(sequence, fragment, b"");
        f.pop();
        f[1] = 70;
        f.extend(body);
        f
    };
    let frames = |frames: &[Vec<u8>]| {
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        match raw(full(), g, &frames).events.as_slice() {
            [Event::Down(DownReason::Frame(e))] => Some(*e),
            [] => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(frames(&[first(1, 3, b"x"), next(1, 2, b"")]), None);
    assert_eq!(frames(&[first(1, 3, b"x"), first(1, 3, b"x")]), Some(FrameError::Duplicate(1)));
    assert_eq!(
        frames(&[first(1, 3, b"x"), next(1, 1, b"x")]),
        Some(FrameError::Order { sequence: 1, due: 2, came: 1 })
    );
    assert_eq!(frames(&[next(1, 1, b"x")]), Some(FrameError::NoSequence(1)));
    let many: Vec<Vec<u8>> = (0..11).map(|i| first(i, 2, b"x")).collect();
    assert_eq!(frames(&many), Some(FrameError::TooManySequences(10)));
    let much = [first(1, u64::MAX, &[0; 600_000]), next(1, u64::MAX - 1, &[0; 600_000])];
    assert_eq!(frames(&much), Some(FrameError::TooMuchAssembly(1 << 20)));
}
