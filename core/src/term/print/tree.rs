//! The measured form of a term: how many characters each part takes, and what has been replaced by `...`.
//! Imports: print::leaf, print::strings, term.
//!
//! Lines cannot be broken before lengths are known, so `~p` first makes this tree, then lays it out. With a limit of
//! characters, what does not fit is left out and remembered (`More`), so that the limit's search can grow a tree
//! instead of measuring all over. Nodes are only added; their number is bounded by the parts measured.

use super::Style;
use super::leaf::{Bytes, write_leaf};
use super::strings::{self, Shown, Text};
use crate::term::{ListIter, ListView, Term, View};
use std::fmt::{self, Write};

pub(super) type NodeIndex = usize;

/// A measured term.
pub(super) struct Node<'a> {
    pub(super) kind: Kind<'a>,
    /// Characters on one line.
    pub(super) len: usize,
    /// Characters of dots in it.
    pub(super) dots: usize,
    /// How to get what the dots stand for.
    pub(super) more: More<'a>,
}

#[derive(Clone)]
pub(super) enum Kind<'a> {
    /// Stands for the rest of a list, tuple or map.
    Dots,
    /// `{...}`, `#{...}`, `<<...>>`, `<<>>`
    Fixed(&'static str),
    /// A term without parts.
    Leaf(&'a Term),
    /// A number that was costly to convert.
    Digits(Box<str>),
    /// A list that is text.
    String(ListView<'a>, Shown),
    /// A binary that is text.
    Text(Text<'a>),
    /// A bitstring as numbers.
    Bytes(Bytes<'a>),
    List(Parts),
    Tuple {
        parts: Parts,
        /// Whether it begins with an atom and goes on.
        tagged: bool,
    },
    /// The parts are pairs.
    Map(Parts),
    Pair {
        key: NodeIndex,
        value: NodeIndex,
    },
}

/// A range of `Tree::kids`, and what follows the elements: dots, or an improper tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    start: usize,
    end: usize,
    pub(super) tail: Option<NodeIndex>,
}

#[derive(Clone)]
pub(super) enum More<'a> {
    /// Nothing was left out here; something may have been in a part.
    No,
    /// The whole is to be measured again, from this depth on.
    Whole(&'a Term, i64),
    /// The rest of a tuple.
    Elements(&'a [Term], i64),
    /// The rest of a map. The pairs' own depth does not grow with the map's: so does OTP.
    Pairs(Pairs<'a>, i64, i64),
}

type Pairs<'a> = (&'a [Term], &'a [Term]);

/// Measured terms, and the lists of their parts.
pub(super) struct Tree<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    kids: Vec<NodeIndex>,
    pub(super) style: Style,
}

/// A term with parts that is being measured. `depth` and `chars` are what is left for the next part.
enum Frame<'a> {
    List {
        term: &'a Term,
        given: i64,
        rest: ListIter<'a>,
        depth: i64,
        chars: Chars,
        kids: Vec<NodeIndex>,
        ended: bool,
    },
    Tuple {
        rest: &'a [Term],
        depth: i64,
        chars: Chars,
        kids: Vec<NodeIndex>,
        tagged: bool,
    },
    Map {
        rest: Pairs<'a>,
        depth: i64,
        inner: i64,
        chars: Chars,
        kids: Vec<NodeIndex>,
    },
    Key {
        value: &'a Term,
        depth: i64,
        chars: Chars,
    },
    Value {
        key: NodeIndex,
    },
    /// Parts of a tuple or map that are being measured further.
    Grow {
        rest: std::vec::IntoIter<NodeIndex>,
        tail: Option<NodeIndex>,
        by: i64,
        chars: Chars,
        kids: Vec<NodeIndex>,
        of: Of,
    },
    GrowKey {
        value: NodeIndex,
        by: i64,
        chars: Chars,
    },
}

#[derive(Clone, Copy)]
enum Of {
    Tuple { tagged: bool },
    Map,
}

/// What to measure next.
enum Job<'a> {
    Measure(&'a Term, i64, Chars),
    Grow(NodeIndex, i64, Chars),
    Done(NodeIndex),
}

/// The characters that are left; `None` is no limit.
type Chars = Option<usize>;

fn less(chars: Chars, used: usize) -> Chars {
    chars.map(|n| n.saturating_sub(used))
}

/// Whether a term has parts, or is a bitstring.
pub(super) fn has_parts(term: &Term) -> bool {
    match term.view() {
        View::List(_) | View::Binary(_) | View::Bits(_) => true,
        View::Tuple(t) => !t.is_empty(),
        View::Map(m) => !m.is_empty(),
        _ => false,
    }
}

impl<'a> Tree<'a> {
    pub(super) fn new(style: Style) -> Self {
        Self { nodes: Vec::new(), kids: Vec::new(), style }
    }

    /// The elements of a list, tuple or map.
    pub(super) fn kids(&self, parts: Parts) -> &[NodeIndex] {
        self.kids.get(parts.start..parts.end).unwrap_or_default()
    }

    /// Measures a term at a depth (below 0: no limit) within a limit of characters.
    pub(super) fn measure(&mut self, term: &'a Term, depth: i64, chars: Chars) -> NodeIndex {
        self.run(Job::Measure(term, depth, chars))
    }

    /// Measures what dots stand for, `by` levels further.
    pub(super) fn grow(&mut self, node: NodeIndex, by: i64, chars: Chars) -> NodeIndex {
        self.run(Job::Grow(node, by, chars))
    }

    fn run(&mut self, mut job: Job<'a>) -> NodeIndex {
        let mut stack: Vec<Frame<'a>> = Vec::new();
        loop {
            job = match job {
                Job::Measure(term, depth, chars) => self.begin(term, depth, chars, &mut stack),
                Job::Grow(node, by, chars) => self.begin_growing(node, by, chars, &mut stack),
                Job::Done(node) => match stack.pop() {
                    None => return node,
                    Some(frame) => self.resume(frame, node, &mut stack),
                },
            };
        }
    }

    pub(super) fn add(&mut self, kind: Kind<'a>, len: usize, dots: usize, more: More<'a>) -> NodeIndex {
        self.nodes.push(Node { kind, len, dots, more });
        self.nodes.len() - 1
    }

    fn add_dots(&mut self, more: More<'a>) -> NodeIndex {
        self.add(Kind::Dots, 3, 3, more)
    }

    fn begin(&mut self, term: &'a Term, depth: i64, chars: Chars, stack: &mut Vec<Frame<'a>>) -> Job<'a> {
        let cut = depth == 1;
        match term.view() {
            View::List(list) => {
                if let Some(shown) = strings::list(list, depth, chars, &self.style) {
                    return Job::Done(self.add_written(Kind::String(list, shown)));
                }
                let frame = Frame::List {
                    term,
                    given: depth,
                    rest: list.iter(),
                    depth,
                    chars: less(chars, 2),
                    kids: Vec::new(),
                    ended: false,
                };
                self.advance(frame, stack)
            }
            View::Tuple(elements @ [first, rest @ ..]) => {
                if cut {
                    return Job::Done(self.add(Kind::Fixed("{...}"), 5, 3, More::Whole(term, 1)));
                }
                let tagged = first.is_atom() && !rest.is_empty();
                let chars = less(chars, 2);
                self.advance(Frame::Tuple { rest: elements, depth, chars, kids: Vec::new(), tagged }, stack)
            }
            View::Map(map) if !map.is_empty() => {
                if cut {
                    return Job::Done(self.add(Kind::Fixed("#{...}"), 6, 3, More::Whole(term, 1)));
                }
                let rest = (map.keys(), map.values());
                let chars = less(chars, 3);
                self.advance(Frame::Map { rest, depth, inner: depth - 1, chars, kids: Vec::new() }, stack)
            }
            View::Binary(_) | View::Bits(_) => Job::Done(self.measure_bits(term, depth, chars)),
            View::Big(_) => {
                let mut digits = String::new();
                // A `String` takes everything.
                let _ = write_leaf(&mut digits, term, &self.style);
                let len = digits.len();
                Job::Done(self.add(Kind::Digits(digits.into()), len, 0, More::No))
            }
            _ => Job::Done(self.add_written(Kind::Leaf(term))),
        }
    }

    fn measure_bits(&mut self, term: &'a Term, depth: i64, chars: Chars) -> NodeIndex {
        let Some((bytes, last_bits)) = strings::bit_parts(term) else { return self.add_written(Kind::Leaf(term)) };
        if bytes.is_empty() {
            return self.add_written(Kind::Fixed("<<>>"));
        }
        if depth == 1 {
            return self.add(Kind::Fixed("<<...>>"), 7, 3, More::Whole(term, 1));
        }
        let text = if last_bits == 0 { strings::binary(bytes, depth, chars, &self.style) } else { None };
        match text {
            Some(text) if text.cut => {
                let node = self.add_written(Kind::Text(text));
                self.nodes[node].dots = 3;
                self.nodes[node].more = More::Whole(term, depth);
                node
            }
            Some(text) => self.add_written(Kind::Text(text)),
            None => {
                let shown = Bytes::new(bytes, last_bits, depth, chars);
                let (dots, more) = if shown.cut { (3, More::Whole(term, depth)) } else { (0, More::No) };
                self.add(Kind::Bytes(shown), shown.len(), dots, more)
            }
        }
    }

    fn add_written(&mut self, kind: Kind<'a>) -> NodeIndex {
        let mut counter = Counter(0);
        // Counting does not fail.
        let _ = self.write_text(&mut counter, &kind);
        self.add(kind, counter.0, 0, More::No)
    }

    /// Writes a node that has no parts.
    pub(super) fn write_text(&self, out: &mut impl Write, kind: &Kind<'a>) -> fmt::Result {
        match kind {
            Kind::Dots => out.write_str("..."),
            Kind::Fixed(text) => out.write_str(text),
            Kind::Digits(text) => out.write_str(text),
            Kind::Leaf(term) => write_leaf(out, term, &self.style),
            Kind::String(list, shown) => strings::write_list(out, *list, *shown, &self.style),
            Kind::Text(text) => text.write(out),
            Kind::Bytes(bytes) => bytes.write(out),
            Kind::List(_) | Kind::Tuple { .. } | Kind::Map(_) | Kind::Pair { .. } => Ok(()),
        }
    }

    fn begin_growing(&mut self, node: NodeIndex, by: i64, chars: Chars, stack: &mut Vec<Frame<'a>>) -> Job<'a> {
        let Node { kind, dots, more, .. } = &self.nodes[node];
        let (parts, of) = match (more, kind) {
            (More::Whole(term, depth), _) => return Job::Measure(term, depth + by, chars),
            (More::No, Kind::Tuple { parts, tagged }) if *dots > 0 => (*parts, Of::Tuple { tagged: *tagged }),
            (More::No, Kind::Map(parts)) if *dots > 0 => (*parts, Of::Map),
            (More::No, Kind::Pair { key, value }) if *dots > 0 => {
                stack.push(Frame::GrowKey { value: *value, by, chars });
                return Job::Grow(*key, by, less(chars, 1));
            }
            _ => return Job::Done(node),
        };
        let brackets = if matches!(of, Of::Map) { 3 } else { 2 };
        let rest = self.kids(parts).to_vec().into_iter();
        let frame = Frame::Grow { rest, tail: parts.tail, by, chars: less(chars, brackets), kids: Vec::new(), of };
        self.advance(frame, stack)
    }

    /// A part has been measured: books it and goes on.
    fn resume(&mut self, mut frame: Frame<'a>, done: NodeIndex, stack: &mut Vec<Frame<'a>>) -> Job<'a> {
        let len = self.nodes[done].len;
        match &mut frame {
            Frame::List { ended: true, .. } => {
                let Frame::List { term, given, kids, .. } = frame else { return Job::Done(done) };
                return Job::Done(self.close_list(term, given, kids, Some(done)));
            }
            Frame::List { chars, kids, .. }
            | Frame::Tuple { chars, kids, .. }
            | Frame::Map { chars, kids, .. }
            | Frame::Grow { chars, kids, .. } => {
                kids.push(done);
                *chars = less(*chars, len);
            }
            Frame::Key { value, depth, chars } => {
                stack.push(Frame::Value { key: done });
                return Job::Measure(value, *depth, less(*chars, len + 4));
            }
            Frame::GrowKey { value, by, chars } => {
                stack.push(Frame::Value { key: done });
                return Job::Grow(*value, *by, less(*chars, len + 4));
            }
            Frame::Value { key } => {
                let (key_len, key_dots) = (self.nodes[*key].len, self.nodes[*key].dots);
                let dots = key_dots + self.nodes[done].dots;
                let kind = Kind::Pair { key: *key, value: done };
                return Job::Done(self.add(kind, key_len + 4 + len, dots, More::No));
            }
        }
        self.advance(frame, stack)
    }

    /// Goes on to the next part of a frame, or closes it.
    fn advance(&mut self, mut frame: Frame<'a>, stack: &mut Vec<Frame<'a>>) -> Job<'a> {
        let (next, depth, chars) = match &mut frame {
            Frame::List { term, given, rest, depth, chars, kids, ended } => {
                let element = rest.next();
                // Looked for at the end only: the tail of a list in many pieces is far away.
                let tail = if element.is_none() { Some(rest.clone().into_tail()) } else { None };
                if tail.is_some_and(Term::is_nil) {
                    let node = self.close_list(term, *given, std::mem::take(kids), None);
                    return Job::Done(node);
                }
                if *depth == 1 || *chars == Some(0) {
                    let dots = self.add_dots(More::No);
                    let node = self.close_list(term, *given, std::mem::take(kids), Some(dots));
                    return Job::Done(node);
                }
                *depth -= 1;
                match (element, tail) {
                    (Some(element), _) => {
                        let mut ahead = rest.clone();
                        // Room for the comma, unless this is the last.
                        if ahead.next().is_some() || !ahead.into_tail().is_nil() {
                            *chars = less(*chars, 1);
                        }
                        (element, *depth, *chars)
                    }
                    (None, tail) => {
                        *ended = true;
                        (tail.unwrap_or(term), *depth, *chars)
                    }
                }
            }
            Frame::Tuple { rest, depth, chars, kids, tagged } => {
                let [element, more @ ..] = *rest else {
                    let (kids, tagged) = (std::mem::take(kids), *tagged);
                    return Job::Done(self.close(kids, None, Of::Tuple { tagged }));
                };
                if *depth == 1 || *chars == Some(0) {
                    let dots = self.add_dots(More::Elements(rest, *depth));
                    let (kids, tagged) = (std::mem::take(kids), *tagged);
                    return Job::Done(self.close(kids, Some(dots), Of::Tuple { tagged }));
                }
                *rest = more;
                *depth -= 1;
                if !more.is_empty() {
                    *chars = less(*chars, 1);
                }
                (element, *depth, *chars)
            }
            Frame::Map { rest, depth, inner, chars, kids } => {
                let ([key, keys @ ..], [value, values @ ..]) = *rest else {
                    let kids = std::mem::take(kids);
                    return Job::Done(self.close(kids, None, Of::Map));
                };
                if *depth == 1 || *chars == Some(0) {
                    let dots = self.add_dots(More::Pairs(*rest, *depth, *inner));
                    let kids = std::mem::take(kids);
                    return Job::Done(self.close(kids, Some(dots), Of::Map));
                }
                *rest = (keys, values);
                *depth -= 1;
                if !keys.is_empty() {
                    *chars = less(*chars, 1);
                }
                let (inner, chars) = (*inner, *chars);
                stack.push(frame);
                stack.push(Frame::Key { value, depth: inner, chars });
                return Job::Measure(key, inner, chars);
            }
            Frame::Grow { rest, tail, by, chars, kids, of } => {
                if let Some(node) = rest.next() {
                    if rest.len() > 0 || tail.is_some() {
                        *chars = less(*chars, 1);
                    }
                    let job = Job::Grow(node, *by, *chars);
                    stack.push(frame);
                    return job;
                }
                let (kids, chars, by) = (std::mem::take(kids), *chars, *by);
                let more = tail.map(|tail| self.nodes[tail].more.clone());
                let frame = match (more, *of) {
                    (Some(More::Elements(rest, depth)), Of::Tuple { tagged }) => {
                        Frame::Tuple { rest, depth: depth + by, chars, kids, tagged }
                    }
                    (Some(More::Pairs(rest, depth, inner)), Of::Map) => {
                        Frame::Map { rest, depth: depth + by, inner, chars, kids }
                    }
                    (_, of) => {
                        let tail = *tail;
                        return Job::Done(self.close(kids, tail, of));
                    }
                };
                return self.advance(frame, stack);
            }
            Frame::Key { .. } | Frame::Value { .. } | Frame::GrowKey { .. } => return Job::Done(0),
        };
        stack.push(frame);
        Job::Measure(next, depth, chars)
    }

    fn close_list(&mut self, term: &'a Term, depth: i64, kids: Vec<NodeIndex>, tail: Option<NodeIndex>) -> NodeIndex {
        let (parts, len, dots) = self.gather(kids, tail, 2);
        let more = if dots > 0 { More::Whole(term, depth) } else { More::No };
        self.add(Kind::List(parts), len, dots, more)
    }

    fn close(&mut self, kids: Vec<NodeIndex>, tail: Option<NodeIndex>, of: Of) -> NodeIndex {
        let (parts, len, dots) = self.gather(kids, tail, if matches!(of, Of::Map) { 3 } else { 2 });
        let kind = match of {
            Of::Tuple { tagged } => Kind::Tuple { parts, tagged },
            Of::Map => Kind::Map(parts),
        };
        self.add(kind, len, dots, More::No)
    }

    fn gather(&mut self, kids: Vec<NodeIndex>, tail: Option<NodeIndex>, brackets: usize) -> (Parts, usize, usize) {
        let (mut len, mut dots) = (brackets, 0);
        for node in kids.iter().copied().chain(tail) {
            len += self.nodes[node].len;
            dots += self.nodes[node].dots;
        }
        len += (kids.len() + usize::from(tail.is_some())).saturating_sub(1);
        let start = self.kids.len();
        self.kids.extend(kids);
        (Parts { start, end: self.kids.len(), tail }, len, dots)
    }
}

/// Counts characters.
struct Counter(usize);

impl Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.chars().count();
        Ok(())
    }
}
