//! Appending fields to a bitstring.
//!
//! Imports: bits (its errors), term. Invariant: the unused low bits of the last byte are zero.

use super::{BitError, BitReader, Endian, half};
use crate::term::{Term, View};
use num_bigint::BigInt;
use num_traits::Signed;

/// A bitstring in the making.
///
/// ```
/// use krarup::bits::{BitWriter, Endian};
/// let mut w = BitWriter::new();
/// w.put_uint(4, 4, Endian::Big);
/// w.put_int(-1, 12, Endian::Little);
/// w.put_bytes(b"abc");
/// assert_eq!(w.bit_len(), 40);
/// assert_eq!(w.into_parts(), (vec![0x4f, 0xff, b'a', b'b', b'c'], 40));
/// ```
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    bits: usize,
}

impl BitWriter {
    /// Of no bits.
    pub fn new() -> Self {
        Self::default()
    }

    /// With room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), bits: 0 }
    }

    /// How many bits have been written.
    pub fn bit_len(&self) -> usize {
        self.bits
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.bits == 0
    }

    /// The bytes so far; the unused bits of the last one are zero.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes and the number of bits.
    pub fn into_parts(self) -> (Vec<u8>, usize) {
        (self.bytes, self.bits)
    }

    /// The binary or bitstring.
    pub fn into_term(self) -> Term {
        if self.bits.is_multiple_of(8) { Term::binary(self.bytes) } else { Term::bitstring(self.bytes, self.bits) }
    }

    /// Appends the low `count <= 8` bits of `value`.
    fn push(&mut self, value: u8, count: usize) {
        debug_assert!(count <= 8);
        if count == 0 {
            return;
        }
        let value = if count == 8 { value } else { value & ((1 << count) - 1) };
        let used = self.bits % 8;
        match self.bytes.last_mut() {
            Some(last) if used != 0 => {
                let free = 8 - used;
                if count <= free {
                    *last |= value << (free - count);
                } else {
                    *last |= value >> (count - free);
                    self.bytes.push(value << (8 - (count - free)));
                }
            }
            _ => self.bytes.push(value << (8 - count)),
        }
        self.bits += count;
    }

    /// Appends a field whose value is given as two's complement bytes, the least significant first, `div_ceil(8)` of
    /// them.
    fn push_le(&mut self, le: &[u8], bits: usize, endian: Endian) {
        let partial = bits % 8;
        let whole = bits / 8;
        if endian.is_little() {
            self.put_bytes(le.get(..whole).unwrap_or_default());
            if partial != 0 {
                self.push(le.get(whole).copied().unwrap_or(0), partial);
            }
        } else {
            if partial != 0 {
                self.push(le.get(whole).copied().unwrap_or(0), partial);
            }
            for byte in le.iter().take(whole).rev() {
                self.push(*byte, 8);
            }
        }
    }

    /// Appends `bits` bits of an unsigned integer: its low bits if it has more, leading zeros if it has fewer.
    pub fn put_uint(&mut self, value: u64, bits: usize, endian: Endian) {
        self.put_extended(value, 0, bits, endian);
    }

    /// Appends `bits` bits of a signed integer in two's complement: its low bits if it has more, copies of its sign if
    /// it has fewer.
    pub fn put_int(&mut self, value: i64, bits: usize, endian: Endian) {
        self.put_extended(value as u64, if value < 0 { 0xff } else { 0 }, bits, endian);
    }

    fn put_extended(&mut self, value: u64, fill: u8, bits: usize, endian: Endian) {
        let le = value.to_le_bytes();
        if bits <= 64 {
            return self.push_le(&le[..bits.div_ceil(8)], bits, endian);
        }
        let mut wide = le.to_vec();
        wide.resize(bits.div_ceil(8), fill);
        self.push_le(&wide, bits, endian);
    }

    /// Appends `bits` bits of an integer of any size, as [`BitWriter::put_int`] does.
    pub fn put_big(&mut self, value: &BigInt, bits: usize, endian: Endian) {
        let mut le = value.to_signed_bytes_le();
        le.resize(bits.div_ceil(8), if value.is_negative() { 0xff } else { 0 });
        self.push_le(&le, bits, endian);
    }

    /// Appends `bits` bits of an integer term; an error if it is not an integer.
    pub fn put_integer(&mut self, value: &Term, bits: usize, endian: Endian) -> Result<(), BitError> {
        match value.view() {
            View::Int(n) => self.put_int(n, bits, endian),
            View::Big(n) => self.put_big(&n.to_bigint(), bits, endian),
            _ => return Err(BitError::Kind),
        }
        Ok(())
    }

    /// Appends a float of 16, 32 or 64 bits, rounded to the nearest; what is too large for the size becomes an
    /// infinity, as in OTP.
    pub fn put_float(&mut self, value: f64, bits: usize, endian: Endian) -> Result<(), BitError> {
        let raw = match bits {
            16 => u64::from(half::from_f64(value)),
            32 => u64::from((value as f32).to_bits()),
            64 => value.to_bits(),
            _ => return Err(BitError::Size(bits)),
        };
        self.put_uint(raw, bits, endian);
        Ok(())
    }

    /// Appends a character in UTF-8.
    pub fn put_utf8(&mut self, c: char) {
        self.put_bytes(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// Appends a character in UTF-16, as one unit or two.
    pub fn put_utf16(&mut self, c: char, endian: Endian) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            self.put_uint(u64::from(*unit), 16, endian);
        }
    }

    /// Appends a character in UTF-32.
    pub fn put_utf32(&mut self, c: char, endian: Endian) {
        self.put_uint(u64::from(u32::from(c)), 32, endian);
    }

    /// Appends bytes.
    pub fn put_bytes(&mut self, bytes: &[u8]) {
        if self.bits.is_multiple_of(8) {
            self.bytes.extend_from_slice(bytes);
            self.bits += 8 * bytes.len();
        } else {
            self.bytes.reserve(bytes.len());
            for byte in bytes {
                self.push(*byte, 8);
            }
        }
    }

    /// Appends all bits that a reader has left.
    pub fn put_bits(&mut self, reader: &BitReader<'_>) {
        let left = reader.left();
        let bytes = reader.to_bytes();
        self.put_bytes(bytes.get(..left / 8).unwrap_or_default());
        if let (1.., Some(last)) = (left % 8, bytes.get(left / 8)) {
            self.push(*last >> (8 - left % 8), left % 8);
        }
    }

    /// Appends a binary or bitstring term; an error if it is neither.
    pub fn put_bitstring(&mut self, term: &Term) -> Result<(), BitError> {
        self.put_bits(&BitReader::of(term).ok_or(BitError::Kind)?);
        Ok(())
    }

    /// Appends zeros up to the next multiple of `unit` bits.
    pub fn pad_to(&mut self, unit: usize) {
        if unit != 0 {
            let missing = self.bits.next_multiple_of(unit) - self.bits;
            self.put_uint(0, missing, Endian::Big);
        }
    }
}
