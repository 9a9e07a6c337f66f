//! Blocks: counted pieces of memory that hold nodes, and the nodes' headers.
//! Imports: raw, resource.
//!
//! A block is one allocation: a [`Block`] header, then nodes one after another. A decoded message is one block with
//! one count; a term that points at any of its nodes finds the count by the distance that stands in the node's header.
//!
//! Invariants, on which all unsafe code of this room rests:
//! - B1: a node is written completely before a term that points at it leaves the hands of its builder, and never
//!   changes afterwards. Of the header only the count changes, and the links once, when its builder has finished.
//! - B2: a boxed term outside of blocks owns one count of the block of its node. A boxed term *inside* a node owns one
//!   count if its node lies in another block (a *foreign* element), and none if it lies in the same block.
//! - B3: once the builder has set the links, `foreign` is at least 1 if a node has a foreign element, and `chain` leads
//!   through every node that holds something with a destructor of its own (shared bytes, a resource). With neither,
//!   freeing needs no look inside.
//! - B4: nodes only point to what existed before them, so blocks form no cycle.
//! - B5: the nodes fill the block from its header on, up to its end or up to a zero word.
//!
//! Locks: none. Dropping never recurses: blocks that die while a block is being taken apart wait on a list of the thread.

use super::raw::Term;
use super::resource::Resource;
use bytes::Bytes;
use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, fence};

/// The size of all things here is counted in words of 8 bytes.
pub(super) const WORD: usize = 8;
/// Words of a block's header: the distance of its first node.
pub(super) const BLOCK_WORDS: usize = size_of::<Block>() / WORD;
/// Bits of a node's distance and of its length.
const FIELD: u32 = 30;
/// The largest length a node can have, and the largest distance from its block.
pub(super) const MAX_LEN: usize = (1 << FIELD) - 1;

/// What a node is; also the low bits of the tags of the terms that point to it.
pub(super) mod kind {
    /// No node: what follows is unused.
    pub const END: u8 = 0;
    pub const TUPLE: u8 = 1;
    pub const LIST: u8 = 2;
    pub const MAP: u8 = 3;
    pub const SMALL_BIN: u8 = 4;
    pub const SMALL_BITS: u8 = 5;
    pub const BIG_POS: u8 = 6;
    pub const BIG_NEG: u8 = 7;
    pub const REF: u8 = 8;
    pub const FUN: u8 = 9;
    pub const OFF_BIN: u8 = 10;
    pub const OFF_BITS: u8 = 11;
    pub const RESOURCE: u8 = 12;
}

/// The head of a block.
#[repr(C)]
pub(super) struct Block {
    /// Terms outside of the block that point into it, foreign elements of other blocks among them.
    count: AtomicUsize,
    /// Size of the allocation in words.
    pub words: u32,
    /// How many elements of its nodes point into other blocks; stays at the largest value once there.
    foreign: AtomicU32,
    /// The first node with a destructor.
    chain: AtomicPtr<Chained>,
}

/// A node with a destructor: its header, a link, and then `Bytes` or a `Resource`.
#[repr(C)]
pub(super) struct Chained {
    pub header: u64,
    pub next: *mut Chained,
}

/// What a block needs when it dies, gathered by its builder (B3).
#[derive(Clone, Copy)]
pub(super) struct Links {
    pub chain: *mut Chained,
    pub foreign: u32,
}

impl Links {
    pub const NONE: Self = Self { chain: null_mut(), foreign: 0 };

    #[inline]
    pub fn is_none(self) -> bool {
        self.chain.is_null() && self.foreign == 0
    }

    #[inline]
    pub fn add_foreign(&mut self) {
        self.foreign = self.foreign.saturating_add(1);
    }
}

/// Words of a chained node that holds a `T`.
pub(super) const fn chained_words<T>() -> usize {
    (size_of::<Chained>() + size_of::<T>()) / WORD
}

/// The fixed part of a local fun's node; old index, old uniq, pid and the free variables follow as terms.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct FunHead {
    pub uniq: [u8; 16],
    pub index: u32,
    pub module: super::atom::Atom,
    pub arity: u32,
    pub unused: u32,
}

