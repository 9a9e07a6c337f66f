//! F2 timers: the wheel. Imports: nothing of this crate.

pub mod wheel;
