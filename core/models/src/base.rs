//! The rooms of `core/src/base` that models need.

#[path = "../../src/base/clock.rs"]
pub mod clock;
#[path = "../../src/base/membarrier.rs"]
pub mod membarrier;
#[path = "../../src/base/random.rs"]
pub mod random;
#[path = "../../src/base/sync.rs"]
pub mod sync;

/// Stands in for `core/src/base/affinity.rs`: the threads of a model are not the kernel's.
pub mod affinity {
    /// Some id.
    pub fn gettid() -> i32 {
        0
    }

    /// A clock whose thread always runs.
    #[derive(Clone, Copy)]
    pub struct ThreadClock;

    impl ThreadClock {
        /// The calling thread's.
        pub fn current() -> Self {
            Self
        }

        /// Further on after every step of the model.
        pub fn now_ns(self) -> Option<u64> {
            #[cfg(shuttle)]
            return u64::try_from(shuttle::current::context_switches()).ok().map(|n| n * 1_000_000);
            #[cfg(not(shuttle))]
            Some(super::clock::Clock::Real.now_ns())
        }
    }

    /// Changes nothing.
    pub fn set_nice(_kernel_tid: i32, _nice: i32) -> std::io::Result<()> {
        Ok(())
    }
}