/// The terms in a fun's node before its free variables.
pub(super) const FUN_TERMS: usize = 3;

const _: () = assert!(size_of::<Block>() == 24 && size_of::<FunHead>() == 32);
const _: () = assert!(size_of::<Bytes>().is_multiple_of(WORD) && align_of::<Bytes>() <= WORD);
const _: () = assert!(size_of::<Resource>() == WORD);

/// A node's header: what it is, how long, and how many words behind it its block begins.
pub(super) const fn header(kind: u8, len: usize, distance: usize) -> u64 {
    debug_assert!(len <= MAX_LEN && distance <= MAX_LEN);
    kind as u64 | (distance as u64) << 4 | (len as u64) << (4 + FIELD)
}

pub(super) const fn header_kind(header: u64) -> u8 {
    (header & 0xf) as u8
}

pub(super) const fn header_len(header: u64) -> usize {
    (header >> (4 + FIELD)) as usize
}

const fn header_distance(header: u64) -> usize {
    (header >> 4) as usize & MAX_LEN
}

/// Words of a whole node, header included.
pub(super) const fn node_words(kind: u8, len: usize) -> usize {
    1 + match kind {
        kind::TUPLE => 2 * len,
        kind::LIST => 2 * (len + 1),
        kind::MAP => 4 * len,
        kind::SMALL_BIN => len.div_ceil(WORD),
        kind::SMALL_BITS => len.div_ceil(8 * WORD),
        kind::BIG_POS | kind::BIG_NEG => len,
        kind::REF => size_of::<super::ids::Ref>().div_ceil(WORD),
        kind::FUN => size_of::<FunHead>() / WORD + 2 * (FUN_TERMS + len),
        kind::OFF_BIN | kind::OFF_BITS => chained_words::<Bytes>() - 1,
        kind::RESOURCE => chained_words::<Resource>() - 1,
        _ => 0,
    }
}

/// Where a node's elements begin, in words from its header, and how many there are.
const fn node_terms(kind: u8, len: usize) -> (usize, usize) {
    match kind {
        kind::TUPLE => (1, len),
        kind::LIST => (1, len + 1),
        kind::MAP => (1, 2 * len),
        kind::FUN => (1 + size_of::<FunHead>() / WORD, FUN_TERMS + len),
        _ => (0, 0),
    }
}

/// The block of a node.
///
/// # Safety
/// `node` points at the header of a live node (B1), with the provenance of its block's allocation.
#[inline]
pub(super) unsafe fn block_of(node: *const u64) -> *mut Block {
    // SAFETY: the distance in a node's header leads back to the start of its block.
    unsafe { node.sub(header_distance(*node)).cast::<Block>().cast_mut() }
}

fn layout(words: usize) -> Layout {
    Layout::from_size_align(words * WORD, WORD).unwrap_or_else(|_| capacity_overflow())
}

/// As `Vec` has it: nobody can own that much memory, so asking for it is a bug of the caller.
#[cold]
pub(super) fn capacity_overflow() -> ! {
    panic!("capacity overflow")
}

/// Allocates a block of `words` words with one count; everything behind its header is uninitialised.
pub(super) fn allocate(words: usize) -> *mut Block {
    debug_assert!(words >= BLOCK_WORDS);
    let Ok(short) = u32::try_from(words) else { capacity_overflow() };
    let layout = layout(words);
    // SAFETY: the size is not zero, for a block has a header.
    let block = unsafe { std::alloc::alloc(layout) }.cast::<Block>();
    if block.is_null() {
        std::alloc::handle_alloc_error(layout);
    }
    // SAFETY: fresh memory of at least the header's size and alignment.
    unsafe {
        block.write(Block {
            count: AtomicUsize::new(1),
            words: short,
            foreign: AtomicU32::new(0),
            chain: AtomicPtr::default(),
        })
    };
    live::add();
    block
}

