//! From text to patterns.
//! Imports: bits, pattern, term, text.

use super::MAX_DEPTH;
use super::holes::{HoleType, Holes};
use super::matcher::{Node, Part, PartSize};
use crate::bits::{BitReader, BitWriter, Segment};
use crate::term::Term;
use crate::text::{
    Builder, Element, Item, Lexer, Options, Pair, ParseError, ParseErrorKind, Parser, Position, Size, build,
};

/// Compiles a pattern.
pub(super) fn pattern(options: &Options, text: &str) -> Result<(Node, Holes), ParseError> {
    let options = limited(options);
    let mut parser = Parser::new(Lexer::new(text, &options), &options);
    let mut builder = Nodes { holes: Holes::default(), growth: options.binary_growth_bits() };
    let root = parser.parse(&mut builder)?;
    parser.finish()?;
    match stray_value(&root) {
        Some(at) => Err(bad(at, "`=>` in a pattern, where `:=` belongs")),
        None => Ok((root, builder.holes)),
    }
}

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
    growth: usize,
}

/// The terms of nodes that are all literal.
fn literals(nodes: &[Node]) -> Option<Vec<Term>> {
    nodes.iter().map(|node| if let Node::Literal(t) = node { Some(t.clone()) } else { None }).collect()
}

impl Builder for Nodes {
    type Value = Node;
    const TYPED: bool = true;

    fn literal(&mut self, term: Term) -> Node {
        Node::Literal(term)
    }

    fn string(&mut self, text: &str) -> Node {
        Node::Literal(Term::string(text))
    }

    fn tuple(&mut self, elements: Vec<Node>) -> Node {
        match literals(&elements) {
            Some(terms) => Node::Literal(Term::tuple(terms)),
            None => Node::Tuple(elements.into()),
        }
    }

    fn list(&mut self, mut elements: Vec<Node>, tail: Option<Node>, _: Position) -> Result<Node, ParseError> {
        let mut tail = tail.unwrap_or(Node::Literal(Term::nil()));
        if let (Some(terms), Node::Literal(tail)) = (literals(&elements), &tail) {
            return Ok(Node::Literal(Term::improper_list(terms, tail.clone())));
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
        Ok(Node::List(elements.into(), Box::new(tail)))
    }

    fn map(&mut self, pairs: Vec<Pair<Node>>, _: Position) -> Result<Node, ParseError> {
        if let Some(at) = pairs.first().filter(|p| !p.exact).map(|p| p.at) {
            let mut terms = Vec::with_capacity(pairs.len());
            for Pair { key, value, exact, at } in pairs {
                let (Some(key), Some(value), false) = (key_term(key), key_term(value), exact) else {
                    return Err(bad(at, "`=>` in a pattern, where `:=` belongs"));
                };
                terms.push((key, value));
            }
            return Ok(Node::Value(Term::map(terms), at));
        }
        let mut compiled = Vec::with_capacity(pairs.len());
        for Pair { key, value, exact, at } in pairs {
            if !exact {
                return Err(bad(at, "`=>` in a pattern, where `:=` belongs"));
            }
            compiled.push((key_term(key).ok_or_else(|| bad(at, "hole in the key of a map pattern"))?, value));
        }
        Ok(Node::Map(compiled.into()))
    }

    fn binary(&mut self, elements: Vec<Element<Node>>, _: Position) -> Result<Node, ParseError> {
        let mut parts = Vec::new();
        let mut literal = BitWriter::new();
        let last = elements.len().saturating_sub(1);
        for (i, element) in elements.into_iter().enumerate() {
            let at = element.at;
            let size = match &element.size {
                Size::Default => PartSize::Default,
                Size::Fixed(n) => PartSize::Fixed(*n),
                Size::Hole(name, at) if name == "_" => return Err(bad(*at, "`_` as a size")),
                Size::Hole(name, _) => PartSize::Slot(self.holes.number(name)),
            };
            let sized = !matches!(size, PartSize::Default);
            let segment = element.spec.segment(sized).map_err(|why| bad(at, why))?;
            if i < last && segment.takes_rest(sized) {
                return Err(bad(at, "binary without a size before the end"));
            }
            let term = match element.item {
                Item::Value(node @ (Node::Any | Node::Hole(_) | Node::Typed(..))) => {
                    flush(&mut parts, &mut literal);
                    parts.push(Part::Value { node, size, segment });
                    continue;
                }
                Item::Value(Node::Literal(_)) | Item::Number(_) | Item::Text(_) => element,
                Item::Value(_) => return Err(bad(at, "pattern of several parts in a binary")),
            };
            if let PartSize::Slot(_) = size {
                // Only the match knows how many bits the literal has.
                for value in values(&term.item) {
                    flush(&mut parts, &mut literal);
                    parts.push(Part::Value { node: Node::Literal(value), size, segment });
                }
                continue;
            }
            let start = literal.bit_len();
            let known = |node: &Node| if let Node::Literal(t) = node { Some(t.clone()) } else { None };
            build(&mut literal, &term, known, &mut self.growth)?;
            let fixed = if let PartSize::Fixed(n) = size { Some(n) } else { None };
            if !reads_back(&literal, start, &term.item, segment, fixed) {
                return Ok(Node::Never);
            }
        }
        if parts.is_empty() {
            return Ok(Node::Literal(literal.into_term()));
        }
        flush(&mut parts, &mut literal);
        Ok(Node::Binary(parts.into()))
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

fn flush(parts: &mut Vec<Part>, literal: &mut BitWriter) {
    if !literal.is_empty() {
        parts.push(Part::Bits(std::mem::take(literal).into_term()));
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
