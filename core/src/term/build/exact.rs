//! The builder of one block whose size is known.
//! Imports: block, raw, single, ids, resource.
//!
//! Invariant E1: `slot..slot_end` are the unwritten slots of the innermost open node, and each frame holds those of a
//! node around it; a node is closed as soon as its last slot is written and what lies in it is closed. Frames of nodes
//! without unwritten slots are left out unless they are maps, which have work to do when they close.
//! Invariant E2: terms in the block's nodes that point into the block own no count; the root owns the first one.

use super::super::atom::Atom;
use super::super::block::{
    self, BLOCK_WORDS, Block, FUN_TERMS, FunHead, Links, MAX_LEN, allocate, header, header_len, kind, node_words,
};
use super::super::ids::Ref;
use super::super::raw::{INLINE_BIN, Term};
use super::super::resource::Resource;
use super::super::single::{write_bytes, write_chained};
use super::IN_BLOCK;
use bytes::Bytes;
use std::cmp::Ordering::{Equal, Less};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::null_mut;

/// Why a term could not be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// More was put in than the builder was made for, or than a node can hold.
    Capacity,
    /// A map got the same key twice.
    DuplicateKey,
    /// The term was complete already.
    Complete,
    /// The term is not complete yet.
    Incomplete,
}

/// What [`Builder::put_while`] is given.
pub(crate) enum Part {
    /// A finished term.
    Simple(Term),
    /// A tuple of so many elements, which come next.
    Tuple(u8),
    /// Nothing more for now.
    Stop,
}

/// Fills one block, from the outside in: open a compound, then put its parts in order.
pub struct Builder {
    /// Null if the size is zero.
    block: *mut Block,
    next: *mut u64,
    end: *mut u64,
    slot: *mut Term,
    slot_end: *mut Term,
    /// The innermost open node if it is a map, else null.
    map: *mut u64,
    frames: Vec<Frame>,
    links: Links,
    root: Option<ManuallyDrop<Term>>,
    root_inside: bool,
}

struct Frame {
    slot: *mut Term,
    slot_end: *mut Term,
    map: *mut u64,
}

// SAFETY: the block is the builder's alone until `finish`.
unsafe impl Send for Builder {}

impl Builder {
    /// A builder for a term whose parts take `words` words in all, by the functions of [`super::measure`].
    ///
    /// # Errors
    /// [`BuildError::Capacity`] if no block can be that large (8 GiB).
    pub fn new(words: usize) -> Result<Self, BuildError> {
        let (mut block, mut next, mut end) = (null_mut(), null_mut(), null_mut());
        if words > 0 {
            if words > MAX_LEN - BLOCK_WORDS {
                return Err(BuildError::Capacity);
            }
            block = allocate(BLOCK_WORDS + words);
            // SAFETY: both within or just behind the allocation.
            unsafe {
                next = block.cast::<u64>().add(BLOCK_WORDS);
                end = next.add(words);
            }
        }
        let (slot, slot_end, map) = (null_mut(), null_mut(), null_mut());
        let (frames, links, root) = (Vec::new(), Links::NONE, None);
        Ok(Self { block, next, end, slot, slot_end, map, frames, links, root, root_inside: false })
    }

    /// Whether the term is complete.
    #[inline]
    pub fn is_complete(&self) -> bool {
        self.root.is_some() && self.slot == self.slot_end
    }

    /// Puts a finished term as the next part.
    ///
    /// # Errors
    /// [`BuildError`], after which the builder is of no use.
    #[inline]
    pub fn put(&mut self, t: Term) -> Result<(), BuildError> {
        if t.is_boxed() {
            return self.put_foreign(t);
        }
        // SAFETY: an inline term owns no count.
        unsafe { self.place(t, false) }
    }