/// Changes the size of a block that nobody but the caller knows.
///
/// # Safety
/// `block` came from `allocate`, no term points into it, and its chain is empty.
pub(super) unsafe fn resize(block: *mut Block, words: usize) -> *mut Block {
    debug_assert!(words >= BLOCK_WORDS);
    let Ok(short) = u32::try_from(words) else { capacity_overflow() };
    // SAFETY: the old layout is the one it was allocated with, the new size is neither zero nor too large.
    let block = unsafe {
        let old = layout((*block).words as usize);
        std::alloc::realloc(block.cast::<u8>(), old, layout(words).size()).cast::<Block>()
    };
    if block.is_null() {
        std::alloc::handle_alloc_error(layout(words));
    }
    // SAFETY: realloc kept the header.
    unsafe { (*block).words = short };
    block
}

/// Frees a block's memory without looking inside.
///
/// # Safety
/// `block` came from `allocate`, and nobody uses it any more.
pub(super) unsafe fn free(block: *mut Block) {
    live::sub();
    // SAFETY: the layout is the one it was allocated with.
    unsafe { std::alloc::dealloc(block.cast::<u8>(), layout((*block).words as usize)) };
}

impl Block {
    /// Adds `n` counts.
    #[inline]
    pub fn retain(&self, n: usize) {
        // Relaxed: a new count is made from an existing one, which keeps the block alive; nothing is published.
        let old = self.count.fetch_add(n, Relaxed);
        if old > isize::MAX as usize || n > isize::MAX as usize {
            // As in `Arc`: only a leak of counts gets here, and going on would free memory that is in use.
            std::process::abort();
        }
    }

    /// Sets the links, when all nodes are written and the end is marked (B3, B5).
    #[inline]
    pub fn set_links(&self, links: Links) {
        // Release pairs with the acquire in `links`: who sees links may walk the nodes.
        self.foreign.store(links.foreign, Release);
        self.chain.store(links.chain, Release);
    }

    /// The links; empty while a builder is at work.
    #[inline]
    pub fn links(&self) -> Links {
        // Acquire: see `set_links`.
        Links { chain: self.chain.load(Acquire), foreign: self.foreign.load(Acquire) }
    }
}

/// Gives back `n` counts, and takes the block apart if they were the last.
///
/// # Safety
/// The caller owns `n` counts of `block` and does not use them afterwards.
#[inline]
pub(super) unsafe fn release(block: *mut Block, n: usize) {
    // SAFETY: a count keeps the block alive until this subtraction. Release: what this thread read of the block
    // happens before its end; pairs with the fence in `is_last`.
    if unsafe { (*block).count.fetch_sub(n, Release) } == n {
        fence(Acquire);
        // SAFETY: the count was ours and is now zero, so the block is ours alone.
        unsafe { destroy(block) };
    }
}

/// Takes a dead block apart.
///
/// # Safety
/// The count of `block` is zero and the caller has seen all other uses end.
#[inline]
unsafe fn destroy(block: *mut Block) {
    // SAFETY: dead, so nobody writes; B3 says when there is nothing to look for inside.
    unsafe { if (*block).links().is_none() { free(block) } else { bury(block) } }
}

thread_local! {
    /// Dead blocks that wait to be taken apart, linked through their first word.
    static DEAD: Cell<*mut Block> = const { Cell::new(null_mut()) };
    /// Whether a call of `bury` further up the stack will see to them.
    static BURYING: Cell<bool> = const { Cell::new(false) };
}

/// Takes apart a dead block that has destructors to run or counts to give back, and all that die with it.
///
/// # Safety
/// As `destroy`.
#[cold]
unsafe fn bury(block: *mut Block) {
    // SAFETY: the block is dead.
    unsafe { push_dead(block) };
    if BURYING.get() {
        return;
    }
    /// A destructor that panics must not keep later deaths from being seen to.
    struct Stop;
    impl Drop for Stop {
        fn drop(&mut self) {
            BURYING.set(false);
        }
    }
    /// What remains to be done for a block after its destructors, even if one of them panics.
    struct Rest(*mut Block);
    impl Drop for Rest {
        fn drop(&mut self) {
            // SAFETY: the block is dead, taken off the list, and this happens once.
            unsafe {
                release_foreign(self.0);
                free(self.0);
            }
        }
    }
    BURYING.set(true);
    let _stop = Stop;
    loop {
        let block = DEAD.get();
        if block.is_null() {
            break;
        }
        // SAFETY: a dead block's first word holds the link that `push_dead` wrote; taken off the list, it is taken apart
        // once.
        unsafe {
            DEAD.set(*block.cast::<*mut Block>());
            let _rest = Rest(block);
            run_chain(block);
        }
    }
}

