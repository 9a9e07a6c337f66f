//! Bodies of the fuzz targets: each takes any bytes and panics on what must never be.
//!
//! Besides "no crash, no hang, no memory out of proportion" each compares round trips, so that a decoder which reads
//! something wrong without noticing is found too.

mod bits;
mod etf;
mod pattern;
mod text;

pub use bits::bits;
pub use etf::etf;
pub use pattern::pattern;
pub use text::text;
