//! Building terms from a text with holes.
//! Imports: bits, pattern, term, text. Recursion goes as deep as the template, which the compiler limits.

use super::compile::{bad, hole_type, limited};
use super::holes::{HoleType, Holes};
use crate::bits::{BitWriter, Segment, SegmentKind};
use crate::term::Term;
use crate::term::build::{Arena, measure};
use crate::text::{Builder, Element, Item, Options, Pairs, ParseError, Position, Size, build};
use std::fmt;
use std::sync::Arc;
use std::vec::Drain;

/// So many bytes a binary of a template may have whose sizes come from the values.
const MAX_BINARY: usize = 64 << 20;

/// A compiled template. Cloning shares it.
///
/// ```
/// use krarup::pattern::Template;
/// use krarup::term::Term;
/// let template = Template::compile("{reply, Ref, #{size => Size:int, tags => [new | Tags]}}")?;
/// let term = template.build(&[Term::int(7), Term::int(100), Term::nil()])?;
/// assert_eq!(term.to_string(), "{reply,7,#{size => 100,tags => [new]}}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Template(Arc<Inner>);

struct Inner {
    source: Box<str>,
    holes: Holes,
    root: Node,
    /// Words of the block that holds all nodes.
    words: usize,
}

enum Node {
    Hole(usize, Option<HoleType>),
    Literal(Term),
    Tuple(Vec<Node>),
    List(Vec<Node>, Box<Node>),
    Map(Vec<(Node, Node)>),
    Binary(Vec<Part>),
}

struct Part {
    node: Node,
    size: PartSize,
    segment: Segment,
}

enum PartSize {
    Default,
    Fixed(usize),
    Slot(usize),
}

/// Why values do not fit a template.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// Too many or too few values.
    Count {
        /// The number of holes.
        holes: usize,
        /// The number of values.
        values: usize,
    },
    /// The value of this hole has another type than the hole.
    Type(String),
    /// There is no hole of this name, or no value for it.
    Hole(String),
    /// A value does not fit its segment of a binary.
    Segment,
    /// A binary would have more than 64 MiB.
    TooLarge,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { holes, values } => write!(f, "{values} values for {holes} holes"),
            Self::Type(name) => write!(f, "value of {name} has another type"),
            Self::Hole(name) => write!(f, "no hole or no value named {}", name.escape_debug()),
            Self::Segment => f.write_str("value does not fit its segment"),
            Self::TooLarge => f.write_str("binary too large"),
        }
    }
}

impl std::error::Error for BuildError {}

impl Template {
    /// Compiles a template; atoms in it are made.
    pub fn compile(text: &str) -> Result<Self, ParseError> {
        Self::compile_with(&Options::new(), text)
    }

    /// Compiles a template within limits.
    pub fn compile_with(options: &Options, text: &str) -> Result<Self, ParseError> {
        let options = limited(options);
        let mut builder = Nodes { holes: Holes::default(), growth: options.binary_growth_bits(), words: 0 };
        let root = options.read(text, &mut builder)?;
        Ok(Self(Arc::new(Inner { source: text.into(), holes: builder.holes, root, words: builder.words })))
    }

    /// The term with `values` in the holes, by number.
    pub fn build(&self, values: &[Term]) -> Result<Term, BuildError> {
        let holes = self.0.holes.len();
        if values.len() != holes {
            return Err(BuildError::Count { holes, values: values.len() });
        }
        Filling { holes: &self.0.holes, values, arena: Arena::with_words(self.0.words) }.term(&self.0.root)
    }

    /// The term with values in the holes, by name. Names that are no hole are errors.
    pub fn build_named(&self, values: &[(&str, Term)]) -> Result<Term, BuildError> {
        if let Some((name, _)) = values.iter().find(|(name, _)| self.0.holes.find(name).is_none()) {
            return Err(BuildError::Hole((*name).to_owned()));
        }
        let find = |hole: &str| values.iter().rev().find(|(name, _)| *name == hole).map(|(_, value)| value.clone());
        let ordered: Result<Vec<Term>, BuildError> =
            self.holes().map(|hole| find(hole).ok_or_else(|| BuildError::Hole(hole.to_owned()))).collect();
        self.build(&ordered?)
    }

    /// The number of a hole; `None` if there is none of that name.
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.0.holes.find(name)
    }

    /// The names of the holes in the order of their numbers.
    pub fn holes(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.holes.names()
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.0.source
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({})", self.source())
    }
}

struct Filling<'a> {
    holes: &'a Holes,
    values: &'a [Term],
    arena: Arena,
}

