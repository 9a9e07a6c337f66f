//! Blocks of one node: what the constructors of [`Term`] make.
//! Imports: block, raw, ids, resource.

use super::block::{
    self, BLOCK_WORDS, Block, Chained, FUN_TERMS, FunHead, Links, MAX_LEN, WORD, allocate, capacity_overflow,
    chained_words, header, kind, node_words,
};
use super::ids::Ref;
use super::raw::Term;
use super::resource::Resource;
use bytes::Bytes;
use std::ptr::null_mut;

/// The one node of a fresh block.
///
/// # Safety
/// `block` came from `allocate` with at least one word behind the header.
unsafe fn first_node(block: *mut Block) -> *mut u64 {
    // SAFETY: within the allocation, says the caller.
    unsafe { block.cast::<u64>().add(BLOCK_WORDS) }
}

/// Collects terms into the node they will stay in, growing it as needed.
pub(super) struct NodeWriter {
    /// Null once the node is finished.
    block: *mut Block,
    len: usize,
    room: usize,
    links: Links,
}

impl NodeWriter {
    /// Room for `room` terms at first.
    pub fn new(room: usize) -> Self {
        Self { block: allocate(BLOCK_WORDS + 1 + 2 * room), len: 0, room, links: Links::NONE }
    }

    /// One for what an iterator promises, within reason.
    pub fn for_iter(hint: (usize, Option<usize>), more: usize) -> Self {
        Self::new(hint.0.min(1 << 16).max(if hint.1 == Some(hint.0) { 0 } else { 4 }) + more)
    }