    /// Puts what `next` gives, until it stops or the whole term is complete. Puts nothing if no compound is open.
    ///
    /// # Errors
    /// [`BuildError`], after which the builder is of no use.
    #[inline(always)]
    pub(crate) fn put_while(&mut self, mut next: impl FnMut() -> Part) -> Result<(), BuildError> {
        // Copies that stay in registers; `self.slot` lags behind while simple terms are written.
        let (mut slot, mut end) = (self.slot, self.slot_end);
        while slot != end {
            match next() {
                Part::Simple(t) => {
                    if t.is_boxed() {
                        // The count moves in with the term (B2).
                        self.links.add_foreign();
                    }
                    // SAFETY: E1: an unwritten slot of an open node.
                    unsafe {
                        slot.write(t);
                        slot = slot.add(1);
                    }
                    if slot != end {
                        continue;
                    }
                    self.slot = slot;
                    self.close()?;
                }
                Part::Tuple(n) => {
                    self.slot = slot;
                    self.open_tuple(usize::from(n))?;
                }
                Part::Stop => break,
            }
            (slot, end) = (self.slot, self.slot_end);
        }
        self.slot = slot;
        Ok(())
    }

    #[cold]
    fn put_foreign(&mut self, t: Term) -> Result<(), BuildError> {
        if self.slot == self.slot_end {
            // It becomes the root and keeps its own count.
            // SAFETY: as it says.
            return unsafe { self.place(t, false) };
        }
        self.links.add_foreign();
        // SAFETY: the count moves in with the term (B2).
        unsafe { self.place(t, false) }
    }

    /// Writes the next slot, or the root.
    ///
    /// # Safety
    /// `t` owns the count that its place demands; `inside` says that it points into this block.
    #[inline]
    unsafe fn place(&mut self, t: Term, inside: bool) -> Result<(), BuildError> {
        if self.slot == self.slot_end {
            return self.place_root(t, inside);
        }
        // SAFETY: E1: an unwritten slot of an open node.
        unsafe {
            self.slot.write(t);
            self.slot = self.slot.add(1);
        }
        if self.slot == self.slot_end { self.close() } else { Ok(()) }
    }

    #[cold]
    fn place_root(&mut self, t: Term, inside: bool) -> Result<(), BuildError> {
        let t = ManuallyDrop::new(t);
        if self.root.is_some() {
            if !inside {
                drop(ManuallyDrop::into_inner(t));
            }
            return Err(BuildError::Complete);
        }
        self.root = Some(t);
        self.root_inside = inside;
        Ok(())
    }

    /// Closes the innermost open node and all that become full by that.
    #[inline]
    fn close(&mut self) -> Result<(), BuildError> {
        if self.map.is_null()
            && let Some(frame) = self.frames.pop()
        {
            (self.slot, self.slot_end, self.map) = (frame.slot, frame.slot_end, frame.map);
            if self.slot != self.slot_end {
                return Ok(());
            }
        }
        self.close_more()
    }

    fn close_more(&mut self) -> Result<(), BuildError> {
        loop {
            if !self.map.is_null() {
                let map = std::mem::replace(&mut self.map, null_mut());
                // SAFETY: all slots of this map's node are written, and everything in it is closed (E1).
                unsafe { sort_map(map)? };
            }
            let Some(frame) = self.frames.pop() else {
                (self.slot, self.slot_end) = (null_mut(), null_mut());
                return Ok(());
            };
            (self.slot, self.slot_end, self.map) = (frame.slot, frame.slot_end, frame.map);
            if self.slot != self.slot_end {
                return Ok(());
            }
        }
    }

    /// Takes the words of a node and writes its header.
    #[inline]
    fn node(&mut self, kind: u8, len: usize) -> Result<*mut u64, BuildError> {
        if len > MAX_LEN {
            return Err(BuildError::Capacity);
        }
        let words = node_words(kind, len);
        if words > (self.end.addr() - self.next.addr()) / size_of::<u64>() {
            return Err(BuildError::Capacity);
        }
        let node = self.next;
        // SAFETY: `words` words are left in the block, of which `new` made sure that distances fit.
        unsafe {
            let distance = node.offset_from(self.block.cast::<u64>()) as usize;
            node.write(header(kind, len, distance));
            self.next = node.add(words);
        }
        Ok(node)
    }