impl Filling<'_> {
    fn value(&self, slot: usize) -> Result<&Term, BuildError> {
        self.values.get(slot).ok_or(BuildError::Count { holes: self.holes.len(), values: self.values.len() })
    }

    fn terms(&mut self, nodes: &[Node]) -> Result<Vec<Term>, BuildError> {
        nodes.iter().map(|node| self.term(node)).collect()
    }

    fn term(&mut self, node: &Node) -> Result<Term, BuildError> {
        Ok(match node {
            Node::Literal(term) => term.clone(),
            Node::Hole(slot, kind) => {
                let value = self.value(*slot)?;
                if kind.is_some_and(|kind| !kind.admits(value)) {
                    return Err(BuildError::Type(self.holes.name(*slot).unwrap_or_default().to_owned()));
                }
                value.clone()
            }
            Node::Tuple(nodes) => {
                let terms = self.terms(nodes)?;
                self.arena.tuple(terms)
            }
            Node::List(nodes, tail) => {
                let terms = self.terms(nodes)?;
                let tail = self.term(tail)?;
                self.arena.list(terms, tail)
            }
            Node::Map(pairs) => {
                let mut terms = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    terms.push((self.term(key)?, self.term(value)?));
                }
                self.arena.map(terms)
            }
            Node::Binary(parts) => self.binary(parts)?,
        })
    }

    fn binary(&mut self, parts: &[Part]) -> Result<Term, BuildError> {
        let mut out = BitWriter::new();
        for Part { node, size, segment } in parts {
            let value = self.term(node)?;
            let size = match size {
                PartSize::Default => None,
                PartSize::Fixed(n) => Some(*n),
                PartSize::Slot(slot) => {
                    let size = self.value(*slot)?.as_int().map(usize::try_from);
                    Some(size.and_then(Result::ok).ok_or(BuildError::Segment)?)
                }
            };
            if segment.built_bits(size) > 8 * MAX_BINARY - out.bit_len().min(8 * MAX_BINARY) {
                return Err(BuildError::TooLarge);
            }
            segment.build(&mut out, &value, size).map_err(|_| BuildError::Segment)?;
        }
        Ok(out.into_term())
    }
}

struct Nodes {
    holes: Holes,
    growth: usize,
    words: usize,
}

fn literals(nodes: &[Node]) -> Option<Vec<Term>> {
    nodes.iter().map(|node| if let Node::Literal(t) = node { Some(t.clone()) } else { None }).collect()
}

/// A binary in the making.
#[derive(Default)]
struct Bits {
    parts: Vec<Part>,
    /// Literal segments since the last part.
    literal: BitWriter,
}

impl Bits {
    fn flush(&mut self) {
        if self.literal.is_empty() {
            return;
        }
        let node = Node::Literal(std::mem::take(&mut self.literal).into_term());
        let segment = Segment { unit: 1, ..Segment::new(SegmentKind::Binary) };
        self.parts.push(Part { node, size: PartSize::Default, segment });
    }
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
        if let Some(terms) = literals(&elements) {
            return Node::Literal(Term::tuple(terms));
        }
        self.words += measure::tuple(elements.len());
        Node::Tuple(elements)
    }

    fn list(&mut self, elements: Drain<'_, Node>, tail: bool) -> Node {
        let mut elements: Vec<Node> = elements.collect();
        let tail = if tail { elements.pop() } else { None };
        let tail = tail.unwrap_or(Node::Literal(Term::nil()));
        if let (Some(terms), Node::Literal(tail)) = (literals(&elements), &tail) {
            return Node::Literal(Term::improper_list(terms, tail.clone()));
        }
        self.words += measure::list(elements.len());
        Node::List(elements, Box::new(tail))
    }

    fn map(&mut self, pairs: Drain<'_, Node>, exact: Option<bool>, at: Position) -> Result<Node, ParseError> {
        if exact == Some(true) {
            return Err(bad(at, "`:=` in a template, where `=>` belongs"));
        }
        let pairs: Vec<(Node, Node)> = Pairs(pairs).collect();
        let literal = |(k, v): &(Node, Node)| match (k, v) {
            (Node::Literal(k), Node::Literal(v)) => Some((k.clone(), v.clone())),
            _ => None,
        };
        if let Some(terms) = pairs.iter().map(literal).collect::<Option<Vec<_>>>() {
            return Ok(Node::Literal(Term::map(terms)));
        }
        self.words += measure::map(pairs.len());
        Ok(Node::Map(pairs))
    }

    fn segment(&mut self, bits: &mut Bits, element: Element<Node>) -> Result<(), ParseError> {
        let at = element.at;
        let size = match &element.size {
            Size::Default => PartSize::Default,
            Size::Fixed(n) => PartSize::Fixed(*n),
            Size::Hole(name, at) if name == "_" => return Err(bad(*at, "`_` in a template")),
            Size::Hole(name, _) => PartSize::Slot(self.holes.number(name)),
        };
        let known = !matches!(size, PartSize::Slot(_))
            && matches!(element.item, Item::Number(_) | Item::Text(_) | Item::Value(Node::Literal(_)));
        if known {
            let term = |node: &Node| if let Node::Literal(t) = node { Some(t.clone()) } else { None };
            return build(&mut bits.literal, &element, term, &mut self.growth);
        }
        bits.flush();
        let segment = element.spec.segment(!matches!(size, PartSize::Default)).map_err(|why| bad(at, why))?;
        let node = match element.item {
            Item::Number(n) => Node::Literal(n),
            Item::Text(_) => return Err(bad(at, "string of a size that is not known")),
            Item::Value(node) => node,
        };
        bits.parts.push(Part { node, size, segment });
        Ok(())
    }

    fn binary(&mut self, mut bits: Bits) -> Node {
        if bits.parts.is_empty() {
            return Node::Literal(bits.literal.into_term());
        }
        bits.flush();
        Node::Binary(bits.parts)
    }

    fn hole(&mut self, name: &str, kind: Option<&str>, at: Position) -> Result<Node, ParseError> {
        if name == "_" {
            return Err(bad(at, "`_` in a template"));
        }
        Ok(Node::Hole(self.holes.number(name), hole_type(kind, at)?))
    }
}
