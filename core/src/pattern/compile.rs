//! From text to patterns.
//! Imports: bits, pattern, term, text.

use super::MAX_DEPTH;
use super::holes::{HoleType, Holes};
use super::matcher::{Node, Part, PartSize};
use crate::bits::{BitReader, BitWriter, Segment};
use crate::term::Term;
use crate::text::{Builder, Element, Item, Options, Pairs, ParseError, ParseErrorKind, Position, Size, build};
use std::vec::Drain;

/// Compiles a pattern.
pub(super) fn pattern(options: &Options, text: &str) -> Result<(Node, Holes), ParseError> {
    let options = limited(options);
    let mut builder = Nodes { holes: Holes::default(), growth: options.binary_growth_bits() };
    let root = options.read(text, &mut builder)?;
    match stray_value(&root) {
        Some(at) => Err(bad(at, ARROW).located(text)),
        None => Ok((root, builder.holes)),
    }
}

const ARROW: &str = "`=>` in a pattern, where `:=` belongs";

/// The place of a map with `=>` that is no part of a key.
fn stray_value(node: &Node) -> Option<Position> {
    match node {
        Node::Value(_, at) => Some(*at),
        Node::Tuple(nodes) => nodes.iter().find_map(stray_value),
        Node::List(nodes, tail) => nodes.iter().chain([&**tail]).find_map(stray_value),
        Node::Map(pairs) => pairs.iter().find_map(|(_, node)| stray_value(node)),
        Node::Any | Node::Never | Node::Hole(_) | Node::Typed(..) | Node::Literal(_) | Node::Binary(_) => None,
    }
}

/// The term that a key is, if it has no holes.
fn key_term(node: Node) -> Option<Term> {
    match node {
        Node::Literal(term) | Node::Value(term, _) => Some(term),
        Node::Tuple(nodes) => Vec::from(nodes).into_iter().map(key_term).collect::<Option<Vec<_>>>().map(Term::tuple),
        Node::List(nodes, tail) => {
            let terms: Option<Vec<Term>> = Vec::from(nodes).into_iter().map(key_term).collect();
            Some(Term::improper_list(terms?, key_term(*tail)?))
        }
        Node::Map(pairs) => pairs.is_empty().then(|| Term::map([])),
        Node::Any | Node::Never | Node::Hole(_) | Node::Typed(..) | Node::Binary(_) => None,
    }
}

/// The options with a depth that the native stack can bear.
pub(super) fn limited(options: &Options) -> Options {
    options.clone().max_depth(MAX_DEPTH.min(options.depth()))
}

pub(super) fn bad(at: Position, why: &'static str) -> ParseError {
    at.error(ParseErrorKind::BadTerm(why))
}

/// The type that is written behind a hole.
pub(super) fn hole_type(kind: Option<&str>, at: Position) -> Result<Option<HoleType>, ParseError> {
    let Some(name) = kind else { return Ok(None) };
    HoleType::named(name).map(Some).ok_or_else(|| bad(at, "unknown type of hole"))
}

struct Nodes {
    holes: Holes,
    /// The bits that sizes may still make out of nothing.
    growth: usize,
}

/// The terms of nodes that are all literal.
fn literals(nodes: &[Node]) -> Option<Vec<Term>> {
    nodes.iter().map(|node| if let Node::Literal(t) = node { Some(t.clone()) } else { None }).collect()
}

impl Builder for Nodes {
    type Value = Node;
    type Bits = Bits;
    const TYPED: bool = true;

    fn literal(&mut self, term: Term) -> Node {
        Node::Literal(term)
    }

    fn string(&mut self, text: &str) -> Node {
        Node::Literal(Term::string(text))
    }

    fn tuple(&mut self, elements: Drain<'_, Node>) -> Node {
        let elements: Vec<Node> = elements.collect();
        match literals(&elements) {
            Some(terms) => Node::Literal(Term::tuple(terms)),
            None => Node::Tuple(elements.into()),
        }
    }

    fn list(&mut self, elements: Drain<'_, Node>, tail: bool) -> Node {
        let mut elements: Vec<Node> = elements.collect();
        let tail = if tail { elements.pop() } else { None };
        let mut tail = tail.unwrap_or(Node::Literal(Term::nil()));
        if let (Some(terms), Node::Literal(tail)) = (literals(&elements), &tail) {
            return Node::Literal(Term::improper_list(terms, tail.clone()));
        }
        // A list in the tail is part of this list, however it was written.
        if let Node::List(more, end) = tail {
            elements.extend(more);
            tail = *end;
        } else if let Node::Literal(literal) = &tail
            && let Some(list) = literal.as_list()
        {
            elements.extend(list.iter().cloned().map(Node::Literal));
            tail = Node::Literal(list.tail().clone());
        }
        Node::List(elements.into(), Box::new(tail))
    }

