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

    /// Changes nothing.
    pub fn set_nice(_kernel_tid: i32, _nice: i32) -> std::io::Result<()> {
        Ok(())
    }
}
