//! Timers that are set and never fire.
//!
//! Imports: the harness.

use krarup_bench::harness::Row;

/// None yet; the place of `timer_start_cancel`, `timers_1m`.
pub const ROWS: &[Row] = &[];
