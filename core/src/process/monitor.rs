//! Monitors by pid and by name. Source: OTP `monitor/2,3`, `demonitor/1,2`; C2.34-35.
//! Imports: term, core, context, signal, message, alias.

use super::alias_state::AliasMode;
use super::context::Context;
use super::core::Core;
use super::message::{Down, Message, Monitored};
use super::signal::{self, Signal};
use super::slot::{MonitorState, MonitoredBy, Own};
use super::system::System;
use crate::term::{Atom, Pid, Ref, Term, atoms};

/// What to monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A process.
    Pid(Pid),
    /// Whoever is registered under the name on this node now.
    Name(Atom),
    /// Whoever is registered under the name on that node.
    NameNode(Atom, Atom),
}

impl From<Pid> for Target {
    fn from(p: Pid) -> Self {
        Self::Pid(p)
    }
}

impl From<Atom> for Target {
    fn from(a: Atom) -> Self {
        Self::Name(a)
    }
}

/// Options of [`Context::monitor_opt`].
#[derive(Clone, Debug, Default)]
pub struct MonitorOptions {
    /// The monitor's reference is an alias too.
    pub alias: Option<AliasMode>,
    /// Replaces the atom `'DOWN'` in the message.
    pub tag: Option<Term>,
}

impl Context {
    /// Monitors a process: one `'DOWN'` message when it ends, at once with `noproc` if there is none.
    pub fn monitor(&mut self, target: impl Into<Target>) -> Ref {
        self.monitor_opt(target, MonitorOptions::default())
    }

    /// As `monitor`, with an alias or another tag. Source: OTP `monitor/3`.
    pub fn monitor_opt(&mut self, target: impl Into<Target>, options: MonitorOptions) -> Ref {
        let target = target.into();
        let Ok(mut core) = Core::act(self) else { return crate::process::system::fresh_ref_of(self) };
        core.charge(4);
        core.flush();
        core.drain();
        set(&mut core, target, options)
    }

    /// Undoes a monitor; true if it was still there. Its `'DOWN'` message may already lie in the queue.
    pub fn demonitor(&mut self, reference: Ref) -> bool {
        self.undo_monitor(reference, false)
    }

    /// Undoes a monitor and removes its `'DOWN'` message if that has come already: the oldest `{_, Ref, _, _, _}`.
    pub fn demonitor_flush(&mut self, reference: Ref) -> bool {
        self.undo_monitor(reference, true)
    }

    fn undo_monitor(&mut self, reference: Ref, flush: bool) -> bool {
        let Ok(mut core) = Core::act(self) else { return false };
        core.charge(3);
        core.flush();
        core.drain();
        let found = remove(&mut core, reference);
        if flush && !found {
            core.own().queue.remove_first(|m| is_of(m, reference));
        }
        found
    }
}

/// `{_, Ref, _, _, _}`: what OTP documents that a flush removes, whoever sent it.
fn is_of(m: &Message, reference: Ref) -> bool {
    match m {
        Message::Down(d) => d.reference == reference,
        Message::Term(t) => matches!(t.as_tuple(), Some([_, r, _, _, _]) if Term::as_ref(r) == Some(reference)),
        _ => false,
    }
}

/// Sets a monitor up from inside the core.
pub(crate) fn set(core: &mut Core<'_>, target: Target, options: MonitorOptions) -> Ref {
    let system = core.system();
    let me = core.pid;
    let reference = if options.alias.is_some() { system.make_alias_ref(me) } else { system.make_ref() };
    let here = system.id.name();
    let (object, pid, name) = match target {
        Target::Pid(p) => (Monitored::Pid(p), Some(p), None),
        Target::Name(n) => (Monitored::Name(n, here), system.names.whereis(n), Some(n)),
        Target::NameNode(n, node) if node == here => (Monitored::Name(n, node), system.names.whereis(n), Some(n)),
        Target::NameNode(n, node) => (Monitored::Name(n, node), None, Some(n)),
    };
    core.own().queue.set_mark(reference);
    if pid == Some(me) {
        // Monitoring oneself gives a reference that never fires, and that is no alias either.
        return reference;
    }
    if let Some(mode) = options.alias {
        core.own().relations().aliases.insert(reference, mode);
    }
    let elsewhere = matches!(target, Target::NameNode(_, node) if node != here);
    core.own().relations().monitors.insert(reference, MonitorState { target: object, pid, tag: options.tag });
    match pid {
        Some(p) => {
            system.signal(p, Signal::Monitor { from: me, reference, name });
        }
        None if elsewhere => {
            system.signal_elsewhere(Some(me), object, Signal::Monitor { from: me, reference, name });
        }
        None => down_arrived(core.own(), Box::new(Down::of(reference, me, atoms::NOPROC.into()))),
    }
    reference
}

/// Takes a monitor of ours down; true if it was there.
pub(crate) fn remove(core: &mut Core<'_>, reference: Ref) -> bool {
    let system = core.system();
    let Some(r) = core.own().relations.as_mut() else { return false };
    let Some(m) = r.monitors.remove(&reference) else { return false };
    end_alias(r, reference);
    release(system, core.pid, reference, &m);
    true
}

/// Tells the monitored side that a monitor of `me` is no more.
pub(crate) fn release(system: &System, me: Pid, reference: Ref, m: &MonitorState) {
    match m.pid {
        Some(target) => {
            system.signal(target, Signal::Demonitor { reference });
        }
        // A name here is resolved at once, so this one is elsewhere.
        None => {
            system.signal_elsewhere(Some(me), m.target, Signal::Demonitor { reference });
        }
    }
}

/// An alias that lives with its monitor goes with it.
pub(crate) fn end_alias(r: &mut super::slot::Relations, reference: Ref) {
    if r.aliases.get(&reference).is_some_and(|m| m.ends_with_monitor()) {
        r.aliases.remove(&reference);
    }
}

pub(crate) fn arrived(own: &mut Own, from: Pid, reference: Ref, _name: Option<Atom>) {
    own.relations().monitored_by.insert(reference, MonitoredBy { from });
}

pub(crate) fn demonitor_arrived(own: &mut Own, reference: Ref) {
    if let Some(r) = own.relations.as_mut() {
        r.monitored_by.remove(&reference);
        // A server that was monitored while it started may not need the block again for long.
        if r.is_empty() {
            own.relations = None;
        }
    }
}

pub(crate) fn down_arrived(own: &mut Own, mut down: Box<Down>) {
    let Some(r) = own.relations.as_mut() else { return };
    // No record: the monitor was undone before the message could be made, or it is that of a call to another node.
    let Some(m) = r.monitors.remove(&down.reference) else {
        if let Some(record) = r.waiting.get(&down.reference) {
            record.server_down(down.reason);
        }
        return;
    };
    end_alias(r, down.reference);
    down.object = m.target;
    down.tag = m.tag;
    let node = signal::make(0, Signal::Message(Message::Down(down)));
    // SAFETY: a fresh node that carries a message.
    unsafe { own.queue.push(node) };
}
