//! Atomics, cells, locks and threads behind one name, so that loom and shuttle can stand in for std.
//! Imports: nothing of this crate.
//!
//! Under `cfg(loom)` and `cfg(shuttle)` only the crate `core/models` is built; it includes the rooms it checks. What
//! loom lacks (weak pointers, timeouts) is not here for it: rooms that need such a thing are checked by shuttle.

#[cfg(loom)]
pub use loom::{
    hint,
    sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, atomic},
    thread, thread_local,
};

#[cfg(shuttle)]
pub use shuttle::{
    hint,
    sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, Weak, atomic},
    thread, thread_local,
};

#[cfg(not(any(loom, shuttle)))]
pub use std::{
    hint,
    sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, Weak, atomic},
    thread, thread_local,
};

use std::sync::{LockResult, PoisonError};
#[cfg(not(loom))]
use std::time::Duration;

#[cfg(loom)]
pub use loom::cell::UnsafeCell;

/// `std::cell::UnsafeCell` with loom's closure interface, so that one text serves all.
#[cfg(not(loom))]
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Runs `f` on a shared pointer to the value.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Runs `f` on an exclusive pointer to the value; the caller vouches for exclusiveness.
    #[inline(always)]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// The guard, whether or not some thread panicked while it held the lock. For locks under which nothing is left half
/// written.
pub fn even_if_poisoned<G>(r: LockResult<G>) -> G {
    r.unwrap_or_else(PoisonError::into_inner)
}

/// Locks a mutex; see [`even_if_poisoned`].
pub fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    even_if_poisoned(m.lock())
}

/// `thread::park_timeout`. Shuttle knows no time: there it is over at once.
#[cfg(not(loom))]
pub fn park_timeout(time: Duration) {
    #[cfg(not(shuttle))]
    thread::park_timeout(time);
    #[cfg(shuttle)]
    {
        let _ = time;
        thread::yield_now();
    }
}

/// `Condvar::wait_timeout`; true: the time is over. Shuttle: as in [`park_timeout`].
#[cfg(not(loom))]
pub fn wait_timeout<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    mutex: &'a Mutex<T>,
    time: Duration,
) -> (MutexGuard<'a, T>, bool) {
    #[cfg(not(shuttle))]
    {
        let _ = mutex;
        let (guard, result) = even_if_poisoned(condvar.wait_timeout(guard, time));
        (guard, result.timed_out())
    }
    #[cfg(shuttle)]
    {
        let _ = (condvar, time);
        drop(guard);
        thread::yield_now();
        (lock(mutex), true)
    }
}
