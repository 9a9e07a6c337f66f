//! Compressed terms: zlib, with a limit.
//! Imports: error.

use super::error::{DecodeError, DecodeErrorKind as Kind};
use flate2::{Decompress, FlushDecompress, Status};

/// A first guess; more comes only as the data really inflates to it.
const FIRST: usize = 4096;

/// Inflates exactly `size` bytes; gives them and how many bytes of `bytes` they took.
pub(super) fn inflate(bytes: &[u8], size: u32, limit: usize, at: usize) -> Result<(Vec<u8>, usize), DecodeError> {
    let fail = |kind| Err(DecodeError { offset: at, kind });
    let wanted = size as usize;
    if wanted > limit {
        return fail(Kind::InflatedSize(size));
    }
    let mut zlib = Decompress::new(true);
    let mut out = Vec::with_capacity(wanted.min(FIRST));
    loop {
        let used = zlib.total_in() as usize;
        let full = out.len() == out.capacity();
        if full {
            // One byte beyond what is wanted shows that there is too much.
            let more = (wanted + 1 - out.len()).min(out.len().max(FIRST));
            out.reserve_exact(more);
        }
        match zlib.decompress_vec(&bytes[used..], &mut out, FlushDecompress::None) {
            Ok(Status::StreamEnd) if out.len() == wanted => return Ok((out, zlib.total_in() as usize)),
            Ok(Status::Ok | Status::BufError) if out.len() <= wanted && out.len() == out.capacity() => {}
            Ok(Status::Ok) if out.len() <= wanted && zlib.total_in() as usize > used => {}
            // Damaged, too long, too short, or out of input.
            _ => return fail(Kind::Compression),
        }
    }
}
