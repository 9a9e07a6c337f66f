//! Reading and writing at bit granularity, with the meaning of Erlang's bit syntax.
//!
//! [`BitReader`] takes fields off a bitstring, [`BitWriter`] appends fields to one; [`Segment`] is the type part of
//! `Value:Size/Type` and builds or matches one segment on terms. Sizes are in bits unless a name says bytes. Fields
//! need not be aligned to bytes; what is aligned is handed out without copying.
//!
//! A failed read leaves the reader where it was, so that a caller can try another layout; [`BitReader::atomic`] gives
//! the same promise to a sequence of reads. Nothing here panics on any input, and a read never allocates more than the
//! bits that are there.
//!
//! Imports: term. No locks, no global state. Source: OTP bit syntax, C2.7.

mod convert;
mod half;
mod reader;
mod segment;
mod writer;

pub use convert::{bit_size, concat, slice};
pub use reader::BitReader;
pub use segment::{Segment, SegmentKind};
pub use writer::BitWriter;

use std::fmt;

/// The order of a field's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Endian {
    /// The most significant byte first: Erlang's default.
    #[default]
    Big,
    /// The least significant byte first. Of a size that is no multiple of 8 the last bits are the most significant.
    Little,
    /// The machine's own.
    Native,
}

impl Endian {
    /// Whether the least significant byte comes first, on this machine.
    pub fn is_little(self) -> bool {
        match self {
            Self::Big => false,
            Self::Little => true,
            Self::Native => cfg!(target_endian = "little"),
        }
    }
}

/// Why a field could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitError {
    /// Fewer bits were left than the field has.
    Short {
        /// The field's size in bits.
        needed: usize,
        /// What was left, in bits.
        left: usize,
    },
    /// The size is not one this kind of field can have (a float of 24 bits, a machine integer of more than 64).
    Size(usize),
    /// What is left is not a whole number of units.
    Unit {
        /// What is left, in bits.
        left: usize,
        /// The unit in bits.
        unit: usize,
    },
    /// The bits are an infinity or not a number, which no Erlang float is.
    NotFinite,
    /// The bits, or the number, are no Unicode character in this encoding.
    NotUnicode,
    /// The bits are not the literal that was expected.
    Mismatch,
    /// The value is not of the kind that the segment wants.
    Kind,
}

impl fmt::Display for BitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { needed, left } => write!(f, "field needs {needed} bits and {left} are left"),
            Self::Size(n) => write!(f, "illegal field size of {n} bits"),
            Self::Unit { left, unit } => write!(f, "{left} bits are left, which is not a multiple of {unit}"),
            Self::NotFinite => f.write_str("bits are no finite float"),
            Self::NotUnicode => f.write_str("not a Unicode character"),
            Self::Mismatch => f.write_str("bits differ from the expected literal"),
            Self::Kind => f.write_str("value is of another kind than the segment"),
        }
    }
}

impl std::error::Error for BitError {}
