//! What a term is: borrowed views for matching and walking.
//! Imports: atom, ids, raw, block, resource.

use super::atom::Atom;
use super::block::{FUN_TERMS, FunHead, header_len, kind};
use super::ids::{Pid, Port, Ref};
use super::raw::{Term, tag};
use super::resource::Resource;
use bytes::Bytes;
use num_bigint::{BigInt, BigUint, Sign};

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
pub struct BigView<'a> {
    negative: bool,
    digits: &'a [u64],
}

impl<'a> BigView<'a> {
    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// It, as a number to calculate with.
    pub fn to_bigint(&self) -> BigInt {
        let halves = self.digits.iter().flat_map(|&d| [d as u32, (d >> 32) as u32]).collect();
        let sign = if self.negative { Sign::Minus } else { Sign::Plus };
        BigInt::from_biguint(sign, BigUint::new(halves))
    }

    /// The 64-bit digits of its absolute value, least significant first; the last is not zero.
    pub fn digits(&self) -> &'a [u64] {
        self.digits
    }

    /// How many bytes its absolute value needs.
    pub fn byte_len(&self) -> usize {
        let unused = self.digits.last().map_or(0, |d| d.leading_zeros() / 8);
        self.digits.len() * 8 - unused as usize
    }

    /// The bytes of its absolute value, least significant first, without leading zeros.
    pub fn bytes_le(&self) -> impl ExactSizeIterator<Item = u8> + use<'a> {
        let digits = self.digits;
        (0..self.byte_len()).map(move |i| (digits[i / 8] >> (i % 8 * 8)) as u8)
    }
}

/// A bitstring whose length is no multiple of 8.
#[derive(Clone, Copy)]
pub struct BitsView<'a> {
    bytes: &'a [u8],
    bits: usize,
}

impl<'a> BitsView<'a> {
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
    /// The elements of this piece from here on (at least one), and the tail behind them.
    all: &'a [Term],
    /// The list itself.
    term: &'a Term,
}

impl<'a> ListView<'a> {
    /// The first element.
    #[inline]
    pub fn head(&self) -> &'a Term {
        &self.all[0]
    }

    /// The list without its first element, as a term of its own. Costs the same whatever the length.
    pub fn rest(&self) -> Term {
        match self.all {
            [_, _, _, ..] => self.term.skip_one(),
            _ => self.chunk().1.clone(),
        }
    }

    /// The elements that lie side by side from here on (at least one), and what follows them: a term that may be a
    /// list again, for a list may consist of several pieces. For loops that want slices.
    #[inline]
    pub fn chunk(&self) -> (&'a [Term], &'a Term) {
        let last = self.all.len() - 1;
        (&self.all[..last], &self.all[last])
    }

    /// The elements in order; an improper tail is not among them.
    #[inline]
    pub fn iter(&self) -> ListIter<'a> {
        let (chunk, tail) = self.chunk();
        ListIter { chunk: chunk.iter(), tail }
    }

    /// What follows the last element: `[]` if the list is proper.
    pub fn tail(&self) -> &'a Term {
        self.iter().into_tail()
    }

    /// The number of elements, an improper tail not counted. Costs time if the list is in several pieces.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        let (chunk, mut tail) = self.chunk();
        let mut n = chunk.len();
        while let View::List(next) = tail.view() {
            let (chunk, more) = next.chunk();
            n += chunk.len();
            tail = more;
        }
        n
    }

    /// Whether the list ends in `[]`.
    pub fn is_proper(&self) -> bool {
        self.tail().is_nil()
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
            tail = next.chunk().1;
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
            let (chunk, tail) = next.chunk();
            self.chunk = chunk.iter();
            self.tail = tail;
        }
    }
}

/// Up to so many keys are compared one by one if their bits are enough: quicker than a search by order.
const FEW: usize = 64;

/// A map.
#[derive(Clone, Copy)]
pub struct MapView<'a> {
    /// Both slices have one length; keys ascend in key order.
    keys: &'a [Term],
    values: &'a [Term],
}

impl<'a> MapView<'a> {
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
        let at = if key.is_its_bits() && self.len() <= FEW {
            self.keys.iter().position(|k| k.identical(key))?
        } else {
            self.find(key).ok()?
        };
        self.values.get(at)
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
    Local(LocalFunView<'a>),
}

/// What the wire says of a BEAM node's local fun, to be sent back unchanged. Source: `NEW_FUN_EXT`.
#[derive(Clone, Copy, Debug)]
pub struct LocalFunView<'a> {
    /// Its number of arguments.
    pub arity: u8,
    /// MD5 of the module's code.
    pub uniq: [u8; 16],
    /// Which fun of the module.
    pub index: u32,
    /// The module.
    pub module: Atom,
    /// Which fun of the module, the old way.
    pub old_index: &'a Term,
    /// A hash of the fun's code, the old way.
    pub old_uniq: &'a Term,
    /// The process that made it.
    pub pid: Pid,
    /// The values it closes over.
    pub free: &'a [Term],
}

/// The parts to make a local fun from; see [`LocalFunView`] for their meaning.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct LocalFun {
    pub arity: u8,
    pub uniq: [u8; 16],
    pub index: u32,
    pub module: Atom,
    pub old_index: Term,
    pub old_uniq: Term,
    pub pid: Pid,
    pub free: Vec<Term>,
}

