//! Two nodes that dial each other at once, over links in memory, in every order a seed can make.

use krarup::base::random::Random;
use krarup::dist::connection::{Connection, Event, Settings};
use krarup::dist::flags::{Flags, Offer};
use krarup::dist::handshake::{Cookie, Framing, Identity, Setup};
use krarup::dist::name::NodeName;
use krarup::dist::nodes::{ConnectionId, Dial, News, Nodes};
use krarup::term::{Atom, NodeId};
use std::collections::HashMap;

fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("a name")
}

struct Side {
    own: NodeName,
    id: NodeId,
    nodes: Nodes,
    connections: HashMap<ConnectionId, Connection>,
    /// Wires by connection: the other side's connection once it has come in.
    news: Vec<(bool, ConnectionId)>,
    random: Random,
}

impl Side {
    fn new(text: &str, seed: u64) -> Self {
        let id = NodeId::new_local(Atom::new(text).expect("an atom")).expect("room");
        let nodes = Nodes::new(name(text), Cookie::new("c").expect("a cookie"));
        let random = Random::seeded(seed);
        Self { own: name(text), id, nodes, connections: HashMap::new(), news: Vec::new(), random }
    }

    fn settings(&mut self) -> Settings {
        let setup = Setup {
            identity: Identity::Named(self.own.clone(), 9),
            flags: Offer::default().flags(),
            mandatory: Flags::OUR_MANDATORY,
            framing: Framing::Tcp,
            challenge: self.random.next_u64() as u32,
        };
        Settings::new(setup, self.id)
    }

    fn dial(&mut self, peer: &NodeName) -> Option<ConnectionId> {
        let Dial::Begin(id, cookie) = self.nodes.dial(peer) else { return None };
        let settings = self.settings();
        self.connections.insert(id, Connection::dial(settings, peer.clone(), cookie, 0));
        Some(id)
    }

    fn incoming(&mut self) -> ConnectionId {
        let id = self.nodes.incoming();
        let settings = self.settings();
        self.connections.insert(id, Connection::accept(settings, 0));
        id
    }

    fn disconnect(&mut self, id: Option<ConnectionId>) {
        if let Some(c) = id.and_then(|id| self.connections.get_mut(&id)) {
            c.disconnect();
        }
    }

    /// What a node's owner does with the events of its connections.
    fn pull(&mut self, id: ConnectionId) {
        while let Some(event) = self.connections.get_mut(&id).and_then(|c| c.next_event(0)) {
            match event {
                Event::Ask(hello) => {
                    let decision = self.nodes.hello(id, &hello, 0);
                    self.disconnect(decision.drop);
                    if let Some(c) = self.connections.get_mut(&id) {
                        c.answer(decision.verdict, 0);
                    }
                }
                Event::AskStillWanted => {
                    let wanted = self.nodes.still_wanted(id);
                    if let Some(c) = self.connections.get_mut(&id) {
                        c.still_wanted(wanted, 0);
                    }
                }
                Event::DropOld => {
                    if let Some(old) = self.nodes.drop_old(id) {
                        self.disconnect(Some(old));
                        self.pull(old);
                    }
                }
                Event::Up(peer) => match self.nodes.up(id, &peer) {
                    Some(News::Up(info)) => self.news.push((true, info.connection)),
                    _ => self.disconnect(Some(id)),
                },
                Event::Down(reason) => {
                    if let Some(News::Down(info, _)) = self.nodes.down(id, reason) {
                        self.news.push((false, info.connection));
                    }
                }
                Event::Control(c) => panic!("{c:?}"),
            }
        }
    }
}

struct Wire {
    ends: [ConnectionId; 2],
    closed: [bool; 2],
}

struct World {
    sides: [Side; 2],
    wires: Vec<Wire>,
    random: Random,
}

impl World {
    /// Side `from` dials the other; the other end comes in at once, silently.
    fn dial(&mut self, from: usize) {
        let peer = self.sides[1 - from].own.clone();
        if let Some(id) = self.sides[from].dial(&peer) {
            let other = self.sides[1 - from].incoming();
            let ends = if from == 0 { [id, other] } else { [other, id] };
            self.wires.push(Wire { ends, closed: [false; 2] });
        }
    }

