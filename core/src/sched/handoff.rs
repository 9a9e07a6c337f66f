//! A queue that anybody may push into, with its length as a hint that costs no lock: the injector, and the tasks
//! that only one thread may run.
//! Imports: base.
//!
//! The hint is written under the lock (Release) and read without it (Acquire). It is never wrong for long: a reader
//! that must not miss a push puts a fence before the read, as the pusher does after the write (see `sleep`).

use crate::base::sync::atomic::AtomicUsize;
use crate::base::sync::atomic::Ordering::{Acquire, Release};
use crate::base::sync::{Mutex, lock};
use std::collections::VecDeque;

/// See the module's text.
pub(crate) struct Handoff<T> {
    queue: Mutex<Queue<T>>,
    len: AtomicUsize,
}

struct Queue<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Handoff<T> {
    pub fn new() -> Self {
        Self { queue: Mutex::new(Queue { items: VecDeque::new(), closed: false }), len: AtomicUsize::new(0) }
    }

    /// Appends, unless nobody takes any more.
    pub fn push(&self, item: T) -> Result<(), T> {
        let mut q = lock(&self.queue);
        if q.closed {
            return Err(item);
        }
        q.items.push_back(item);
        self.len.store(q.items.len(), Release);
        Ok(())
    }

    /// Appends all, in order. Not after `close`.
    pub fn push_all(&self, items: impl IntoIterator<Item = T>) {
        let mut q = lock(&self.queue);
        q.items.extend(items);
        self.len.store(q.items.len(), Release);
    }

    /// Whether it seems to hold anything.
    #[inline]
    pub fn has_some(&self) -> bool {
        self.len.load(Acquire) != 0
    }

    /// Gives the oldest to `sink`, as many as `how_many` says when told the length. Returns how many stay.
    pub fn take(&self, how_many: impl FnOnce(usize) -> usize, mut sink: impl FnMut(T)) -> usize {
        if !self.has_some() {
            return 0;
        }
        let mut q = lock(&self.queue);
        let n = how_many(q.items.len()).min(q.items.len());
        q.items.drain(..n).for_each(&mut sink);
        self.len.store(q.items.len(), Release);
        q.items.len()
    }

    /// Takes the oldest.
    pub fn pop(&self) -> Option<T> {
        let mut got = None;
        self.take(|_| 1, |item| got = Some(item));
        got
    }

    /// Nobody takes any more: what is left, and later pushes are refused.
    pub fn close(&self) -> VecDeque<T> {
        let mut q = lock(&self.queue);
        q.closed = true;
        self.len.store(0, Release);
        std::mem::take(&mut q.items)
    }
}
