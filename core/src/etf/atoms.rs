//! Atoms from the wire, with a short memory per thread: messages repeat their atoms.
//! Imports: read, term.

use super::error::DecodeErrorKind as Kind;
use super::read::{Reader, Result};
use super::tag;
use crate::term::{Atom, AtomError, atoms};
use std::cell::Cell;

/// Entries of the memory.
const SLOTS: usize = 256;
/// Texts up to this many bytes are remembered.
pub(super) const SHORT: usize = 16;

/// A text of up to 16 bytes, the first one lowest, and its atom. Atoms are never removed, so an entry stays true.
struct Entry {
    text: Cell<u128>,
    len: Cell<u32>,
    atom: Cell<Atom>,
}

/// A thread's memory.
pub(super) struct Known([Entry; SLOTS]);

thread_local! {
    static KNOWN: Known = const {
        // The empty text is the atom ''.
        Known([const { Entry { text: Cell::new(0), len: Cell::new(0), atom: Cell::new(atoms::EMPTY) } }; SLOTS])
    };
}

/// Runs `f` with this thread's memory.
pub(super) fn with<R>(f: impl FnOnce(&Known) -> R) -> R {
    KNOWN.with(f)
}

impl Known {
    /// The two places where a text may be.
    #[inline(always)]
    fn places(&self, number: u128, len: usize) -> [&Entry; 2] {
        let half = (number as u64) ^ ((number >> 64) as u64).rotate_left(29) ^ len as u64;
        let first = (half.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % SLOTS;
        [&self.0[first], &self.0[first ^ 1]]
    }

    /// The atom of a text of at most 16 bytes, if it is remembered.
    #[inline(always)]
    pub fn find(&self, number: u128, len: usize) -> Option<Atom> {
        let [first, second] = self.places(number, len);
        let is = |e: &Entry| e.text.get() == number && e.len.get() as usize == len;
        if is(first) {
            Some(first.atom.get())
        } else if is(second) {
            Some(second.atom.get())
        } else {
            None
        }
    }

    /// Remembers a text of at most 16 bytes; what was in its first place moves to the second.
    fn remember(&self, number: u128, len: usize, atom: Atom) {
        let [first, second] = self.places(number, len);
        second.text.set(first.text.get());
        second.len.set(first.len.get());
        second.atom.set(first.atom.get());
        first.text.set(number);
        first.len.set(len as u32);
        first.atom.set(atom);
    }

    /// The atom of any text.
    fn make(&self, text: &[u8], utf8: bool) -> std::result::Result<Atom, Kind> {
        if !utf8 && !text.is_ascii() {
            return latin1(text);
        }
        let atom = intern(text)?;
        if text.len() <= SHORT {
            let number = text.iter().rev().fold(0, |n, &b| n << 8 | u128::from(b));
            self.remember(number, text.len(), atom);
        }
        Ok(atom)
    }
}

#[cold]
fn intern(text: &[u8]) -> std::result::Result<Atom, Kind> {
    let text = std::str::from_utf8(text).map_err(|_| Kind::AtomText)?;
    Atom::new(text).map_err(|e| match e {
        AtomError::TooLong => Kind::AtomLength,
        AtomError::TableFull => Kind::AtomTableFull,
    })
}

/// Latin-1 is the first 256 characters of Unicode.
#[cold]
fn latin1(text: &[u8]) -> std::result::Result<Atom, Kind> {
    let text: String = text.iter().map(|&b| char::from(b)).collect();
    intern(text.as_bytes())
}

/// The highest bit of each of 16 bytes: set in none of an ASCII text.
pub(super) const HIGH_BITS: u128 = u128::from_ne_bytes([0x80; 16]);

/// The atom that follows its tag.
#[inline(never)]
pub(super) fn read(
    r: &mut Reader<'_>,
    known: &Known,
    tag: u8,
    start: usize,
    reference: impl FnOnce(u8) -> Option<Atom>,
) -> Result<Atom> {
    let len = match tag {
        tag::SMALL_ATOM | tag::SMALL_ATOM_UTF8 => usize::from(r.u8()?),
        tag::ATOM | tag::ATOM_UTF8 => usize::from(r.u16()?),
        tag::ATOM_CACHE_REF => {
            let n = r.u8()?;
            return match reference(n) {
                Some(atom) => Ok(atom),
                None => r.fail(start, Kind::AtomReference(n)),
            };
        }
        other => return r.fail(start, Kind::Misplaced(other)),
    };
    let utf8 = matches!(tag, tag::SMALL_ATOM_UTF8 | tag::ATOM_UTF8);
    let mut pad = [0; SHORT];
    let window = r.window(&mut pad);
    let text = r.take(len)?;
    if len <= SHORT {
        let number = window.number(0, len);
        if (utf8 || number & HIGH_BITS == 0)
            && let Some(atom) = known.find(number, len)
        {
            return Ok(atom);
        }
    }
    match known.make(text, utf8) {
        Ok(atom) => Ok(atom),
        Err(kind) => r.fail(start, kind),
    }
}
