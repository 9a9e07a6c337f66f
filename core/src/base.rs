//! F0: what every floor stands on: the sync shim, clocks, random numbers, limits.
//! Imports: nothing of this crate.

pub mod sync;
