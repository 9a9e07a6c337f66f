//! Atoms to the wire, with a memory per thread: an atom's bytes are always the same.
//! Imports: sink, encode, term.

use super::encode::AtomText;
use super::sink::Sink;
use super::tag;
use crate::term::Atom;
use std::cell::Cell;

/// Entries of the memory.
const SLOTS: usize = 256;
/// Atoms that take up to this many bytes are remembered.
const SHORT: usize = 24;

struct Wire {
    /// The atom's index, and above it how atoms are written; no atom has the first value.
    key: Cell<u64>,
    used: Cell<usize>,
    bytes: Cell<[u64; 3]>,
}

/// A thread's memory.
pub(super) struct Wires([Wire; SLOTS]);

thread_local! {
    static WIRES: Wires = const {
        Wires([const { Wire { key: Cell::new(u64::MAX), used: Cell::new(0), bytes: Cell::new([0; 3]) } }; SLOTS])
    };
}

/// Runs `f` with this thread's memory.
pub(super) fn with<R>(f: impl FnOnce(&Wires) -> R) -> R {
    WIRES.with(f)
}

impl Wires {
    /// Writes an atom.
    #[inline(always)]
    pub fn atom(&self, a: Atom, how: AtomText, out: &mut Sink<'_>) {
        let key = u64::from(a.index()) | (how as u64) << 32;
        let slot = &self.0[a.index() as usize % SLOTS];
        if slot.key.get() == key {
            out.three(slot.bytes.get(), slot.used.get());
        } else {
            out.slice(&made(a, how, key, slot));
        }
    }
}

/// An atom's bytes, remembered if they are few.
#[cold]
fn made(a: Atom, how: AtomText, key: u64, slot: &Wire) -> Vec<u8> {
    let bytes = bytes(a, how);
    if bytes.len() <= SHORT {
        let used = bytes.len();
        let word = |i: usize| bytes.iter().skip(i).take(8).rev().fold(0, |w, &b| w << 8 | u64::from(b));
        slot.key.set(key);
        slot.bytes.set([word(0), word(8), word(16)]);
        slot.used.set(used);
    }
    bytes
}

/// What any atom looks like.
fn bytes(a: Atom, how: AtomText) -> Vec<u8> {
    let text = a.as_str();
    // Texts have at most 255 characters, so at most 1020 bytes.
    let [high, low] = (text.len() as u16).to_be_bytes();
    if how == AtomText::Latin1 {
        if text.is_ascii() {
            return [&[tag::ATOM, high, low], text.as_bytes()].concat();
        }
        if text.chars().all(|c| u32::from(c) < 256) {
            let head = [tag::ATOM, 0, text.chars().count() as u8];
            return head.into_iter().chain(text.chars().map(|c| u32::from(c) as u8)).collect();
        }
    }
    let (short, long) = ([tag::SMALL_ATOM_UTF8, low], [tag::ATOM_UTF8, high, low]);
    [if high == 0 { &short[..] } else { &long }, text.as_bytes()].concat()
}