    fn map(&mut self, pairs: Drain<'_, Node>, exact: Option<bool>, at: Position) -> Result<Node, ParseError> {
        let pairs = Pairs(pairs);
        if exact == Some(false) {
            let terms = pairs.map(|(key, value)| Some((key_term(key)?, key_term(value)?))).collect::<Option<Vec<_>>>();
            return terms.map(|terms| Node::Value(Term::map(terms), at)).ok_or_else(|| bad(at, ARROW));
        }
        let pairs = pairs.map(|(key, value)| Some((key_term(key)?, value))).collect::<Option<Vec<_>>>();
        let pairs = pairs.ok_or_else(|| bad(at, "hole in the key of a map pattern"))?;
        Ok(Node::Map(pairs.into()))
    }

    fn segment(&mut self, bits: &mut Bits, element: Element<Node>) -> Result<(), ParseError> {
        let at = element.at;
        if let Some(at) = bits.rest {
            return Err(bad(at, "binary without a size before the end"));
        }
        let size = match &element.size {
            Size::Default => PartSize::Default,
            Size::Fixed(n) => PartSize::Fixed(*n),
            Size::Hole(name, at) if name == "_" => return Err(bad(*at, "`_` as a size")),
            Size::Hole(name, _) => PartSize::Slot(self.holes.number(name)),
        };
        let sized = !matches!(size, PartSize::Default);
        let segment = element.spec.segment(sized).map_err(|why| bad(at, why))?;
        if segment.takes_rest(sized) {
            bits.rest = Some(at);
        }
        match element.item {
            Item::Value(node @ (Node::Any | Node::Hole(_) | Node::Typed(..))) => {
                bits.push(Part::Value { node, size, segment });
                return Ok(());
            }
            Item::Value(Node::Literal(_)) | Item::Number(_) | Item::Text(_) => {}
            Item::Value(_) => return Err(bad(at, "pattern of several parts in a binary")),
        }
        let fixed = match size {
            PartSize::Default => None,
            PartSize::Fixed(n) => Some(n),
            PartSize::Slot(_) => {
                // Only the match knows how many bits the literal has.
                for value in values(&element.item) {
                    bits.push(Part::Value { node: Node::Literal(value), size, segment });
                }
                return Ok(());
            }
        };
        let start = bits.literal.bit_len();
        let known = |node: &Node| if let Node::Literal(t) = node { Some(t.clone()) } else { None };
        build(&mut bits.literal, &element, known, &mut self.growth)?;
        bits.never |= !reads_back(&bits.literal, start, &element.item, segment, fixed);
        Ok(())
    }

    fn binary(&mut self, mut bits: Bits) -> Node {
        if bits.never {
            return Node::Never;
        }
        if bits.parts.is_empty() {
            return Node::Literal(bits.literal.into_term());
        }
        bits.flush();
        Node::Binary(bits.parts.into())
    }

    fn hole(&mut self, name: &str, kind: Option<&str>, at: Position) -> Result<Node, ParseError> {
        let kind = hole_type(kind, at)?;
        let slot = if name == "_" { None } else { Some(self.holes.number(name)) };
        Ok(match (kind, slot) {
            (Some(kind), slot) => Node::Typed(kind, slot),
            (None, Some(slot)) => Node::Hole(slot),
            (None, None) => Node::Any,
        })
    }
}

/// A binary pattern in the making.
#[derive(Default)]
struct Bits {
    parts: Vec<Part>,
    /// Literal segments since the last part.
    literal: BitWriter,
    /// Where a segment stands that takes all that is left.
    rest: Option<Position>,
    /// Whether some literal is equal to no bits.
    never: bool,
}

impl Bits {
    fn flush(&mut self) {
        if !self.literal.is_empty() {
            self.parts.push(Part::Bits(std::mem::take(&mut self.literal).into_term()));
        }
    }

    fn push(&mut self, part: Part) {
        self.flush();
        self.parts.push(part);
    }
}

/// The values that a literal segment stands for: a string is one for each character.
fn values(item: &Item<Node>) -> Vec<Term> {
    match item {
        Item::Number(n) => vec![n.clone()],
        Item::Text(text) => text.chars().map(|c| Term::from(u32::from(c))).collect(),
        Item::Value(Node::Literal(t)) => vec![t.clone()],
        Item::Value(_) => vec![],
    }
}

/// Whether the bits written for a literal are the literal when read: `256:8` is not, nor is `255:8/signed`.
fn reads_back(written: &BitWriter, start: usize, item: &Item<Node>, segment: Segment, size: Option<usize>) -> bool {
    let mut reader = BitReader::with_bits(written.as_bytes(), written.bit_len());
    reader.skip(start).is_ok()
        && values(item).iter().all(|value| segment.read(&mut reader, size).is_ok_and(|read| read.same(value)))
}
