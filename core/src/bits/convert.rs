//! Bitstring terms: their size, pieces of them, and their concatenation.
//!
//! Imports: bits, term.

use super::{BitError, BitReader, BitWriter};
use crate::term::Term;

/// The number of bits of a binary or another bitstring; `None` if the term is neither. Source: OTP `bit_size/1`.
pub fn bit_size(term: &Term) -> Option<usize> {
    BitReader::of(term).map(|r| r.left())
}

/// The `bits` bits from bit `start` on. Whole bytes that start at a byte of a binary share its memory.
///
/// Errors: [`BitError::Kind`] if the term is no bitstring, [`BitError::Short`] if it ends before.
pub fn slice(term: &Term, start: usize, bits: usize) -> Result<Term, BitError> {
    if let Some(shared) = term.bytes() {
        let mut reader = BitReader::shared(&shared);
        reader.skip(start)?;
        return reader.take_bits(bits).map(|part| part.to_term());
    }
    let mut reader = BitReader::of(term).ok_or(BitError::Kind)?;
    reader.skip(start)?;
    reader.take_bits(bits).map(|part| part.to_term())
}

/// All bits of the given bitstrings, one after the other. Source: OTP `list_to_bitstring/1`, for a flat list.
///
/// Errors: [`BitError::Kind`] if one of them is no bitstring.
pub fn concat<'a>(parts: impl IntoIterator<Item = &'a Term>) -> Result<Term, BitError> {
    let mut out = BitWriter::new();
    for part in parts {
        out.put_bitstring(part)?;
    }
    Ok(out.into_term())
}
