//! A process whose body runs outside the scheduler's seats: an attached thread, a slow callback, an orphan.
//! Imports: base, term, slot, body, exit_state, timers.
//!
//! Its own fields are guarded by the guest's lock instead of the scheduling right, so that scheduler threads can
//! apply its signals (and kill it) while its code runs elsewhere.
//!
//! Life of a callback outside (who finishes what when the process ends meanwhile: `exit_state`):
//!  1 the thread takes the lock, notes that the code goes out, unlocks, runs the callback
//!  2 every call the callback makes takes the lock and asks whether it may act first; if not it has no effect
//!  3 slices meanwhile take the lock, apply signals, and leave messages in the queue
//!  4 a kill meanwhile: inbox, name and tables go at once; links and monitors are told when the callback is back, or
//!    after `cleanup_ms`: then it is an orphan, and the slot is free
//!  5 the callback returns: lock; the process lives -> note the turn, and claim a slice if the inbox is idle; it is an
//!    orphan -> hooks and destructors run now, once, and it is counted off

use super::body::{Body, Hook};
use super::exit_state::ExitState;
use super::slot::Slot;
use super::timers::CleanupKey;
use crate::base::clock::Clock;
use crate::term::Term;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) struct GuestState {
    /// Valid while `exit.may_act()`, and for the thread whose code has come back to a process that is ending.
    pub slot: *const Slot,
    pub exit: ExitState<Orphan, CleanupKey>,
}

/// What the callback of a dead process has to finish when it comes back.
pub(crate) struct Orphan {
    pub body: Body,
    pub hooks: Vec<Hook>,
    pub reason: Term,
    pub count: OrphanCount,
}

impl Orphan {
    /// Its code is back: hooks and destructors run now, once.
    pub fn finish(self) {
        super::exit::run_hooks(self.hooks, &self.reason);
        super::body::finish(self.body, &self.reason);
        self.count.returned();
    }
}

// SAFETY: the slot pointer is used under the lock as its comment says; bodies are Send.
unsafe impl Send for GuestState {}

pub(crate) struct Guest {
    state: Mutex<GuestState>,
    /// An attached thread waits here for messages, timeouts, its death.
    pub arrived: Condvar,
    /// The node's clock, which the callback's thread may need after the process is gone.
    pub clock: Clock,
}

/// Counts the orphans of a node; outlives it.
#[derive(Clone, Default)]
pub(crate) struct OrphanCount(Arc<AtomicUsize>);

impl OrphanCount {
    /// An orphan has come into being.
    pub fn left(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Its callback has returned.
    pub fn returned(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// Orphans whose callbacks have not returned.
    pub fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Guest {
    pub fn new(slot: *const Slot, body_out: bool) -> Self {
        let state = GuestState { slot, exit: ExitState::new(body_out) };
        // SAFETY: the slot is live and lives as long as its system; read at birth only.
        let clock = unsafe { (*slot).system().shared.clock.clone() };
        Self { state: Mutex::new(state), arrived: Condvar::new(), clock }
    }

    pub fn lock(&self) -> MutexGuard<'_, GuestState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