    /// # Safety
    /// `i` is at most `room`.
    unsafe fn slot(&self, i: usize) -> *mut Term {
        // SAFETY: the block has a node header and room for `room` terms.
        unsafe { first_node(self.block).add(1).cast::<Term>().add(i) }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn push(&mut self, t: Term) {
        if self.len == self.room {
            self.resize((self.room * 2).max(4));
        }
        // SAFETY: there is room; no term points here yet, so writing is ours. The slot takes over the term's count, and
        // every boxed term is foreign, for nothing points into a block this young (B4).
        unsafe {
            if t.is_boxed() {
                self.links.add_foreign();
            }
            self.slot(self.len).write(t);
        }
        self.len += 1;
    }

    #[cold]
    fn resize(&mut self, room: usize) {
        if room > 2 * MAX_LEN {
            capacity_overflow();
        }
        let words = BLOCK_WORDS + 1 + 2 * room;
        self.block = if self.block.is_null() {
            // A new node after `finish`.
            self.links = Links::NONE;
            allocate(words)
        } else {
            // SAFETY: nobody else knows the block, and its chain is empty.
            unsafe { block::resize(self.block, words) }
        };
        self.room = room;
    }

    /// Makes it a node; `len` is what the header shall say. By reference, for moving the writer costs more than this; it
    /// is empty afterwards.
    #[inline]
    pub fn finish(&mut self, kind: u8, len: usize) -> Term {
        debug_assert_eq!(node_words(kind, len), 1 + 2 * self.len);
        if len > MAX_LEN {
            capacity_overflow();
        }
        if self.room > self.len {
            self.resize(self.len);
        }
        let (block, links) = (std::mem::replace(&mut self.block, null_mut()), self.links);
        (self.len, self.room) = (0, 0);
        // SAFETY: all `len` terms are written, the header completes the node (B1), and the block's first count goes
        // to the term.
        unsafe {
            let node = first_node(block);
            node.write(header(kind, len, BLOCK_WORDS));
            if !links.is_none() {
                (*block).set_links(links);
            }
            Term::boxed(kind, 0, node)
        }
    }
}

impl Drop for NodeWriter {
    #[inline]
    fn drop(&mut self) {
        if self.block.is_null() {
            return;
        }
        // SAFETY: the first `len` slots are written and belong to us; the block is known to nobody else.
        unsafe {
            for i in 0..self.len {
                self.slot(i).drop_in_place();
            }
            block::free(self.block);
        }
    }
}

/// Puts the terms of a node into the content of another kind of single node.
fn plain_node(kind: u8, len: usize, write: impl FnOnce(*mut u64)) -> Term {
    if len > MAX_LEN {
        capacity_overflow();
    }
    let block = allocate(BLOCK_WORDS + node_words(kind, len));
    // SAFETY: the block has exactly the node's words; `write` fills those behind the header.
    unsafe {
        let node = first_node(block);
        node.write(header(kind, len, BLOCK_WORDS));
        write(node.add(1));
        Term::boxed(kind, 0, node)
    }
}

/// Copies bytes into whole words, the rest of the last one zero.
///
/// # Safety
/// `to` has room for `bytes.len()` bytes rounded up to words.
pub(super) unsafe fn write_bytes(to: *mut u64, bytes: &[u8]) {
    let words = bytes.len().div_ceil(WORD);
    if words > 0 {
        // SAFETY: within the room; zeroing the last word first leaves its unused bytes defined.
        unsafe {
            to.add(words - 1).write(0);
            to.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
    }
}

/// A binary or bitstring inside its node; `len` is in bytes for a binary, in bits for a bitstring.
pub(super) fn small_bytes(kind: u8, len: usize, bytes: &[u8]) -> Term {
    debug_assert_eq!(node_words(kind, len), 1 + bytes.len().div_ceil(WORD));
    // SAFETY: a node of this kind and length has room for these bytes.
    plain_node(kind, len, |to| unsafe { write_bytes(to, bytes) })
}

/// The digits of a big integer, least significant first, the last of them not zero.
pub(super) fn big(negative: bool, digits: &[u64]) -> Term {
    let kind = if negative { kind::BIG_NEG } else { kind::BIG_POS };
    // SAFETY: the node has `digits.len()` words behind its header.
    plain_node(kind, digits.len(), |to| unsafe { to.copy_from_nonoverlapping(digits.as_ptr(), digits.len()) })
}

/// A reference of more than three words.
pub(super) fn long_ref(r: Ref) -> Term {
    // SAFETY: the node has room for a `Ref`, which needs less alignment than a word.
    plain_node(kind::REF, 1, |to| unsafe { to.cast::<Ref>().write(r) })
}

/// Writes a node with a destructor and links it into the chain.
///
/// # Safety
/// `node` has `chained_words::<T>()` words in the block of these links, and `T` matches the header's kind.
pub(super) unsafe fn write_chained<T>(links: &mut Links, node: *mut u64, header: u64, content: T) {
    let chained = node.cast::<Chained>();
    // SAFETY: room and alignment as the caller says; `T` is aligned to a word at most.
    unsafe {
        chained.write(Chained { header, next: links.chain });
        chained.add(1).cast::<T>().write(content);
    }
    links.chain = chained;
}

fn chained<T>(kind: u8, len: usize, content: T) -> Term {
    let block = allocate(BLOCK_WORDS + chained_words::<T>());
    let mut links = Links::NONE;
    // SAFETY: the block is fresh, has exactly these words, and the callers pass the kind's content.
    unsafe {
        let node = first_node(block);
        write_chained(&mut links, node, header(kind, len, BLOCK_WORDS), content);
        (*block).set_links(links);
        Term::boxed(kind, 0, node)
    }
}

/// Shared bytes; `last_bits` is 0 for a binary, or says how many bits of the last byte count.
pub(super) fn shared_bytes(bytes: Bytes, last_bits: usize) -> Term {
    chained(if last_bits == 0 { kind::OFF_BIN } else { kind::OFF_BITS }, last_bits, bytes)
}

pub(super) fn resource(r: Resource) -> Term {
    chained(kind::RESOURCE, 0, r)
}

/// A BEAM's local fun; `terms` are old index, old uniq, pid and the free variables.
pub(super) fn local_fun(head: FunHead, terms: Vec<Term>) -> Term {
    let Some(free) = terms.len().checked_sub(FUN_TERMS).filter(|n| *n <= MAX_LEN) else { capacity_overflow() };
    let block = allocate(BLOCK_WORDS + node_words(kind::FUN, free));
    let mut links = Links::NONE;
    // SAFETY: the block has exactly the node's words: header, head, then the terms, whose counts move in with them;
    // all of them that are boxed are foreign.
    unsafe {
        let node = first_node(block);
        node.write(header(kind::FUN, free, BLOCK_WORDS));
        node.add(1).cast::<FunHead>().write(head);
        let slots = node.add(1).cast::<FunHead>().add(1).cast::<Term>();
        for (i, t) in terms.into_iter().enumerate() {
            if t.is_boxed() {
                links.add_foreign();
            }
            slots.add(i).write(t);
        }
        (*block).set_links(links);
        Term::boxed(kind::FUN, 0, node)
    }
}