/// # Safety
/// The block is dead. Its count is no longer needed; its word becomes the link.
unsafe fn push_dead(block: *mut Block) {
    // SAFETY: ours alone, and the first word is large enough for a pointer.
    unsafe { block.cast::<*mut Block>().write(DEAD.get()) };
    DEAD.set(block);
}

/// Runs the destructors of a dead block's chained nodes.
///
/// # Safety
/// The block is dead, and this is called once.
unsafe fn run_chain(block: *mut Block) {
    // SAFETY: B3; each node is visited once, its successor read before its content is dropped. A destructor may drop
    // other terms, but holds no count of this block (B4).
    unsafe {
        let mut node = (*block).links().chain;
        while !node.is_null() {
            let (kind, next) = (header_kind((*node).header), (*node).next);
            let content = node.add(1);
            match kind {
                kind::RESOURCE => content.cast::<Resource>().drop_in_place(),
                _ => content.cast::<Bytes>().drop_in_place(),
            }
            node = next;
        }
    }
}

/// Gives back the counts that a dead block's foreign elements own.
///
/// # Safety
/// The block is dead, and this is called once.
unsafe fn release_foreign(block: *mut Block) {
    // SAFETY: B5 and B1: nodes lie one after another, completely written, up to the end or a zero word. B2 says which
    // elements own a count.
    unsafe {
        let mut left = (*block).links().foreign;
        let bounded = left < u32::MAX;
        let end = block.cast::<u64>().add((*block).words as usize);
        let mut node = block.cast::<u64>().add(BLOCK_WORDS);
        while node < end && (left > 0 || !bounded) {
            let (kind, len) = (header_kind(*node), header_len(*node));
            if kind == kind::END {
                break;
            }
            let (start, terms) = node_terms(kind, len);
            let elements = node.add(start).cast::<Term>();
            for i in 0..terms {
                let Some(inner) = (*elements.add(i)).node() else { continue };
                let other = block_of(inner);
                if other == block {
                    continue;
                }
                left = left.saturating_sub(1);
                // Release and the fence: as in `release`.
                if (*other).count.fetch_sub(1, Release) == 1 {
                    fence(Acquire);
                    if (*other).links().is_none() { free(other) } else { push_dead(other) }
                }
            }
            node = node.add(node_words(kind, len));
        }
    }
}

/// The nodes of a block, for accounting: calls `f` with each node's header and elements.
///
/// # Safety
/// The caller keeps the block alive and has seen its links set.
pub(super) unsafe fn each_element(block: *const Block, mut f: impl FnMut(&Term)) {
    // SAFETY: as in `release_foreign`.
    unsafe {
        let end = block.cast::<u64>().add((*block).words as usize);
        let mut node = block.cast::<u64>().add(BLOCK_WORDS);
        while node < end && header_kind(*node) != kind::END {
            let (kind, len) = (header_kind(*node), header_len(*node));
            let (start, terms) = node_terms(kind, len);
            let elements = node.add(start).cast::<Term>();
            (0..terms).for_each(|i| f(&*elements.add(i)));
            node = node.add(node_words(kind, len));
        }
    }
}

/// How many blocks are alive: counted in builds with debug assertions only, for tests.
pub(super) mod live {
    #[cfg(debug_assertions)]
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    #[cfg(debug_assertions)]
    static LIVE: AtomicUsize = AtomicUsize::new(0);

    // Relaxed: a statistic.
    #[inline]
    pub fn add() {
        #[cfg(debug_assertions)]
        LIVE.fetch_add(1, Relaxed);
    }

    #[inline]
    pub fn sub() {
        #[cfg(debug_assertions)]
        LIVE.fetch_sub(1, Relaxed);
    }

    pub fn count() -> Option<usize> {
        #[cfg(debug_assertions)]
        return Some(LIVE.load(Relaxed));
        #[cfg(not(debug_assertions))]
        None
    }
}