    /// Opens a compound node of at least one term, `start` words behind its header.
    #[inline]
    fn open(&mut self, kind: u8, len: usize, start: usize, terms: usize) -> Result<(), BuildError> {
        if self.slot == self.slot_end && self.root.is_some() {
            return Err(BuildError::Complete);
        }
        let node = self.node(kind, len)?;
        // SAFETY: E2: a term inside the block; the slots lie within the node that was just taken. Its place is
        // written before the node, which is fine as nobody reads either before `finish`.
        unsafe {
            let t = Term::boxed(kind, 0, node);
            if self.slot == self.slot_end {
                self.place_root(t, true)?;
            } else {
                self.slot.write(t);
                self.slot = self.slot.add(1);
                if self.slot != self.slot_end || !self.map.is_null() {
                    self.frames.push(Frame { slot: self.slot, slot_end: self.slot_end, map: self.map });
                }
            }
            self.slot = node.add(start).cast::<Term>();
            self.slot_end = self.slot.add(terms);
            self.map = if kind == kind::MAP { node } else { null_mut() };
        }
        Ok(())
    }

    /// Opens a tuple: its `n` elements come next.
    ///
    /// # Errors
    /// [`BuildError`], after which the builder is of no use.
    #[inline]
    pub fn open_tuple(&mut self, n: usize) -> Result<(), BuildError> {
        if n == 0 { self.put(Term::empty_tuple()) } else { self.open(kind::TUPLE, n, 1, n) }
    }

    /// Opens a list: its `n` elements come next, then its tail. With `n` = 0 only the tail.
    ///
    /// # Errors
    /// [`BuildError`], after which the builder is of no use.
    #[inline]
    pub fn open_list(&mut self, n: usize) -> Result<(), BuildError> {
        if n == 0 { Ok(()) } else { self.open(kind::LIST, n, 1, n + 1) }
    }

    /// Opens a map: its `n` pairs come next, each key before its value, in any order of keys.
    ///
    /// # Errors
    /// [`BuildError`], after which the builder is of no use; a double key shows when the last pair is complete.
    #[inline]
    pub fn open_map(&mut self, n: usize) -> Result<(), BuildError> {
        if n == 0 {
            self.put(Term::empty_map())
        } else if n > MAX_LEN {
            Err(BuildError::Capacity)
        } else {
            self.open(kind::MAP, n, 1, 2 * n)
        }
    }

    /// Opens a BEAM's local fun: old index, old uniq, the pid, then `free` free variables come next.
    ///
    /// # Errors
    /// [`BuildError`], after which the builder is of no use.
    pub fn open_local_fun(
        &mut self,
        module: Atom,
        arity: u8,
        (uniq, index): ([u8; 16], u32),
        free: usize,
    ) -> Result<(), BuildError> {
        const HEAD: usize = 1 + size_of::<FunHead>() / size_of::<u64>();
        let head = FunHead { uniq, index, module, arity: u32::from(arity), unused: 0 };
        self.open(kind::FUN, free, HEAD, FUN_TERMS + free)?;
        // SAFETY: the node just opened has room for the head in front of its slots, none of which is written yet.
        unsafe { self.slot.cast::<FunHead>().sub(1).write(head) };
        Ok(())
    }

    /// Puts a whole list of bytes, tail and all: Erlang's string of characters below 256.
    ///
    /// # Errors
    /// [`BuildError`], after which the builder is of no use.
    pub fn put_string(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        self.open_list(bytes.len())?;
        if !bytes.is_empty() {
            // SAFETY: the slots of the list just opened, one more than there are bytes.
            unsafe {
                for &b in bytes {
                    self.slot.write(Term::int(i64::from(b)));
                    self.slot = self.slot.add(1);
                }
            }
        }
        self.put(Term::nil())
    }

    /// Puts a binary, copying its bytes.
    ///
    /// # Errors
    /// [`BuildError`], after which the builder is of no use.
    #[inline]
    pub fn put_binary(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        if bytes.len() <= INLINE_BIN {
            self.put(Term::inline_binary(bytes))
        } else if bytes.len() <= IN_BLOCK {
            let node = self.node(kind::SMALL_BIN, bytes.len())?;
            // SAFETY: the node has room for these bytes; the term points into this block (E2).
            unsafe {
                write_bytes(node.add(1), bytes);
                self.place(Term::boxed(kind::SMALL_BIN, 0, node), true)
            }
        } else {
            self.put_shared(Bytes::copy_from_slice(bytes))
        }
    }

