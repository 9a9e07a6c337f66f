//! F2 external term format: terms as bytes, the way every Erlang node, file and database has them.
//! Imports: base, term.
//!
//! Encoding gives what `term_to_binary` of OTP 25 gives, byte for byte (maps of more than 32 keys excepted: there OTP's order
//! depends on the run; ours is key order). Decoding takes every tag that OTP 25 to 29 send, from anybody: no input
//! panics, recurses, or allocates more than in proportion to its size. Decoding makes two passes, one that checks the
//! structure and measures, one that fills a single block of that size.
//! Source: OTP erts, External Term Format.

mod atoms;
mod decode;
mod encode;
mod error;
mod inflate;
mod read;
mod scan;
mod sink;
mod wire;

pub use decode::{AtomReferences, Decoder, decode, decode_shared};
pub use encode::{AtomText, AtomUses, EncodeOptions, encode, encode_bare, encode_into};
pub use error::{DecodeError, DecodeErrorKind, EncodeError};

/// The tags of the format. Names as OTP has them, without `_EXT`.
pub(crate) mod tag {
    pub const VERSION: u8 = 131;
    pub const NEW_FLOAT: u8 = 70;
    pub const BIT_BINARY: u8 = 77;
    pub const COMPRESSED: u8 = 80;
    pub const ATOM_CACHE_REF: u8 = 82;
    pub const NEW_PID: u8 = 88;
    pub const NEW_PORT: u8 = 89;
    pub const NEWER_REFERENCE: u8 = 90;
    pub const SMALL_INTEGER: u8 = 97;
    pub const INTEGER: u8 = 98;
    pub const FLOAT: u8 = 99;
    pub const ATOM: u8 = 100;
    pub const REFERENCE: u8 = 101;
    pub const PORT: u8 = 102;
    pub const PID: u8 = 103;
    pub const SMALL_TUPLE: u8 = 104;
    pub const LARGE_TUPLE: u8 = 105;
    pub const NIL: u8 = 106;
    pub const STRING: u8 = 107;
    pub const LIST: u8 = 108;
    pub const BINARY: u8 = 109;
    pub const SMALL_BIG: u8 = 110;
    pub const LARGE_BIG: u8 = 111;
    pub const NEW_FUN: u8 = 112;
    pub const EXPORT: u8 = 113;
    pub const NEW_REFERENCE: u8 = 114;
    pub const SMALL_ATOM: u8 = 115;
    pub const MAP: u8 = 116;
    pub const ATOM_UTF8: u8 = 118;
    pub const SMALL_ATOM_UTF8: u8 = 119;
    pub const V4_PORT: u8 = 120;
    pub const LOCAL: u8 = 121;
}

/// Bytes of FLOAT_EXT's text.
pub(crate) const FLOAT_TEXT: usize = 31;
/// The longest list of bytes that is sent as a string.
pub(crate) const MAX_STRING: usize = 0xffff;
/// The most elements a tuple has in OTP.
pub(crate) const MAX_ARITY: usize = 0xff_ffff;
