//! A process whose body runs outside the scheduler's seats: an attached thread, a slow callback, an orphan.
//! Imports: slot, body.
//!
//! Its own fields are guarded by the guest's lock instead of the scheduling right, so that scheduler threads can
//! apply its signals (and kill it) while its code runs elsewhere.
//!
//! Life of a callback outside:
//!  1 the thread takes the lock, sees `alive`, sets `body_out`, unlocks, runs the callback
//!  2 every call the callback makes takes the lock and looks at `alive` first; dead: `E_KILLED`, no effect
//!  3 slices meanwhile take the lock, apply signals, and leave messages in the queue
//!  4 a kill meanwhile: names and tables go at once; if the callback is not back after `cleanup_ms`, links and
//!    monitors are told, `alive` goes false, the body is left in `orphan`, the slot is free
//!  5 the callback returns: lock; alive -> clear `body_out`, and claim a slice if the inbox is idle;
//!    dead -> drop the body: hooks and destructors run now, once, and the orphan is counted off

use super::body::{Body, Hook};
use super::slot::Slot;
use super::timers::CleanupKey;
use crate::base::clock::Clock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) struct GuestState {
    /// Valid while `alive`.
    pub slot: *const Slot,
    pub alive: bool,
    /// A callback runs on some thread.
    pub body_out: bool,
    /// The body of a dead process whose callback has not come back.
    pub orphan: Option<(Body, OrphanCount, Vec<Hook>)>,
    /// An exit waits for the callback until then (ns of the node's clock).
    pub cleanup_until: Option<u64>,
    /// The timer that holds the scheduling right meanwhile.
    pub cleanup_key: Option<CleanupKey>,
}

// SAFETY: the slot pointer is used under the lock while `alive`; bodies are Send.
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
        let state = GuestState { slot, alive: true, body_out, orphan: None, cleanup_until: None, cleanup_key: None };
        // SAFETY: the slot is live and lives as long as its system; read at birth only.
        let clock = unsafe { (*slot).system().shared.clock.clone() };
        Self { state: Mutex::new(state), arrived: Condvar::new(), clock }
    }

    pub fn lock(&self) -> MutexGuard<'_, GuestState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
