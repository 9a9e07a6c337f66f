//! The handshake of both roles, joined in memory: every outcome, every refusal, and hostile bytes.

use krarup::base::random::Random;
use krarup::dist::flags::{Flags, Offer};
use krarup::dist::handshake::{
    Action, Cookie, Event, Framing, Handshake, Hello, Identity, MAX_MESSAGE, Peer, Refusal, Setup, Step, Verdict,
    we_yield,
};
use krarup::dist::name::{NameError, NodeName};

fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("a name")
}

fn cookie(text: &str) -> Cookie {
    Cookie::new(text).expect("a cookie")
}

fn setup(who: &str, challenge: u32) -> Setup {
    let flags = Offer { visible: true, ..Offer::default() }.flags();
    let identity = Identity::Named(name(who), 77);
    Setup { identity, flags, mandatory: Flags::OUR_MANDATORY, framing: Framing::Tcp, challenge }
}

/// One side of a handshake and what it has done.
struct Side {
    machine: Option<Handshake>,
    to_peer: Vec<u8>,
    verdict: Verdict,
    wanted: bool,
    asked: Option<Hello>,
    dropped_old: bool,
    /// Bytes that had gone out when `DropOld` came.
    sent_before_drop: usize,
    outcome: Option<Result<Peer, Refusal>>,
}

impl Side {
    fn new((machine, actions): (Handshake, Vec<Action>), verdict: Verdict) -> Self {
        let mut side = Self {
            machine: Some(machine),
            to_peer: Vec::new(),
            verdict,
            wanted: true,
            asked: None,
            dropped_old: false,
            sent_before_drop: 0,
            outcome: None,
        };
        side.act(actions);
        side
    }

    fn on(&mut self, event: Event<'_>) {
        let (next, actions) = self.machine.take().expect("there").step(event);
        self.machine = Some(next);
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert!(self.outcome.is_none(), "an action after the end: {action:?}");
            match action {
                Action::Send(bytes) => self.to_peer.extend(bytes),
                Action::RestartTimer => {}
                Action::Ask(hello) => {
                    self.asked = Some(hello);
                    self.on(Event::Verdict(self.verdict.clone()));
                }
                Action::AskStillWanted => self.on(Event::StillWanted(self.wanted)),
                Action::DropOld => {
                    self.dropped_old = true;
                    self.sent_before_drop = self.to_peer.len();
                }
                Action::Up(peer) => self.outcome = Some(Ok(peer)),
                Action::Refused(refusal) => self.outcome = Some(Err(refusal)),
            }
        }
    }

    fn up(&self) -> &Peer {
        self.outcome.as_ref().expect("over").as_ref().expect("up")
    }

    fn refusal(&self) -> &Refusal {
        self.outcome.as_ref().expect("over").as_ref().expect_err("refused")
    }

    fn step(&self) -> Step {
        self.machine.as_ref().expect("there").awaits()
    }
}

/// Carries bytes until both are done or nothing moves, `chunk` at a time; an end closes the other.
fn join(a: &mut Side, b: &mut Side, chunk: usize) {
    loop {
        let mut moved = false;
        for turn in 0..2 {
            let (from, to) = if turn == 0 { (&mut *a, &mut *b) } else { (&mut *b, &mut *a) };
            let bytes = std::mem::take(&mut from.to_peer);
            for piece in bytes.chunks(chunk) {
                moved = true;
                to.on(Event::Bytes(piece));
            }
            if matches!(from.outcome, Some(Err(_))) && to.outcome.is_none() {
                moved = true;
                to.on(Event::Closed);
            }
        }
        if !moved {
            return;
        }
    }
}

fn dial(setup: Setup, cookie_text: &str) -> Side {
    Side::new(Handshake::dial(setup, name("b@host"), cookie(cookie_text)), Verdict::NotAllowed)
}

fn accept(verdict: Verdict) -> Side {
    Side::new(Handshake::accept(setup("b@host", 22)), verdict)
}

fn pair(verdict: Verdict) -> (Side, Side) {
    let (mut a, mut b) = (dial(setup("a@host", 11), "secret"), accept(verdict));
    join(&mut a, &mut b, 1);
    (a, b)
}

