//! What a term is: borrowed views for matching and walking.
//! Imports: atom, ids, repr, resource.

use super::atom::Atom;
use super::ids::{Pid, Port, Ref};
use super::repr::Term;
use super::resource::Resource;
use num_bigint::{BigInt, Sign};
use std::cmp::Ordering;

/// A term, taken apart one level deep.
#[derive(Clone, Copy)]
pub enum View<'a> {
    /// An integer that fits 64 bits.
    Int(i64),
    /// An integer that does not.
    Big(BigView<'a>),
    /// A finite float.
    Float(f64),
    /// An atom.
    Atom(Atom),
    /// A process identifier.
    Pid(Pid),
    /// A port identifier.
    Port(Port),
    /// A reference.
    Ref(Ref),
    /// `[]`
    Nil,
    /// The elements of a tuple.
    Tuple(&'a [Term]),
    /// A list of at least one element.
    List(ListView<'a>),
    /// A map.
    Map(MapView<'a>),
    /// A bitstring of whole bytes.
    Binary(&'a [u8]),
    /// A bitstring that is not a binary: its length is no multiple of 8.
    Bits(BitsView<'a>),
    /// A fun.
    Fun(FunView<'a>),
    /// A native value.
    Resource(&'a Resource),
}

/// An integer beyond 64 bits.
#[derive(Clone, Copy)]
pub struct BigView<'a>(&'a BigInt);

impl<'a> BigView<'a> {
    pub(super) fn new(n: &'a BigInt) -> Self {
        Self(n)
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.0.sign() == Sign::Minus
    }

    /// It, as a number to calculate with.
    pub fn to_bigint(&self) -> BigInt {
        self.0.clone()
    }

    /// The bytes of its absolute value, least significant first, without leading zeros.
    pub fn bytes_le(&self) -> impl ExactSizeIterator<Item = u8> + use<> {
        self.0.magnitude().to_bytes_le().into_iter()
    }
}

/// A bitstring whose length is no multiple of 8.
#[derive(Clone, Copy)]
pub struct BitsView<'a> {
    bytes: &'a [u8],
    bits: usize,
}

impl<'a> BitsView<'a> {
    pub(super) fn new(bytes: &'a [u8], bits: usize) -> Self {
        Self { bytes, bits }
    }

    /// All bytes; of the last only the high bits count, the others are zero.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many bits there are.
    pub fn bit_len(&self) -> usize {
        self.bits
    }

    /// How many bits of the last byte count: 1 to 7.
    pub fn last_bits(&self) -> u8 {
        (self.bits % 8) as u8
    }
}

/// A list of at least one element, from some element on.
#[derive(Clone, Copy)]
pub struct ListView<'a> {
    chunk: &'a [Term],
    tail: &'a Term,
}

impl<'a> ListView<'a> {
    /// `chunk` has at least one element.
    pub(super) fn new(chunk: &'a [Term], tail: &'a Term) -> Self {
        Self { chunk, tail }
    }

    /// The first element.
    pub fn head(&self) -> &'a Term {
        self.chunk.first().unwrap_or(Term::nil_ref())
    }

    /// The list without its first element, as a term of its own.
    pub fn rest(&self) -> Term {
        match self.chunk {
            [_, more @ ..] if !more.is_empty() => Term::improper_list(more.iter().cloned(), self.tail.clone()),
            _ => self.tail.clone(),
        }
    }

    /// The elements that lie side by side from here on (at least one), and what follows them: a term that may be a
    /// list again, for a list may consist of several pieces. For loops that want slices.
    pub fn chunk(&self) -> (&'a [Term], &'a Term) {
        (self.chunk, self.tail)
    }

    /// The elements in order; an improper tail is not among them.
    pub fn iter(&self) -> ListIter<'a> {
        ListIter { chunk: self.chunk.iter(), tail: self.tail }
    }

    /// What follows the last element: `[]` if the list is proper.
    pub fn tail(&self) -> &'a Term {
        self.iter().into_tail()
    }

    /// The number of elements, an improper tail not counted. Costs time if the list is in several pieces.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        let mut n = self.chunk.len();
        let mut tail = self.tail;
        while let View::List(next) = tail.view() {
            n += next.chunk.len();
            tail = next.tail;
        }
        n
    }

    /// Whether the list ends in `[]`.
    pub fn is_proper(&self) -> bool {
        matches!(self.tail().view(), View::Nil)
    }
}

