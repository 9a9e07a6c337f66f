//! The native call: request, monitor, alias, reference, timeout and reply slot in one counted record.
//! Imports: term, core, signal, message, alias rules by name.
//!
//! Term for term it is OTP's `gen:call`: monitor the server with an alias, send `{'$gen_call', From, Request}`, wait
//! for the reply or `'DOWN'`, demonitor with flush. Here all of it is one record that the server's inbox and its list
//! of open calls hold, and whose `state` decides every race by one compare-and-swap.
//!
//! Who wins is the business of `call_state`. Around it:
//!  1 caller: makes the record, notes it under its reference, pushes `Call(record)` to the server; waits
//!  2 server's drain: puts the record into its open calls, so that its death fails it
//!  3 whoever has an outcome finishes the record and, having won, pushes `Reply(record)` to the caller: any signal makes
//!    the waiting body look at the record
//!  4 caller: takes the outcome; or gives up (timeout, death, a dropped future) and tells the server by `CallClosed` to
//!    forget the record
//!
//! A server on another node gets OTP's own three: a monitor, the request as a term, and at the end a demonitor, which
//! the router makes of `Call` and `CallClosed`. The reply comes through the alias, the failure as the monitor's `Down`;
//! both find the record by its reference.

use super::call_state::{CallState, Outcome};
use super::context::Context;
use super::core::Core;
use super::message::{Message, Monitored};
use super::monitor::Target;
use super::send::send_from;
use super::signal::{self, Node, Signal};
use super::slot::{Own, Relations, Slot};
use super::system::System;
use crate::term::{Atom, Pid, Ref, Term, View, atoms};
use std::cell::Cell;
use std::sync::Arc;

/// See the module's text.
pub(crate) struct CallRecord {
    state: CallState<Term>,
    pub caller: Pid,
    /// A process, or a name on another node.
    pub server: Monitored,
    pub reference: Ref,
    /// Place in the server's open calls; the server's owner only.
    place: Cell<u32>,
}

// SAFETY: the cell is its owner's, as its comment says; the rest is shared safely.
unsafe impl Sync for CallRecord {}
// SAFETY: terms are Send; see above.
unsafe impl Send for CallRecord {}

const NOWHERE: u32 = u32::MAX;

/// A request that waits for its reply, on the server's side.
///
/// Dropping it unanswered leaves the caller waiting for its timeout or the server's end, as in OTP.
pub struct Call {
    record: Arc<CallRecord>,
    request: Term,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call({:?}, {:?})", self.record.caller, self.request)
    }
}

/// Who asked: what a reply is addressed to. As a term `{Pid, [alias | Ref]}`.
#[derive(Clone)]
pub struct From {
    record: Arc<CallRecord>,
}

/// How a call failed.
#[derive(Clone, Debug, PartialEq)]
pub enum CallError {
    /// No reply in time; a late one is dropped.
    Timeout,
    /// The server ended, or there is none (`noproc`), or its node is gone or not to be reached (`{nodedown, Node}`).
    Exit(Term),
}

impl Call {
    pub(crate) fn record(&self) -> &Arc<CallRecord> {
        &self.record
    }

    /// The request.
    pub fn request(&self) -> &Term {
        &self.request
    }

    /// Takes the message apart.
    pub fn into_parts(self) -> (From, Term) {
        (From { record: self.record }, self.request)
    }

    /// `{'$gen_call', {Pid, [alias | Ref]}, Request}`
    pub fn to_term(&self) -> Term {
        Term::tuple([atoms::GEN_CALL.into(), from_term(&self.record), self.request.clone()])
    }

    /// Nobody will ever look at it: its server is gone and has failed it already.
    pub(crate) fn forget(self) {}

    /// The message was not delivered.
    pub(crate) fn fail(self, system: &System, reason: Term) {
        finish(system, self.record, Outcome::Failed(reason));
    }
}

impl From {
    /// The calling process.
    pub fn pid(&self) -> Pid {
        self.record.caller
    }

    /// `{Pid, [alias | Ref]}`: OTP's `From`, which a process of any node can reply to.
    pub fn to_term(&self) -> Term {
        from_term(&self.record)
    }
}

