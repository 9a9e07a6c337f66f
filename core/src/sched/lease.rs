//! Who owns a seat: its thread as long as the epoch is unchanged, and can be told so without its help.
//! Imports: base.
//!
//! Protocol (model: `loom_lease`). T is the seat's thread, W the watchdog.
//!  1 T enters the core: `in_core` = 1
//!  2 T: light barrier
//!  3 T: reads `epoch`; not its own -> `in_core` = 0, the seat is lost; its own -> the seat is T's until 4
//!  4 T leaves the core: `in_core` = 0 (Release: hands what it did to W's Acquire in c)
//!  a W revokes: `epoch` + 1
//!  b W: heavy barrier
//!  c W: waits until `in_core` is 0 (Acquire); the seat is W's, and the new epoch's thread's after it
//! By 2 and b, either T reads the new epoch in 3, or W reads T's `in_core` in c. T is inside only for a few
//! instructions at a time, so that W's wait is short.

#[cfg(not(loom))]
use crate::base::membarrier;
use crate::base::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::base::sync::atomic::{AtomicU32, AtomicU64};
use crate::base::sync::thread;

/// See the module's text.
#[derive(Debug)]
pub struct Lease {
    epoch: AtomicU64,
    in_core: AtomicU32,
}

impl Default for Lease {
    fn default() -> Self {
        Self::new()
    }
}

#[inline(always)]
fn light() {
    #[cfg(not(loom))]
    membarrier::light();
    #[cfg(loom)]
    crate::base::sync::atomic::fence(crate::base::sync::atomic::Ordering::SeqCst);
}

fn heavy() {
    #[cfg(not(loom))]
    membarrier::heavy();
    #[cfg(loom)]
    crate::base::sync::atomic::fence(crate::base::sync::atomic::Ordering::SeqCst);
}

impl Lease {
    /// A lease for its first thread, whose epoch is 0.
    pub fn new() -> Self {
        #[cfg(not(loom))]
        membarrier::register();
        Self { epoch: AtomicU64::new(0), in_core: AtomicU32::new(0) }
    }

    /// Steps 1 to 3; true: the seat is the caller's until `exit`.
    #[inline]
    pub fn enter(&self, mine: u64) -> bool {
        self.in_core.store(1, Relaxed);
        light();
        if self.epoch.load(Relaxed) == mine {
            return true;
        }
        self.in_core.store(0, Release);
        false
    }

    /// Step 4.
    #[inline]
    pub fn exit(&self) {
        self.in_core.store(0, Release);
    }

    /// The epoch of the thread that has the seat.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Acquire)
    }

    /// Whether its thread is inside the core. A hint.
    pub fn in_core(&self) -> bool {
        self.in_core.load(Relaxed) != 0
    }

    /// Steps a to c; returns the new epoch. One party at a time.
    pub fn revoke(&self) -> u64 {
        let next = self.epoch.load(Relaxed) + 1;
        self.epoch.store(next, Relaxed);
        heavy();
        while self.in_core.load(Acquire) != 0 {
            thread::yield_now();
        }
        next
    }
}
