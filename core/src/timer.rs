//! F2 timers: the wheel, and the wheel under a lock. Imports: base.

pub mod locked;
pub mod wheel;