#[test]
fn two_nodes_with_one_cookie_connect_byte_by_byte() {
    let (a, b) = pair(Verdict::Accept(cookie("secret")));
    assert_eq!((a.up().name.as_str(), a.up().creation), ("b@host", 77));
    assert_eq!((b.up().name.as_str(), b.up().creation), ("a@host", 77));
    assert_eq!(a.up().negotiated, b.up().negotiated);
    assert!(a.up().is_visible());
    assert_eq!(b.asked.as_ref().and_then(|h| h.name.clone()), Some(name("a@host")));
    assert!(!b.dropped_old);
}

#[test]
fn the_first_message_has_the_bytes_of_the_protocol() {
    let flags = Flags(0xD_07DF_7FBD);
    let a = dial(Setup { flags, ..setup("a@host", 1) }, "x");
    assert_eq!(a.to_peer, b"\0\x15N\0\0\0\x0d\x07\xdf\x7f\xbd\0\0\0\x4d\0\x06a@host");
    let tls = dial(Setup { flags, framing: Framing::Tls, ..setup("a@host", 1) }, "x");
    assert_eq!(tls.to_peer[..5], *b"\0\0\0\x15N");
}

#[test]
fn tls_framing_has_four_bytes_in_both_directions() {
    let tls = |who, n| Setup { framing: Framing::Tls, ..setup(who, n) };
    let mut a = dial(tls("a@host", 1), "c");
    let mut b = Side::new(Handshake::accept(tls("b@host", 2)), Verdict::Accept(cookie("c")));
    join(&mut a, &mut b, 7);
    assert_eq!(a.up().negotiated, b.up().negotiated);
}

#[test]
fn what_follows_the_last_message_is_handed_on() {
    let mut a = dial(setup("a@host", 1), "c");
    let mut b = accept(Verdict::Accept(cookie("c")));
    // The acceptor is up first and speaks at once.
    loop {
        b.on(Event::Bytes(&std::mem::take(&mut a.to_peer)));
        if b.outcome.is_some() {
            b.to_peer.extend(b"\0\0\0\0frame");
        }
        a.on(Event::Bytes(&std::mem::take(&mut b.to_peer)));
        if a.outcome.is_some() {
            break;
        }
    }
    assert_eq!(a.up().rest, b"\0\0\0\0frame");
}

#[test]
fn different_cookies_are_refused_before_anything_is_up() {
    let (a, b) = pair(Verdict::Accept(cookie("other")));
    assert_eq!(b.refusal(), &Refusal::Digest { peer: "a@host".into() });
    assert_eq!(b.refusal().to_string(), "a@host has another cookie");
    assert_eq!(a.refusal(), &Refusal::Closed(Step::Ack));
    assert!(a.refusal().to_string().contains("cookies may differ"));
}

#[test]
fn an_acceptor_that_cannot_prove_the_cookie_is_refused() {
    let mut a = dial(setup("a@host", 11), "secret");
    let challenge = b"N\0\0\0\x0d\x07\xdf\x7f\xbd\0\0\0\x01\0\0\0\x02\0\x06b@host";
    a.on(Event::Bytes(b"\0\x03sok"));
    a.on(Event::Bytes(&[&[0, challenge.len() as u8][..], challenge].concat()));
    assert_eq!(a.step(), Step::Ack);
    let reply = a.to_peer.split_off(a.to_peer.len() - 23);
    assert_eq!(reply[..7], *b"\0\x15r\0\0\0\x0b");
    assert_eq!(reply[7..], cookie("secret").digest(1));
    a.on(Event::Bytes(&[&b"\0\x11a"[..], &cookie("guess").digest(11)].concat()));
    assert_eq!(a.refusal(), &Refusal::Digest { peer: "b@host".into() });
}

#[test]
fn simultaneous_attempts_are_decided_by_the_order_of_names() {
    assert!(we_yield(&name("a@host"), &name("b@host")));
    assert!(!we_yield(&name("b@host"), &name("a@host")));
    let (a, b) = pair(Verdict::AcceptSimultaneous(cookie("secret")));
    assert_eq!((a.up().name.as_str(), b.up().name.as_str()), ("b@host", "a@host"));
    let (a, b) = pair(Verdict::Nok);
    assert_eq!(a.refusal(), &Refusal::NokByPeer);
    assert_eq!(b.refusal(), &Refusal::Nok(name("a@host")));
}

#[test]
fn a_node_that_is_not_welcome_is_told_so() {
    let (a, b) = pair(Verdict::NotAllowed);
    assert_eq!(a.refusal(), &Refusal::NotAllowedByPeer);
    assert_eq!(b.refusal(), &Refusal::NotAllowed("a@host".into()));
}

