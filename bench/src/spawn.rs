//! Rows about births and deaths.
//!
//! Imports: the harness.

use krarup_bench::harness::Row;

/// None yet; the place of `spawn_exit`, `monitor_down`, `link_exit`, `spawn_live_mem`.
pub const ROWS: &[Row] = &[];