impl<'a> IntoIterator for ListView<'a> {
    type Item = &'a Term;
    type IntoIter = ListIter<'a>;
    fn into_iter(self) -> ListIter<'a> {
        self.iter()
    }
}

/// The elements of a list.
#[derive(Clone)]
pub struct ListIter<'a> {
    chunk: std::slice::Iter<'a, Term>,
    tail: &'a Term,
}

impl<'a> ListIter<'a> {
    /// Skips to the end and gives what follows the last element.
    pub fn into_tail(self) -> &'a Term {
        let mut tail = self.tail;
        while let View::List(next) = tail.view() {
            tail = next.tail;
        }
        tail
    }
}

impl<'a> Iterator for ListIter<'a> {
    type Item = &'a Term;

    fn next(&mut self) -> Option<&'a Term> {
        loop {
            if let Some(t) = self.chunk.next() {
                return Some(t);
            }
            let View::List(next) = self.tail.view() else { return None };
            self.chunk = next.chunk.iter();
            self.tail = next.tail;
        }
    }
}

/// A map.
#[derive(Clone, Copy)]
pub struct MapView<'a> {
    keys: &'a [Term],
    values: &'a [Term],
}

impl<'a> MapView<'a> {
    /// Both slices have one length; keys ascend in key order.
    pub(super) fn new(keys: &'a [Term], values: &'a [Term]) -> Self {
        Self { keys, values }
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The value of a key, by exact equality.
    pub fn get(&self, key: &Term) -> Option<&'a Term> {
        self.find(key).ok().and_then(|i| self.values.get(i))
    }

    /// Where a key is, or where it would be.
    pub fn find(&self, key: &Term) -> Result<usize, usize> {
        self.keys.binary_search_by(|k| k.compare_exact(key))
    }

    /// The pairs in key order: exact term order, integers before floats.
    pub fn iter(&self) -> MapIter<'a> {
        self.keys.iter().zip(self.values)
    }

    /// The keys in key order.
    pub fn keys(&self) -> &'a [Term] {
        self.keys
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> &'a [Term] {
        self.values
    }
}

/// The pairs of a map.
pub type MapIter<'a> = std::iter::Zip<std::slice::Iter<'a, Term>, std::slice::Iter<'a, Term>>;

/// A fun.
#[derive(Clone, Copy)]
pub enum FunView<'a> {
    /// `fun Module:Function/Arity`
    External {
        /// The module.
        module: Atom,
        /// The function.
        function: Atom,
        /// Its number of arguments.
        arity: u8,
    },
    /// A fun of a BEAM node; only its maker can run it.
    Local(&'a LocalFun),
}

/// What the wire says of a BEAM node's local fun, to be sent back unchanged. Source: `NEW_FUN_EXT`.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalFun {
    /// Its number of arguments.
    pub arity: u8,
    /// MD5 of the module's code.
    pub uniq: [u8; 16],
    /// Which fun of the module.
    pub index: u32,
    /// The module.
    pub module: Atom,
    /// Which fun of the module, the old way.
    pub old_index: Term,
    /// A hash of the fun's code, the old way.
    pub old_uniq: Term,
    /// The process that made it.
    pub pid: Pid,
    /// The values it closes over.
    pub free: Vec<Term>,
}

impl View<'_> {
    /// Where its type stands in the order of types.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Int(_) | Self::Big(_) | Self::Float(_) => 0,
            Self::Atom(_) => 1,
            Self::Ref(_) | Self::Resource(_) => 2,
            Self::Fun(_) => 3,
            Self::Port(_) => 4,
            Self::Pid(_) => 5,
            Self::Tuple(_) => 6,
            Self::Map(_) => 7,
            Self::Nil => 8,
            Self::List(_) => 9,
            Self::Binary(_) | Self::Bits(_) => 10,
        }
    }
}

impl Term {
    /// An integer of 64 bits.
    pub fn as_int(&self) -> Option<i64> {
        if let View::Int(n) = self.view() { Some(n) } else { None }
    }

