//! Making terms from Rust values.
//! Imports: raw, single, map, view, ids, resource.

use super::atom::Atom;
use super::atoms;
use super::block::{FunHead, kind};
use super::build::IN_BLOCK;
use super::ids::{Pid, Port, Ref};
use super::map;
use super::raw::{INLINE_BIN, Term};
use super::resource::Resource;
use super::single::{self, NodeWriter};
use super::view::LocalFun;
use bytes::Bytes;
use num_bigint::{BigInt, Sign};
use num_traits::ToPrimitive;

/// What can become a binary. Bytes that are counted already are shared if there are more than 64, else copied.
pub trait IntoBinary {
    /// The binary.
    fn into_binary(self) -> Term;
}

impl IntoBinary for Bytes {
    fn into_binary(self) -> Term {
        if self.len() <= IN_BLOCK { self.as_ref().into_binary() } else { single::shared_bytes(self, 0) }
    }
}

impl IntoBinary for &[u8] {
    fn into_binary(self) -> Term {
        if self.len() <= INLINE_BIN {
            Term::inline_binary(self)
        } else if self.len() <= IN_BLOCK {
            single::small_bytes(kind::SMALL_BIN, self.len(), self)
        } else {
            single::shared_bytes(Bytes::copy_from_slice(self), 0)
        }
    }
}

impl IntoBinary for Vec<u8> {
    fn into_binary(self) -> Term {
        if self.len() <= IN_BLOCK { self.as_slice().into_binary() } else { single::shared_bytes(self.into(), 0) }
    }
}

impl IntoBinary for String {
    fn into_binary(self) -> Term {
        self.into_bytes().into_binary()
    }
}

macro_rules! copied_binary {
    ($([$($generics:tt)*] $t:ty),*) => {$(
        impl<$($generics)*> IntoBinary for $t {
            fn into_binary(self) -> Term {
                let bytes: &[u8] = self.as_ref();
                bytes.into_binary()
            }
        }
    )*};
}
copied_binary!([] &Vec<u8>, [const N: usize] &[u8; N], [const N: usize] [u8; N], [] &str, [] &String);

impl Term {
    /// A tuple. A BEAM takes at most 16 777 215 elements.
    ///
    /// # Panics
    /// As `Vec` on capacity overflow, beyond 2^30 elements; so do the other constructors of compounds.
    pub fn tuple(elements: impl IntoIterator<Item = Self>) -> Self {
        let mut elements = elements.into_iter();
        let mut node = NodeWriter::for_iter(elements.size_hint(), 0);
        elements.by_ref().for_each(|t| node.push(t));
        match node.len() {
            0 => Self::empty_tuple(),
            n => node.finish(kind::TUPLE, n),
        }
    }

    /// A proper list, its elements side by side.
    pub fn list(elements: impl IntoIterator<Item = Self>) -> Self {
        Self::improper_list(elements, Self::nil())
    }

    /// A list with any tail; without elements it is the tail itself.
    pub fn improper_list(elements: impl IntoIterator<Item = Self>, tail: Self) -> Self {
        let mut elements = elements.into_iter();
        let mut node = NodeWriter::for_iter(elements.size_hint(), 1);
        elements.by_ref().for_each(|t| node.push(t));
        match node.len() {
            0 => tail,
            n => {
                node.push(tail);
                node.finish(kind::LIST, n)
            }
        }
    }

    /// `[Head | Tail]`
    ///
    /// Each use makes a piece of one element (72 bytes) in front of `tail`. That costs the same whatever the length, but
    /// a list made of many such pieces takes more memory and time to walk than one made by [`Term::list`].
    pub fn cons(head: Self, tail: Self) -> Self {
        Self::improper_list([head], tail)
    }

    /// The list of a text's code points, which is what Erlang calls a string.
    pub fn string(text: &str) -> Self {
        Self::list(text.chars().map(|c| Self::int(i64::from(u32::from(c)))))
    }

