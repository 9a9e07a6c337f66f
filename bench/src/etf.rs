//! The external term format.
//!
//! Imports: the harness.

use krarup_bench::harness::Row;

/// None yet; the place of `etf_encode`, `etf_decode_drop`.
pub const ROWS: &[Row] = &[];