fn from_term(record: &CallRecord) -> Term {
    let tag = Term::improper_list([Term::from(atoms::ALIAS)], record.reference.into());
    Term::tuple([record.caller.into(), tag])
}

impl Context {
    /// Replies to a call, from whatever process. A second reply, or one after the caller has given up, is dropped.
    pub fn reply(&mut self, from: From, reply: impl Into<Term>) {
        let Ok(mut core) = Core::act(self) else { return };
        core.charge(1);
        core.flush();
        let system = core.system();
        let record = from.record;
        if record.server == Monitored::Pid(core.pid) {
            if let Some(r) = core.own().relations.as_mut() {
                r.calls.remove(&record);
            }
        } else if let Monitored::Pid(server) = record.server {
            // Its server must forget it; that it may do so before the reply is there changes nothing for the caller.
            system.signal(server, Signal::CallClosed(record.clone()));
        }
        finish(system, record, Outcome::Replied(reply.into()));
    }
}

/// Step 3.
fn finish(system: &System, record: Arc<CallRecord>, outcome: Outcome<Term>) {
    if record.state.finish(outcome).is_ok() {
        system.signal(record.caller, Signal::Reply(record));
    }
}

/// Step 1. The caller waits with [`poll`].
pub(crate) fn begin(core: &mut Core<'_>, server: Target, request: Term) -> Arc<CallRecord> {
    let system = core.system();
    let reference = system.make_alias_ref(core.pid);
    let here = system.id.name();
    let (server, known) = match server {
        Target::Pid(p) => (Monitored::Pid(p), true),
        Target::NameNode(n, node) if node != here => (Monitored::Name(n, node), true),
        Target::Name(n) | Target::NameNode(n, _) => match system.names.whereis(n) {
            Some(p) => (Monitored::Pid(p), true),
            None => (Monitored::Name(n, here), false),
        },
    };
    let record = Arc::new(CallRecord {
        state: CallState::new(),
        caller: core.pid,
        server,
        reference,
        place: Cell::new(NOWHERE),
    });
    core.own().relations().waiting.insert(reference, record.clone());
    core.charge(2);
    core.flush();
    if core.must_end() {
        // Nobody hears of it; the caller will wait, and end.
        return record;
    }
    let call = Signal::Message(Message::Call(Call { record: record.clone(), request }));
    match server {
        _ if !known => record.server_down(atoms::NOPROC.into()),
        Monitored::Pid(p) => send_from(core, p, call),
        Monitored::Name(..) => {
            system.signal_elsewhere(Some(core.pid), server, call);
        }
    }
    // A call is worth waking its server for at once: the caller is about to wait.
    core.flush();
    record
}

impl CallRecord {
    /// Whether the caller has something to fetch.
    pub fn is_done(&self) -> bool {
        self.state.is_done()
    }

    /// The server is gone, as its monitor says on the caller's side. The caller will look at the record anyway.
    pub fn server_down(&self, reason: Term) {
        // A reply that was faster stands.
        let _ = self.state.finish(Outcome::Failed(reason));
    }

    /// The server's node.
    fn node(&self) -> Atom {
        match self.server {
            Monitored::Pid(p) => p.node.name(),
            Monitored::Name(_, node) => node,
        }
    }
}

/// Step 4: the outcome, if there is one.
pub(crate) fn poll(core: &mut Core<'_>, record: &CallRecord) -> Option<Result<Term, CallError>> {
    let outcome = record.state.take()?;
    core.own().relations().waiting.remove(&record.reference);
    Some(match outcome {
        Outcome::Replied(reply) => Ok(reply),
        // Source: OTP `gen:call/4`.
        Outcome::Failed(reason) if reason == Term::from(atoms::NOCONNECTION) => {
            Err(CallError::Exit(Term::tuple([atoms::NODEDOWN.into(), record.node().into()])))
        }
        Outcome::Failed(reason) => Err(CallError::Exit(reason)),
    })
}

/// Step 4, giving up. False: the outcome was faster.
pub(crate) fn give_up(core: &mut Core<'_>, record: &Arc<CallRecord>) -> bool {
    if !record.state.give_up() {
        return false;
    }
    core.own().relations().waiting.remove(&record.reference);
    core.flush();
    tell_server(core.system(), record.clone());
    true
}

