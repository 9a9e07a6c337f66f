//! Appending to a vector in pieces of a fixed size.
//! Imports: nothing.
//!
//! Most terms take a handful of bytes, whose number is not known at compile time. Writing a few bytes too many and
//! counting only those that matter is several times faster than copying exactly as many.

/// The end of a vector of bytes.
///
/// Invariant: `at..end` is the unused room of `out`, and everything before `at` is initialised. The vector learns its
/// new length by `settle`. Loops work on a `loan`, whose pointers stay in registers.
pub(super) struct Sink<'o> {
    out: &'o mut Vec<u8>,
    at: *mut u8,
    end: *mut u8,
}

impl<'o> Sink<'o> {
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        let room = out.spare_capacity_mut().as_mut_ptr_range();
        Self { at: room.start.cast(), end: room.end.cast(), out }
    }

    /// The same sink for the time of `f`.
    #[inline(always)]
    pub fn loan<R>(&mut self, f: impl FnOnce(&mut Sink<'_>) -> R) -> R {
        let mut loan = Sink { out: self.out, at: self.at, end: self.end };
        let result = f(&mut loan);
        let (at, end) = (loan.at, loan.end);
        (self.at, self.end) = (at, end);
        result
    }

    /// How many bytes there are, those before this sink included.
    pub fn len(&self) -> usize {
        self.at.addr() - self.out.as_ptr().addr()
    }

    /// Appends the lowest `h` bytes of `head`, then the lowest `used` bytes of `tail`, at most all: as numbers, so that
    /// they stay in registers.
    #[inline(always)]
    pub fn put(&mut self, head: u64, h: usize, tail: u128, used: usize) {
        let (h, used) = (h.min(size_of_val(&head)), used.min(size_of_val(&tail)));
        self.room(size_of_val(&head) + size_of_val(&tail));
        // SAFETY: there is room for both numbers whole. The bytes that count are initialised by the writes: the second
        // begins where those of the first that count end.
        unsafe {
            self.at.cast::<u64>().write_unaligned(head.to_le());
            self.at.add(h).cast::<u128>().write_unaligned(tail.to_le());
            self.at = self.at.add(h + used);
        }
    }

    /// Appends the first `used` bytes of three words, at most all.
    #[inline(always)]
    pub fn three(&mut self, words: [u64; 3], used: usize) {
        self.room(size_of_val(&words));
        // SAFETY: there is room for all words, and those bytes that count are initialised.
        unsafe {
            self.at.cast::<[u64; 3]>().write_unaligned(words.map(u64::to_le));
            self.at = self.at.add(used.min(size_of_val(&words)));
        }
    }

    /// Appends the lowest `n` bytes of a number, at most all.
    #[inline(always)]
    pub fn few(&mut self, bytes: u64, n: usize) {
        self.room(size_of_val(&bytes));
        // SAFETY: there is room for the whole number.
        unsafe {
            self.at.cast::<u64>().write_unaligned(bytes.to_le());
            self.at = self.at.add(n.min(size_of_val(&bytes)));
        }
    }

    /// Appends all of these bytes.
    #[inline(always)]
    pub fn all<const N: usize>(&mut self, bytes: [u8; N]) {
        self.slice(&bytes);
    }

    /// Appends a slice.
    #[inline(always)]
    pub fn slice(&mut self, bytes: &[u8]) {
        self.room(bytes.len());
        // SAFETY: there is room, and what lies there is the vector's own, so it is not what is copied from.
        unsafe {
            self.at.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            self.at = self.at.add(bytes.len());
        }
    }

    /// Overwrites four bytes that were appended before.
    pub fn patch(&mut self, at: usize, bytes: [u8; 4]) {
        self.settle();
        if let Some(place) = self.out.get_mut(at..at + 4) {
            place.copy_from_slice(&bytes);
        }
        // Writing through the vector may have ended the pointers' right to it.
        let room = self.out.spare_capacity_mut().as_mut_ptr_range();
        (self.at, self.end) = (room.start.cast(), room.end.cast());
    }

    /// Makes room for `n` bytes.
    #[inline(always)]
    fn room(&mut self, n: usize) {
        if self.end.addr() - self.at.addr() < n {
            (self.at, self.end) = grow(self.out, self.at, n);
        }
    }

    /// Tells the vector its length.
    pub fn settle(&mut self) {
        settle(self.out, self.at);
    }
}

fn settle(out: &mut Vec<u8>, at: *mut u8) {
    let len = at.addr() - out.as_ptr().addr();
    // SAFETY: the invariant of `Sink`: so many bytes are initialised, and they lie within the capacity.
    unsafe { out.set_len(len) };
}

/// Room for `n` more bytes: where it begins and ends.
#[cold]
fn grow(out: &mut Vec<u8>, at: *mut u8, n: usize) -> (*mut u8, *mut u8) {
    settle(out, at);
    out.reserve(n);
    let room = out.spare_capacity_mut().as_mut_ptr_range();
    (room.start.cast(), room.end.cast())
}
