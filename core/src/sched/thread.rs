//! What an OS thread knows about the runtime: its scheduler, its seat and lease, the task it runs.
//! Imports: lease, seat, shared, task.
//!
//! A thread is either *seated* (it may touch its seat and the running task's own fields as long as its lease
//! is current) or *locked* (no seat: slow lane, guests, threads that lost their seat; then the task's own fields
//! are guarded by the task's lock).

use super::lease::Tenure;
use super::seat::Seat;
use super::shared::{OsThread, SeatCell, Shared};
use super::task::Task;
use crate::base::sync::{Arc, thread_local};
use std::cell::Cell;
use std::ptr::{null, null_mut};

/// Per-thread record, on the stack of the thread's main function.
pub(crate) struct ThreadCtx {
    pub shared: *const Shared,
    /// Null on threads without a seat.
    pub cell: *const SeatCell,
    /// The thread's time on the seat; `None` on threads without.
    tenure: Option<Arc<Tenure>>,
    /// No seat, or it was taken away: every access to the running task goes through its lock.
    pub locked: Cell<bool>,
    pub current: Cell<*mut Task>,
    /// Whether the thread is inside the core (a destructor run by the core may call in again).
    pub inside: Cell<bool>,
    /// What `Vtable::overstayed` left for the running task, once the seat is lost.
    pub guest: Cell<*const ()>,
    /// Index in the thread table plus one.
    pub id: u32,
    /// The entry in the thread table.
    pub os: *const OsThread,
}

thread_local! {
    static CTX: Cell<*const ThreadCtx> = const { Cell::new(null()) };
}

/// The calling thread's record, or null on a thread that runs nothing of ours.
#[inline]
pub(crate) fn current() -> *const ThreadCtx {
    CTX.with(Cell::get)
}

/// Makes `ctx` the thread's record until the guard is dropped; restores what was there before (a simulated node
/// may be driven from inside a guest of another).
pub(crate) struct Installed {
    before: *const ThreadCtx,
}

impl Installed {
    pub fn new(ctx: &ThreadCtx) -> Self {
        Self { before: CTX.with(|c| c.replace(ctx)) }
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        CTX.with(|c| c.set(self.before));
    }
}

impl ThreadCtx {
    /// The record of a thread that sits on `cell`, whose current tenure is its own.
    pub fn seated(shared: &Arc<Shared>, cell: &SeatCell, os: &Arc<OsThread>) -> Self {
        os.sits(Some(cell.index));
        Self { cell, tenure: Some(cell.tenure()), locked: Cell::new(false), ..Self::unseated(shared, os) }
    }

    /// The record of a thread that runs tasks without a seat.
    pub fn unseated(shared: &Arc<Shared>, os: &Arc<OsThread>) -> Self {
        Self {
            shared: Arc::as_ptr(shared),
            cell: null(),
            tenure: None,
            locked: Cell::new(true),
            current: Cell::new(null_mut()),
            inside: Cell::new(false),
            guest: Cell::new(null()),
            id: os.id,
            os: Arc::as_ptr(os),
        }
    }

    /// Enters runtime code from user code. True: the seat is ours until `exit_core`. False: the seat was taken
    /// away (or there never was one) and the caller must use the task's lock.
    #[inline]
    pub fn enter_core(&self) -> bool {
        let Some(tenure) = self.tenure.as_ref().filter(|_| !self.locked.get()) else { return false };
        if tenure.enter() {
            self.inside.set(true);
            return true;
        }
        self.seat_lost(tenure);
        false
    }

    #[cold]
    fn seat_lost(&self, tenure: &Tenure) {
        self.locked.set(true);
        // SAFETY: the entry in the thread table outlives the record.
        unsafe { (*self.os).sits(None) };
        self.guest.set(tenure.wait_for_token());
    }

    /// Like `enter_core`, and harmless when already inside. `Some(true)`: this call entered, and its
    /// `exit_nested` leaves.
    #[inline]
    pub fn try_enter_nested(&self) -> Option<bool> {
        if self.inside.get() {
            return Some(false);
        }
        self.enter_core().then_some(true)
    }

    /// For callers that do without the seat if it is gone: says whether `exit_nested` has to leave.
    #[inline]
    pub fn enter_nested(&self) -> bool {
        self.try_enter_nested() == Some(true)
    }

    /// The counterpart of both.
    #[inline]
    pub fn exit_nested(&self, outermost: bool) {
        if outermost {
            self.exit_core();
        }
    }

    /// What the floor above left for the task whose seat was taken away under it.
    pub fn guest_token(&self) -> *const () {
        self.guest.get()
    }

    /// Leaves runtime code after a successful `enter_core`.
    #[inline]
    pub fn exit_core(&self) {
        self.inside.set(false);
        if let Some(tenure) = &self.tenure {
            tenure.exit();
        }
    }

    /// The seat.
    ///
    /// # Safety
    /// Between a successful `enter_core` and `exit_core` (or in the worker loop, which is always inside), one
    /// reference at a time.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn seat(&self) -> &mut Seat {
        // SAFETY: the lease makes us the only owner.
        unsafe { &mut *(*self.cell).seat.get() }
    }
}
