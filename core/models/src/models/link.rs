//! Two processes that link, unlink and die across each other: every interleaving of their acts and of the signals
//! between them, by search over all states. The rules are the library's (`process/link_state`); the inboxes are two
//! first-in-first-out channels, which is what one inbox per process guarantees; a dead process answers as
//! `process/exit.rs` does (paraphrased).

use crate::process::link_state::{self, LinkState};
use std::collections::{HashSet, VecDeque};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Signal {
    Link,
    Unlink(u64),
    Ack(u64),
    Exit,
    NoProc,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Side {
    record: Option<LinkState>,
    next_id: u64,
    /// Acts it may still do.
    acts: u8,
    alive: bool,
    /// What its own last act was, to say what it may believe: linked, unlinked, or it never did anything.
    said: Said,
    /// How often its record became active, and how often it heard of the peer's death.
    links: u8,
    heard: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Said {
    Nothing,
    Link,
    Unlink,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    sides: [Side; 2],
    /// `to[i]`: signals on their way to side i.
    to: [VecDeque<Signal>; 2],
}

impl World {
    fn new(acts: u8, record: Option<LinkState>) -> Self {
        let links = u8::from(record.is_some());
        let side = || Side { record, next_id: 1, acts, alive: true, said: Said::Nothing, links, heard: 0 };
        Self { sides: [side(), side()], to: [VecDeque::new(), VecDeque::new()] }
    }

    /// Every world one step away.
    fn next(&self) -> Vec<Self> {
        let mut all = Vec::new();
        for me in 0..2 {
            if self.sides[me].alive && self.sides[me].acts > 0 {
                for act in [Self::link, Self::unlink, Self::die] {
                    let mut w = self.clone();
                    w.sides[me].acts -= 1;
                    act(&mut w, me);
                    all.push(w);
                }
            }
            if let Some(&signal) = self.to[me].front() {
                let mut w = self.clone();
                w.to[me].pop_front();
                w.arrive(me, signal);
                all.push(w);
            }
        }
        for w in &mut all {
            for (before, after) in self.sides.iter().zip(&mut w.sides) {
                let became = !link_state::is_active(before.record) && link_state::is_active(after.record);
                after.links += u8::from(became);
            }
        }
        all
    }

    fn send(&mut self, from: usize, signal: Signal) {
        self.to[1 - from].push_back(signal);
    }

    fn link(&mut self, me: usize) {
        self.sides[me].said = Said::Link;
        if link_state::link(&mut self.sides[me].record) {
            self.send(me, Signal::Link);
        }
    }

    fn unlink(&mut self, me: usize) {
        let side = &mut self.sides[me];
        side.said = Said::Unlink;
        let id = side.next_id;
        if link_state::unlink(&mut side.record, id) {
            side.next_id += 1;
            self.send(me, Signal::Unlink(id));
        }
        assert!(!link_state::is_active(self.sides[me].record), "an unlink that has returned leaves no active link");
    }

    fn die(&mut self, me: usize) {
        self.sides[me].alive = false;
        if self.sides[me].record.take().is_some() {
            self.send(me, Signal::Exit);
        }
    }

    fn arrive(&mut self, me: usize, signal: Signal) {
        let side = &mut self.sides[me];
        if !side.alive {
            return match signal {
                Signal::Link => self.send(me, Signal::NoProc),
                Signal::Unlink(id) => self.send(me, Signal::Ack(id)),
                Signal::Ack(_) | Signal::Exit | Signal::NoProc => {}
            };
        }
        match signal {
            Signal::Link => link_state::link_arrived(&mut side.record),
            Signal::Unlink(id) => {
                link_state::unlink_arrived(&mut side.record);
                self.send(me, Signal::Ack(id));
            }
            Signal::Ack(id) => link_state::ack_arrived(&mut side.record, id),
            Signal::Exit | Signal::NoProc => {
                let active = link_state::is_active(side.record);
                let heard = link_state::exit_arrived(&mut side.record);
                assert_eq!(heard, active);
                if heard {
                    side.heard += 1;
                }
            }
        }
    }

    /// What must hold in every state.
    fn check(&self) {
        for side in &self.sides {
            assert!(side.heard <= side.links, "a death is heard once a link: {self:?}");
        }
    }

    /// What must hold when nothing is on its way.
    fn check_settled(&self) {
        let [a, b] = &self.sides;
        if a.alive && b.alive {
            assert_eq!(a.record, b.record, "both sides agree: {self:?}");
            assert!(a.record.is_none_or(|r| r.unlinking == 0), "every unlink is acknowledged: {self:?}");
        }
        for (me, peer) in [(a, b), (b, a)] {
            if me.alive && !peer.alive {
                assert_eq!(me.record, None, "no record of the dead is left: {self:?}");
                // The peer never undid a link (its first id is still unused).
                if me.said == Said::Link && peer.next_id == 1 {
                    assert!(me.heard > 0, "who linked last hears of the death: {self:?}");
                }
            }
        }
    }
}

/// Visits every state that can be reached; returns how many.
fn explore(start: World) -> usize {
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some(w) = open.pop() {
        w.check();
        if w.to.iter().all(VecDeque::is_empty) {
            w.check_settled();
        }
        for n in w.next() {
            if seen.insert(n.clone()) {
                open.push(n);
            }
        }
    }
    seen.len()
}

#[test]
fn two_strangers_settle_after_any_four_acts_each() {
    assert!(explore(World::new(4, None)) > 10_000);
}

#[test]
fn two_linked_processes_settle_after_any_four_acts_each() {
    assert!(explore(World::new(4, Some(LinkState { unlinking: 0 }))) > 10_000);
}
