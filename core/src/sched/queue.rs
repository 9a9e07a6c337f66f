//! Intrusive first-in-first-out queue of tasks, one list per priority, with the order of service.
//! Imports: task. Single owner; no allocation, no atomics.

use super::task::{Priority, Task};
use crate::base::sync::atomic::Ordering::Relaxed;
use std::ptr::null_mut;

struct List {
    first: *mut Task,
    last: *mut Task,
}

impl List {
    const fn new() -> Self {
        Self { first: null_mut(), last: null_mut() }
    }
}

/// Turns of normal priority between two turns of low. Source: OTP serves low once in eight (`RESCHEDULE_LOW`).
const LOW_EVERY: u32 = 8;

/// Run queue of one seat.
pub(crate) struct RunQueue {
    lists: [List; 4],
    len: usize,
    /// Tasks that are neither normal nor low: zero in most programs, so that the common pop looks at one list.
    urgent: usize,
    since_low: u32,
}

// SAFETY: the raw pointers are tasks whose scheduling right travels with the queue.
unsafe impl Send for RunQueue {}

impl RunQueue {
    pub const fn new() -> Self {
        Self { lists: [List::new(), List::new(), List::new(), List::new()], len: 0, urgent: 0, since_low: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether a task of priority high or max waits.
    pub fn has_urgent(&self) -> bool {
        self.urgent > 0
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a task to the list of its priority.
    ///
    /// # Safety
    /// `task` is live, in no queue, and the caller holds its scheduling right.
    pub unsafe fn push(&mut self, task: *mut Task) {
        // SAFETY: live by contract; `next` belongs to the holder of the right.
        let priority = unsafe {
            (*task).next.set(null_mut());
            Priority::from_u8((*task).priority.load(Relaxed))
        };
        let list = &mut self.lists[priority as usize];
        if list.first.is_null() {
            list.first = task;
        } else {
            // SAFETY: tasks in the list are live and ours.
            unsafe { (*list.last).next.set(task) };
        }
        list.last = task;
        self.len += 1;
        if priority < Priority::Normal {
            self.urgent += 1;
        }
    }

    fn take(&mut self, index: usize) -> Option<*mut Task> {
        let list = &mut self.lists[index];
        let task = list.first;
        if task.is_null() {
            return None;
        }
        // SAFETY: tasks in the list are live and ours.
        list.first = unsafe { (*task).next.get() };
        self.len -= 1;
        if index < Priority::Normal as usize {
            self.urgent -= 1;
        }
        Some(task)
    }

    /// The next task by OTP's order: max, high, then normal and low mixed eight to one.
    pub fn pop(&mut self) -> Option<*mut Task> {
        if self.len == 0 {
            return None;
        }
        if self.urgent > 0
            && let Some(t) = self.take(0).or_else(|| self.take(1))
        {
            return Some(t);
        }
        if self.since_low >= LOW_EVERY {
            self.since_low = 0;
            if let Some(t) = self.take(Priority::Low as usize) {
                return Some(t);
            }
        }
        self.since_low += 1;
        self.take(Priority::Normal as usize).or_else(|| self.take(Priority::Low as usize))
    }

    /// How many tasks may go first: all of the most urgent priority, or all of normal and low.
    pub fn eligible(&self) -> usize {
        if self.urgent == 0 {
            return self.len;
        }
        let urgent = self.lists.iter().find(|l| !l.first.is_null());
        std::iter::successors(urgent.map(|l| l.first), |t| {
            // SAFETY: tasks in the list are live and ours.
            Some(unsafe { (**t).next.get() }).filter(|n| !n.is_null())
        })
        .count()
    }

    /// Takes the `n`-th task counted from the next to run, for the seeded single-thread mode. O(n).
    pub fn pop_nth(&mut self, n: usize) -> Option<*mut Task> {
        let mut kept = Self::new();
        let mut found = None;
        for i in 0..self.len {
            let Some(t) = self.pop() else { break };
            if i == n {
                found = Some(t);
                break;
            }
            // SAFETY: just popped, so live, in no queue, and ours.
            unsafe { kept.push(t) };
        }
        while let Some(t) = self.pop() {
            // SAFETY: as above.
            unsafe { kept.push(t) };
        }
        *self = kept;
        found
    }

    /// Keeps the tasks that `keep` wants, in their order; the others are the caller's.
    pub fn retain(&mut self, mut keep: impl FnMut(*mut Task) -> bool) {
        let mut kept = Self { since_low: self.since_low, ..Self::new() };
        for list in 0..self.lists.len() {
            while let Some(t) = self.take(list) {
                if keep(t) {
                    // SAFETY: just taken, so live, in no queue, and ours.
                    unsafe { kept.push(t) };
                }
            }
        }
        *self = kept;
    }

    /// Moves every other task that may run anywhere (is not pinned) out: urgent ones first, oldest first.
    pub fn split_off_half(&mut self, out: &mut Vec<*mut Task>) {
        let mut turn = false;
        self.retain(|t| {
            // SAFETY: live and ours.
            if unsafe { (*t).pin.load(Relaxed) } != 0 {
                return true;
            }
            turn = !turn;
            if turn {
                out.push(t);
            }
            !turn
        });
    }
}