    /// One end of one wire, chosen by the seed, hands over a few bytes. False: nothing can move anywhere.
    fn step(&mut self) -> bool {
        let start = self.random.below(2 * self.wires.len() as u64) as usize;
        for i in 0..2 * self.wires.len() {
            let at = (start + i) % (2 * self.wires.len());
            if self.carry(at / 2, at % 2) {
                return true;
            }
        }
        false
    }

    fn carry(&mut self, wire: usize, from: usize) -> bool {
        let to = 1 - from;
        let ends = self.wires[wire].ends;
        let most = 1 + self.random.below(12) as usize;
        let Some(c) = self.sides[from].connections.get_mut(&ends[from]) else { return false };
        let bytes: Vec<u8> = c.output().flatten().copied().take(most).collect();
        c.wrote(bytes.len(), 0);
        let ended = bytes.is_empty() && c.is_down() && !self.wires[wire].closed[from];
        self.wires[wire].closed[from] |= ended;
        if bytes.is_empty() && !ended {
            return false;
        }
        let Some(c) = self.sides[to].connections.get_mut(&ends[to]) else { return false };
        if ended {
            c.closed(0);
        } else {
            c.feed(&bytes, 0);
        }
        for (side, id) in [(to, ends[to]), (from, ends[from])] {
            self.sides[side].pull(id);
        }
        // A verdict may have ended another attempt.
        for side in &mut self.sides {
            let ids: Vec<ConnectionId> = side.connections.keys().copied().collect();
            ids.into_iter().for_each(|id| side.pull(id));
        }
        true
    }
}

#[test]
fn whoever_dials_when_one_connection_is_left_and_both_agree_which() {
    let seed = 0x000d_1a11;
    println!("seed {seed:#x}");
    let (mut crossed, mut replaced) = (0, 0);
    for round in 0..4000_u64 {
        let sides = [Side::new("a@h", seed + round), Side::new("b@h", !round)];
        let mut w = World { sides, wires: Vec::new(), random: Random::seeded(seed ^ round) };
        w.dial(round as usize % 2);
        for _ in 0..w.random.below(16) {
            w.step();
        }
        w.dial((round as usize + 1) % 2);
        let mut steps = 0;
        while w.step() {
            steps += 1;
            assert!(steps < 10_000, "no end in round {round}");
        }
        crossed += usize::from(w.wires.len() == 2);
        if round % 3 == 0 {
            // One side starts anew without a word, and dials before the other has noticed.
            let s = round as usize / 3 % 2;
            let text = w.sides[s].own.to_string();
            w.sides[s] = Side::new(&text, round);
            w.wires.clear();
            w.dial(s);
            while w.step() {}
            assert_eq!(w.sides[1 - s].news.len(), 3, "up, down, up");
        }
        let up = [0, 1].map(|s| w.sides[s].nodes.connection(&w.sides[1 - s].own));
        let [Some(a), Some(b)] = up else { panic!("round {round}: {up:?}") };
        assert!(w.wires.iter().any(|wire| wire.ends == [a, b]), "round {round}: they disagree");
        for (s, own) in [a, b].into_iter().enumerate() {
            let side = &w.sides[s];
            assert_eq!(side.nodes.attempts(), 0);
            assert_eq!(side.connections.values().filter(|c| !c.is_down()).count(), 1);
            assert!(side.connections.get(&own).is_some_and(|c| !c.is_down()));
            // Up and down in turn, up at the end.
            for (i, (is_up, _)) in side.news.iter().enumerate() {
                assert_eq!(*is_up, i % 2 == 0, "round {round}: {:?}", side.news);
            }
            assert_eq!(side.news.last(), Some(&(true, own)));
            replaced += usize::from(side.news.len() > 1);
        }
    }
    println!("{crossed} crossed, {replaced} replaced");
    assert!(crossed > 500 && replaced > 1000);
}
