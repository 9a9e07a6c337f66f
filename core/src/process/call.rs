//! The native call: request, monitor, alias, reference, timeout and reply slot in one counted record.
//! Imports: term, core, signal, message, alias rules by name.
//!
//! Term for term it is OTP's `gen:call`: monitor the server with an alias, send `{'$gen_call', From, Request}`, wait
//! for the reply or `'DOWN'`, demonitor with flush. Here all of it is one record that the server's inbox and its list
//! of open calls hold, and whose `state` decides every race by one compare-and-swap.
//!
//! State: OPEN -> REPLIED (the server, or whoever replies for it) | FAILED (the server's end, or there is none)
//!             -> CLOSED (the caller has given up: timeout or death).
//!  1 caller: make the record OPEN, push `Call(record)` to the server; wait
//!  2 server's drain: puts the record into its open calls (so that its death fails it)
//!  3 replier: write the reply, CAS OPEN -> REPLIED (Release), push `Reply(record)` to the caller. Only the winner of
//!    `claimed` writes, so two replies cannot meet in the slot
//!  4 caller's drain: sees `Reply`; the body takes the reply (Acquire)
//!  5 timeout: caller CAS OPEN -> CLOSED; if it wins a late reply finds it closed and is dropped, and the server is
//!    told (`CallClosed`) to forget the record; if it loses the reply is there already
//!  6 server's end: CAS OPEN -> FAILED with the reason, push `Reply(record)`

use super::context::Context;
use super::core::Core;
use super::message::Message;
use super::send::send_from;
use super::signal::Signal;
use super::slot::{Own, Relations, Slot};
use super::system::System;
use crate::base::sync::atomic::{AtomicU8, Ordering::{AcqRel, Acquire, Relaxed, Release}};
use crate::term::{Pid, Ref, Term, View, atoms};
use std::cell::{Cell, UnsafeCell};
use std::sync::Arc;

const OPEN: u8 = 0;
/// Somebody writes the reply.
const CLAIMED: u8 = 1;
const REPLIED: u8 = 2;
const FAILED: u8 = 3;
const CLOSED: u8 = 4;

/// See the module's text.
pub(crate) struct CallRecord {
    state: AtomicU8,
    pub caller: Pid,
    pub server: Pid,
    pub reference: Ref,
    /// Written by who moved OPEN to CLAIMED; read by the caller after REPLIED or FAILED (Acquire).
    outcome: UnsafeCell<Option<Term>>,
    /// Place in the server's open calls; the server's owner only.
    place: Cell<u32>,
}

// SAFETY: the cells are guarded as their comments say.
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
    /// The server ended, or there is none (`noproc`), or its node is gone (`noconnection`).
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
        finish(system, self.record, FAILED, reason);
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
        let Ok(mut core) = Core::enter(self) else { return };
        core.charge(1);
        core.flush();
        let system = core.system();
        let record = from.record;
        if record.server == core.pid {
            if let Some(r) = core.own().relations.as_mut() {
                r.calls.remove(&record);
            }
        }
        finish(system, record, REPLIED, reply.into());
    }
}

/// Steps 3 and 6.
fn finish(system: &System, record: Arc<CallRecord>, to: u8, outcome: Term) {
    if record.state.compare_exchange(OPEN, CLAIMED, Acquire, Relaxed).is_err() {
        return;
    }
    // SAFETY: CLAIMED is ours alone, and nobody reads before the store below.
    unsafe { *record.outcome.get() = Some(outcome) };
    record.state.store(to, Release);
    system.signal(record.caller, Signal::Reply(record));
}

/// Step 1. The caller waits with [`poll`].
pub(crate) fn begin(core: &mut Core<'_>, server: Pid, request: Term) -> Arc<CallRecord> {
    let system = core.system();
    let reference = system.make_ref();
    let record = Arc::new(CallRecord {
        state: AtomicU8::new(OPEN),
        caller: core.pid,
        server,
        reference,
        outcome: UnsafeCell::new(None),
        place: Cell::new(NOWHERE),
    });
    core.own().relations().waiting.insert(reference, record.clone());
    core.charge(2);
    core.flush();
    let call = Call { record: record.clone(), request };
    send_from(core, server, Signal::Message(Message::Call(call)));
    // A call is worth waking its server for at once: the caller is about to wait.
    core.flush();
    record
}

impl CallRecord {
    /// Whether the caller has something to fetch.
    pub fn is_done(&self) -> bool {
        matches!(self.state.load(Acquire), REPLIED | FAILED)
    }
}

/// Step 4: the outcome, if there is one.
pub(crate) fn poll(core: &mut Core<'_>, record: &CallRecord) -> Option<Result<Term, CallError>> {
    let state = record.state.load(Acquire);
    if state != REPLIED && state != FAILED {
        return None;
    }
    core.own().relations().waiting.remove(&record.reference);
    // SAFETY: published by the Release store that the load above has seen; only the caller takes it.
    let outcome = unsafe { (*record.outcome.get()).take() }.unwrap_or_else(Term::nil);
    Some(if state == REPLIED { Ok(outcome) } else { Err(CallError::Exit(outcome)) })
}

/// Step 5. `Err` when the reply was faster.
pub(crate) fn give_up(core: &mut Core<'_>, record: &Arc<CallRecord>) -> bool {
    loop {
        match record.state.compare_exchange(OPEN, CLOSED, AcqRel, Acquire) {
            Ok(_) => break,
            // A replier is between claiming and storing: a few instructions.
            Err(CLAIMED) => std::hint::spin_loop(),
            Err(_) => return false,
        }
    }
    core.own().relations().waiting.remove(&record.reference);
    core.flush();
    core.system().signal(record.server, Signal::CallClosed(record.clone()));
    true
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
    if record.state.compare_exchange(OPEN, CLAIMED, Acquire, Relaxed).is_ok() {
        // SAFETY: CLAIMED is ours alone.
        unsafe { *record.outcome.get() = Some(reply) };
        record.state.store(REPLIED, Release);
        // Answered by another process: the server must forget it.
        slot.system().signal(record.server, Signal::CallClosed(record.clone()));
    }
}

/// Step 6 for a process that ends, and step 5 for what it waits for itself.
pub(crate) fn fail_all(system: &System, r: &mut Relations, reason: &Term) {
    for record in r.calls.drain() {
        finish(system, record, FAILED, reason.clone());
    }
    r.waiting.drain(|_, record| {
        if record.state.compare_exchange(OPEN, CLOSED, AcqRel, Relaxed).is_ok() {
            system.signal(record.server, Signal::CallClosed(record));
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
        if let Some(s) = self.slots.get_mut(i as usize) {
            if s.as_ref().is_some_and(|r| Arc::ptr_eq(r, record)) {
                *s = None;
                self.free.push(i);
            }
        }
    }

    fn drain(&mut self) -> Vec<Arc<CallRecord>> {
        self.free.clear();
        std::mem::take(&mut self.slots).into_iter().flatten().collect()
    }

    /// Who waits for an answer.
    pub fn callers(&self) -> Vec<(Ref, Pid)> {
        self.slots.iter().flatten().map(|r| (r.reference, r.caller)).collect()
    }
}

