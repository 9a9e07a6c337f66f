//! Sending messages: to a pid, a name, a name on a node, an alias. Source: OTP `!`, `send/2`; C2.18-19.
//! Imports: term, core, context, signal, sched.

use super::context::Context;
use super::core::Core;
use super::error::Exception;
use super::exit;
use super::inbox::{Link as _, Pushed};
use super::message::{Message, Monitored};
use super::signal::{self, Node, Signal};
use super::slot::Slot;
use super::system::System;
use crate::sched::seat::Deferred;
use crate::sched::task::Task;
use crate::term::{Atom, Pid, Ref, Term};

/// Where a message can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dest {
    /// A process.
    Pid(Pid),
    /// A name of this node; unregistered: `error:badarg`.
    Name(Atom),
    /// A name of a node; unregistered: silence.
    NameNode(Atom, Atom),
    /// A process by one of its aliases; the pid tells the node, the reference the alias.
    Alias(Ref, Pid),
}

impl From<Pid> for Dest {
    fn from(p: Pid) -> Self {
        Self::Pid(p)
    }
}

impl From<Atom> for Dest {
    fn from(a: Atom) -> Self {
        Self::Name(a)
    }
}

/// Messages in one deferred chain.
const CHAIN: u32 = 64;

impl Context {
    /// Sends a message; always succeeds, even if nobody is there. Never blocks. Source: OTP `Pid ! Msg`.
    #[inline]
    pub fn send(&mut self, to: Pid, message: impl Into<Term>) {
        let Ok(mut core) = Core::act(self) else { return };
        core.charge(1);
        send_from(&mut core, to, Signal::Message(Message::Term(message.into())));
    }

    /// Sends to a pid, a name, a name on a node, or an alias. Only a local name that is not registered is an error
    /// (`badarg`).
    pub fn send_to(&mut self, to: impl Into<Dest>, message: impl Into<Term>) -> Result<(), Exception> {
        let mut core = Core::act(self).map_err(|_| Exception::killed())?;
        core.charge(1);
        let message = message.into();
        match to.into() {
            Dest::Pid(p) => send_from(&mut core, p, Signal::Message(Message::Term(message))),
            Dest::Alias(r, p) => send_from(&mut core, p, Signal::Alias(r, message)),
            Dest::Name(name) => {
                let pid = core.system().names.whereis(name).ok_or_else(Exception::badarg)?;
                send_from(&mut core, pid, Signal::Message(Message::Term(message)));
            }
            Dest::NameNode(name, node) => {
                core.flush();
                core.system().send_name(Some(core.pid), name, node, message);
            }
        }
        Ok(())
    }
}

/// Sends a message-like signal, deferring it when its receiver is awake anyway.
#[inline]
pub(crate) fn send_from(core: &mut Core<'_>, to: Pid, signal: Signal) {
    let system = core.system();
    if to.node != system.id {
        core.flush();
        system.signal_elsewhere(Some(core.pid), Monitored::Pid(to), signal);
        return;
    }
    let Some(slot) = system.find(to) else {
        core.flush();
        return exit::answer_for_nobody(system, to, signal);
    };
    let task = slot.task_ptr();
    if let Some(seat) = core.seat() {
        let d = &mut seat.deferred;
        if d.dest == task {
            let node = signal::make(to.serial, signal);
            // SAFETY: fresh; it becomes the newest of the chain.
            unsafe { Node::set_next(node, d.last.cast()) };
            d.last = node.cast();
            d.count += 1;
            if d.count >= CHAIN {
                seat.flush();
            }
            return;
        }
        seat.flush();
        if slot.inbox.is_awake() {
            let node = signal::make(to.serial, signal);
            seat.deferred = Deferred { dest: task, first: node.cast(), last: node.cast(), count: 1 };
            return;
        }
    }
    slot.give(to.serial, signal);
}

/// Pushes a chain and does what becomes of it.
#[inline]
fn push_chain(slot: &Slot, oldest: *mut Node, newest: *mut Node) {
    // SAFETY: the callers own the chain.
    match unsafe { slot.inbox.push(oldest, newest) } {
        Pushed::Queued => {}
        // SAFETY: `Woke` gives us the right; callers are inside the core or not seated.
        Pushed::Woke => unsafe { slot.system().shared.wake(slot.task_ptr()) },
        Pushed::Closed => refuse(slot, oldest, newest),
    }
}

#[cold]
fn refuse(slot: &Slot, oldest: *mut Node, mut newest: *mut Node) {
    let system = slot.system();
    loop {
        // SAFETY: the chain is still ours; it runs from newest to oldest.
        unsafe {
            let last = newest == oldest;
            let next = Node::next(newest);
            let to = Pid { node: system.id, number: slot.number, serial: (*newest).serial };
            exit::answer_for_nobody(system, to, signal::open(newest));
            if last {
                return;
            }
            newest = next;
        }
    }
}

/// The scheduler publishes a deferred chain: `first` is its oldest node, `last` its newest.
///
/// # Safety
/// `task` heads a slot; the chain is the caller's.
pub(crate) unsafe fn deliver(task: *mut Task, first: *mut (), last: *mut (), _count: u32) {
    // SAFETY: tasks are the first field of slots, which are never unmapped.
    let slot = unsafe { &*task.cast::<Slot>() };
    push_chain(slot, first.cast(), last.cast());
}

impl System {
    /// Sends from outside of every process.
    pub fn send_from_nobody(&self, to: Dest, message: Term) -> Result<(), Exception> {
        match to {
            Dest::Pid(p) => {
                self.signal(p, Signal::Message(Message::Term(message)));
            }
            Dest::Alias(r, p) => {
                self.signal(p, Signal::Alias(r, message));
            }
            Dest::Name(name) => {
                let pid = self.names.whereis(name).ok_or_else(Exception::badarg)?;
                self.signal(pid, Signal::Message(Message::Term(message)));
            }
            Dest::NameNode(name, node) => self.send_name(None, name, node, message),
        }
        Ok(())
    }

    /// Sends to a name on a node; silence if it is not there.
    pub fn send_name(&self, from: Option<Pid>, name: Atom, node: Atom, message: Term) {
        if node == self.id.name() {
            if let Some(pid) = self.names.whereis(name) {
                self.signal(pid, Signal::Message(Message::Term(message)));
            }
        } else {
            self.signal_elsewhere(from, Monitored::Name(name, node), Signal::Message(Message::Term(message)));
        }
    }
}
