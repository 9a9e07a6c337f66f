//! Frames of an established connection: delimiting them, their headers, their fragments.
//! Imports: term, flags.
//!
//! A frame is a length of four bytes and a body. An empty body is a tick. Otherwise, by what was negotiated:
//!  - no distribution header: `112, 131 Control [, 131 Message]`
//!  - distribution header: `131, 68, Header, Control [, Message]`, with atoms by number
//!  - fragments: `131, 69, Sequence:64, Fragment:64, Header, Control, part of Message`, then
//!    `131, 70, Sequence:64, Fragment:64, bytes`; the fragment number counts down to 1
//!
//! Invariant F1: the atom cache sees every header in the order of arrival, and ours is written in the order of sending:
//! headers are made when a frame goes out, not when its message is encoded.
//! Invariant F2: what a peer can make us keep is bounded: frame length, bytes and number of open sequences.
//!
//! Source: OTP external term format, "Distribution Header"; `erts_net_message`.

pub mod assembly;
pub mod cache;
pub mod reader;
pub mod writer;

pub use assembly::Assembler;
pub use cache::{AtomTable, CacheIn, CacheOut};
pub use reader::{Frame, FrameReader};
pub use writer::{Encoded, Writer};

use super::flags::Flags;
use bytes::Bytes;
use std::fmt;

pub(super) const PASS_THROUGH: u8 = 112;
pub(super) const VERSION: u8 = 131;
pub(super) const DIST_HEADER: u8 = 68;
pub(super) const FIRST_FRAGMENT: u8 = 69;
pub(super) const NEXT_FRAGMENT: u8 = 70;

/// The tick.
pub const TICK: [u8; 4] = [0; 4];

/// What a peer may make us keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest frame, in bytes.
    pub frame: usize,
    /// Bytes of unfinished sequences of fragments, all together.
    pub assembly: usize,
    /// Sequences of fragments at one time.
    pub sequences: usize,
}

impl Default for Limits {
    /// 128 MiB a frame, 256 MiB of fragments in 4096 sequences.
    fn default() -> Self {
        Self { frame: 128 << 20, assembly: 256 << 20, sequences: 4096 }
    }
}

/// Why a frame ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// Longer than the limit.
    TooLong {
        /// As its header says.
        length: u64,
        /// What is allowed.
        limit: usize,
    },
    /// A body that begins with none of the bytes that were negotiated.
    Kind {
        /// The first byte.
        first: u8,
        /// The second, if there is one.
        second: Option<u8>,
    },
    /// A header that ends too early.
    Short,
    /// A header that refers to an entry of the atom cache that was never filled.
    NoEntry(u16),
    /// An atom that is too long or not UTF-8.
    Atom,
    /// The atom table of this OS process is full.
    AtomTableFull,
    /// A sequence of fragments begins anew before it has ended.
    Duplicate(u64),
    /// A fragment of a sequence that has not begun.
    NoSequence(u64),
    /// A fragment that is not the next of its sequence.
    Order {
        /// The sequence.
        sequence: u64,
        /// The number that was due.
        due: u64,
        /// The number that came.
        came: u64,
    },
    /// More unfinished sequences than the limit.
    TooManySequences(usize),
    /// More bytes in unfinished sequences than the limit.
    TooMuchAssembly(usize),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length, limit } => write!(f, "a frame of {length} bytes is over the limit of {limit}"),
            Self::Kind { first, second: Some(s) } => {
                write!(f, "a frame begins with {first}, {s}, which was not negotiated")
            }
            Self::Kind { first, second: None } => write!(f, "a frame holds nothing but the byte {first}"),
            Self::Short => f.write_str("a frame's header ends too early"),
            Self::NoEntry(slot) => write!(f, "a frame's header refers to the empty atom cache entry {slot}"),
            Self::Atom => f.write_str("a frame's header holds an atom that is none"),
            Self::AtomTableFull => f.write_str("the atom table is full"),
            Self::Duplicate(s) => write!(f, "the sequence of fragments {s} begins twice"),
            Self::NoSequence(s) => write!(f, "a fragment of the sequence {s}, which has not begun"),
            Self::Order { sequence, due, came } => {
                write!(f, "fragment {came} of the sequence {sequence} came where {due} was due")
            }
            Self::TooManySequences(limit) => write!(f, "more than {limit} unfinished sequences of fragments"),
            Self::TooMuchAssembly(limit) => write!(f, "more than {limit} bytes of unfinished fragments"),
        }
    }
}

impl std::error::Error for FrameError {}

/// A whole message: a control term and perhaps a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The atoms its terms refer to by number.
    pub atoms: AtomTable,
    /// The terms, one after the other.
    pub terms: Bytes,
    /// Whether each term has a version byte of its own.
    pub versioned: bool,
}

/// Turns frames into whole messages.
#[derive(Debug)]
pub struct Incoming {
    headers: bool,
    fragments: bool,
    cache: CacheIn,
    assembler: Assembler,
}

impl Incoming {
    /// For a connection with these negotiated flags.
    pub fn new(negotiated: Flags, limits: Limits) -> Self {
        Self {
            headers: negotiated.dist_header(),
            fragments: negotiated.has(Flags::FRAGMENTS),
            cache: CacheIn::default(),
            assembler: Assembler::new(limits),
        }
    }

    /// Takes a frame that is not a tick. `None`: the message is not complete yet.
    ///
    /// # Errors
    /// Anything that was not negotiated or does not fit; the connection is to be closed.
    pub fn frame(&mut self, mut frame: Bytes) -> Result<Option<Whole>, FrameError> {
        let first = *frame.first().ok_or(FrameError::Short)?;
        let second = frame.get(1).copied();
        match (first, second) {
            (PASS_THROUGH, _) if !self.headers => {
                let terms = frame.split_off(1);
                Ok(Some(Whole { atoms: AtomTable::default(), terms, versioned: true }))
            }
            (VERSION, Some(DIST_HEADER)) if self.headers => {
                let (atoms, length) = self.cache.header(&frame[2..])?;
                let terms = frame.split_off(2 + length);
                Ok(Some(Whole { atoms, terms, versioned: false }))
            }
            (VERSION, Some(FIRST_FRAGMENT)) if self.fragments => {
                let (sequence, fragment) = ids(&frame)?;
                let (atoms, length) = self.cache.header(&frame[18..])?;
                self.assembler.first(sequence, fragment, atoms, frame.split_off(18 + length))
            }
            (VERSION, Some(NEXT_FRAGMENT)) if self.fragments => {
                let (sequence, fragment) = ids(&frame)?;
                self.assembler.next(sequence, fragment, &frame[18..])
            }
            _ => Err(FrameError::Kind { first, second }),
        }
    }

    /// Bytes of unfinished sequences.
    pub fn pending_bytes(&self) -> usize {
        self.assembler.bytes()
    }
}

/// Sequence and fragment of a frame that has been seen to have two bytes.
fn ids(frame: &[u8]) -> Result<(u64, u64), FrameError> {
    let (sequence, rest) = frame[2..].split_first_chunk::<8>().ok_or(FrameError::Short)?;
    let (fragment, _) = rest.split_first_chunk::<8>().ok_or(FrameError::Short)?;
    Ok((u64::from_be_bytes(*sequence), u64::from_be_bytes(*fragment)))
}
