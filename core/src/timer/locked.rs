//! A wheel that anybody may use: under a lock, with the time of its next work readable without the lock.
//! Imports: base, wheel.
//!
//! One party polls it, and may sleep until `next_deadline`. Protocol (models: `timer`)
//!  1 inserter: adds the entry under the lock, lowers `next` if it is sooner; unlock
//!  2 inserter, if it was sooner: wakes the poller, which must be able to tell that it sleeps by a read-modify-write
//!    (`Sleep::take`)
//!  3 poller: says that it sleeps (a read-modify-write: its Acquire sees the Release in 2 if that came first), reads
//!    `next`, sleeps until then
//! So either the poller reads the lowered `next`, or the inserter sees that it sleeps.
//!
//! An entry leaves the wheel under the lock, by `cancel` or by `poll`: exactly one of the two gets its value.

use super::wheel::{TimerKey, Wheel};
use crate::base::sync::atomic::{AtomicU64, Ordering::Relaxed};
use crate::base::sync::{Mutex, lock};

/// See the module's text.
pub struct LockedWheel<T> {
    wheel: Mutex<Wheel<T>>,
    /// When the wheel must be polled next; `u64::MAX`: never. Written under the lock; Relaxed: see steps 2 and 3 for
    /// what orders it.
    next: AtomicU64,
}

impl<T> LockedWheel<T> {
    /// An empty wheel whose time is `now_ns`.
    pub fn new(now_ns: u64) -> Self {
        Self { wheel: Mutex::new(Wheel::new(now_ns)), next: AtomicU64::new(u64::MAX) }
    }

    /// Adds an entry. True: it is the next to fire, so that a poller which sleeps must be woken.
    #[must_use = "the poller may have to be woken"]
    pub fn insert(&self, deadline_ns: u64, value: T) -> (TimerKey, bool) {
        let mut w = lock(&self.wheel);
        let key = w.insert(deadline_ns, value);
        let due = w.due(deadline_ns);
        let sooner = due < self.next.load(Relaxed);
        if sooner {
            self.next.store(due, Relaxed);
        }
        (key, sooner)
    }

    /// Removes an entry: its deadline and value, or `None` if it has fired or was cancelled.
    pub fn cancel(&self, key: TimerKey) -> Option<(u64, T)> {
        // `next` stays: the poller wakes once for nothing, and sets it anew.
        lock(&self.wheel).cancel(key)
    }

    /// The deadline of an entry.
    pub fn deadline(&self, key: TimerKey) -> Option<u64> {
        lock(&self.wheel).read(key).map(|(d, _)| d)
    }

    /// Takes out what is due and then, without the lock, hands it to `fire`, earliest tick first.
    pub fn poll(&self, now_ns: u64, mut fire: impl FnMut(TimerKey, u64, T)) {
        if now_ns < self.next.load(Relaxed) {
            return;
        }
        let mut due = Vec::new();
        {
            let mut w = lock(&self.wheel);
            w.advance(now_ns, |key, deadline, value| due.push((key, deadline, value)));
            self.next.store(w.next_deadline().unwrap_or(u64::MAX), Relaxed);
        }
        for (key, deadline, value) in due {
            fire(key, deadline, value);
        }
    }

    /// When `poll` wants to be called next, in ns; `u64::MAX`: never. The poller's only; see step 3.
    pub fn next_deadline(&self) -> u64 {
        self.next.load(Relaxed)
    }

    /// Entries that have neither fired nor been cancelled.
    pub fn len(&self) -> usize {
        lock(&self.wheel).len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
