//! The 16 bytes of a term: a tag, 56 bits of small data, and a word that is a value or a pointer to a node.
//! Imports: atom, ids, node, block, resource.
//!
//! Inline, without a block: integers of 64 bits, floats, atoms, `[]`, `{}`, `#{}`, pids, ports, references of up to three
//! words, external funs, binaries of up to 15 bytes. Everything else points at a node of a block.
//!
//! Invariant T1: the tag says what the other bits mean; a tag with `BOXED` set means that `payload` points at a live
//! node of the kind in the tag's low four bits, and that this term owns a count as B2 says.

use super::atom::Atom;
use super::block::{self, Block};
use super::ids::{Pid, Port, Ref};
use super::node::NodeId;
use std::num::NonZeroU64;
use std::ptr::without_provenance;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("krarup needs a target with pointers of 64 bits: a term is two words");

/// Any Erlang value. Immutable; cloning adds to a count at most and copies nothing.
///
/// `==` is Erlang's `=:=`; see [`Term::equals`] for Erlang's `==`, under which `1 == 1.0`. `Option<Term>` is no larger.
#[repr(C)]
pub struct Term {
    /// Tag in the first byte in memory, data in the other seven.
    word: NonZeroU64,
    payload: *const u64,
}

// SAFETY: nodes never change once they can be reached (B1), counts are atomic, and what nodes hold besides plain data
// (`Bytes`, `Resource`) is itself `Send + Sync`.
unsafe impl Send for Term {}
// SAFETY: as above; nothing behind a shared term is ever written but an atomic count.
unsafe impl Sync for Term {}

const _: () = assert!(size_of::<Term>() == 16 && size_of::<Option<Term>>() == 16 && align_of::<Term>() == 8);

/// What a term is.
pub(super) mod tag {
    pub const INT: u8 = 1;
    pub const FLOAT: u8 = 2;
    pub const ATOM: u8 = 3;
    pub const NIL: u8 = 4;
    pub const PID: u8 = 5;
    pub const PORT: u8 = 6;
    /// A reference of one word; two and three words follow.
    pub const REF1: u8 = 7;
    pub const REF3: u8 = 9;
    pub const EXPORT: u8 = 10;
    pub const EMPTY_TUPLE: u8 = 11;
    pub const EMPTY_MAP: u8 = 12;
    /// A binary without bytes; up to 15 bytes follow.
    pub const BIN0: u8 = 0x10;
    pub const BIN15: u8 = 0x1f;
    /// Set in all tags of terms that point at nodes; the node's kind is in the low bits.
    pub const BOXED: u8 = 0x40;
}

/// See [`Term::leaf`].
pub(crate) enum Leaf<'a> {
    Int(i64),
    Atom(Atom),
    /// The float's bits.
    Float(u64),
    Nil,
    /// An inline binary: its bytes, the first one lowest, and its length.
    Binary(u128, usize),
    /// A tuple that is not empty.
    Tuple(&'a [Term]),
    Other,
}

/// The longest binary that needs no node.
pub(crate) const INLINE_BIN: usize = 15;

const fn word(tag: u8, data: u64) -> NonZeroU64 {
    debug_assert!(tag != 0 && data < 1 << 56);
    // SAFETY: no tag is zero, so the word is not.
    unsafe { NonZeroU64::new_unchecked((tag as u64 | data << 8).to_le()) }
}

impl Term {
    const fn inline(tag: u8, data: u64, value: u64) -> Self {
        Self { word: word(tag, data), payload: without_provenance(value as usize) }
    }

    /// `[]`
    #[inline]
    pub const fn nil() -> Self {
        Self::inline(tag::NIL, 0, 0)
    }

    /// An integer of 64 bits.
    #[inline]
    pub const fn int(n: i64) -> Self {
        Self::inline(tag::INT, 0, n as u64)
    }

    /// A float; `None` for infinities and NaN, which Erlang does not have.
    #[inline]
    pub const fn float(f: f64) -> Option<Self> {
        if f.is_finite() { Some(Self::inline(tag::FLOAT, 0, f.to_bits())) } else { None }
    }

    #[inline]
    pub(super) const fn from_atom(a: Atom) -> Self {
        Self::inline(tag::ATOM, a.0 as u64, 0)
    }

    #[inline]
    pub(super) const fn from_pid(p: Pid) -> Self {
        Self::inline(tag::PID, p.node.index() as u64 | (p.number as u64) << 24, p.serial as u64)
    }

