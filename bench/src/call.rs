//! Calls and casts.
//!
//! Imports: the harness.

use krarup_bench::harness::Row;

/// None yet; the place of `call`, `call_backlog10k`, `call_par_64x1`, `call_par_64x64`, `cast`.
pub const ROWS: &[Row] = &[];
