//! Control messages to bytes and back.
//! Imports: term, etf, flags, control, frame.

use super::reason::DownReason;
use crate::dist::control::{Control, ControlError};
use crate::dist::flags::Flags;
use crate::dist::frame::writer::Collector;
use crate::dist::frame::{AtomTable, Encoded, VERSION, Whole};
use crate::etf::{AtomReferences, AtomText, AtomUses, DecodeError, DecodeErrorKind, Decoder, EncodeError, encode_bare};
use crate::term::{Atom, NodeId, Term};
use std::cell::RefCell;
use std::fmt;

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// There is no connection.
    NotUp,
    /// The peer cannot be told this.
    NotNegotiated(Flags),
    /// A term that cannot leave this OS process.
    Term(EncodeError),
    /// A message of 4 GiB or more.
    TooLong,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUp => f.write_str("there is no connection"),
            Self::NotNegotiated(flags) => write!(f, "the peer did not offer {flags}"),
            Self::Term(e) => write!(f, "the message cannot be sent: {e}"),
            Self::TooLong => f.write_str("a message must be shorter than 4 GiB"),
        }
    }
}

impl std::error::Error for SendError {}

/// A frame's length has 32 bits, of which its head takes a few.
const MAX_TERMS: usize = u32::MAX as usize - (64 << 10) * 16;

thread_local! {
    static COLLECTOR: RefCell<Collector> = RefCell::new(Collector::default());
}

impl AtomUses for Collector {
    fn reference(&mut self, atom: Atom) -> Option<u8> {
        self.number(atom)
    }
}

impl AtomReferences for AtomTable {
    fn atom(&self, reference: u8) -> Option<Atom> {
        self.as_slice().get(usize::from(reference)).copied()
    }
}

/// A control message as bytes, for any connection with these negotiated flags; on any thread.
///
/// # Errors
/// The peer cannot be told this, or a term cannot leave this OS process.
pub fn encode(control: Control, negotiated: Flags) -> Result<Encoded, SendError> {
    let (control, payload) = control.encode(negotiated).map_err(|e| match e {
        ControlError::NotNegotiated(flags) => SendError::NotNegotiated(flags),
        // `Control::encode` fails in no other way.
        _ => SendError::NotNegotiated(Flags::NONE),
    })?;
    COLLECTOR.with(|collector| {
        let mut collector = collector.borrow_mut();
        let mut out = Vec::with_capacity(128);
        let cached = negotiated.has(Flags::DIST_HDR_ATOM_CACHE);
        let versioned = !negotiated.dist_header();
        let mut put = |term: &Term, collector: &mut Collector| {
            if versioned {
                out.push(VERSION);
            }
            let uses = if cached { Some(collector as &mut dyn AtomUses) } else { None };
            encode_bare(term, AtomText::Utf8, uses, &mut out).map(|()| out.len())
        };
        let done = put(&control, &mut collector).and_then(|length| {
            if let Some(p) = &payload {
                put(p, &mut collector)?;
            }
            Ok(length)
        });
        let atoms = collector.take();
        let control = done.map_err(SendError::Term)?;
        if out.len() > MAX_TERMS {
            return Err(SendError::TooLong);
        }
        Ok(Encoded { terms: out.into(), control, atoms })
    })
}

/// The terms of a message. What the peer names as `home`'s becomes `home`'s.
pub(super) fn terms(whole: &Whole, home: NodeId) -> Result<(Term, Option<Term>), DownReason> {
    let decoder = Decoder::new().home(home).references(&whole.atoms);
    let bytes = &whole.terms;
    let start = |at: usize| match (whole.versioned, bytes.get(at)) {
        (false, _) => Ok(at),
        (true, Some(&VERSION)) => Ok(at + 1),
        (true, Some(other)) => Err(DecodeError { offset: at, kind: DecodeErrorKind::Version(*other) }),
        (true, None) => Err(DecodeError { offset: at, kind: DecodeErrorKind::Truncated }),
    };
    let (control, end) = decoder.decode_bare(bytes, start(0)?)?;
    if end == bytes.len() {
        return Ok((control, None));
    }
    let (payload, end) = decoder.decode_bare(bytes, start(end)?)?;
    if end < bytes.len() {
        return Err(DownReason::Trailing(bytes.len() - end));
    }
    Ok((control, Some(payload)))
}
