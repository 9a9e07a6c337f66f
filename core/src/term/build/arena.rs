//! The builder that grows: one term at each call, from finished parts.
//! Imports: block, raw, single, ids, resource, construct.
//!
//! Invariant R1: of the open block the arena owns `bank` counts, at least one, and each term handed out took one from
//! it; so making a term costs no atomic operation. When a block is full the arena keeps one count of it until it is
//! dropped itself, for the sake of [`RawTerm`]s.

use super::super::block::{
    self, BLOCK_WORDS, Block, Links, MAX_LEN, allocate, capacity_overflow, header, kind, node_words,
};
use super::super::raw::{INLINE_BIN, Term};
use super::super::single::{write_bytes, write_chained};
use super::IN_BLOCK;
use bytes::Bytes;
use std::ptr::null_mut;

/// Counts that the arena takes for a fresh block.
const BANK: usize = 1 << 40;
/// Words of the first block unless asked otherwise, and of the largest that is not made for one large node.
const FIRST: usize = 64;
const LARGEST: usize = 1 << 13;
/// The largest first block that one may ask for; distances in it fit a node's header.
const MAX_FIRST: usize = MAX_LEN / 2;

/// Makes terms side by side in blocks that grow with use.
///
/// A term made of parts that came from the same arena shares their block, and all of them live as long as any of
/// them: right for what is thrown away as a whole. Terms may outlive the arena.
pub struct Arena {
    block: *mut Block,
    next: *mut u64,
    end: *mut u64,
    bank: usize,
    /// Those of the open block; set when it is closed.
    links: Links,
    size: usize,
    /// Full blocks, one count of each.
    full: Vec<*mut Block>,
    /// Terms of other blocks that were kept for the arena's lifetime.
    kept: Vec<Term>,
    scratch: Vec<Term>,
}

// SAFETY: the open block is written by the arena alone, and needs `&mut` for that; what terms of it can reach does not
// change (B1).
unsafe impl Send for Arena {}
// SAFETY: a shared arena offers nothing that writes.
unsafe impl Sync for Arena {}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

impl Arena {
    /// An empty arena; it allocates nothing before the first node.
    pub const fn new() -> Self {
        Self::with_words(FIRST)
    }

    /// An arena whose first block has room for `words` words, by the functions of [`super::measure`].
    pub const fn with_words(words: usize) -> Self {
        Self {
            block: null_mut(),
            next: null_mut(),
            end: null_mut(),
            bank: 0,
            links: Links::NONE,
            size: if words < MAX_FIRST { words } else { MAX_FIRST },
            full: Vec::new(),
            kept: Vec::new(),
            scratch: Vec::new(),
        }
    }

    fn node(&mut self, kind: u8, len: usize) -> *mut u64 {
        if len > MAX_LEN {
            capacity_overflow();
        }
        let words = node_words(kind, len);
        if words > (self.end.addr() - self.next.addr()) / size_of::<u64>() {
            self.grow(words);
        }
        let node = self.next;
        // SAFETY: there is room for the node. Its distance fits: a block larger than `LARGEST` begins with the large
        // node and has no room for another.
        unsafe {
            let distance = node.offset_from(self.block.cast::<u64>()) as usize;
            node.write(header(kind, len, distance));
            self.next = node.add(words);
        }
        node
    }

    #[cold]
    fn grow(&mut self, words: usize) {
        self.retire();
        let size = self.size.max(words).max(4);
        self.size = (self.size * 2).min(LARGEST);
        self.block = allocate(BLOCK_WORDS + size);
        // SAFETY: fresh; R1: with the count it came with the arena now owns `BANK`. Both pointers stay within the block.
        unsafe {
            (*self.block).retain(BANK - 1);
            self.next = self.block.cast::<u64>().add(BLOCK_WORDS);
            self.end = self.next.add(size);
        }
        self.bank = BANK;
    }

    /// Closes the open block, keeping one count.
    fn retire(&mut self) {
        if self.block.is_null() {
            return;
        }
        // SAFETY: room for the end mark if there is any (B5); all counts but one go back, so the block stays.
        unsafe {
            if self.next != self.end {
                self.next.write(0);
            }
            (*self.block).set_links(std::mem::replace(&mut self.links, Links::NONE));
            block::release(self.block, self.bank - 1);
        }
        self.full.push(std::mem::replace(&mut self.block, null_mut()));
        (self.next, self.end, self.bank) = (null_mut(), null_mut(), 0);
    }

    /// The term of a node just written.
    ///
    /// # Safety
    /// `node` lies in the open block, is complete and of that kind.
    unsafe fn hand_out(&mut self, kind: u8, node: *mut u64) -> Term {
        if self.bank < 2 {
            // SAFETY: the block is alive, by the last count of the bank.
            unsafe { (*self.block).retain(BANK) };
            self.bank += BANK;
        }
        self.bank -= 1;
        // SAFETY: as the caller says; the count comes out of the bank.
        unsafe { Term::boxed(kind, 0, node) }
    }

    /// Moves terms into the slots of a node of the open block.
    ///
    /// # Safety
    /// The slots are unwritten slots of a node of the open block.
    unsafe fn fill(&mut self, slots: *mut Term, terms: impl Iterator<Item = Term>) {
        for (i, t) in terms.enumerate() {
            if let Some(block) = t.block() {
                if block == self.block {
                    // Inside the block no count is owned (B2): it goes back to the bank.
                    self.bank += 1;
                } else {
                    self.links.add_foreign();
                }
            }
            // SAFETY: as the caller says.
            unsafe { slots.add(i).write(t) };
        }
    }

