//! Whole messages to frames.
//! Imports: term, flags, frame.
//!
//! Encoding and framing are apart: an [`Encoded`] message depends on no connection's state, so that whoever sends it
//! may encode it, on any thread and without a lock. Its atoms are numbered within the message; what the cache entry of
//! each number is, the header says, and that is written when the frame goes out (invariant F1).

use super::cache::{CacheOut, MAX_REFS, slot_of};
use super::{DIST_HEADER, FIRST_FRAGMENT, NEXT_FRAGMENT, PASS_THROUGH, VERSION};
use crate::dist::flags::Flags;
use crate::term::Atom;
use bytes::Bytes;

/// Bytes of a message in one fragment. Source: OTP, 64 KiB.
pub const FRAGMENT: usize = 64 << 10;

/// Numbers the atoms of one message.
#[derive(Debug)]
pub struct Collector {
    atoms: Vec<Atom>,
    /// By cache entry: the number plus one.
    numbers: Box<[u8; 2048]>,
}

impl Default for Collector {
    fn default() -> Self {
        Self { atoms: Vec::new(), numbers: Box::new([0; 2048]) }
    }
}

impl Collector {
    /// The atom's number in this message. `None`: write it in full, as the numbers are used up or its cache entry
    /// belongs to another atom of this message.
    pub fn number(&mut self, atom: Atom) -> Option<u8> {
        let known = &mut self.numbers[usize::from(slot_of(atom))];
        if *known > 0 {
            let n = *known - 1;
            return (self.atoms[usize::from(n)] == atom).then_some(n);
        }
        if self.atoms.len() >= MAX_REFS {
            return None;
        }
        let n = self.atoms.len() as u8;
        *known = n + 1;
        self.atoms.push(atom);
        Some(n)
    }

    /// The atoms in order; the collector is empty afterwards.
    pub fn take(&mut self) -> Vec<Atom> {
        for a in &self.atoms {
            self.numbers[usize::from(slot_of(*a))] = 0;
        }
        std::mem::take(&mut self.atoms)
    }
}

/// A message that is ready to be framed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Control and payload; each with a version byte if there are no distribution headers.
    pub terms: Bytes,
    /// How many of the bytes are the control term's: they must be in the first fragment.
    pub control: usize,
    /// The atoms it refers to by number.
    pub atoms: Vec<Atom>,
}

/// The part of a message that has not been framed yet.
#[derive(Debug)]
pub struct Fragments {
    sequence: u64,
    due: u64,
    rest: Bytes,
}

impl Fragments {
    /// Bytes that are left.
    pub fn bytes(&self) -> usize {
        self.rest.len()
    }

    /// The next frame, in two pieces; `true`: it was the last.
    pub fn next_frame(&mut self) -> ([Bytes; 2], bool) {
        let piece = self.rest.split_to(self.rest.len().min(FRAGMENT));
        let mut head = Vec::with_capacity(22);
        // A fragment is far below 4 GiB.
        head.extend(((18 + piece.len()) as u32).to_be_bytes());
        head.extend([VERSION, NEXT_FRAGMENT]);
        head.extend(self.sequence.to_be_bytes());
        head.extend(self.due.to_be_bytes());
        self.due -= 1;
        ([head.into(), piece], self.due == 0)
    }
}

/// Makes the frames of one connection, in the order in which they go out.
#[derive(Debug)]
pub struct Writer {
    headers: bool,
    fragments: bool,
    cache: CacheOut,
    sequence: u64,
}

impl Writer {
    /// For a connection with these negotiated flags.
    pub fn new(negotiated: Flags) -> Self {
        Self {
            headers: negotiated.dist_header(),
            fragments: negotiated.has(Flags::FRAGMENTS),
            cache: CacheOut::default(),
            sequence: 0,
        }
    }

    /// The first frame of a message, in two pieces, and what is left if it is cut. It must be the next to go out.
    pub fn first(&mut self, message: Encoded) -> ([Bytes; 2], Option<Fragments>) {
        let mut head = vec![0; 4];
        let Encoded { mut terms, control, atoms } = message;
        if !self.headers {
            head.push(PASS_THROUGH);
            return (whole(head, terms), None);
        }
        let first = control.max(FRAGMENT);
        if !self.fragments || terms.len() <= first {
            head.extend([VERSION, DIST_HEADER]);
            self.cache.header(&atoms, &mut head);
            return (whole(head, terms), None);
        }
        let rest = terms.split_off(first);
        let due = rest.len().div_ceil(FRAGMENT) as u64;
        self.sequence += 1;
        head.extend([VERSION, FIRST_FRAGMENT]);
        head.extend(self.sequence.to_be_bytes());
        head.extend((due + 1).to_be_bytes());
        self.cache.header(&atoms, &mut head);
        (whole(head, terms), Some(Fragments { sequence: self.sequence, due, rest }))
    }
}

/// Fills in the length.
fn whole(mut head: Vec<u8>, terms: Bytes) -> [Bytes; 2] {
    // `Connection::send` has refused what is too long for the length's 32 bits.
    let length = (head.len() - 4 + terms.len()) as u32;
    head[..4].copy_from_slice(&length.to_be_bytes());
    [head.into(), terms]
}
