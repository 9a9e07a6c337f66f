//! What can go wrong, said so that a reader of a log can find the byte.
//! Imports: term.

use crate::term::Atom;
use std::fmt;

/// Why bytes are no term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Where: the offset of the part that is wrong, from the first byte given. In compressed terms, where it lies in what
    /// they inflate to.
    pub offset: usize,
    /// What.
    pub kind: DecodeErrorKind,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The bytes end before the term does, or a count promises more than they can hold.
    Truncated,
    /// The first byte is not 131.
    Version(u8),
    /// No term starts with this byte.
    Tag(u8),
    /// A term that this byte starts does not belong here: only an atom, an integer or a pid would.
    Misplaced(u8),
    /// LOCAL_EXT: only the node that wrote it can read it.
    Local,
    /// The float is not finite, or its text is none.
    Float,
    /// The atom is not valid UTF-8.
    AtomText,
    /// The atom has more than 255 characters.
    AtomLength,
    /// The atom table is full.
    AtomTableFull,
    /// The node table is full.
    NodeTableFull,
    /// A reference into the atom cache that the cache does not know, or outside of a distribution message.
    AtomReference(u8),
    /// A reference of no words or of more than five.
    ReferenceLength(u16),
    /// A first word of more than 18 bits in one of the old forms of a reference.
    ReferenceWord(u32),
    /// A creation of the old one-byte form that is above 3.
    Creation(u8),
    /// An external fun of less than 0 or more than 255 arguments.
    Arity(i64),
    /// A bit count that does not go with the bytes.
    BitCount(u8),
    /// A map with the same key twice.
    DuplicateKey,
    /// A tuple of more than 16 777 215 elements, or a block of more than 8 GiB.
    TooLarge,
    /// The compressed part is damaged, or does not have the size it says.
    Compression,
    /// It would inflate to more than the limit.
    InflatedSize(u32),
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the data ends too early"),
            Self::Version(b) => write!(f, "the first byte is {b}, not 131"),
            Self::Tag(b) => write!(f, "no term has the tag {b}"),
            Self::Misplaced(b) => write!(f, "a term with the tag {b} does not belong here"),
            Self::Local => f.write_str("LOCAL_EXT can only be read by the node that wrote it"),
            Self::Float => f.write_str("no finite float"),
            Self::AtomText => f.write_str("an atom that is not UTF-8"),
            Self::AtomLength => f.write_str("an atom of more than 255 characters"),
            Self::AtomTableFull => f.write_str("the atom table is full"),
            Self::NodeTableFull => f.write_str("the node table is full"),
            Self::AtomReference(n) => write!(f, "the atom cache has no entry {n}"),
            Self::ReferenceLength(n) => write!(f, "a reference of {n} words"),
            Self::ReferenceWord(n) => write!(f, "an old reference whose first word is {n}"),
            Self::Creation(n) => write!(f, "a one-byte creation of {n}"),
            Self::Arity(n) => write!(f, "an external fun of {n} arguments"),
            Self::BitCount(n) => write!(f, "a last byte of {n} bits"),
            Self::DuplicateKey => f.write_str("a map with the same key twice"),
            Self::TooLarge => f.write_str("larger than a term can be"),
            Self::Compression => f.write_str("the compressed part is damaged"),
            Self::InflatedSize(n) => write!(f, "would inflate to {n} bytes, above the limit"),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "external term format, byte {}: {}", self.offset, self.kind)
    }
}

impl std::error::Error for DecodeError {}

/// Why a term cannot be sent or stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// It holds a native value of this type, which has no meaning outside of this OS process.
    Resource(Atom),
    /// A part is longer than the format can say (2^32 - 1).
    TooLarge,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(name) => {
                write!(f, "a native value (type {}) cannot leave this OS process", name.as_str())
            }
            Self::TooLarge => f.write_str("a part is longer than 2^32 - 1"),
        }
    }
}

impl std::error::Error for EncodeError {}