    /// A node whose terms are in `scratch`.
    fn compound(&mut self, kind: u8, len: usize) -> Term {
        let mut terms = std::mem::take(&mut self.scratch);
        let node = self.node(kind, len);
        debug_assert_eq!(node_words(kind, len), 1 + 2 * terms.len());
        // SAFETY: the node has a slot for each of the terms.
        unsafe {
            self.fill(node.add(1).cast::<Term>(), terms.drain(..));
            self.scratch = terms;
            self.hand_out(kind, node)
        }
    }

    fn collect(&mut self, terms: impl IntoIterator<Item = Term>) {
        self.scratch.clear();
        self.scratch.extend(terms);
    }

    /// A tuple.
    pub fn tuple(&mut self, elements: impl IntoIterator<Item = Term>) -> Term {
        self.collect(elements);
        match self.scratch.len() {
            0 => Term::empty_tuple(),
            n => self.compound(kind::TUPLE, n),
        }
    }

    /// A list with any tail; without elements it is the tail itself.
    pub fn list(&mut self, elements: impl IntoIterator<Item = Term>, tail: Term) -> Term {
        self.collect(elements);
        match self.scratch.len() {
            0 => tail,
            n => {
                self.scratch.push(tail);
                self.compound(kind::LIST, n)
            }
        }
    }

    /// A map; of several values for one key the last wins.
    pub fn map(&mut self, pairs: impl IntoIterator<Item = (Term, Term)>) -> Term {
        let pairs = super::super::map::sorted(pairs);
        let n = pairs.len();
        if n == 0 {
            return Term::empty_map();
        }
        let (keys, values): (Vec<Term>, Vec<Term>) = pairs.into_iter().unzip();
        self.collect(keys.into_iter().chain(values));
        self.compound(kind::MAP, n)
    }

    /// A binary, copied.
    pub fn binary(&mut self, bytes: &[u8]) -> Term {
        if bytes.len() <= INLINE_BIN {
            return Term::inline_binary(bytes);
        }
        if bytes.len() > IN_BLOCK {
            return self.shared(Bytes::copy_from_slice(bytes));
        }
        let node = self.node(kind::SMALL_BIN, bytes.len());
        // SAFETY: the node has room for these bytes.
        unsafe {
            write_bytes(node.add(1), bytes);
            self.hand_out(kind::SMALL_BIN, node)
        }
    }

    /// A binary that shares its bytes if it has more than 64.
    pub fn shared(&mut self, bytes: Bytes) -> Term {
        if bytes.len() <= IN_BLOCK {
            return self.binary(&bytes);
        }
        let node = self.node(kind::OFF_BIN, 0);
        // SAFETY: the node has the room its kind needs, and the open block's chain is ours.
        unsafe {
            let head = *node;
            write_chained(&mut self.links, node, head, bytes);
            self.hand_out(kind::OFF_BIN, node)
        }
    }

    /// Keeps a term for the arena's lifetime and gives it back without a count.
    pub fn keep(&mut self, t: Term) -> RawTerm {
        let raw = RawTerm::borrow(&t);
        match t.block() {
            None => {}
            Some(block) if block == self.block => {
                // The arena keeps every block it made; the count goes back to the bank.
                self.bank += 1;
                std::mem::forget(t);
            }
            Some(_) => self.kept.push(t),
        }
        raw
    }

    /// The bytes that the arena's blocks take.
    pub fn bytes(&self) -> usize {
        let open = if self.block.is_null() { None } else { Some(&self.block) };
        // SAFETY: the arena owns a count of each.
        self.full.iter().chain(open).map(|b| unsafe { (**b).words as usize } * size_of::<u64>()).sum()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.retire();
        for block in self.full.drain(..) {
            // SAFETY: R1: one count of each full block is the arena's.
            unsafe { block::release(block, 1) };
        }
    }
}

/// A term that owns nothing: two words to pass through another language.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct RawTerm([*const u64; 2]);

// SAFETY: it is plain data; turning it back into a term is what needs care, and is unsafe.
unsafe impl Send for RawTerm {}
// SAFETY: as above.
unsafe impl Sync for RawTerm {}

impl RawTerm {
    /// The term's bits; no count is taken.
    pub fn borrow(t: &Term) -> Self {
        // SAFETY: a term is two words of plain data, one of them a pointer; reading both as pointers keeps its provenance.
        Self(unsafe { *std::ptr::from_ref(t).cast::<[*const u64; 2]>() })
    }

    /// The term's bits; its count is now the caller's to give back by [`RawTerm::into_term`].
    pub fn from_term(t: Term) -> Self {
        let raw = Self::borrow(&t);
        std::mem::forget(t);
        raw
    }

    /// The term, for as long as whoever owns its count keeps it.
    ///
    /// # Safety
    /// It came from a term, and something keeps that term's block alive as long as the result is used.
    pub unsafe fn get(&self) -> &Term {
        // SAFETY: the caller vouches for the content and for the block; the bits live as long as the borrow.
        unsafe { &*std::ptr::from_ref(self).cast::<Term>() }
    }

    /// The term, with the count that `from_term` left to the caller.
    ///
    /// # Safety
    /// It came from `from_term`, and this is called once for it.
    pub unsafe fn into_term(self) -> Term {
        // SAFETY: the same bits that `from_term` took.
        unsafe { std::mem::transmute::<[*const u64; 2], Term>(self.0) }
    }
}