    #[inline]
    pub(super) const fn from_port(p: Port) -> Self {
        Self::inline(tag::PORT, p.node.index() as u64, p.id)
    }

    /// A reference of up to three words; longer ones need a node.
    #[inline]
    pub(super) fn from_short_ref(r: &Ref) -> Option<Self> {
        let (count, w) = match *r.words() {
            [a] => (0, [a, 0, 0]),
            [a, b] => (1, [a, b, 0]),
            [a, b, c] => (2, [a, b, c]),
            _ => return None,
        };
        let data = u64::from(r.node().index()) | u64::from(w[0]) << 24;
        Some(Self::inline(tag::REF1 + count, data, u64::from(w[1]) | u64::from(w[2]) << 32))
    }

    /// `fun Module:Function/Arity`
    #[inline]
    pub const fn export_fun(module: Atom, function: Atom, arity: u8) -> Self {
        Self::inline(tag::EXPORT, module.0 as u64 | (arity as u64) << 32, function.0 as u64)
    }

    pub(super) const fn empty_tuple() -> Self {
        Self::inline(tag::EMPTY_TUPLE, 0, 0)
    }

    pub(super) const fn empty_map() -> Self {
        Self::inline(tag::EMPTY_MAP, 0, 0)
    }

    /// A binary of at most 15 bytes; longer input is cut.
    pub(super) fn inline_binary(bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(INLINE_BIN)];
        Self::short_binary(bytes.iter().rev().fold(0, |n, &b| n << 8 | u128::from(b)), bytes.len())
    }

    /// A binary of at most 15 bytes, given as a number whose lowest byte is the first and whose other bytes are zero.
    #[inline(always)]
    pub(crate) fn short_binary(bytes: u128, len: usize) -> Self {
        debug_assert!(len <= INLINE_BIN && bytes >> (8 * len) == 0);
        let tag = tag::BIN0 + len.min(INLINE_BIN) as u8;
        let both = bytes << 8 | u128::from(tag);
        // In memory the tag comes first, then the bytes in order.
        let (low, high) = ((both as u64).to_le(), ((both >> 64) as u64).to_le());
        // SAFETY: the lowest byte is a tag, so the word is not zero.
        let word = unsafe { NonZeroU64::new_unchecked(low) };
        Self { word, payload: without_provenance(high as usize) }
    }

    /// What is met most often, taken apart without more ado.
    #[inline(always)]
    pub(crate) fn leaf(&self) -> Leaf<'_> {
        const TUPLE: u8 = tag::BOXED | block::kind::TUPLE;
        match self.tag() {
            tag::INT => Leaf::Int(self.value() as i64),
            tag::ATOM => Leaf::Atom(Atom(self.data() as u32)),
            tag::FLOAT => Leaf::Float(self.value()),
            tag::NIL => Leaf::Nil,
            t @ tag::BIN0..=tag::BIN15 => {
                let both = u128::from(self.value().to_le()) << 64 | u128::from(self.word.get().to_le());
                Leaf::Binary(both >> 8, usize::from(t - tag::BIN0))
            }
            TUPLE => {
                // SAFETY: T1: the node is a live tuple's, whose elements lie behind the header.
                Leaf::Tuple(unsafe {
                    let len = block::header_len(*self.payload);
                    std::slice::from_raw_parts(self.payload.add(1).cast::<Self>(), len)
                })
            }
            _ => Leaf::Other,
        }
    }

    /// Whether it is equal to nothing but the same bits (a float is equal to its negative if it is zero, a reference to a
    /// longer one).
    #[inline]
    pub(super) const fn is_its_bits(&self) -> bool {
        matches!(self.tag(), tag::INT | tag::ATOM | tag::NIL | tag::PID | tag::PORT | tag::BIN0..=tag::BIN15)
    }

    /// Whether it is an integer from 0 to 255.
    #[inline(always)]
    pub(crate) fn is_byte(&self) -> bool {
        self.tag() == tag::INT && self.value() < 256
    }

    /// The lowest byte of an integer.
    #[inline(always)]
    pub(crate) fn as_byte(&self) -> u8 {
        self.value() as u8
    }

    /// A term that points at a node; it owns whatever count its place demands (B2).
    ///
    /// # Safety
    /// `node` points at a node of that kind, with the provenance of its block, and the caller hands over one count of
    /// the block, or puts the term into a node of the same block.
    #[inline]
    pub(super) unsafe fn boxed(kind: u8, data: u64, node: *const u64) -> Self {
        Self { word: word(tag::BOXED | kind, data), payload: node }
    }

    #[inline]
    pub(super) const fn tag(&self) -> u8 {
        u64::from_le(self.word.get()) as u8
    }

    #[inline]
    pub(super) const fn data(&self) -> u64 {
        u64::from_le(self.word.get()) >> 8
    }

    #[inline]
    pub(super) fn value(&self) -> u64 {
        self.payload.addr() as u64
    }

    #[inline]
    pub(super) const fn is_boxed(&self) -> bool {
        self.tag() & tag::BOXED != 0
    }

    /// The node it points at, if any.
    #[inline]
    pub(super) const fn node(&self) -> Option<*const u64> {
        if self.is_boxed() { Some(self.payload) } else { None }
    }

    /// The block it points into, if any.
    #[inline]
    pub(super) fn block(&self) -> Option<*mut Block> {
        // SAFETY: a boxed term points at a live node (T1).
        self.node().map(|n| unsafe { block::block_of(n) })
    }

    /// Whether both are made of the same bits, and so equal in every sense.
    #[inline]
    pub(super) fn identical(&self, other: &Self) -> bool {
        self.word == other.word && self.payload == other.payload
    }

    /// The pid of a term whose tag is `PID`.
    #[inline]
    pub(super) const fn pid_bits(&self) -> (NodeId, u32) {
        let data = self.data();
        (NodeId::from_index(data as u32 & 0xff_ffff), (data >> 24) as u32)
    }

    /// The reference of a term with one of the tags from `REF1` to `REF3`.
    pub(super) fn short_ref(&self) -> Ref {
        let (node, first) = self.pid_bits();
        let value = self.value();
        Ref::short(node, self.tag() - tag::REF1 + 1, [first, value as u32, (value >> 32) as u32])
    }

    /// The bytes of a term with one of the tags from `BIN0` to `BIN15`.
    #[inline]
    pub(super) fn inline_bytes(&self) -> &[u8] {
        let len = usize::from(self.tag() - tag::BIN0).min(INLINE_BIN);
        // SAFETY: the term is 16 bytes of plain data without provenance; the bytes after the tag are the content, and
        // live as long as the borrow.
        unsafe { std::slice::from_raw_parts(std::ptr::from_ref(self).cast::<u8>().add(1), len) }
    }

    /// `n` clones for one change of the count; those not taken from the iterator are given back when it is dropped.
    pub fn clone_n(&self, n: usize) -> Clones {
        if let Some(block) = self.block() {
            // SAFETY: alive, for this term owns a count.
            unsafe { (*block).retain(n) };
        }
        Clones { word: self.word, payload: self.payload, left: n }
    }
}