#[test]
fn a_living_connection_is_dropped_only_after_the_cookie_is_proven() {
    let (a, b) = pair(Verdict::Alive(cookie("secret")));
    assert!(b.dropped_old);
    assert_eq!(b.sent_before_drop, 0, "the acknowledgement, the only message after the drop, had not gone");
    assert_eq!(a.up().name, name("b@host"));
    let (a, b) = pair(Verdict::Alive(cookie("wrong")));
    assert!(!b.dropped_old);
    assert!(matches!((a.refusal(), b.refusal()), (Refusal::Closed(Step::Ack), Refusal::Digest { .. })));
}

#[test]
fn an_attempt_that_is_given_up_leaves_the_living_connection() {
    let mut a = dial(setup("a@host", 11), "secret");
    a.wanted = false;
    let mut b = accept(Verdict::Alive(cookie("secret")));
    join(&mut a, &mut b, 3);
    assert_eq!(a.refusal(), &Refusal::NotWanted);
    assert_eq!(b.refusal(), &Refusal::NotWantedByPeer);
    assert!(!b.dropped_old);
}

#[test]
fn a_nameless_node_is_given_a_name_and_stays_hidden() {
    let nameless = Setup { identity: Identity::Nameless("there".into()), ..setup("a@host", 1) };
    let mut a = Side::new(Handshake::dial(nameless.clone(), name("b@host"), cookie("c")), Verdict::NotAllowed);
    let mut b = accept(Verdict::Named(name("2X8@there"), 5, cookie("c")));
    join(&mut a, &mut b, 1);
    let hello = b.asked.clone().expect("asked");
    assert_eq!((hello.name, hello.host.as_str(), hello.creation), (None, "there", 0));
    assert_eq!(a.up().adopted, Some((name("2X8@there"), 5)));
    assert_eq!((b.up().name.as_str(), b.up().creation), ("2X8@there", 5));
    assert!(!a.up().is_visible() && !b.up().is_visible());
    // A name on another host is none.
    let mut a = Side::new(Handshake::dial(nameless.clone(), name("b@host"), cookie("c")), Verdict::NotAllowed);
    let mut b = accept(Verdict::Named(name("2X8@elsewhere"), 5, cookie("c")));
    join(&mut a, &mut b, 1);
    assert_eq!(b.refusal(), &Refusal::NotAllowed("there".into()));
    let mut a = Side::new(Handshake::dial(nameless.clone(), name("b@host"), cookie("c")), Verdict::NotAllowed);
    a.on(Event::Bytes(b"\0\x10snamed:\0\x03x@y\0\0\0\x01"));
    assert_eq!(a.refusal(), &Refusal::GivenName);
    // An acceptor that has no names to give refuses, and a plain `ok` gives none.
    let mut a = Side::new(Handshake::dial(nameless.clone(), name("b@host"), cookie("c")), Verdict::NotAllowed);
    let mut b = accept(Verdict::Accept(cookie("c")));
    join(&mut a, &mut b, 1);
    assert_eq!(b.refusal(), &Refusal::NotAllowed("there".into()));
    let mut a = Side::new(Handshake::dial(nameless, name("b@host"), cookie("c")), Verdict::NotAllowed);
    a.on(Event::Bytes(b"\0\x03sok"));
    assert_eq!(a.refusal(), &Refusal::GivenName);
}

#[test]
fn a_name_that_was_not_asked_for_is_refused() {
    let (a, b) = pair(Verdict::Named(name("x@y"), 1, cookie("secret")));
    assert_eq!(b.refusal(), &Refusal::NotAllowed("a@host".into()), "the owner's slip costs the connection");
    assert_eq!(a.refusal(), &Refusal::NotAllowedByPeer);
    let mut a = dial(setup("a@host", 1), "c");
    a.on(Event::Bytes(b"\0\x10snamed:\0\x03x@y\0\0\0\x01"));
    assert_eq!(a.refusal(), &Refusal::GivenName);
}

