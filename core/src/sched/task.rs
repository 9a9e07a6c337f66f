//! What the scheduler runs: a header at the start of a process slot, and the four calls it makes on it.
//! Imports: base.
//!
//! *Scheduling right.* At any time at most one party may run a task or put it into a queue. The right is won by
//! the sender that finds the task's inbox idle and is given up when the task goes idle; the scheduler only
//! passes it on. All non-atomic fields here belong to the holder of the right.

use crate::base::sync::atomic::{AtomicU8, AtomicU32};
use std::cell::Cell;

/// Process priorities, lowest number first served. Source: OTP `process_flag(priority, Level)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Priority {
    /// Above everything; OTP reserves it for itself.
    Max = 0,
    /// Before normal and low while runnable.
    High = 1,
    /// The default.
    Normal = 2,
    /// Served once for every eight turns of normal.
    Low = 3,
}

impl Priority {
    pub(crate) fn from_u8(v: u8) -> Self {
        match v {
            0 => Self::Max,
            1 => Self::High,
            3 => Self::Low,
            _ => Self::Normal,
        }
    }
}

/// Where a task's slices run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Lane {
    /// On a seat.
    Seat = 0,
    /// On the nicer threads of the slow lane.
    Slow = 1,
}

/// What a slice leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The task gave its scheduling right up (or is gone): it must not be touched again.
    Gone,
    /// It wants another turn; the scheduler queues it.
    Again,
    /// The seat was taken away while user code ran; the task has been settled, this thread must leave the seat.
    LostSeat,
}

/// The calls the scheduler makes. All are made by the holder of the scheduling right, but for `overstayed`.
pub(crate) struct Vtable {
    /// Runs one slice. On a seat's thread when `lane` is `Seat`.
    pub run: unsafe fn(*mut Task) -> After,
    /// The watchdog has revoked the lease of the seat whose thread runs this task: take the task over from it.
    /// What it returns reaches that thread as its record's `guest`.
    pub overstayed: unsafe fn(*mut Task) -> *const (),
    /// Hands a chain of deferred signals over (`first`, `last`, how many), waking the task if it was idle.
    pub deliver: unsafe fn(*mut Task, *mut (), *mut (), u32),
}

/// The header. `repr(C)`, first field of a slot, so that the pointers are interchangeable.
#[repr(C)]
pub(crate) struct Task {
    /// Intrusive queue link; the queue's.
    pub next: Cell<*mut Task>,
    pub vtable: &'static Vtable,
    /// `Priority`; read by wakers, written by the task itself. Relaxed: a stale value costs one slice of order.
    pub priority: AtomicU8,
    /// `Lane`; written under the scheduling right, read by whoever won it, so the inbox's edges order it.
    pub lane: AtomicU8,
    /// OS thread (index in the scheduler's thread table, plus one) that a parked fiber must resume on, or 0.
    /// Written and read like `lane`.
    pub pin: AtomicU32,
}

impl Task {
    pub fn new(vtable: &'static Vtable) -> Self {
        Self {
            next: Cell::new(std::ptr::null_mut()),
            vtable,
            priority: AtomicU8::new(Priority::Normal as u8),
            lane: AtomicU8::new(Lane::Seat as u8),
            pin: AtomicU32::new(0),
        }
    }
}
