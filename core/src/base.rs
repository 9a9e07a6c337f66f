//! F0: what every floor stands on: the sync shim, clocks, random numbers, barriers, cores.
//! Imports: nothing of this crate.

pub mod affinity;
pub mod clock;
pub mod membarrier;
pub mod random;
pub mod sync;