#[test]
fn missing_flags_are_named_on_both_sides() {
    let weak = Flags::MANDATORY_25.without(Flags::BIG_CREATION).without(Flags::UTF8_ATOMS);
    let mut a = dial(Setup { flags: weak, ..setup("a@host", 1) }, "c");
    let mut b = accept(Verdict::Accept(cookie("c")));
    join(&mut a, &mut b, 100);
    assert_eq!(b.refusal().to_string(), "a@host lacks mandatory capability flags: UTF8_ATOMS, BIG_CREATION");
    assert_eq!(a.refusal(), &Refusal::NotAllowedByPeer);
    // An acceptor that lacks flags and lets the initiator find out.
    let mut a = dial(setup("a@host", 1), "c");
    let weak_b = Setup { flags: weak, ..setup("b@host", 2) };
    let mut b = Side::new(Handshake::accept(weak_b), Verdict::Accept(cookie("c")));
    join(&mut a, &mut b, 100);
    assert!(matches!(a.refusal(), Refusal::MissingFlags { .. }));
    // Bit 26 alone stands for all of them.
    let mut a = dial(Setup { flags: Flags::MANDATORY_25_DIGEST, ..setup("a@host", 1) }, "c");
    let mut b = accept(Verdict::Accept(cookie("c")));
    join(&mut a, &mut b, 100);
    assert!(b.up().flags.has(Flags::MANDATORY_25));
}

#[test]
fn the_old_handshake_is_refused_in_words() {
    let mut b = accept(Verdict::Accept(cookie("c")));
    b.on(Event::Bytes(b"\0\x0fn\0\x05\0\x07\x7f\xbdold@host"));
    assert_eq!(b.refusal(), &Refusal::OldHandshake { name: "old@host".into() });
    assert_eq!(b.to_peer, b"\0\x0csnot_allowed");
    assert!(b.refusal().to_string().contains("old handshake"));
}

#[test]
fn names_that_are_none_are_refused() {
    let hello = |text: &[u8]| {
        let mut b = accept(Verdict::Accept(cookie("c")));
        let mut body = b"N\0\0\0\x0d\x07\xdf\x7f\xbd\0\0\0\x01".to_vec();
        body.extend((text.len() as u16).to_be_bytes());
        body.extend(text);
        b.on(Event::Bytes(&[&(body.len() as u16).to_be_bytes()[..], &body].concat()));
        b
    };
    assert_eq!(hello(b"nohost").refusal(), &Refusal::Name(NameError::Shape));
    assert_eq!(hello(b"").refusal(), &Refusal::Name(NameError::Shape));
    assert_eq!(hello(b"a@b@c").refusal(), &Refusal::Name(NameError::Shape));
    assert_eq!(hello(b"a@\xff").refusal(), &Refusal::Name(NameError::Text));
    assert_eq!(hello(&[b"x@y", &[b'z'; 300][..]].concat()).refusal(), &Refusal::Name(NameError::TooLong));
    assert_eq!(hello(b"b@host").refusal(), &Refusal::OwnName);
    assert_eq!(hello(b"b@host").to_peer, b"\0\x0csnot_allowed");
    assert_eq!(hello(b"a@host").step(), Step::Reply);
}

#[test]
fn another_node_on_the_dialled_port_is_refused() {
    let mut a = Side::new(Handshake::dial(setup("a@host", 1), name("c@host"), cookie("c")), Verdict::NotAllowed);
    let mut b = accept(Verdict::Accept(cookie("c")));
    join(&mut a, &mut b, 9);
    assert_eq!(a.refusal(), &Refusal::WrongPeer { dialled: name("c@host"), answered: "b@host".into() });
}

#[test]
fn time_and_closing_end_every_step() {
    for (event, is) in [
        (Event::Timeout, Refusal::Timeout as fn(Step) -> Refusal),
        (Event::Closed, Refusal::Closed as fn(Step) -> Refusal),
    ] {
        let mut seen = Vec::new();
        // Each prefix of a good conversation, cut at every message.
        for cut in 0..6 {
            let (mut a, mut b) = (dial(setup("a@host", 11), "c"), accept(Verdict::Alive(cookie("c"))));
            for turn in 0..cut {
                let (from, to) = if turn % 2 == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
                to.on(Event::Bytes(&std::mem::take(&mut from.to_peer)));
            }
            for side in [&mut a, &mut b] {
                if side.outcome.is_none() {
                    let step = side.step();
                    side.on(event.clone());
                    assert_eq!(side.refusal(), &is(step));
                    assert!(!side.refusal().to_string().is_empty());
                    seen.push(step);
                    side.outcome = None;
                    side.on(Event::Bytes(b"\0\x03sok"));
                    assert!(side.outcome.is_none(), "nothing comes after the end");
                }
            }
        }
        for step in [Step::Name, Step::Confirm, Step::Reply, Step::Status, Step::Challenge, Step::Ack] {
            assert!(seen.contains(&step), "{step:?}");
        }
    }
}

