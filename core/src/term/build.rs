//! Builders: many nodes in one block with one count.
//! Imports: block, raw, single, ids, resource.
//!
//! - [`Builder`] fills one block of a size known beforehand, parts before wholes not needed: open a tuple of three, put
//!   three terms. The wire decoder uses it: it measures first.
//! - [`Arena`] grows as needed and makes a term at each call, wholes from finished parts. The text parser and the
//!   environments of C use it.
//! - [`RawTerm`] is a term without ownership, for those who keep the counts elsewhere.

mod arena;
mod exact;

pub use arena::{Arena, RawTerm};
pub(crate) use exact::Part;
pub use exact::{BuildError, Builder};

use super::block::{kind, node_words};
pub(crate) use super::raw::INLINE_BIN;

/// Binaries of up to this many bytes lie in their block; longer ones are shared bytes of their own.
pub const IN_BLOCK: usize = 64;

/// Words that parts of a term will take in a [`Builder`].
pub mod measure {
    use super::{IN_BLOCK, INLINE_BIN, kind, node_words};

    /// A tuple of `n` elements.
    pub const fn tuple(n: usize) -> usize {
        if n == 0 { 0 } else { node_words(kind::TUPLE, n) }
    }

    /// A list of `n` elements and a tail.
    pub const fn list(n: usize) -> usize {
        if n == 0 { 0 } else { node_words(kind::LIST, n) }
    }

    /// A map of `n` pairs.
    pub const fn map(n: usize) -> usize {
        if n == 0 { 0 } else { node_words(kind::MAP, n) }
    }

    /// A binary of `n` bytes.
    pub const fn binary(n: usize) -> usize {
        if n <= INLINE_BIN {
            0
        } else if n <= IN_BLOCK {
            node_words(kind::SMALL_BIN, n)
        } else {
            node_words(kind::OFF_BIN, 0)
        }
    }

    /// A bitstring of `bits` bits.
    pub const fn bits(bits: usize) -> usize {
        if bits.is_multiple_of(8) {
            binary(bits / 8)
        } else if bits <= 8 * IN_BLOCK {
            node_words(kind::SMALL_BITS, bits)
        } else {
            node_words(kind::OFF_BITS, 0)
        }
    }

    /// A big integer of `n` bytes.
    pub const fn big(n: usize) -> usize {
        node_words(kind::BIG_POS, n.div_ceil(8))
    }

    /// A reference of `n` words.
    pub const fn reference(n: usize) -> usize {
        if n <= 3 { 0 } else { node_words(kind::REF, 1) }
    }

    /// A local fun with `n` free variables.
    pub const fn local_fun(n: usize) -> usize {
        node_words(kind::FUN, n)
    }

    /// A native value.
    pub const fn resource() -> usize {
        node_words(kind::RESOURCE, 0)
    }
}
