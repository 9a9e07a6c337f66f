//! What an OS thread knows about the runtime: its scheduler, its seat and lease, the task it runs.
//! Imports: lease, seat, shared, task.
//!
//! A thread is either *seated* (it may touch its seat and the running task's own fields as long as its lease
//! is current) or *locked* (no seat: slow lane, guests, threads that lost their seat; then the task's own fields
//! are guarded by the task's lock).

use super::seat::Seat;
use super::shared::{OsThread, SeatCell, Shared};
use super::task::Task;
use std::cell::Cell;
use std::ptr::null;

/// Per-thread record, on the stack of the thread's main function.
pub(crate) struct ThreadCtx {
    pub shared: *const Shared,
    /// Null on threads without a seat.
    pub cell: *const SeatCell,
    pub epoch: u64,
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
    /// Enters runtime code from user code. True: the seat is ours until `exit_core`. False: the seat was taken
    /// away (or there never was one) and the caller must use the task's lock.
    #[inline]
    pub fn enter_core(&self) -> bool {
        if self.locked.get() {
            return false;
        }
        // SAFETY: a thread that is not locked has a seat cell, which lives as long as the scheduler.
        if unsafe { (*self.cell).lease.enter(self.epoch) } {
            self.inside.set(true);
            return true;
        }
        self.locked.set(true);
        // SAFETY: as above.
        self.guest.set(unsafe { (*self.cell).wait_for_token(self.epoch) });
        false
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
        // SAFETY: as in `enter_core`.
        unsafe { (*self.cell).lease.exit() }
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

    #[inline]
    pub fn shared(&self) -> &Shared {
        // SAFETY: the scheduler outlives its threads' records.
        unsafe { &*self.shared }
    }
}
