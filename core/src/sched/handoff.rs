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
    queue: Mutex<VecDeque<T>>,
    len: AtomicUsize,
}

impl<T> Handoff<T> {
    pub fn new() -> Self {
        Self { queue: Mutex::new(VecDeque::new()), len: AtomicUsize::new(0) }
    }

    /// Appends.
    pub fn push(&self, item: T) {
        self.push_all([item]);
    }

    /// Appends all, in order.
    pub fn push_all(&self, items: impl IntoIterator<Item = T>) {
        let mut q = lock(&self.queue);
        q.extend(items);
        self.len.store(q.len(), Release);
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
        let n = how_many(q.len()).min(q.len());
        q.drain(..n).for_each(&mut sink);
        self.len.store(q.len(), Release);
        q.len()
    }

    /// Takes the oldest.
    pub fn pop(&self) -> Option<T> {
        let mut got = None;
        self.take(|_| 1, |item| got = Some(item));
        got
    }
}