    /// A binary. Up to 15 bytes need no block, more than 64 are shared between terms.
    pub fn binary(bytes: impl IntoBinary) -> Self {
        bytes.into_binary()
    }

    /// A bitstring: the first `bits` bits of `bytes`, high bits first; fewer if there are not as many.
    pub fn bitstring(bytes: impl Into<Bytes>, bits: usize) -> Self {
        let mut bytes: Bytes = bytes.into();
        let bits = bits.min(bytes.len().saturating_mul(8));
        bytes.truncate(bits.div_ceil(8));
        let last = bits % 8;
        if last == 0 {
            return Self::binary(bytes);
        }
        let mask = 0xff << (8 - last);
        if bytes.last().is_some_and(|b| b & !mask != 0) {
            let mut owned = Vec::from(bytes);
            if let Some(b) = owned.last_mut() {
                *b &= mask;
            }
            bytes = owned.into();
        }
        if bytes.len() <= IN_BLOCK {
            single::small_bytes(kind::SMALL_BITS, bits, &bytes)
        } else {
            single::shared_bytes(bytes, last)
        }
    }

    /// A map; of several values for one key the last wins. Keys are compared exactly: `1` and `1.0` differ.
    ///
    /// Pairs are kept sorted by key: finding one takes logarithmic time, changing one linear time.
    pub fn map(pairs: impl IntoIterator<Item = (Self, Self)>) -> Self {
        map::from_sorted(map::sorted(pairs))
    }

    /// A fun of a BEAM node, to be given back to it.
    pub fn local_fun(fun: LocalFun) -> Self {
        let LocalFun { arity, uniq, index, module, old_index, old_uniq, pid, free } = fun;
        let head = FunHead { uniq, index, module, arity: u32::from(arity), unused: 0 };
        single::local_fun(head, [old_index, old_uniq, pid.into()].into_iter().chain(free).collect())
    }

    /// A native value.
    pub fn resource(resource: Resource) -> Self {
        single::resource(resource)
    }
}

macro_rules! from_integer {
    ($($t:ty),*) => {$(
        impl From<$t> for Term {
            #[inline]
            fn from(n: $t) -> Self {
                Self::int(i64::from(n))
            }
        }
    )*};
}
from_integer!(i8, i16, i32, i64, u8, u16, u32);

impl From<u64> for Term {
    fn from(n: u64) -> Self {
        i64::try_from(n).map_or_else(|_| single::big(false, &[n]), Self::int)
    }
}

impl From<usize> for Term {
    fn from(n: usize) -> Self {
        Self::from(n as u64)
    }
}

impl From<i128> for Term {
    fn from(n: i128) -> Self {
        i64::try_from(n).map_or_else(|_| Self::from(BigInt::from(n)), Self::int)
    }
}

impl From<BigInt> for Term {
    fn from(n: BigInt) -> Self {
        match n.to_i64() {
            Some(small) => Self::int(small),
            None => single::big(n.sign() == Sign::Minus, &n.magnitude().to_u64_digits()),
        }
    }
}

impl From<bool> for Term {
    fn from(b: bool) -> Self {
        Self::from_atom(if b { atoms::TRUE } else { atoms::FALSE })
    }
}

impl From<Atom> for Term {
    #[inline]
    fn from(a: Atom) -> Self {
        Self::from_atom(a)
    }
}

impl From<Pid> for Term {
    #[inline]
    fn from(p: Pid) -> Self {
        Self::from_pid(p)
    }
}

impl From<Port> for Term {
    fn from(p: Port) -> Self {
        Self::from_port(p)
    }
}

impl From<Ref> for Term {
    fn from(r: Ref) -> Self {
        Self::from_short_ref(&r).unwrap_or_else(|| single::long_ref(r))
    }
}

impl From<Resource> for Term {
    fn from(r: Resource) -> Self {
        Self::resource(r)
    }
}

impl Default for Term {
    /// `[]`
    fn default() -> Self {
        Self::nil()
    }
}
