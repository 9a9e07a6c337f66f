//! The term itself.
//! Imports: atom, ids, resource, view.

use super::atom::Atom;
use super::atoms;
use super::ids::{Pid, Port, Ref};
use super::resource::Resource;
use super::view::{BigView, BitsView, FunView, ListView, LocalFun, MapView, View};
use bytes::Bytes;
use num_bigint::BigInt;
use num_traits::ToPrimitive;
use std::sync::Arc;

/// Any Erlang value. Immutable; cloning adds to a count and copies nothing.
///
/// `==` is Erlang's `=:=`; see [`Term::equals`] for Erlang's `==`, under which `1 == 1.0`.
#[derive(Clone)]
pub struct Term(Repr);

#[derive(Clone)]
enum Repr {
    Int(i64),
    Float(f64),
    Atom(Atom),
    Pid(Pid),
    Nil,
    Boxed(Arc<Boxed>),
}

enum Boxed {
    Big(BigInt),
    Port(Port),
    Ref(Ref),
    Tuple(Vec<Term>),
    List(Vec<Term>, Term),
    Map(Vec<Term>, Vec<Term>),
    Bits(Bytes, usize),
    Export(Atom, Atom, u8),
    Local(LocalFun),
    Resource(Resource),
}

static NIL: Term = Term(Repr::Nil);

fn boxed(b: Boxed) -> Term {
    Term(Repr::Boxed(Arc::new(b)))
}

/// What can become a binary.
pub trait IntoBinary {
    /// The binary.
    fn into_binary(self) -> Term;
}

impl IntoBinary for Bytes {
    fn into_binary(self) -> Term {
        let bits = self.len() * 8;
        boxed(Boxed::Bits(self, bits))
    }
}
impl IntoBinary for Vec<u8> {
    fn into_binary(self) -> Term {
        Bytes::from(self).into_binary()
    }
}
impl IntoBinary for &[u8] {
    fn into_binary(self) -> Term {
        Bytes::copy_from_slice(self).into_binary()
    }
}
impl<const N: usize> IntoBinary for &[u8; N] {
    fn into_binary(self) -> Term {
        self.as_slice().into_binary()
    }
}
impl IntoBinary for &Vec<u8> {
    fn into_binary(self) -> Term {
        self.as_slice().into_binary()
    }
}
impl IntoBinary for &str {
    fn into_binary(self) -> Term {
        self.as_bytes().into_binary()
    }
}
impl IntoBinary for String {
    fn into_binary(self) -> Term {
        self.into_bytes().into_binary()
    }
}
impl IntoBinary for &String {
    fn into_binary(self) -> Term {
        self.as_bytes().into_binary()
    }
}

impl Term {
    /// `[]`
    pub const fn nil() -> Self {
        Self(Repr::Nil)
    }

    /// An integer of 64 bits.
    pub const fn int(n: i64) -> Self {
        Self(Repr::Int(n))
    }

    /// A float; `None` for infinities and NaN, which Erlang does not have.
    pub fn float(f: f64) -> Option<Self> {
        f.is_finite().then_some(Self(Repr::Float(f)))
    }

    /// A tuple of the given elements. Source: OTP `tuple()`; more than 2^24-1 elements are cut off there.
    pub fn tuple(elements: impl IntoIterator<Item = Term>) -> Self {
        boxed(Boxed::Tuple(elements.into_iter().take(0xff_ffff).collect()))
    }

    /// A proper list.
    pub fn list(elements: impl IntoIterator<Item = Term>) -> Self {
        Self::improper_list(elements, Self::nil())
    }

    /// A list with any tail; without elements it is the tail itself.
    pub fn improper_list(elements: impl IntoIterator<Item = Term>, tail: Term) -> Self {
        let elements: Vec<Term> = elements.into_iter().collect();
        if elements.is_empty() { tail } else { boxed(Boxed::List(elements, tail)) }
    }

    /// `[Head | Tail]`. Each use makes a list node of one element; build long lists with [`Term::list`].
    pub fn cons(head: Term, tail: Term) -> Self {
        Self::improper_list([head], tail)
    }

    /// The list of a text's code points, which is what Erlang calls a string.
    pub fn string(text: &str) -> Self {
        Self::list(text.chars().map(|c| Self::int(i64::from(u32::from(c)))))
    }

    /// A binary.
    pub fn binary(bytes: impl IntoBinary) -> Self {
        bytes.into_binary()
    }

    /// A bitstring: the first `bits` bits of `bytes`, high bits first; fewer if there are not as many.
    pub fn bitstring(bytes: impl Into<Bytes>, bits: usize) -> Self {
        let mut bytes: Bytes = bytes.into();
        let bits = bits.min(bytes.len().saturating_mul(8));
        bytes.truncate(bits.div_ceil(8));
        if bits % 8 != 0 {
            let mut owned = bytes.to_vec();
            if let Some(last) = owned.last_mut() {
                *last &= 0xff << (8 - bits % 8);
            }
            bytes = owned.into();
        }
        boxed(Boxed::Bits(bytes, bits))
    }

