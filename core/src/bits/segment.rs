//! One segment of the bit syntax: what stands after `Value:Size/`.
//!
//! Imports: bits, term. The text parser builds with it, patterns match with it.

use super::{BitError, BitReader, BitWriter, Endian};
use crate::term::{Term, View};

/// What a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum SegmentKind {
    /// An integer; of 8 bits unless a size is given.
    #[default]
    Integer,
    /// A float of 16, 32 or 64 bits; of 64 unless a size is given.
    Float,
    /// `binary`, `bytes`, `bitstring`, `bits`: they differ in the unit.
    Binary,
    /// A character in UTF-8; has no size.
    Utf8,
    /// A character in UTF-16; has no size.
    Utf16,
    /// A character in UTF-32; has no size.
    Utf32,
}

/// The type of a segment: `little-signed-integer-unit:8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    /// What it holds.
    pub kind: SegmentKind,
    /// Whether an integer is signed. Matters in matching only.
    pub signed: bool,
    /// The order of bytes.
    pub endian: Endian,
    /// What the size is multiplied by, 1 to 256.
    pub unit: usize,
}

impl Default for Segment {
    fn default() -> Self {
        Self::new(SegmentKind::Integer)
    }
}

impl Segment {
    /// Unsigned, big-endian, of the kind's usual unit: 8 for binaries, 1 for the others.
    pub fn new(kind: SegmentKind) -> Self {
        let unit = if kind == SegmentKind::Binary { 8 } else { 1 };
        Self { kind, signed: false, endian: Endian::Big, unit }
    }

    /// The size in bits if `size` is given, or what the kind has without one; `None` for all that is left, and for
    /// characters.
    fn bits(&self, size: Option<usize>) -> Result<Option<usize>, BitError> {
        match (size, self.kind) {
            (Some(n), SegmentKind::Integer | SegmentKind::Float | SegmentKind::Binary) => {
                n.checked_mul(self.unit).map(Some).ok_or(BitError::Size(usize::MAX))
            }
            (Some(n), _) => Err(BitError::Size(n)),
            (None, SegmentKind::Integer) => Ok(Some(8)),
            (None, SegmentKind::Float) => Ok(Some(64)),
            (None, _) => Ok(None),
        }
    }

    /// How many bits building a segment of this size appends, where the type alone says it: 0 where the value does.
    pub fn built_bits(&self, size: Option<usize>) -> usize {
        match self.kind {
            SegmentKind::Integer | SegmentKind::Float => self.bits(size).ok().flatten().unwrap_or(usize::MAX),
            _ => 0,
        }
    }

    /// Whether a segment of this type takes all that is left of the bits; `sized`: whether a size is given.
    pub fn takes_rest(&self, sized: bool) -> bool {
        self.kind == SegmentKind::Binary && !sized
    }

    /// Passes over a segment whose value nobody wants, if its length alone decides; `None` if the bits must be looked
    /// at, as those of floats and characters.
    pub fn skip(&self, from: &mut BitReader<'_>, size: Option<usize>) -> Option<Result<(), BitError>> {
        let bits = match (self.kind, self.bits(size)) {
            (SegmentKind::Integer | SegmentKind::Binary, Ok(bits)) => bits,
            _ => return None,
        };
        Some(match bits {
            Some(n) => from.skip(n),
            None if from.left().is_multiple_of(self.unit.max(1)) => from.skip(from.left()),
            None => Err(BitError::Unit { left: from.left(), unit: self.unit }),
        })
    }

    /// Appends `value` as this segment. `size` is in units; without it the kind's own size counts, and of a bitstring
    /// all is taken. Writes nothing if it fails.
    ///
    /// Integers are cut to their low bits, floats are rounded; a number that is no float, a bitstring shorter than the
    /// size, or not a multiple of the unit, and an integer that is no Unicode character are errors, where Erlang says
    /// `badarg`.
    pub fn build(&self, out: &mut BitWriter, value: &Term, size: Option<usize>) -> Result<(), BitError> {
        let bits = self.bits(size)?;
        match self.kind {
            SegmentKind::Integer => out.put_integer(value, bits.unwrap_or(8), self.endian),
            SegmentKind::Float => out.put_float(as_float(value)?, bits.unwrap_or(64), self.endian),
            SegmentKind::Binary => {
                let mut whole = BitReader::of(value).ok_or(BitError::Kind)?;
                let part = match bits {
                    Some(n) => whole.take_bits(n)?,
                    None if whole.left() % self.unit.max(1) == 0 => whole,
                    None => return Err(BitError::Unit { left: whole.left(), unit: self.unit }),
                };
                out.put_bits(&part);
                Ok(())
            }
            SegmentKind::Utf8 => as_char(value).map(|c| out.put_utf8(c)),
            SegmentKind::Utf16 => as_char(value).map(|c| out.put_utf16(c, self.endian)),
            SegmentKind::Utf32 => as_char(value).map(|c| out.put_utf32(c, self.endian)),
        }
    }

    /// Takes a value of this segment off `from`, which stays where it is if that fails. Without `size` a binary takes
    /// all that is left, which must be a multiple of the unit.
    pub fn read(&self, from: &mut BitReader<'_>, size: Option<usize>) -> Result<Term, BitError> {
        let bits = self.bits(size)?;
        match self.kind {
            SegmentKind::Integer => from.read_integer(bits.unwrap_or(8), self.signed, self.endian),
            SegmentKind::Float => {
                let float = from.read_float(bits.unwrap_or(64), self.endian)?;
                Term::float(float).ok_or(BitError::NotFinite)
            }
            SegmentKind::Binary => match bits {
                Some(n) => from.take_bits(n).map(|part| part.to_term()),
                None if from.left().is_multiple_of(self.unit.max(1)) => Ok(from.rest_bits().to_term()),
                None => Err(BitError::Unit { left: from.left(), unit: self.unit }),
            },
            SegmentKind::Utf8 => from.read_utf8().map(char_term),
            SegmentKind::Utf16 => from.read_utf16(self.endian).map(char_term),
            SegmentKind::Utf32 => from.read_utf32(self.endian).map(char_term),
        }
    }
}

fn char_term(c: char) -> Term {
    Term::from(u32::from(c))
}

fn as_char(value: &Term) -> Result<char, BitError> {
    match value.view() {
        View::Int(n) => u32::try_from(n).ok().and_then(char::from_u32).ok_or(BitError::NotUnicode),
        View::Big(_) => Err(BitError::NotUnicode),
        _ => Err(BitError::Kind),
    }
}

/// The base of a big integer's digits.
const BASE: f64 = 18_446_744_073_709_551_616.0;

fn as_float(value: &Term) -> Result<f64, BitError> {
    match value.view() {
        View::Float(f) => Ok(f),
        View::Int(n) => Ok(n as f64),
        View::Big(n) => {
            // As OTP does it, digit by digit, which is not always the nearest float.
            let magnitude = n.digits().iter().rev().fold(0.0, |sum, digit| sum * BASE + *digit as f64);
            let value: f64 = if n.is_negative() { -magnitude } else { magnitude };
            Some(value).filter(|f| f.is_finite()).ok_or(BitError::NotFinite)
        }
        _ => Err(BitError::Kind),
    }
}
