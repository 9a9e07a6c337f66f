//! A cursor over bytes whose every step checks that the bytes are there.
//! Imports: error.

use super::error::{DecodeError, DecodeErrorKind};

pub(super) type Result<T> = std::result::Result<T, DecodeError>;

#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// How many bytes were taken, those before the start included.
    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[inline]
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[cold]
    pub fn fail<T>(&self, at: usize, kind: DecodeErrorKind) -> Result<T> {
        Err(DecodeError { offset: at, kind })
    }

    /// The bytes run out here.
    #[cold]
    pub fn truncated<T>(&self) -> Result<T> {
        self.fail(self.bytes.len(), DecodeErrorKind::Truncated)
    }

    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        match self.bytes.get(self.at..).and_then(|b| b.get(..n)) {
            Some(found) => {
                self.at += n;
                Ok(found)
            }
            None => self.truncated(),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.bytes.get(self.at..).and_then(|b| b.first_chunk::<N>()) {
            Some(found) => {
                self.at += N;
                Ok(*found)
            }
            None => self.truncated(),
        }
    }

    #[inline]
    pub fn skip(&mut self, n: usize) -> Result<()> {
        if n > self.left() {
            return self.truncated();
        }
        self.at += n;
        Ok(())
    }

    #[inline]
    pub fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[b]| b)
    }

    #[inline]
    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    #[inline]
    pub fn array16(&mut self) -> Result<[u8; 16]> {
        self.array()
    }

    /// A length of 32 bits.
    #[inline]
    pub fn len32(&mut self) -> Result<usize> {
        self.u32().map(|n| n as usize)
    }
}
