//! One place to run processes: run queue, LIFO slot, the deferred send. Plain data; whoever holds the lease owns it.
//! Imports: queue, task.

use super::queue::RunQueue;
use super::task::{Lane, Task};
use crate::base::sync::atomic::Ordering::Relaxed;
use std::ptr::null_mut;

/// A chain of signals for one destination that was awake when the first was sent: published in one go at slice
/// end, when full, or before any other effect, so that a flood costs one compare-and-swap a chunk, not a message.
pub(crate) struct Deferred {
    pub dest: *mut Task,
    pub first: *mut (),
    pub last: *mut (),
    pub count: u32,
}

/// Consecutive turns that may go through the LIFO slot while others wait in the queue; or until the next tick.
const LIFO_BUDGET: u32 = 128;

/// See the module's text.
pub(crate) struct Seat {
    pub queue: RunQueue,
    lifo: *mut Task,
    lifo_turns: u32,
    pub deferred: Deferred,
    /// Time as last read by the worker, in ns of the node's clock.
    pub now_ns: u64,
}

// SAFETY: the pointers are tasks whose scheduling right travels with the seat (and a chain owned by it).
unsafe impl Send for Seat {}

impl Seat {
    pub fn new() -> Self {
        Self {
            queue: RunQueue::new(),
            lifo: null_mut(),
            lifo_turns: 0,
            deferred: Deferred { dest: null_mut(), first: null_mut(), last: null_mut(), count: 0 },
            now_ns: 0,
        }
    }

    /// Queues a task that was just woken: it runs next, on this core, while its message is in cache.
    ///
    /// # Safety
    /// The caller holds the scheduling right of a live task that may run here.
    #[inline]
    pub unsafe fn push_woken(&mut self, task: *mut Task) {
        let before = std::mem::replace(&mut self.lifo, task);
        if !before.is_null() {
            // SAFETY: the slot's content is a live task whose right the seat holds.
            unsafe { self.queue.push(before) };
        }
    }

    /// Queues a task behind the others.
    ///
    /// # Safety
    /// As `push_woken`.
    #[inline]
    pub unsafe fn push_back(&mut self, task: *mut Task) {
        // SAFETY: by contract.
        unsafe { self.queue.push(task) };
    }

    /// The next task to run. The LIFO slot goes first, within its budget, unless something urgent waits.
    #[inline]
    pub fn pop(&mut self) -> Option<*mut Task> {
        if !self.lifo.is_null() {
            let task = std::mem::replace(&mut self.lifo, null_mut());
            if self.queue.is_empty() {
                return Some(task);
            }
            // SAFETY: live, ours.
            let normal = unsafe { (*task).priority.load(Relaxed) } <= 2;
            if normal && self.lifo_turns < LIFO_BUDGET && !self.queue.has_urgent() {
                self.lifo_turns += 1;
                return Some(task);
            }
            // SAFETY: as above.
            unsafe { self.queue.push(task) };
        }
        self.lifo_turns = 0;
        self.queue.pop()
    }

    /// The queue's turn, if anything waits there: a tick has passed, and the budget counts turns, which may be long.
    pub fn end_lifo_turns(&mut self) {
        self.lifo_turns = LIFO_BUDGET;
    }

    /// Empties the LIFO slot into the queue (seeded mode draws from the queue only; a stand-in starts fair).
    pub fn spill_lifo(&mut self) {
        let task = std::mem::replace(&mut self.lifo, null_mut());
        if !task.is_null() {
            // SAFETY: live, ours.
            unsafe { self.queue.push(task) };
        }
    }

    /// Takes out the tasks that only one thread may run, for a seat whose thread has lost it.
    pub fn take_pinned(&mut self, mut out: impl FnMut(u32, *mut Task)) {
        self.spill_lifo();
        self.queue.retain(|task| {
            // SAFETY: live, ours.
            let pin = unsafe { (*task).pin.load(Relaxed) };
            if pin != 0 {
                out(pin, task);
            }
            pin == 0
        });
    }

    /// How many tasks wait here.
    pub fn len(&self) -> usize {
        self.queue.len() + usize::from(!self.lifo.is_null())
    }

    /// Publishes the deferred chain. Must run before any other effect of the process that sent it.
    #[inline]
    pub fn flush(&mut self) {
        if !self.deferred.dest.is_null() {
            self.flush_now();
        }
    }

    #[cold]
    fn flush_now(&mut self) {
        let Deferred { dest, first, last, count } = std::mem::replace(
            &mut self.deferred,
            Deferred { dest: null_mut(), first: null_mut(), last: null_mut(), count: 0 },
        );
        // SAFETY: slots are never unmapped while the node lives; the chain is ours to give.
        unsafe { ((*dest).vtable.deliver)(dest, first, last, count) };
    }
}

impl Task {
    pub(crate) fn lane(&self) -> Lane {
        if self.lane.load(Relaxed) == Lane::Slow as u8 { Lane::Slow } else { Lane::Seat }
    }
}