    /// Puts a binary, sharing its bytes if it has more than 64.
    ///
    /// # Errors
    /// [`BuildError`], after which the builder is of no use.
    pub fn put_shared(&mut self, bytes: Bytes) -> Result<(), BuildError> {
        if bytes.len() <= IN_BLOCK {
            return self.put_binary(&bytes);
        }
        self.chained(kind::OFF_BIN, 0, bytes)
    }

    fn chained<T>(&mut self, kind: u8, len: usize, content: T) -> Result<(), BuildError> {
        let node = self.node(kind, len)?;
        // SAFETY: the node has the room that its kind needs, the chain is ours, and the term points into this block.
        unsafe {
            let head = *node;
            write_chained(&mut self.links, node, head, content);
            self.place(Term::boxed(kind, 0, node), true)
        }
    }

    /// Puts the first `bits` bits of `bytes`, of which there must be enough; unused bits of the last byte are cleared.
    ///
    /// # Errors
    /// [`BuildError`], after which the builder is of no use; `Capacity` if there are too few bytes.
    pub fn put_bits(&mut self, bytes: &[u8], bits: usize) -> Result<(), BuildError> {
        let Some(bytes) = bytes.get(..bits.div_ceil(8)) else { return Err(BuildError::Capacity) };
        let last = bits % 8;
        if last == 0 {
            return self.put_binary(bytes);
        }
        let mask = 0xffu8 << (8 - last);
        if bits <= 8 * IN_BLOCK {
            let mut copy = [0u8; IN_BLOCK];
            copy[..bytes.len()].copy_from_slice(bytes);
            copy[bytes.len() - 1] &= mask;
            let node = self.node(kind::SMALL_BITS, bits)?;
            // SAFETY: the node has room for these bits; the term points into this block (E2).
            return unsafe {
                write_bytes(node.add(1), &copy[..bytes.len()]);
                self.place(Term::boxed(kind::SMALL_BITS, 0, node), true)
            };
        }
        let mut owned = bytes.to_vec();
        if let Some(b) = owned.last_mut() {
            *b &= mask;
        }
        self.chained(kind::OFF_BITS, last, Bytes::from(owned))
    }

    /// Puts an integer from the bytes of its absolute value, least significant first.
    ///
    /// # Errors
    /// [`BuildError`], after which the builder is of no use.
    pub fn put_integer(&mut self, negative: bool, bytes: &[u8]) -> Result<(), BuildError> {
        let len = bytes.iter().rposition(|&b| b != 0).map_or(0, |i| i + 1);
        let bytes = &bytes[..len];
        if let Some(small) = small_integer(negative, bytes) {
            return self.put(Term::int(small));
        }
        let kind = if negative { kind::BIG_NEG } else { kind::BIG_POS };
        let digits = len.div_ceil(8);
        let node = self.node(kind, digits)?;
        // SAFETY: the node has `digits` words behind its header; the term points into this block (E2).
        unsafe {
            for (i, chunk) in bytes.chunks(8).enumerate() {
                let mut digit = [0; 8];
                digit[..chunk.len()].copy_from_slice(chunk);
                node.add(1 + i).write(u64::from_le_bytes(digit));
            }
            self.place(Term::boxed(kind, 0, node), true)
        }
    }

    /// Puts a reference.
    ///
    /// # Errors
    /// [`BuildError`], after which the builder is of no use.
    pub fn put_ref(&mut self, r: Ref) -> Result<(), BuildError> {
        if let Some(t) = Term::from_short_ref(&r) {
            return self.put(t);
        }
        let node = self.node(kind::REF, 1)?;
        // SAFETY: the node has room for a `Ref`; the term points into this block (E2).
        unsafe {
            node.add(1).cast::<Ref>().write(r);
            self.place(Term::boxed(kind::REF, 0, node), true)
        }
    }