    /// A map; of several values for one key the last wins. Keys are compared exactly: `1` and `1.0` differ.
    pub fn map(pairs: impl IntoIterator<Item = (Term, Term)>) -> Self {
        let mut pairs: Vec<(Term, Term)> = pairs.into_iter().collect();
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.compare_exact(&b.0));
        pairs.dedup_by(|later, kept| later.0.same(&kept.0));
        let (keys, values) = pairs.into_iter().unzip();
        boxed(Boxed::Map(keys, values))
    }

    /// `fun Module:Function/Arity`
    pub fn export_fun(module: Atom, function: Atom, arity: u8) -> Self {
        boxed(Boxed::Export(module, function, arity))
    }

    /// A fun of a BEAM node, kept as it came.
    pub fn local_fun(fun: LocalFun) -> Self {
        boxed(Boxed::Local(fun))
    }

    /// A native value.
    pub fn resource(resource: Resource) -> Self {
        boxed(Boxed::Resource(resource))
    }

    /// What it is, for matching.
    pub fn view(&self) -> View<'_> {
        match &self.0 {
            Repr::Int(n) => View::Int(*n),
            Repr::Float(f) => View::Float(*f),
            Repr::Atom(a) => View::Atom(*a),
            Repr::Pid(p) => View::Pid(*p),
            Repr::Nil => View::Nil,
            Repr::Boxed(b) => match &**b {
                Boxed::Big(n) => View::Big(BigView::new(n)),
                Boxed::Port(p) => View::Port(*p),
                Boxed::Ref(r) => View::Ref(*r),
                Boxed::Tuple(e) => View::Tuple(e),
                Boxed::List(e, tail) => View::List(ListView::new(e, tail)),
                Boxed::Map(k, v) => View::Map(MapView::new(k, v)),
                Boxed::Bits(b, bits) if bits % 8 == 0 => View::Binary(b),
                Boxed::Bits(b, bits) => View::Bits(BitsView::new(b, *bits)),
                Boxed::Export(m, f, a) => View::Fun(FunView::External { module: *m, function: *f, arity: *a }),
                Boxed::Local(f) => View::Fun(FunView::Local(f)),
                Boxed::Resource(r) => View::Resource(r),
            },
        }
    }

    pub(super) fn nil_ref() -> &'static Self {
        &NIL
    }

    /// The bytes of a binary, shared where it is held by count already; `None` if it is not a binary.
    pub fn bytes(&self) -> Option<Bytes> {
        match &self.0 {
            Repr::Boxed(b) => match &**b {
                Boxed::Bits(b, bits) if bits % 8 == 0 => Some(b.clone()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Copies a small piece out of a block of more than 4 KiB, so that it does not keep the rest alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        self.clone()
    }

    /// The size of the block that this term keeps alive, in bytes; 0 if it needs none.
    pub fn block_bytes(&self) -> usize {
        0
    }

    /// How many bytes this term's own parts take, without the rest of its block.
    pub fn heap_bytes(&self) -> usize {
        0
    }

    /// `n` clones at the price of one count; the iterator need not be exhausted.
    pub fn clone_n(&self, n: usize) -> impl Iterator<Item = Term> + use<> {
        std::iter::repeat_n(self.clone(), n)
    }

    /// The map with `key` bound to `value`; `None` if this is not a map.
    pub fn map_put(&self, key: Term, value: Term) -> Option<Self> {
        let View::Map(m) = self.view() else { return None };
        Some(Self::map(m.iter().map(|(k, v)| (k.clone(), v.clone())).chain([(key, value)])))
    }

    /// The map with the existing `key` bound to `value`; `None` if this is not a map or has no such key.
    pub fn map_update(&self, key: &Term, value: Term) -> Option<Self> {
        let View::Map(m) = self.view() else { return None };
        m.get(key)?;
        self.map_put(key.clone(), value)
    }

    /// The map without `key`; `None` if this is not a map.
    pub fn map_remove(&self, key: &Term) -> Option<Self> {
        let View::Map(m) = self.view() else { return None };
        Some(Self::map(m.iter().filter(|(k, _)| !k.same(key)).map(|(k, v)| (k.clone(), v.clone()))))
    }
}

macro_rules! from_small {
    ($($t:ty),*) => {$(
        impl From<$t> for Term {
            fn from(n: $t) -> Self {
                Self::int(i64::from(n))
            }
        }
    )*};
}
from_small!(i8, i16, i32, i64, u8, u16, u32);

impl From<u64> for Term {
    fn from(n: u64) -> Self {
        i64::try_from(n).map_or_else(|_| Self::from(BigInt::from(n)), Self::int)
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

impl From<bool> for Term {
    fn from(b: bool) -> Self {
        Self::from(if b { atoms::TRUE } else { atoms::FALSE })
    }
}

impl From<Atom> for Term {
    fn from(a: Atom) -> Self {
        Self(Repr::Atom(a))
    }
}

impl From<Pid> for Term {
    fn from(p: Pid) -> Self {
        Self(Repr::Pid(p))
    }
}

impl From<Port> for Term {
    fn from(p: Port) -> Self {
        boxed(Boxed::Port(p))
    }
}

impl From<Ref> for Term {
    fn from(r: Ref) -> Self {
        boxed(Boxed::Ref(r))
    }
}

impl From<Resource> for Term {
    fn from(r: Resource) -> Self {
        Self::resource(r)
    }
}

impl From<BigInt> for Term {
    fn from(n: BigInt) -> Self {
        match n.to_i64() {
            Some(small) => Self::int(small),
            None => boxed(Boxed::Big(n)),
        }
    }
}

impl Default for Term {
    /// `[]`
    fn default() -> Self {
        Self::nil()
    }
}
