//! What a term costs, and how to keep a small part of something large.
//! Imports: raw, block, build, view.

use super::block::{self, Block, kind};
use super::build::{BuildError, Builder, measure};
use super::raw::{Term, tag};
use super::view::{BigView, FunView, ListView, View};
use bytes::Bytes;
use std::collections::HashSet;

/// Blocks up to this size are never worth copying out of.
const SMALL_BLOCK: usize = 4096;

impl Term {
    /// The size of the block that this term keeps alive, in bytes; 0 if it needs none.
    pub fn block_bytes(&self) -> usize {
        // SAFETY: this term's count keeps the block alive; its size does not change.
        self.block().map_or(0, |b| unsafe { (*b).words as usize } * block::WORD)
    }

    /// All memory that this term keeps alive, in bytes: its block, the blocks that one refers to, and so on, each once,
    /// and shared binaries at their own length. What is still under way in an [`Arena`](super::build::Arena) counts as
    /// one block. What other terms keep alive as well is counted too.
    ///
    /// Takes time in proportion to the number of blocks and, where there are several, to their size.
    pub fn heap_bytes(&self) -> usize {
        let Some(first) = self.block() else { return 0 };
        let mut seen: HashSet<*mut Block> = HashSet::from([first]);
        let mut todo = vec![first];
        let mut total = 0;
        while let Some(block) = todo.pop() {
            // SAFETY: alive: the first by this term's count, the others by the counts of foreign elements in blocks that
            // are. Links are set when all nodes are written (B3); while a builder is at work there are none.
            unsafe {
                total += (*block).words as usize * block::WORD;
                let links = (*block).links();
                let mut node = links.chain;
                while !node.is_null() {
                    if block::header_kind((*node).header) != kind::RESOURCE {
                        total += (*node.add(1).cast::<Bytes>()).len();
                    }
                    node = (*node).next;
                }
                if links.foreign > 0 {
                    block::each_element(block, |t| {
                        if let Some(other) = t.block()
                            && seen.insert(other)
                        {
                            todo.push(other);
                        }
                    });
                }
            }
        }
        total
    }

    /// A term of its own if this is a small part of a block of more than 4 KiB, so that it does not keep the rest alive;
    /// otherwise the same term.
    ///
    /// "Small" is less than half. Parts that lie in other blocks stay shared.
    #[must_use]
    pub fn compact(&self) -> Self {
        let size = self.block_bytes();
        if size <= SMALL_BLOCK {
            return self.clone();
        }
        let limit = size / block::WORD / 2;
        match words_up_to(self, limit) {
            // Measured with the same steps, so the builder has room; should it not, sharing is right as well.
            Some(words) => copy(self, words).unwrap_or_else(|_| self.clone()),
            None => self.clone(),
        }
    }
}

/// How many blocks are alive in this OS process; `None` unless built with debug assertions. For tests.
#[doc(hidden)]
pub fn live_blocks() -> Option<usize> {
    block::live::count()
}

/// Words of the nodes of `block` under `t`; `None` above the limit.
fn words_up_to(t: &Term, limit: usize) -> Option<usize> {
    let block = t.block()?;
    let mut words = 0;
    let mut todo: Vec<&[Term]> = vec![std::slice::from_ref(t)];
    while let Some(terms) = todo.pop() {
        // Each step of this loop but the first is paid for by the words of a node.
        for t in terms.iter().filter(|t| t.block() == Some(block)) {
            words += match t.view() {
                View::Tuple(e) => measure::tuple(e.len()),
                View::List(l) => measure::list(l.chunk().0.len()),
                View::Map(m) => measure::map(m.len()),
                View::Binary(b) => measure::binary(b.len()),
                View::Bits(b) => measure::bits(b.bit_len()),
                View::Big(n) => measure::big(n.byte_len()),
                View::Ref(r) => measure::reference(r.words().len()),
                View::Fun(FunView::Local(f)) => measure::local_fun(f.free.len()),
                View::Resource(_) => measure::resource(),
                _ => 0,
            };
            if words > limit {
                return None;
            }
            todo.extend(parts(t));
        }
    }
    Some(words)
}

/// The terms that lie in a term's own node.
fn parts(t: &Term) -> [&[Term]; 2] {
    match t.view() {
        View::Tuple(e) => [e, &[]],
        View::List(l) => {
            let (chunk, tail) = l.chunk();
            [chunk, std::slice::from_ref(tail)]
        }
        View::Map(m) => [m.keys(), m.values()],
        View::Fun(FunView::Local(f)) => [f.free, &[]],
        _ => [&[], &[]],
    }
}

/// A copy of the nodes of `t`'s block under `t`.
fn copy(t: &Term, words: usize) -> Result<Term, BuildError> {
    let block = t.block();
    let mut builder = Builder::new(words)?;
    let mut todo: Vec<Todo<'_>> = vec![Todo::Slice(std::slice::from_ref(t))];
    while let Some(next) = todo.pop() {
        let t = match next {
            Todo::Slice([]) => continue,
            Todo::Slice([t, more @ ..]) => {
                todo.push(Todo::Slice(more));
                t
            }
            Todo::Pairs(([], _) | (_, [])) => continue,
            Todo::Pairs(([k, ks @ ..], [v, vs @ ..])) => {
                todo.extend([Todo::Pairs((ks, vs)), Todo::Slice(std::slice::from_ref(v))]);
                k
            }
        };
        if t.block() != block || block.is_none() {
            builder.put(t.clone())?;
            continue;
        }
        match t.view() {
            View::Tuple(e) => {
                builder.open_tuple(e.len())?;
                todo.push(Todo::Slice(e));
            }
            View::List(l) => copy_list(l, &mut builder, &mut todo)?,
            View::Map(m) => {
                builder.open_map(m.len())?;
                todo.push(Todo::Pairs((m.keys(), m.values())));
            }
            View::Binary(_) if t.tag() == tag::BOXED | kind::OFF_BIN => {
                builder.put_shared(t.bytes().unwrap_or_default())?;
            }
            View::Binary(b) => builder.put_binary(b)?,
            View::Bits(b) => builder.put_bits(b.bytes(), b.bit_len())?,
            View::Big(n) => put_big(n, &mut builder)?,
            View::Ref(r) => builder.put_ref(r)?,
            View::Resource(r) => builder.put_resource(r.clone())?,
            View::Fun(FunView::Local(f)) => {
                builder.open_local_fun(f.module, f.arity, (f.uniq, f.index), f.free.len())?;
                builder.put(f.old_index.clone())?;
                builder.put(f.old_uniq.clone())?;
                builder.put(f.pid.into())?;
                todo.push(Todo::Slice(f.free));
            }
            _ => builder.put(t.clone())?,
        }
    }
    builder.finish()
}

enum Todo<'a> {
    Slice(&'a [Term]),
    Pairs((&'a [Term], &'a [Term])),
}

fn copy_list<'a>(l: ListView<'a>, builder: &mut Builder, todo: &mut Vec<Todo<'a>>) -> Result<(), BuildError> {
    let (chunk, tail) = l.chunk();
    builder.open_list(chunk.len())?;
    todo.extend([Todo::Slice(std::slice::from_ref(tail)), Todo::Slice(chunk)]);
    Ok(())
}

fn put_big(n: BigView<'_>, builder: &mut Builder) -> Result<(), BuildError> {
    let bytes: Vec<u8> = n.bytes_le().collect();
    builder.put_integer(n.is_negative(), &bytes)
}
