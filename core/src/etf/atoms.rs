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
const SHORT: usize = 16;

/// A text of up to 16 bytes and its atom. Atoms are never removed, so an entry stays true.
#[derive(Clone, Copy)]
struct Known {
    text: [u64; 2],
    len: u32,
    atom: Atom,
}

thread_local! {
    static KNOWN: [Cell<Known>; SLOTS] = const {
        // The empty text is the atom ''.
        [const { Cell::new(Known { text: [0; 2], len: 0, atom: atoms::EMPTY }) }; SLOTS]
    };
}

/// A text's bytes as two words, the same for the same text of a given length.
#[inline]
fn words(b: &[u8]) -> [u64; 2] {
    match (b.first_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(first), Some(last)) => [u64::from_le_bytes(*first), u64::from_le_bytes(*last)],
        _ => match (b.first_chunk::<4>(), b.last_chunk::<4>()) {
            (Some(first), Some(last)) => [u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into()],
            _ => [b.iter().fold(0, |w, &b| w << 8 | u64::from(b)), 0],
        },
    }
}

/// The atom of an ASCII or UTF-8 text.
#[inline]
pub(super) fn known(text: &[u8]) -> std::result::Result<Atom, Kind> {
    if text.len() > SHORT {
        return intern(text);
    }
    let key = words(text);
    let hash = (key[0] ^ key[1].rotate_left(29) ^ text.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    KNOWN.with(|known| {
        let slot = &known[(hash >> 56) as usize % SLOTS];
        let entry = slot.get();
        if entry.text == key && entry.len == text.len() as u32 {
            return Ok(entry.atom);
        }
        let atom = intern(text)?;
        slot.set(Known { text: key, len: text.len() as u32, atom });
        Ok(atom)
    })
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
    known(text.as_bytes())
}

/// The atom that follows its tag.
#[inline]
pub(super) fn read<'a>(
    r: &mut Reader<'a>,
    tag: u8,
    start: usize,
    reference: impl FnOnce(u8) -> Option<Atom>,
) -> Result<Atom> {
    let text: &'a [u8] = match tag {
        tag::SMALL_ATOM | tag::SMALL_ATOM_UTF8 => {
            let n = r.u8()?;
            r.take(usize::from(n))?
        }
        tag::ATOM | tag::ATOM_UTF8 => {
            let n = r.u16()?;
            r.take(usize::from(n))?
        }
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
    let found = if utf8 || text.is_ascii() { known(text) } else { latin1(text) };
    match found {
        Ok(atom) => Ok(atom),
        Err(kind) => r.fail(start, kind),
    }
}