    /// Puts a native value.
    ///
    /// # Errors
    /// [`BuildError`], after which the builder is of no use.
    pub fn put_resource(&mut self, r: Resource) -> Result<(), BuildError> {
        self.chained(kind::RESOURCE, 0, r)
    }

    /// The finished term.
    ///
    /// # Errors
    /// [`BuildError::Incomplete`] if parts are missing.
    pub fn finish(mut self) -> Result<Term, BuildError> {
        if !self.is_complete() {
            return Err(BuildError::Incomplete);
        }
        let Some(root) = self.root.take() else { return Err(BuildError::Incomplete) };
        self.seal();
        if self.root_inside {
            // The root takes over the block's first count (E2).
            self.block = null_mut();
        }
        Ok(ManuallyDrop::into_inner(root))
    }

    /// Marks the end of the nodes (B5) and sets the links.
    fn seal(&mut self) {
        if self.next != self.end {
            // SAFETY: at least one word is left.
            unsafe { self.next.write(0) };
        }
        if !self.links.is_none() {
            // SAFETY: links come from nodes, so there is a block, and it is ours.
            unsafe { (*self.block).set_links(self.links) };
        }
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        if let Some(root) = self.root.take()
            && !self.root_inside
        {
            drop(ManuallyDrop::into_inner(root));
        }
        if self.block.is_null() {
            return;
        }
        // What is missing in open nodes becomes `[]`, so that the block can be taken apart like any other.
        let innermost = Frame { slot: self.slot, slot_end: self.slot_end, map: null_mut() };
        for frame in self.frames.drain(..).chain([innermost]) {
            let mut slot = frame.slot;
            while slot != frame.slot_end {
                // SAFETY: E1: an unwritten slot of an open node.
                unsafe {
                    slot.write(Term::nil());
                    slot = slot.add(1);
                }
            }
        }
        self.seal();
        // SAFETY: the block's first count is still ours, and its nodes are complete.
        unsafe { block::release(self.block, 1) };
    }
}

/// The value if it fits 64 bits.
pub(super) fn small_integer(negative: bool, bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 {
        return None;
    }
    let mut digit = [0; 8];
    digit[..bytes.len()].copy_from_slice(bytes);
    let n = u64::from_le_bytes(digit);
    if negative { 0i64.checked_sub_unsigned(n) } else { i64::try_from(n).ok() }
}

/// Turns a map node's alternating keys and values into sorted keys followed by their values.
///
/// # Safety
/// All slots of the node are written, and nobody else reads them yet.
unsafe fn sort_map(node: *mut u64) -> Result<(), BuildError> {
    /// Maps of up to this many pairs need no memory to be rearranged.
    const FEW: usize = 32;
    // SAFETY: the node is a map with `n` pairs, written completely; a pair is two terms side by side.
    let (n, pairs) = unsafe {
        let n = header_len(*node);
        (n, std::slice::from_raw_parts_mut(node.add(1).cast::<[Term; 2]>(), n))
    };
    if !pairs.windows(2).all(|w| w[0][0].compare_exact(&w[1][0]) == Less) {
        pairs.sort_unstable_by(|a, b| a[0].compare_exact(&b[0]));
        if pairs.windows(2).any(|w| w[0][0].compare_exact(&w[1][0]) == Equal) {
            return Err(BuildError::DuplicateKey);
        }
    }
    let mut few = [const { MaybeUninit::<Term>::uninit() }; FEW];
    let mut many = Vec::new();
    let values: *mut Term = if n <= FEW {
        few.as_mut_ptr().cast()
    } else {
        many.reserve_exact(n);
        many.as_mut_ptr()
    };
    // SAFETY: terms are moved bit by bit: each value out, each key down to its place (never above a pair that is still
    // to be read), each value back. Nothing is dropped, and `values` has room for `n`.
    unsafe {
        let slots = node.add(1).cast::<Term>();
        for i in 0..n {
            values.add(i).copy_from_nonoverlapping(slots.add(2 * i + 1), 1);
            slots.add(i).copy_from(slots.add(2 * i), 1);
        }
        slots.add(n).copy_from_nonoverlapping(values, n);
    }
    Ok(())
}