    /// The same as `as_int`.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_int()
    }

    /// A float.
    pub fn as_float(&self) -> Option<f64> {
        if let View::Float(f) = self.view() { Some(f) } else { None }
    }

    /// An atom.
    pub fn as_atom(&self) -> Option<Atom> {
        if let View::Atom(a) = self.view() { Some(a) } else { None }
    }

    /// `true` or `false`.
    pub fn as_bool(&self) -> Option<bool> {
        match self.as_atom()? {
            super::atoms::TRUE => Some(true),
            super::atoms::FALSE => Some(false),
            _ => None,
        }
    }

    /// A pid.
    pub fn as_pid(&self) -> Option<Pid> {
        if let View::Pid(p) = self.view() { Some(p) } else { None }
    }

    /// A port identifier.
    pub fn as_port(&self) -> Option<Port> {
        if let View::Port(p) = self.view() { Some(p) } else { None }
    }

    /// A reference.
    pub fn as_ref(&self) -> Option<Ref> {
        if let View::Ref(r) = self.view() { Some(r) } else { None }
    }

    /// The elements of a tuple.
    pub fn as_tuple(&self) -> Option<&[Term]> {
        if let View::Tuple(t) = self.view() { Some(t) } else { None }
    }

    /// A list of at least one element.
    pub fn as_list(&self) -> Option<ListView<'_>> {
        if let View::List(l) = self.view() { Some(l) } else { None }
    }

    /// A map.
    pub fn as_map(&self) -> Option<MapView<'_>> {
        if let View::Map(m) = self.view() { Some(m) } else { None }
    }

    /// The bytes of a binary.
    pub fn as_binary(&self) -> Option<&[u8]> {
        if let View::Binary(b) = self.view() { Some(b) } else { None }
    }

    /// A native value.
    pub fn as_resource(&self) -> Option<&Resource> {
        if let View::Resource(r) = self.view() { Some(r) } else { None }
    }

    /// An integer of any size.
    pub fn is_integer(&self) -> bool {
        matches!(self.view(), View::Int(_) | View::Big(_))
    }

    /// A float.
    pub fn is_float(&self) -> bool {
        matches!(self.view(), View::Float(_))
    }

    /// A number.
    pub fn is_number(&self) -> bool {
        self.is_integer() || self.is_float()
    }

    /// An atom.
    pub fn is_atom(&self) -> bool {
        matches!(self.view(), View::Atom(_))
    }

    /// A pid.
    pub fn is_pid(&self) -> bool {
        matches!(self.view(), View::Pid(_))
    }

    /// A port identifier.
    pub fn is_port(&self) -> bool {
        matches!(self.view(), View::Port(_))
    }

    /// A reference, or a native value, which stands for one.
    pub fn is_reference(&self) -> bool {
        matches!(self.view(), View::Ref(_) | View::Resource(_))
    }

    /// A tuple.
    pub fn is_tuple(&self) -> bool {
        matches!(self.view(), View::Tuple(_))
    }

    /// `[]` or a list cell, as `erlang:is_list/1`: an improper list too.
    pub fn is_list(&self) -> bool {
        matches!(self.view(), View::List(_) | View::Nil)
    }

    /// `[]`
    pub fn is_nil(&self) -> bool {
        matches!(self.view(), View::Nil)
    }

    /// A map.
    pub fn is_map(&self) -> bool {
        matches!(self.view(), View::Map(_))
    }

    /// A bitstring of whole bytes.
    pub fn is_binary(&self) -> bool {
        matches!(self.view(), View::Binary(_))
    }

    /// A binary or another bitstring.
    pub fn is_bitstring(&self) -> bool {
        matches!(self.view(), View::Binary(_) | View::Bits(_))
    }

    /// A fun.
    pub fn is_fun(&self) -> bool {
        matches!(self.view(), View::Fun(_))
    }
}

/// Longest common part first, then bit length: OTP's order of bitstrings.
pub(super) fn order_bits(a: (&[u8], usize), b: (&[u8], usize)) -> Ordering {
    let whole = (a.1 / 8).min(b.1 / 8);
    a.0[..whole].cmp(&b.0[..whole]).then_with(|| {
        let common = (a.1.min(b.1) % 8) as u32;
        let both = if a.1.min(b.1) / 8 == whole && common != 0 {
            let mask = 0xffu8 << (8 - common);
            (a.0[whole] & mask).cmp(&(b.0[whole] & mask))
        } else {
            Ordering::Equal
        };
        both.then(a.1.cmp(&b.1))
    })
}
