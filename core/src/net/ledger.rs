//! What one connection must undo when it is lost: links and monitors that cross it, in both directions.
//! Imports: term, process (link_state), dist.
//!
//! Each side's process keeps the record that counts; here is only what the loss of the connection, or the wire, needs
//! beside it. Signals of an older connection find no entry and are not said on a new one.
//!
//! Invariant L1: an entry is made before the signal it is about is delivered or said, under the connection's lock.
//! Links follow the rules of `link_state`, as the process does; where its view and ours differ in time, ours keeps the
//! entry longer, and a process that has no such link takes no notice of its loss.

use crate::dist::control::Target;
use crate::process::link_state::{self, LinkState};
use crate::process::message::Down;
use crate::process::signal::{ExitCause, Signal};
use crate::term::{Atom, Pid, Ref, Term, atoms};
use std::collections::HashMap;

/// A monitor of a process of ours upon something there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing {
    pub watcher: Pid,
    pub target: Target,
}

/// A monitor of a process there upon one of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming {
    pub watcher: Pid,
    pub pid: Pid,
    /// The name it was asked for by, which the answer repeats.
    pub name: Option<Atom>,
}

impl Incoming {
    /// The target as it was given.
    pub fn target(self) -> Target {
        self.name.map_or(Target::Pid(self.pid), Target::Name)
    }
}

#[derive(Default)]
pub(super) struct Ledger {
    /// Ours and theirs.
    links: HashMap<(Pid, Pid), LinkState>,
    outgoing: HashMap<Ref, Outgoing>,
    incoming: HashMap<Ref, Incoming>,
}

impl Ledger {
    fn link<R>(&mut self, ours: Pid, theirs: Pid, f: impl FnOnce(&mut Option<LinkState>) -> R) -> R {
        let mut record = self.links.remove(&(ours, theirs));
        let r = f(&mut record);
        if let Some(state) = record {
            self.links.insert((ours, theirs), state);
        }
        r
    }

    /// A process of ours links.
    pub fn links(&mut self, ours: Pid, theirs: Pid) {
        self.links.insert((ours, theirs), link_state::ACTIVE);
    }

    /// A process of ours unlinks; the entry stays until the acknowledgement.
    pub fn unlinks(&mut self, ours: Pid, theirs: Pid, id: u64) {
        self.links.insert((ours, theirs), LinkState { unlinking: id });
    }

    /// A process there links.
    pub fn link_arrived(&mut self, ours: Pid, theirs: Pid) {
        self.link(ours, theirs, link_state::link_arrived);
    }

    /// A process there unlinks.
    pub fn unlink_arrived(&mut self, ours: Pid, theirs: Pid) {
        self.link(ours, theirs, link_state::unlink_arrived);
    }

    /// An unlink of ours is acknowledged.
    pub fn ack_arrived(&mut self, ours: Pid, theirs: Pid, id: u64) {
        self.link(ours, theirs, |l| link_state::ack_arrived(l, id));
    }

    /// Either process has ended. False: no link crosses this connection, there is nothing to say.
    pub fn unlinked(&mut self, ours: Pid, theirs: Pid) -> bool {
        self.links.remove(&(ours, theirs)).is_some()
    }

    /// A process of ours monitors.
    pub fn monitors(&mut self, reference: Ref, monitor: Outgoing) {
        self.outgoing.insert(reference, monitor);
    }

    /// A monitor of ours is undone.
    pub fn monitor_ends(&mut self, reference: &Ref) -> Option<Outgoing> {
        self.outgoing.remove(reference)
    }

    /// A monitor of this process of ours has fired. False: it has none by that reference.
    pub fn monitor_fires(&mut self, reference: &Ref, watcher: Pid) -> bool {
        self.outgoing.get(reference).is_some_and(|m| m.watcher == watcher) && self.outgoing.remove(reference).is_some()
    }

    /// A process there monitors. The process that the reference stood for before, if a peer uses one twice.
    pub fn monitor_arrived(&mut self, reference: Ref, monitor: Incoming) -> Option<Pid> {
        self.incoming.insert(reference, monitor).map(|m| m.pid).filter(|p| *p != monitor.pid)
    }

    /// A monitor there is undone or has fired.
    pub fn watched_ends(&mut self, reference: &Ref) -> Option<Incoming> {
        self.incoming.remove(reference)
    }

    /// The connection is lost: what our processes must hear.
    pub fn lost(self) -> Vec<(Pid, Signal)> {
        let reason = Term::from(atoms::NOCONNECTION);
        let mut out = Vec::with_capacity(self.links.len() + self.outgoing.len() + self.incoming.len());
        for (ours, theirs) in self.links.into_keys() {
            out.push((ours, Signal::Exit { from: theirs, cause: ExitCause::Link, reason: reason.clone() }));
        }
        for (reference, m) in self.outgoing {
            // The record of the monitor knows what it was set upon.
            let down = Down::of(reference, m.watcher, reason.clone());
            out.push((m.watcher, Signal::Down(Box::new(down))));
        }
        for (reference, m) in self.incoming {
            out.push((m.pid, Signal::Demonitor { reference }));
        }
        out
    }
}