impl Clone for Term {
    #[inline]
    fn clone(&self) -> Self {
        if let Some(block) = self.block() {
            // SAFETY: alive, because this term owns a count, or lies in a node of a block that does.
            unsafe { (*block).retain(1) };
        }
        Self { word: self.word, payload: self.payload }
    }
}

impl Drop for Term {
    #[inline]
    fn drop(&mut self) {
        if let Some(block) = self.block() {
            // SAFETY: a term that is dropped lies outside of nodes, so it owns a count (B2).
            unsafe { block::release(block, 1) };
        }
    }
}

/// Clones of one term; see [`Term::clone_n`].
pub struct Clones {
    word: NonZeroU64,
    payload: *const u64,
    left: usize,
}

// SAFETY: it is a number of terms, and terms are `Send`.
unsafe impl Send for Clones {}
// SAFETY: a shared reference gives no access to anything but `left`.
unsafe impl Sync for Clones {}

impl Iterator for Clones {
    type Item = Term;

    #[inline]
    fn next(&mut self) -> Option<Term> {
        self.left = self.left.checked_sub(1)?;
        Some(Term { word: self.word, payload: self.payload })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Clones {}

impl Drop for Clones {
    fn drop(&mut self) {
        if self.left == 0 {
            return;
        }
        let one = std::mem::ManuallyDrop::new(Term { word: self.word, payload: self.payload });
        if let Some(block) = one.block() {
            // SAFETY: `clone_n` took a count for each clone, and `left` of them were not handed out.
            unsafe { block::release(block, self.left) };
        }
    }
}
