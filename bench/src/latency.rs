//! Round trips of a pair, each after 1 ms of sleep, alone or beside hogs.
//!
//! Imports: the harness.

use krarup_bench::harness::Row;

/// None yet; the place of `latency_idle_paced`, `latency_load_paced`, `latency_load_paced_work200us`.
pub const ROWS: &[Row] = &[];
