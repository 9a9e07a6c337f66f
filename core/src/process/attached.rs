//! Threads outside the scheduler as processes: the C `main`, a test, a Python thread.
//! Imports: term, context, core, guest, queue, system.
//!
//! The thread's own fields are guarded by its guest's lock; scheduler threads apply its signals and wake it.

use super::async_body::Timeout;
use super::body::Body;
use super::call::{self, CallError};
use super::context::Context;
use super::core::Core;
use super::error::Exception;
use super::guest::Guest;
use super::message::Message;
use super::monitor::Target;
use super::slot::Slot;
use super::spawn::{Code, SpawnOptions};
use super::system::System;
use crate::term::{Ref, Term, atoms};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// The calling thread as a process: all of [`Context`], and blocking receives.
///
/// Dropping it ends the process with reason `normal` (or what `finish` says). Blocks: `receive` and `call` block the
/// calling thread. If the process is killed, they return at once and every other call has no effect.
pub struct Attached {
    context: Context,
    guest: Arc<Guest>,
    system: Arc<System>,
}

// SAFETY: every access goes through the guest's lock; the context carries it.
unsafe impl Send for Attached {}

/// Why a receive of an attached thread has no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// Nothing came in time.
    Timeout,
    /// The process has been killed, or the node has stopped.
    Killed,
}

impl From<Timeout> for ReceiveError {
    fn from(_: Timeout) -> Self {
        Self::Timeout
    }
}

impl Deref for Attached {
    type Target = Context;
    fn deref(&self) -> &Context {
        &self.context
    }
}

impl DerefMut for Attached {
    fn deref_mut(&mut self) -> &mut Context {
        &mut self.context
    }
}

impl Attached {
    /// Makes a process out of the calling thread.
    pub(crate) fn new(system: &Arc<System>) -> Result<Self, Exception> {
        let code = Code::handler(Nothing);
        let leader = system.group_leader;
        let slot = system.prepare(code, &SpawnOptions::default(), leader, leader)?;
        // Not out, for an end need not wait for it: the thread finds out by itself.
        let guest = Arc::new(Guest::new(slot, false));
        // SAFETY: S2: nobody else knows the process yet.
        unsafe {
            let own = &mut *slot.own.get();
            super::body::finish(std::mem::replace(&mut own.body, Body::Thread), &Term::nil());
            own.guest = Some(guest.clone());
        }
        let context = Context { slot, pid: slot.pid(), guest: Some(guest.clone()) };
        // The right goes to whoever sends first.
        if !slot.inbox.go_idle() {
            system.enter(|| system.shared.inject(slot.task_ptr()));
        }
        Ok(Self { context, guest, system: system.clone() })
    }

    /// Waits for the next message; `None`: no timeout.
    pub fn receive(&mut self, timeout_ms: Option<u64>) -> Result<Message, ReceiveError> {
        self.receive_match(timeout_ms, |_| true)
    }

    /// Selective receive: the oldest message that `want` accepts; the others stay, in order.
    pub fn receive_match(
        &mut self,
        timeout_ms: Option<u64>,
        mut want: impl FnMut(&Message) -> bool,
    ) -> Result<Message, ReceiveError> {
        self.wait(timeout_ms, |own| own.queue.receive(&mut want), |own| own.queue.restart())
    }

    /// Waits for a message that contains `reference`, made by this process; older messages are not looked at.
    pub fn receive_ref(
        &mut self,
        reference: Ref,
        timeout_ms: Option<u64>,
        mut want: impl FnMut(&Message) -> bool,
    ) -> Result<Message, ReceiveError> {
        self.context.skip_to_mark(reference);
        self.wait(timeout_ms, |own| own.queue.receive(&mut want), |own| own.queue.restart())
    }

    /// Calls a server and waits for its reply. See `AsyncContext::call`.
    pub fn call(
        &mut self,
        server: impl Into<Target>,
        request: impl Into<Term>,
        timeout_ms: Option<u64>,
    ) -> Result<Term, CallError> {
        let killed = || CallError::Exit(Term::from(atoms::KILLED));
        let record = self.context.begin_call(server.into(), request.into()).ok_or_else(killed)?;
        let outcome = self.wait(timeout_ms, |_| record.is_done().then_some(()), |_| {});
        let mut core = Core::enter(&self.context).map_err(|_| killed())?;
        if outcome.is_err() && call::give_up(&mut core, &record) {
            return Err(CallError::Timeout);
        }
        call::poll(&mut core, &record).unwrap_or(Err(CallError::Timeout))
    }

    /// Ends the process with a reason.
    pub fn finish(self, reason: impl Into<Term>) {
        self.end(reason.into());
    }

    fn end(&self, reason: Term) {
        if let Ok(mut core) = Core::enter(&self.context) {
            super::core::end(&mut core, reason);
            let slot = core.slot;
            drop(core);
            self.schedule(slot);
        }
    }

    /// Gets a scheduler thread to look at the process.
    fn schedule(&self, slot: &Slot) {
        if slot.inbox.claim() {
            self.system.enter(|| self.system.shared.inject(slot.task_ptr()));
        }
    }

    fn wait<T>(
        &mut self,
        timeout_ms: Option<u64>,
        mut take: impl FnMut(&mut super::slot::Own) -> Option<T>,
        give_up: impl FnOnce(&mut super::slot::Own),
    ) -> Result<T, ReceiveError> {
        let deadline = self.context.deadline_in(timeout_ms);
        let mut state = self.guest.lock();
        loop {
            if !state.exit.may_act() {
                return Err(ReceiveError::Killed);
            }
            // SAFETY: it may act, so the slot is ours under the lock (S2).
            let (slot, own) = unsafe { (&*state.slot, &mut *(*state.slot).own.get()) };
            if own.pending.is_none() && slot.inbox.has_new() {
                // What has arrived counts, also before a scheduler thread has come to it.
                super::run::drain(slot, own);
            }
            if own.pending.is_none()
                && let Some(v) = take(own)
            {
                return Ok(v);
            }
            let now = self.system.shared.clock.now_ns();
            if now >= deadline {
                give_up(own);
                return Err(ReceiveError::Timeout);
            }
            state = if deadline == u64::MAX {
                self.guest.arrived.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                let left = Duration::from_nanos(deadline - now);
                self.guest.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.end(Term::from(atoms::NORMAL));
    }
}

/// Stands in for a body until the thread takes its place.
struct Nothing;

impl super::body::Handler for Nothing {
    fn handle(&mut self, _: &mut Context, _: Message) -> Result<super::body::Next, Exception> {
        Ok(super::body::Next::Continue)
    }
}