/// A slice of a node's content.
///
/// # Safety
/// `node` is live during `'a`, and `len` values of `T` lie `start` words behind its header.
#[inline]
unsafe fn slice_of<'a, T>(node: *const u64, start: usize, len: usize) -> &'a [T] {
    // SAFETY: as the caller says; nodes do not change (B1).
    unsafe { std::slice::from_raw_parts(node.add(start).cast::<T>(), len) }
}

impl Term {
    /// What it is, for matching.
    #[inline]
    pub fn view(&self) -> View<'_> {
        match self.tag() {
            tag::INT => View::Int(self.value() as i64),
            tag::FLOAT => View::Float(f64::from_bits(self.value())),
            tag::ATOM => View::Atom(Atom(self.data() as u32)),
            tag::NIL => View::Nil,
            tag::PID => {
                let (node, number) = self.pid_bits();
                View::Pid(Pid { node, number, serial: self.value() as u32 })
            }
            tag::PORT => View::Port(Port { node: self.pid_bits().0, id: self.value() }),
            tag::REF1..=tag::REF3 => View::Ref(self.short_ref()),
            tag::EXPORT => {
                let (module, function) = (Atom(self.data() as u32), Atom(self.value() as u32));
                View::Fun(FunView::External { module, function, arity: (self.data() >> 32) as u8 })
            }
            tag::EMPTY_TUPLE => View::Tuple(&[]),
            tag::EMPTY_MAP => View::Map(MapView { keys: &[], values: &[] }),
            tag::BIN0..=tag::BIN15 => View::Binary(self.inline_bytes()),
            _ => self.view_node(),
        }
    }

    #[inline]
    fn view_node(&self) -> View<'_> {
        let Some(node) = self.node() else { return View::Nil };
        // SAFETY: T1: the node is live while this term is borrowed, and of the kind in the tag, which says what lies
        // behind its header.
        unsafe {
            let len = header_len(*node);
            match self.tag() & !tag::BOXED {
                kind::TUPLE => View::Tuple(slice_of(node, 1, len)),
                kind::LIST => {
                    // The data of a list term says how many elements to skip: always fewer than there are.
                    let skip = self.data() as usize;
                    View::List(ListView { all: slice_of(node, 1 + 2 * skip, len + 1 - skip), term: self })
                }
                kind::MAP => {
                    View::Map(MapView { keys: slice_of(node, 1, len), values: slice_of(node, 1 + 2 * len, len) })
                }
                kind::SMALL_BIN => View::Binary(slice_of(node, 1, len)),
                kind::SMALL_BITS => View::Bits(BitsView { bytes: slice_of(node, 1, len.div_ceil(8)), bits: len }),
                k @ (kind::BIG_POS | kind::BIG_NEG) => {
                    View::Big(BigView { negative: k == kind::BIG_NEG, digits: slice_of(node, 1, len) })
                }
                kind::REF => View::Ref(*node.add(1).cast::<Ref>()),
                kind::FUN => View::Fun(FunView::Local(local_fun(node, len))),
                kind::OFF_BIN => View::Binary(&*node.add(2).cast::<Bytes>()),
                kind::OFF_BITS => {
                    let bytes = &*node.add(2).cast::<Bytes>();
                    View::Bits(BitsView { bytes, bits: bytes.len() * 8 - 8 + len })
                }
                _ => View::Resource(&*node.add(2).cast::<Resource>()),
            }
        }
    }

    /// The bytes of a binary, shared if it is held in shared bytes already, which is so from 65 bytes on; otherwise
    /// copied. `None` if it is not a binary.
    pub fn bytes(&self) -> Option<Bytes> {
        if let Some(node) = self.node()
            && self.tag() == tag::BOXED | kind::OFF_BIN
        {
            // SAFETY: T1: the node is live and holds `Bytes` behind header and link.
            return Some(unsafe { (*node.add(2).cast::<Bytes>()).clone() });
        }
        self.as_binary().map(Bytes::copy_from_slice)
    }

    /// The list from the next element on, which the caller has seen in the same piece.
    fn skip_one(&self) -> Self {
        let copy = self.clone();
        match copy.node() {
            Some(node) if self.tag() == tag::BOXED | kind::LIST => {
                std::mem::forget(copy);
                // SAFETY: the count is the forgotten copy's; the piece goes on, says the caller.
                unsafe { Self::boxed(kind::LIST, self.data() + 1, node) }
            }
            _ => copy,
        }
    }
}

/// # Safety
/// `node` is a live local fun's node with `len` free variables.
unsafe fn local_fun<'a>(node: *const u64, len: usize) -> LocalFunView<'a> {
    const START: usize = 1 + size_of::<FunHead>() / size_of::<u64>();
    // SAFETY: as the caller says; three terms come before the free variables.
    let (head, terms) = unsafe { (*node.add(1).cast::<FunHead>(), slice_of::<Term>(node, START, FUN_TERMS + len)) };
    let pid = terms[2].as_pid().unwrap_or(Pid { node: super::NodeId::LOCAL_NONE, number: 0, serial: 0 });
    LocalFunView {
        arity: head.arity as u8,
        uniq: head.uniq,
        index: head.index,
        module: head.module,
        old_index: &terms[0],
        old_uniq: &terms[1],
        pid,
        free: &terms[FUN_TERMS..],
    }
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
