//! Taking fields off a bitstring.
//!
//! Imports: bits (its errors), term. Invariant: `pos <= end <= 8 * data.len()`.

use super::{BitError, Endian, half};
use crate::term::{Term, View};
use bytes::Bytes;
use num_bigint::{BigInt, BigUint};
use std::borrow::Cow;

/// A position in a bitstring.
///
/// Every `read_` and `take_` moves on only if it succeeds. Copying the reader saves the position.
///
/// ```
/// use krarup::bits::{BitReader, Endian};
/// let mut r = BitReader::new(b"\x45\x00\x00\x1c....");
/// assert_eq!(r.read_uint(4, Endian::Big)?, 4); // version
/// assert_eq!(r.read_uint(4, Endian::Big)?, 5); // header length
/// assert!(r.read_uint(100, Endian::Big).is_err());
/// r.skip(8)?;
/// assert_eq!(r.read_uint(16, Endian::Big)?, 28);
/// assert_eq!(&*r.rest_bytes()?, b"....");
/// # Ok::<(), krarup::bits::BitError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BitReader<'a> {
    data: &'a [u8],
    pos: usize,
    end: usize,
    owner: Option<&'a Bytes>,
}

impl<'a> BitReader<'a> {
    /// At the start of whole bytes.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, pos: 0, end: data.len().saturating_mul(8), owner: None }
    }

    /// At the start of shared bytes; [`BitReader::take_shared`] then copies nothing that is aligned.
    pub fn shared(data: &'a Bytes) -> Self {
        Self { owner: Some(data), ..Self::new(data) }
    }

    /// At the start of the first `bits` bits of `data` (of all of it, if it has fewer).
    pub fn with_bits(data: &'a [u8], bits: usize) -> Self {
        let whole = Self::new(data);
        Self { end: bits.min(whole.end), ..whole }
    }

    /// At the start of a binary or another bitstring; `None` if the term is neither.
    pub fn of(term: &'a Term) -> Option<Self> {
        match term.view() {
            View::Binary(b) => Some(Self::new(b)),
            View::Bits(b) => Some(Self::with_bits(b.bytes(), b.bit_len())),
            _ => None,
        }
    }

    /// How many bits have been taken.
    pub fn position(&self) -> usize {
        self.pos
    }

    /// How many bits are left.
    pub fn left(&self) -> usize {
        self.end - self.pos
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.pos == self.end
    }

    /// Whether the next field starts at a byte.
    pub fn is_aligned(&self) -> bool {
        self.pos.is_multiple_of(8)
    }

    fn need(&self, bits: usize) -> Result<(), BitError> {
        if bits <= self.left() { Ok(()) } else { Err(BitError::Short { needed: bits, left: self.left() }) }
    }

    /// Goes back to where the reader was if `read` fails.
    pub fn atomic<T, E>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let saved = self.pos;
        let result = read(self);
        if result.is_err() {
            self.pos = saved;
        }
        result
    }

    /// Passes over `bits` bits.
    pub fn skip(&mut self, bits: usize) -> Result<(), BitError> {
        self.need(bits)?;
        self.pos += bits;
        Ok(())
    }

    /// The `count <= 64` bits from `pos` on, as a big-endian number. The caller has seen that they are there.
    fn peek(&self, pos: usize, count: usize) -> u64 {
        debug_assert!(count <= 64 && pos + count <= self.end);
        if count == 0 {
            return 0;
        }
        let first = pos / 8;
        let span = pos % 8 + count;
        let bytes = self.data.get(first..first + span.div_ceil(8)).unwrap_or_default();
        let all = bytes.iter().fold(0u128, |acc, b| acc << 8 | u128::from(*b));
        let value = (all >> (bytes.len() * 8).saturating_sub(span)) as u64;
        if count == 64 { value } else { value & ((1 << count) - 1) }
    }

    fn peek_ordered(&self, pos: usize, count: usize, endian: Endian) -> u64 {
        if !endian.is_little() || count <= 8 {
            return self.peek(pos, count);
        }
        let whole = count / 8;
        let mut value = 0;
        for i in 0..whole {
            value |= self.peek(pos + 8 * i, 8) << (8 * i);
        }
        if !count.is_multiple_of(8) {
            value |= self.peek(pos + 8 * whole, count % 8) << (8 * whole);
        }
        value
    }

    /// An unsigned integer of `bits` bits, at most 64. An integer of no bits is 0.
    pub fn read_uint(&mut self, bits: usize, endian: Endian) -> Result<u64, BitError> {
        if bits > 64 {
            return Err(BitError::Size(bits));
        }
        self.need(bits)?;
        let value = self.peek_ordered(self.pos, bits, endian);
        self.pos += bits;
        Ok(value)
    }

    /// A signed integer (two's complement) of `bits` bits, at most 64.
    pub fn read_int(&mut self, bits: usize, endian: Endian) -> Result<i64, BitError> {
        let value = self.read_uint(bits, endian)?;
        if bits == 0 {
            return Ok(0);
        }
        let unused = 64 - bits as u32;
        Ok((value << unused) as i64 >> unused)
    }

    /// An integer of any size.
    pub fn read_big(&mut self, bits: usize, signed: bool, endian: Endian) -> Result<BigInt, BitError> {
        self.need(bits)?;
        let (whole, partial) = (bits / 8, bits % 8);
        let mut bytes = Vec::with_capacity(whole + 1);
        let magnitude = if endian.is_little() {
            bytes.extend((0..whole).map(|i| self.peek(self.pos + 8 * i, 8) as u8));
            if partial != 0 {
                bytes.push(self.peek(self.pos + 8 * whole, partial) as u8);
            }
            BigUint::from_bytes_le(&bytes)
        } else {
            if partial != 0 {
                bytes.push(self.peek(self.pos, partial) as u8);
            }
            bytes.extend((0..whole).map(|i| self.peek(self.pos + partial + 8 * i, 8) as u8));
            BigUint::from_bytes_be(&bytes)
        };
        self.pos += bits;
        let negative = signed && bits != 0 && magnitude.bit(bits as u64 - 1);
        let value = BigInt::from(magnitude);
        Ok(if negative { value - (BigInt::from(1) << bits) } else { value })
    }

    /// An integer of any size, as a term.
    pub fn read_integer(&mut self, bits: usize, signed: bool, endian: Endian) -> Result<Term, BitError> {
        if bits > 64 {
            return self.read_big(bits, signed, endian).map(Term::from);
        }
        if signed {
            return self.read_int(bits, endian).map(Term::int);
        }
        self.read_uint(bits, endian).map(Term::from)
    }

    /// A float of 16, 32 or 64 bits. Infinities and NaN are refused, as Erlang does. A float of no bits is 0.0.
    pub fn read_float(&mut self, bits: usize, endian: Endian) -> Result<f64, BitError> {
        if !matches!(bits, 0 | 16 | 32 | 64) {
            return Err(BitError::Size(bits));
        }
        self.need(bits)?;
        let raw = self.peek_ordered(self.pos, bits, endian);
        let value = match bits {
            0 => 0.0,
            16 => half::to_f64(raw as u16),
            32 => f64::from(f32::from_bits(raw as u32)),
            _ => f64::from_bits(raw),
        };
        if !value.is_finite() {
            return Err(BitError::NotFinite);
        }
        self.pos += bits;
        Ok(value)
    }

    /// A character in UTF-8: shortest form only, no surrogates.
    pub fn read_utf8(&mut self) -> Result<char, BitError> {
        self.need(8)?;
        let mut buffer = [0; 4];
        buffer[0] = self.peek(self.pos, 8) as u8;
        let len = match buffer[0] {
            0..=0x7f => 1,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return Err(BitError::NotUnicode),
        };
        self.need(8 * len)?;
        for (i, byte) in buffer.iter_mut().enumerate().take(len) {
            *byte = self.peek(self.pos + 8 * i, 8) as u8;
        }
        let text = std::str::from_utf8(&buffer[..len]).map_err(|_| BitError::NotUnicode)?;
        let c = text.chars().next().ok_or(BitError::NotUnicode)?;
        self.pos += 8 * len;
        Ok(c)
    }

    /// A character in UTF-16: one unit, or a pair of surrogates.
    pub fn read_utf16(&mut self, endian: Endian) -> Result<char, BitError> {
        self.need(16)?;
        let first = self.peek_ordered(self.pos, 16, endian) as u16;
        let mut units = [first, 0];
        let len = if (0xd800..0xdc00).contains(&first) {
            self.need(32)?;
            units[1] = self.peek_ordered(self.pos + 16, 16, endian) as u16;
            2
        } else {
            1
        };
        match char::decode_utf16(units[..len].iter().copied()).next() {
            Some(Ok(c)) => {
                self.pos += 16 * len;
                Ok(c)
            }
            _ => Err(BitError::NotUnicode),
        }
    }

    /// A character in UTF-32.
    pub fn read_utf32(&mut self, endian: Endian) -> Result<char, BitError> {
        self.need(32)?;
        let c = char::from_u32(self.peek_ordered(self.pos, 32, endian) as u32).ok_or(BitError::NotUnicode)?;
        self.pos += 32;
        Ok(c)
    }

    /// `count` bytes, borrowed if they are aligned.
    pub fn take_bytes(&mut self, count: usize) -> Result<Cow<'a, [u8]>, BitError> {
        let bits = count.checked_mul(8).ok_or(BitError::Short { needed: usize::MAX, left: self.left() })?;
        let taken = self.take_bits(bits)?;
        Ok(taken.to_bytes())
    }

    /// `count` bytes as a shared buffer; nothing is copied if they are aligned and the reader was made from one.
    pub fn take_shared(&mut self, count: usize) -> Result<Bytes, BitError> {
        let start = self.pos / 8;
        let aligned = self.is_aligned();
        let bytes = self.take_bytes(count)?;
        match self.owner {
            Some(owner) if aligned => Ok(owner.slice(start..start + count)),
            _ => Ok(Bytes::from(bytes.into_owned())),
        }
    }

    /// The next `bits` bits as a reader of their own.
    pub fn take_bits(&mut self, bits: usize) -> Result<Self, BitError> {
        self.need(bits)?;
        let taken = Self { end: self.pos + bits, ..*self };
        self.pos += bits;
        Ok(taken)
    }

    /// All that is left, which must be whole bytes.
    pub fn rest_bytes(&mut self) -> Result<Cow<'a, [u8]>, BitError> {
        if !self.left().is_multiple_of(8) {
            return Err(BitError::Unit { left: self.left(), unit: 8 });
        }
        self.take_bytes(self.left() / 8)
    }

    /// All that is left, as a reader of its own; never fails.
    pub fn rest_bits(&mut self) -> Self {
        let rest = *self;
        self.pos = self.end;
        rest
    }

    /// The bits that are left, from the high bit of the first byte on; the last byte is filled up with zeros.
    /// Borrowed if they are aligned and whole.
    pub fn to_bytes(&self) -> Cow<'a, [u8]> {
        let (left, start) = (self.left(), self.pos / 8);
        if self.is_aligned() && left % 8 == 0 {
            return Cow::Borrowed(self.data.get(start..start + left / 8).unwrap_or_default());
        }
        let mut bytes: Vec<u8> = (0..left / 8).map(|i| self.peek(self.pos + 8 * i, 8) as u8).collect();
        let partial = left % 8;
        if partial != 0 {
            bytes.push((self.peek(self.end - partial, partial) as u8) << (8 - partial));
        }
        Cow::Owned(bytes)
    }

    /// The bits that are left, as a binary or bitstring; shared if the reader was made from a shared buffer and they
    /// are aligned.
    pub fn to_term(&self) -> Term {
        let (left, start) = (self.left(), self.pos / 8);
        match self.owner {
            Some(owner) if self.is_aligned() => {
                let bytes = owner.slice(start..start + left.div_ceil(8));
                if left % 8 == 0 { Term::binary(bytes) } else { Term::bitstring(bytes, left) }
            }
            _ if left % 8 == 0 => Term::binary(self.to_bytes().into_owned()),
            _ => Term::bitstring(self.to_bytes().into_owned(), left),
        }
    }

    /// Passes over a number that must be there: `<<4:4, _/bits>>`.
    pub fn expect_uint(&mut self, value: u64, bits: usize, endian: Endian) -> Result<(), BitError> {
        self.atomic(|r| if r.read_uint(bits, endian)? == value { Ok(()) } else { Err(BitError::Mismatch) })
    }

    /// Passes over bytes that must be there: `<<"GET ", _/binary>>`.
    pub fn expect_bytes(&mut self, bytes: &[u8]) -> Result<(), BitError> {
        self.atomic(|r| if *r.take_bytes(bytes.len())? == *bytes { Ok(()) } else { Err(BitError::Mismatch) })
    }

    /// Passes over all that `expected` has left, which must be there.
    pub fn expect_bits(&mut self, expected: &BitReader<'_>) -> Result<(), BitError> {
        self.atomic(|r| {
            let found = r.take_bits(expected.left())?;
            if found.to_bytes() == expected.to_bytes() { Ok(()) } else { Err(BitError::Mismatch) }
        })
    }

    /// Succeeds if nothing is left: the closing `>>` of a pattern without a rest.
    pub fn expect_end(&self) -> Result<(), BitError> {
        if self.is_empty() { Ok(()) } else { Err(BitError::Mismatch) }
    }
}