/// The server must forget the call.
fn tell_server(system: &System, record: Arc<CallRecord>) {
    match record.server {
        Monitored::Pid(p) => system.signal(p, Signal::CallClosed(record)),
        server @ Monitored::Name(..) => {
            system.signal_elsewhere(Some(record.caller), server, Signal::CallClosed(record))
        }
    };
}

/// A reply or failure has come: the body that waits for it looks at the record itself. Nothing is queued.
pub(crate) fn reply_arrived(_own: &mut Own, _record: &CallRecord) {}

/// The caller has given up.
pub(crate) fn closed_arrived(own: &mut Own, record: &Arc<CallRecord>) {
    if let Some(r) = own.relations.as_mut() {
        r.calls.remove(record);
    }
}

/// Step 2.
#[inline]
pub(crate) fn received(own: &mut Own, record: &Arc<CallRecord>) {
    own.relations().calls.insert(record.clone());
}

/// A reply in OTP's own shape, `{[alias | Ref], Reply}`, to a native call of ours.
pub(crate) fn term_reply(slot: &Slot, record: &Arc<CallRecord>, message: Term) {
    let reply = match message.view() {
        View::Tuple([_, reply]) => reply.clone(),
        _ => return,
    };
    if record.state.finish(Outcome::Replied(reply)).is_ok() {
        // Answered by another process: the server must forget it.
        tell_server(slot.system(), record.clone());
    }
}

/// Whether a message is the reply to a call that waits, sent to the caller's pid instead of its alias: `{[alias | Ref],
/// Reply}` too is OTP's shape (`net_kernel` answers so). If it is, the node is freed.
///
/// # Safety
/// `node` is live, the caller's, and carries a message; the slot's fields are the caller's.
#[cold]
pub(crate) unsafe fn is_plain_reply(slot: &Slot, own: &mut Own, node: *mut Node) -> bool {
    // SAFETY: by contract.
    let Signal::Message(Message::Term(message)) = (unsafe { &(*node).signal }) else { return false };
    let View::Tuple([tag, _]) = message.view() else { return false };
    let Some(list) = tag.as_list().filter(|l| *l.head() == Term::from(atoms::ALIAS)) else { return false };
    let Some(reference) = list.rest().as_ref() else { return false };
    let Some(record) = own.relations.as_ref().and_then(|r| r.waiting.get(&reference)).cloned() else { return false };
    // SAFETY: by contract.
    if let Signal::Message(Message::Term(message)) = unsafe { signal::open(node) } {
        term_reply(slot, &record, message);
    }
    true
}

/// Step 3 for a server that ends, and step 4 for what it waits for itself.
pub(crate) fn fail_all(system: &System, r: &mut Relations, reason: &Term) {
    for record in r.calls.drain() {
        finish(system, record, Outcome::Failed(reason.clone()));
    }
    r.waiting.drain(|_, record| {
        if record.state.give_up() {
            tell_server(system, record);
        }
    });
}

/// The calls a server has received and not answered: a slab, so that answering costs no search.
#[derive(Default)]
pub(crate) struct OpenCalls {
    slots: Vec<Option<Arc<CallRecord>>>,
    free: Vec<u32>,
}

impl OpenCalls {
    fn insert(&mut self, record: Arc<CallRecord>) {
        match self.free.pop() {
            Some(i) => {
                record.place.set(i);
                self.slots[i as usize] = Some(record);
            }
            None => {
                record.place.set(self.slots.len() as u32);
                self.slots.push(Some(record));
            }
        }
    }

    fn remove(&mut self, record: &Arc<CallRecord>) {
        let i = record.place.replace(NOWHERE);
        if i == NOWHERE {
            return;
        }
        if let Some(s) = self.slots.get_mut(i as usize)
            && s.as_ref().is_some_and(|r| Arc::ptr_eq(r, record))
        {
            *s = None;
            self.free.push(i);
        }
    }

    fn drain(&mut self) -> Vec<Arc<CallRecord>> {
        self.free.clear();
        std::mem::take(&mut self.slots).into_iter().flatten().collect()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.slots.len() == self.free.len()
    }

    /// Who waits for an answer.
    pub fn callers(&self) -> Vec<(Ref, Pid)> {
        self.slots.iter().flatten().map(|r| (r.reference, r.caller)).collect()
    }
}
