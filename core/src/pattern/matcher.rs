//! Matching a term against a compiled pattern.
//! Imports: bits, pattern, term. Recursion goes as deep as the pattern, which the compiler limits.

use super::bindings::Slots;
use super::holes::HoleType;
use crate::bits::{BitReader, Segment, bit_size};
use crate::term::{ListView, Term, View};
use crate::text::Position;

/// A part of a pattern.
#[derive(Debug)]
pub(super) enum Node {
    Any,
    /// Matches nothing: a literal segment that no bits are equal to.
    Never,
    Hole(usize),
    Typed(HoleType, Option<usize>),
    Literal(Term),
    /// A map written with `=>`, which is a value: it may be a part of a map pattern's key only. The compiler leaves
    /// none behind.
    Value(Term, Position),
    Tuple(Box<[Node]>),
    /// At least one element, and what follows them.
    List(Box<[Node]>, Box<Node>),
    Map(Box<[(Term, Node)]>),
    Binary(Box<[Part]>),
}

/// A segment of a binary pattern.
#[derive(Debug)]
pub(super) enum Part {
    /// Bits that must be there.
    Bits(Term),
    /// A value of a type, matched by a node without parts.
    Value { node: Node, size: PartSize, segment: Segment },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum PartSize {
    /// What the type says.
    Default,
    Fixed(usize),
    /// What a hole holds.
    Slot(usize),
}

impl Node {
    /// Whether a first look leaves hope: most messages of a mailbox differ in size or tag.
    pub(super) fn may_match(&self, term: &Term) -> bool {
        let Self::Tuple(nodes) = self else { return true };
        let View::Tuple(elements) = term.view() else { return false };
        elements.len() == nodes.len()
            && match (nodes.first(), elements.first()) {
                (Some(Self::Literal(tag)), Some(first)) => tag.same(first),
                _ => true,
            }
    }
}

pub(super) fn run<'t>(node: &'t Node, term: &'t Term, slots: &mut Slots<'t>) -> bool {
    match node {
        Node::Any => true,
        Node::Never => false,
        Node::Hole(slot) => slots.unify(*slot, term),
        Node::Typed(kind, slot) => kind.admits(term) && slot.is_none_or(|slot| slots.unify(slot, term)),
        Node::Literal(literal) | Node::Value(literal, _) => literal.same(term),
        Node::Tuple(nodes) => match term.view() {
            View::Tuple(elements) if elements.len() == nodes.len() => {
                nodes.iter().zip(elements).all(|(node, element)| run(node, element, slots))
            }
            _ => false,
        },
        Node::List(nodes, tail) => match term.view() {
            View::List(list) => run_list(nodes, tail, list, slots),
            _ => false,
        },
        Node::Map(pairs) => match term.view() {
            View::Map(map) => pairs.iter().all(|(key, node)| map.get(key).is_some_and(|value| run(node, value, slots))),
            _ => false,
        },
        Node::Binary(parts) => run_binary(parts, term, slots),
    }
}

/// A node without parts against a term that nothing else keeps.
fn run_owned(node: &Node, term: &Term, slots: &mut Slots<'_>) -> bool {
    match node {
        Node::Any => true,
        Node::Hole(slot) => slots.unify_owned(*slot, term),
        Node::Typed(kind, slot) => kind.admits(term) && slot.is_none_or(|slot| slots.unify_owned(slot, term)),
        Node::Literal(literal) | Node::Value(literal, _) => literal.same(term),
        Node::Never | Node::Tuple(_) | Node::List(..) | Node::Map(_) | Node::Binary(_) => false,
    }
}

fn run_list<'t>(nodes: &'t [Node], tail: &'t Node, mut list: ListView<'t>, slots: &mut Slots<'t>) -> bool {
    let mut left = nodes;
    loop {
        let (chunk, rest) = list.chunk();
        let (now, later) = left.split_at(left.len().min(chunk.len()));
        if !now.iter().zip(chunk).all(|(node, element)| run(node, element, slots)) {
            return false;
        }
        left = later;
        if !left.is_empty() {
            match rest.view() {
                View::List(more) => list = more,
                _ => return false,
            }
        } else if now.len() == chunk.len() {
            return run(tail, rest, slots);
        } else {
            return run_rest(tail, list, now.len(), slots);
        }
    }
}

/// The tail of a pattern against what follows some elements of a list's piece: a list too, so nodes with parts do not
/// match (the compiler joins lists in tails).
fn run_rest(tail: &Node, list: ListView<'_>, skip: usize, slots: &mut Slots<'_>) -> bool {
    match tail {
        Node::Any | Node::Typed(HoleType::List, None) => true,
        Node::Hole(_) | Node::Typed(HoleType::List, _) | Node::Literal(_) => {
            if matches!(tail, Node::Literal(t) if t.is_nil()) {
                return false;
            }
            let mut rest = list.rest();
            for _ in 1..skip {
                rest = match rest.view() {
                    View::List(list) => list.rest(),
                    _ => return false,
                };
            }
            run_owned(tail, &rest, slots)
        }
        _ => false,
    }
}

fn run_binary(parts: &[Part], term: &Term, slots: &mut Slots<'_>) -> bool {
    // Long binaries hand out pieces of themselves, short ones copy.
    let long = bit_size(term).is_some_and(|bits| bits > 8 * 64);
    let shared = if long { term.bytes() } else { None };
    let reader = match &shared {
        Some(bytes) => Some(BitReader::shared(bytes)),
        None => BitReader::of(term),
    };
    let Some(mut reader) = reader else { return false };
    parts.iter().all(|part| run_part(part, &mut reader, slots)) && reader.is_empty()
}

fn run_part(part: &Part, reader: &mut BitReader<'_>, slots: &mut Slots<'_>) -> bool {
    match part {
        Part::Bits(literal) => {
            let Some(expected) = BitReader::of(literal) else { return false };
            reader.expect_bits(&expected).is_ok()
        }
        Part::Value { node, size, segment } => {
            let size = match size {
                PartSize::Default => None,
                PartSize::Fixed(n) => Some(*n),
                PartSize::Slot(slot) => match slots.get(*slot).and_then(Term::as_int).map(usize::try_from) {
                    Some(Ok(n)) => Some(n),
                    _ => return false,
                },
            };
            if matches!(node, Node::Any) && segment.skip(reader, size).is_some_and(|done| done.is_ok()) {
                return true;
            }
            segment.read(reader, size).is_ok_and(|value| run_owned(node, &value, slots))
        }
    }
}
