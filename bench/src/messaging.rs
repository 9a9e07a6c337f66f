//! Rows that only send and receive.
//!
//! Imports: the harness.

use krarup_bench::harness::Row;

/// None yet; the place of `pingpong`, `pingpong_cross`, `ring`, `many_to_one`, `one_to_many`, `send_large_term`.
pub const ROWS: &[Row] = &[];
