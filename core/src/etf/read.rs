//! A cursor over bytes whose every step checks that the bytes are there.
//! Imports: error.

use super::error::{DecodeError, DecodeErrorKind};

pub(super) type Result<T> = std::result::Result<T, DecodeError>;

#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// How many bytes there were in all, those before the start included.
    total: usize,
}

impl<'a> Reader<'a> {
    /// Reads from `at` on; offsets count from the start of `bytes`.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { rest: bytes.get(at..).unwrap_or(&[]), total: bytes.len() }
    }

    /// How many bytes were taken, those before the start included.
    #[inline]
    pub fn at(&self) -> usize {
        self.total - self.rest.len()
    }

    /// How many bytes are left.
    #[inline]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    #[cold]
    pub fn fail<T>(&self, at: usize, kind: DecodeErrorKind) -> Result<T> {
        Err(DecodeError { offset: at, kind })
    }

    /// The bytes run out here.
    #[cold]
    pub fn truncated<T>(&self) -> Result<T> {
        self.fail(self.total, DecodeErrorKind::Truncated)
    }

    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(n) {
            Some((found, rest)) => {
                self.rest = rest;
                Ok(found)
            }
            None => self.truncated(),
        }
    }

    /// The next N bytes, zeros where there are not as many (`pad` has room for that case); they are not taken. What is
    /// read out of zeros shows when the bytes are taken by `advance`.
    #[inline(always)]
    pub fn window<'w, const N: usize>(&self, pad: &'w mut [u8; N]) -> Window<'w, N>
    where
        'a: 'w,
    {
        match self.rest.first_chunk::<N>() {
            Some(all) => Window(all),
            None => self.padded(pad),
        }
    }

    /// The next N bytes, if there are as many; they are not taken.
    #[inline(always)]
    pub fn full_window<const N: usize>(&self) -> Option<Window<'a, N>> {
        self.rest.first_chunk::<N>().map(Window)
    }

    #[cold]
    fn padded<'w, const N: usize>(&self, pad: &'w mut [u8; N]) -> Window<'w, N> {
        *pad = [0; N];
        pad.iter_mut().zip(self.rest).for_each(|(to, from)| *to = *from);
        Window(pad)
    }

    /// Takes `n` bytes.
    #[inline(always)]
    pub fn advance(&mut self, n: usize) -> Result<()> {
        match self.rest.get(n..) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => self.truncated(),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((found, rest)) => {
                self.rest = rest;
                Ok(*found)
            }
            None => self.truncated(),
        }
    }

    #[inline]
    pub fn skip(&mut self, n: usize) -> Result<()> {
        self.take(n).map(|_| ())
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

/// Bytes that lie ahead of a reader.
#[derive(Clone, Copy)]
pub(super) struct Window<'w, const N: usize>(&'w [u8; N]);

impl<const N: usize> Window<'_, N> {
    #[inline(always)]
    fn array<const M: usize>(&self, at: usize) -> [u8; M] {
        // Both are constants at every call, so the check is gone.
        self.0.get(at..).and_then(|b| b.first_chunk::<M>()).copied().unwrap_or([0; M])
    }

    #[inline(always)]
    pub fn u8(&self, at: usize) -> u8 {
        self.array::<1>(at)[0]
    }

    #[inline(always)]
    pub fn u16(&self, at: usize) -> u16 {
        u16::from_be_bytes(self.array(at))
    }

    #[inline(always)]
    pub fn u32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }

    #[inline(always)]
    pub fn u64(&self, at: usize) -> u64 {
        u64::from_be_bytes(self.array(at))
    }

    /// `len` bytes, at most 16, as a number whose lowest byte is the first.
    #[inline(always)]
    pub fn number(&self, at: usize, len: usize) -> u128 {
        // One read and a mask for those that are too many.
        u128::from_le_bytes(self.array(at)) & MASKS[len.min(16)]
    }
}

/// The lowest so many bytes of a number.
static MASKS: [u128; 17] = {
    let mut masks = [0; 17];
    let mut len = 1;
    while len < 17 {
        masks[len] = u128::MAX >> (128 - 8 * len);
        len += 1;
    }
    masks
};
