//! Clocks are handed in, never fetched: the kernel's, or one that tests move by hand.
//! Imports: nothing of this crate.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

/// Monotonic time in nanoseconds since some start.
#[derive(Clone, Debug)]
pub enum Clock {
    /// CLOCK_MONOTONIC.
    Real,
    /// Stands still until somebody advances it. Acquire and AcqRel: who sees the new time sees what was done before.
    Virtual(Arc<AtomicU64>),
}

impl Clock {
    /// A virtual clock that shows one second, so that "before the start" can be said.
    pub fn virtual_clock() -> Self {
        Self::Virtual(Arc::new(AtomicU64::new(1_000_000_000)))
    }

    /// Nanoseconds; never goes back.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        match self {
            Self::Real => {
                let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
                // SAFETY: `t` is a valid timespec; the clock exists on every supported kernel.
                unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
                t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
            }
            Self::Virtual(ns) => ns.load(Acquire),
        }
    }

    /// Moves a virtual clock forward; false: this is the kernel's and moves by itself.
    pub fn advance(&self, ns: u64) -> bool {
        match self {
            Self::Real => false,
            Self::Virtual(t) => {
                t.fetch_add(ns, AcqRel);
                true
            }
        }
    }
}