#[test]
fn every_message_at_the_wrong_step_is_refused() {
    let mut a = dial(setup("a@host", 1), "c");
    a.on(Event::Bytes(b"\0\x03xyz"));
    assert_eq!(a.refusal(), &Refusal::Message { step: Step::Status, tag: b'x' });
    let mut a = dial(setup("a@host", 1), "c");
    a.on(Event::Bytes(b"\0\0"));
    assert_eq!(a.refusal(), &Refusal::Short(Step::Status));
    let mut a = dial(setup("a@host", 1), "c");
    a.on(Event::Bytes(b"\0\x08swhat is"));
    assert_eq!(a.refusal(), &Refusal::Status("what is".into()));
    let mut b = accept(Verdict::Alive(cookie("c")));
    b.on(Event::Bytes(&dial(setup("a@host", 1), "c").to_peer));
    b.on(Event::Bytes(b"\0\x05strue\0\x01q"));
    assert_eq!(b.refusal(), &Refusal::Message { step: Step::Reply, tag: b'q' });
}

#[test]
fn trailing_bytes_of_a_message_are_ignored() {
    let mut b = accept(Verdict::Accept(cookie("c")));
    let hello = dial(setup("a@host", 1), "c").to_peer;
    let mut longer = hello[2..].to_vec();
    longer.extend([0xaa; 100]);
    b.on(Event::Bytes(&[&(longer.len() as u16).to_be_bytes()[..], &longer].concat()));
    assert_eq!(b.step(), Step::Reply);
}

#[test]
fn a_handshake_keeps_little_memory() {
    let mut b = accept(Verdict::Accept(cookie("c")));
    b.on(Event::Bytes(&[0xff, 0xff, b'N']));
    assert_eq!(b.refusal(), &Refusal::TooLong(Step::Name));
    // A peer that talks while we decide.
    let (mut machine, _) = Handshake::accept(setup("b@host", 2));
    (machine, _) = machine.step(Event::Bytes(&dial(setup("a@host", 1), "c").to_peer));
    assert_eq!(machine.awaits(), Step::Verdict);
    let (_, actions) = machine.step(Event::Bytes(&vec![0; 2 * MAX_MESSAGE]));
    assert_eq!(actions, [Action::Refused(Refusal::TooLong(Step::Verdict))]);
}

#[test]
fn random_and_damaged_bytes_cost_the_handshake_only() {
    let seed = 0x00ab_5eed;
    println!("seed {seed:#x}");
    let mut random = Random::seeded(seed);
    let (mut ups, mut digests) = (0, 0);
    for round in 0..20_000 {
        let (mut a, mut b) = (dial(setup("a@host", 11), "c"), accept(Verdict::Alive(cookie("c"))));
        let damage_at = random.below(6);
        let mut digest_hit = false;
        for turn in 0..8 {
            let (from, to) = if turn % 2 == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
            let mut bytes = std::mem::take(&mut from.to_peer);
            if turn == damage_at && !bytes.is_empty() {
                match round % 3 {
                    0 => {
                        let bit = random.below(bytes.len() as u64 * 8) as usize;
                        bytes[bit / 8] ^= 1 << (bit % 8);
                        // Turn 4 is the reply, turn 5 the acknowledgement; both end with their digest.
                        digest_hit = turn >= 4 && bit / 8 + 16 >= bytes.len();
                    }
                    1 => bytes.truncate(random.below(bytes.len() as u64) as usize),
                    _ => bytes = (0..random.below(80)).map(|_| random.next_u64() as u8).collect(),
                }
            }
            if to.outcome.is_none() {
                to.on(Event::Bytes(&bytes));
            }
        }
        ups += i32::from(matches!(a.outcome, Some(Ok(_))));
        if digest_hit {
            let hit = if damage_at == 4 { &b } else { &a };
            assert!(matches!(hit.refusal(), Refusal::Digest { .. }), "{:?}", hit.outcome);
            digests += 1;
        }
    }
    assert!(digests > 100);
    assert!(ups > 100, "some damage does not matter: flags, creations, acknowledgement");
}
