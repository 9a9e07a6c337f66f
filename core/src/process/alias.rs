//! Process aliases: references that messages can be sent to while they are active. Source: OTP `alias/0,1`,
//! `unalias/1`, `monitor/3`.
//! Imports: term, core, context, signal, call, monitor.

use super::alias_state::AliasMode;
use super::call;
use super::context::Context;
use super::core::Core;
use super::message::Message;
use super::signal::{self, Signal};
use super::slot::{Own, Slot};
use crate::term::{Ref, Term};

impl Context {
    /// Makes an alias of the calling process.
    pub fn alias(&mut self, mode: AliasMode) -> Ref {
        let Ok(mut core) = Core::enter(self) else { return super::system::fresh_ref_of(self) };
        let reference = core.system().make_alias_ref(core.pid);
        core.own().queue.set_mark(reference);
        core.own().relations().aliases.insert(reference, mode.without_monitor());
        reference
    }

    /// Ends an alias; true if it was active. Messages that come through it later are dropped.
    pub fn unalias(&mut self, reference: Ref) -> bool {
        let Ok(mut core) = Core::enter(self) else { return false };
        core.drain();
        core.own().relations.as_mut().is_some_and(|r| r.aliases.remove(&reference).is_some())
    }
}

/// A message has come through an alias: it counts only while the alias is active.
pub(crate) fn arrived(slot: &Slot, own: &mut Own, reference: Ref, message: Term) {
    let Some(r) = own.relations.as_mut() else { return };
    if let Some(record) = r.waiting.get(&reference).cloned() {
        // The term-shaped reply to a native call of ours.
        return call::term_reply(slot, &record, message);
    }
    let Some(mode) = r.aliases.get(&reference).copied() else { return };
    if mode.ends_with_message() {
        r.aliases.remove(&reference);
    }
    if mode.message_undoes_monitor()
        && let Some(m) = r.monitors.remove(&reference)
    {
        super::monitor::release(slot.system(), slot.pid(), reference, &m);
    }
    let node = signal::make(0, Signal::Message(Message::Term(message)));
    // SAFETY: a fresh node that carries a message.
    unsafe { own.queue.push(node) };
}
