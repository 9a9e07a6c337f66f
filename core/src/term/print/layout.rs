//! Breaking a measured term into lines.
//! Imports: print::tree. Source: OTP `io_lib_pretty`.
//!
//! A part that fits into the rest of its line is written flat. Otherwise its elements are: text next to each other as
//! long as they fit, anything with parts on a line of its own. In a tuple that begins with an atom, the others stand
//! behind that atom, or, if some line would start too far to the right then (the `tag_indent` trial), 4 or else 1
//! columns in.
//!
//! Two walks make the same decisions: the trial, which only asks whether an indentation will do, and the writing. Both
//! keep what is still to do on a stack of their own.

use super::leaf::Bytes;
use super::tree::{Kind, NodeIndex, Parts, Tree};
use std::fmt::{self, Write};

/// Beyond so many columns of indentation nothing is broken any more: lines stay in proportion to their content.
const DEEPEST_INDENT: i64 = 1000;

/// The place where a part begins.
#[derive(Clone, Copy)]
struct Place {
    /// Its column, from 1 on.
    col: i64,
    /// The spaces that a new line begins with.
    indent: i64,
    /// Closing brackets that must fit behind it.
    closing: i64,
    /// Characters on this line so far, indentation not counted.
    used: i64,
}

/// The parts of a list, tuple or map that are still to be written.
#[derive(Clone, Copy)]
struct Rest {
    parts: Parts,
    next: usize,
    /// Whether the next needs no separator.
    first: bool,
    /// The column of parts that begin a line.
    col0: i64,
    /// Where the next part may go on this line; `closing` is that of the whole.
    at: Place,
    /// What comes before a tail.
    separator: &'static str,
}

enum Task {
    Text(&'static str),
    Line(i64),
    Flat(NodeIndex),
    FlatParts(Parts, usize, &'static str),
    Node(NodeIndex, Place),
    Parts(Rest),
}

/// The trial found a line that starts too far to the right.
struct TooFar;

struct Layout<'t, 'a> {
    tree: &'t Tree<'a>,
    /// The length of a line.
    width: i64,
    /// The most characters on a line, indentation not counted.
    ribbon: i64,
    /// How far the elements of a tagged tuple are indented; below 1: behind the tag.
    tag_indent: i64,
    /// Whether this is the trial.
    trial: bool,
    stack: Vec<Task>,
}

/// Writes a tree for lines of `width` columns (0: one line), beginning in `column`.
pub(super) fn write(
    out: &mut impl Write,
    tree: &Tree<'_>,
    root: NodeIndex,
    width: usize,
    column: usize,
) -> fmt::Result {
    let ribbon = clamp(tree.nodes[root].len);
    let mut layout = Layout { tree, width: clamp(width), ribbon, tag_indent: 1, trial: false, stack: Vec::new() };
    let place = Place { col: clamp(column), indent: clamp(column) - 1, closing: 0, used: 0 };
    if width == 0 || ribbon < layout.width - place.col {
        return layout.write(out, Task::Flat(root));
    }
    layout.trial = true;
    layout.tag_indent = [-1, 4].into_iter().find(|indent| layout.tries(*indent, root, place)).unwrap_or(1);
    layout.trial = false;
    layout.write(out, Task::Node(root, place))
}

/// Sums of a few of these stay far from overflow.
fn clamp(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX).min(i64::MAX / 64)
}

impl Layout<'_, '_> {
    /// Whether no line starts too far to the right with this indentation of tagged tuples.
    fn tries(&mut self, tag_indent: i64, root: NodeIndex, place: Place) -> bool {
        self.tag_indent = tag_indent;
        self.stack.clear();
        self.stack.push(Task::Node(root, place));
        while let Some(task) = self.stack.pop() {
            let step = match task {
                Task::Node(node, at) => self.node(node, at),
                Task::Parts(rest) => {
                    self.parts(rest);
                    Ok(())
                }
                Task::Text(_) | Task::Line(_) | Task::Flat(_) | Task::FlatParts(..) => Ok(()),
            };
            if let Err(TooFar) = step {
                return false;
            }
        }
        true
    }

    fn write(&mut self, out: &mut impl Write, task: Task) -> fmt::Result {
        self.stack.clear();
        self.stack.push(task);
        while let Some(task) = self.stack.pop() {
            match task {
                Task::Text(text) => out.write_str(text)?,
                Task::Line(indent) => {
                    out.write_char('\n')?;
                    write_spaces(out, indent)?;
                }
                Task::Flat(node) => self.flat(out, node)?,
                Task::FlatParts(parts, next, separator) => self.flat_parts(parts, next, separator),
                Task::Node(node, at) => match &self.tree.nodes[node].kind {
                    Kind::Bytes(bytes) if !self.fits(node, at) => self.bytes(out, *bytes, at)?,
                    // Only the trial finds lines too far to the right.
                    _ => self.node(node, at).unwrap_or(()),
                },
                Task::Parts(rest) => self.parts(rest),
            }
        }
        Ok(())
    }

    fn len(&self, node: NodeIndex) -> i64 {
        clamp(self.tree.nodes[node].len)
    }

    /// Whether a part may stand next to others: it has no parts itself.
    fn is_text(&self, node: NodeIndex) -> bool {
        match &self.tree.nodes[node].kind {
            Kind::Dots | Kind::Fixed(_) | Kind::Leaf(_) | Kind::Digits(_) | Kind::String(..) | Kind::Text(_) => true,
            // A pair is made of two nodes that are not pairs.
            Kind::Pair { key, value } => self.is_text(*key) && self.is_text(*value),
            Kind::Bytes(_) | Kind::List(_) | Kind::Tuple { .. } | Kind::Map(_) => false,
        }
    }

    /// Whether a part fits into the rest of the line.
    fn fits(&self, node: NodeIndex, at: Place) -> bool {
        let len = self.len(node);
        len < self.width - at.col - at.closing && len + at.used + at.closing <= self.ribbon
    }

    /// Whether a part goes behind the one before it. The last needs room for closing brackets, the others for a comma.
    fn fits_behind(&self, node: NodeIndex, at: Place, closing: i64) -> bool {
        let (len, room) = (1 + self.len(node), closing.max(1));
        len < self.width - at.col - room && at.used + len + room <= self.ribbon && self.is_text(node)
    }

    /// Puts on the stack what a part consists of.
    fn node(&mut self, node: NodeIndex, at: Place) -> Result<(), TooFar> {
        if self.fits(node, at) || at.indent > DEEPEST_INDENT {
            self.stack.push(Task::Flat(node));
            return Ok(());
        }
        let inside = |by: i64, used: i64| Place { col: at.col + by, indent: at.indent + by, used, ..at };
        match self.tree.nodes[node].kind {
            Kind::List(parts) => self.bracketed("[", parts, "|", "]", inside(1, at.used + 1)),
            Kind::Tuple { parts, tagged: false } => self.bracketed("{", parts, ",", "}", inside(1, at.used + 1)),
            Kind::Tuple { parts, tagged: true } => return self.tagged(parts, Place { used: at.used + 1, ..at }),
            Kind::Map(parts) => {
                // The trial counts both characters of the bracket, the writing one: so does OTP.
                let used = at.used + if self.trial { 2 } else { 1 };
                self.bracketed("#{", parts, ",", "}", inside(2, used));
            }
            Kind::Pair { key, value } => {
                let below = inside(self.pair_indent(), 0);
                self.stack.push(Task::Node(value, below));
                self.stack.push(Task::Line(below.indent));
                self.stack.push(Task::Text(" =>"));
                self.stack.push(Task::Node(key, at));
            }
            _ => self.stack.push(Task::Flat(node)),
        }
        Ok(())
    }

    /// How far the value of a map's pair is indented below its key.
    fn pair_indent(&self) -> i64 {
        if self.tag_indent > 0 { self.tag_indent } else { 4 }
    }

    fn bracketed(&mut self, open: &'static str, parts: Parts, separator: &'static str, close: &'static str, at: Place) {
        self.stack.push(Task::Text(close));
        self.stack.push(Task::Parts(Rest { parts, next: 0, first: true, col0: at.col, at, separator }));
        self.stack.push(Task::Text(open));
    }

    /// A tuple that begins with an atom.
    fn tagged(&mut self, parts: Parts, at: Place) -> Result<(), TooFar> {
        self.stack.push(Task::Text("}"));
        let Some(&tag) = self.tree.kids(parts).first() else {
            self.stack.push(Task::Text("{..."));
            return Ok(());
        };
        let tag_len = self.len(tag);
        let behind = tag_len + 2;
        let below = self.tag_indent > 0 && behind > self.tag_indent;
        let by = if below { self.tag_indent } else { behind };
        let col0 = at.col + by;
        let far = if below {
            self.ribbon + col0 > self.width && col0 > self.width / 2
        } else {
            self.ribbon + col0 >= self.width && col0 >= self.width / 2
        };
        if far && self.trial {
            return Err(TooFar);
        }
        let used = at.used + tag_len + i64::from(!below);
        let next = Place { col: at.col + behind, indent: at.indent + by, used, ..at };
        self.stack.push(Task::Parts(Rest { parts, next: 1, first: !below, col0, at: next, separator: "," }));
        if !below {
            self.stack.push(Task::Text(","));
        }
        self.stack.push(Task::Flat(tag));
        self.stack.push(Task::Text("{"));
        Ok(())
    }

    /// Takes the next part of a list, tuple or map.
    fn parts(&mut self, mut rest: Rest) {
        let Rest { parts, next, first, col0, at, .. } = rest;
        let kids = self.tree.kids(parts);
        let Some(&node) = kids.get(next) else {
            return self.tail(rest);
        };
        let closing = if next + 1 < kids.len() { 0 } else { at.closing + 1 };
        rest.next += 1;
        rest.first = false;
        let pair = matches!(self.tree.nodes[node].kind, Kind::Pair { .. });
        if !first && self.fits_behind(node, at, closing) {
            let len = 1 + self.len(node);
            rest.at = Place { col: at.col + len, used: at.used + len, ..at };
            self.stack.push(Task::Parts(rest));
            self.stack.push(Task::Flat(node));
            self.stack.push(Task::Text(","));
            return;
        }
        let used = if first { at.used } else { 0 };
        let place = Place { col: col0, closing, used, ..at };
        // What is not text takes the whole line, so that the next part begins another.
        let taken = if self.fits(node, place) && self.is_text(node) { self.len(node) } else { self.width };
        // Writing a map forgets what stood before its first pair: so does OTP.
        let before = if pair && !self.trial { 0 } else { used };
        rest.at = Place { col: col0 + taken, used: before + taken, ..at };
        self.stack.push(Task::Parts(rest));
        self.stack.push(Task::Node(node, place));
        if !first {
            self.stack.push(Task::Line(at.indent));
            self.stack.push(Task::Text(","));
        }
    }

    /// What follows the last part: nothing, dots, or the tail of an improper list.
    fn tail(&mut self, rest: Rest) {
        let Rest { parts, first, col0, at, separator, .. } = rest;
        let Some(tail) = parts.tail else { return };
        let separator = if first { "" } else { separator };
        let dots = matches!(self.tree.nodes[tail].kind, Kind::Dots);
        let closing = at.closing + 1;
        if dots || self.fits_behind(tail, at, closing) {
            self.stack.push(Task::Flat(tail));
        } else {
            // The trial does not go back to the first column: so does OTP.
            let col = if self.trial { at.col } else { col0 };
            self.stack.push(Task::Node(tail, Place { col, closing, used: 0, ..at }));
            self.stack.push(Task::Line(at.indent));
        }
        self.stack.push(Task::Text(separator));
    }

    /// A bitstring over several lines.
    fn bytes(&self, out: &mut impl Write, bytes: Bytes<'_>, at: Place) -> fmt::Result {
        let indent = at.indent + 2;
        let room = 8.max((self.width - at.col - 2).min(self.ribbon - 4 - at.used) - at.closing);
        let mut left = room;
        out.write_str("<<")?;
        let mut pieces = bytes.pieces().peekable();
        while let Some(piece) = pieces.next() {
            let last = pieces.peek().is_none();
            let len = clamp(piece.len()) + i64::from(!last);
            if len > left {
                out.write_char('\n')?;
                write_spaces(out, indent)?;
                left = room;
            }
            left -= len;
            piece.write(out)?;
            if !last {
                out.write_char(',')?;
            }
        }
        out.write_str(">>")
    }

    /// Writes a part on the line, or puts its own parts on the stack.
    fn flat(&mut self, out: &mut impl Write, node: NodeIndex) -> fmt::Result {
        let (open, parts, separator, close) = match &self.tree.nodes[node].kind {
            Kind::List(parts) => ("[", *parts, "|", "]"),
            Kind::Tuple { parts, .. } => ("{", *parts, ",", "}"),
            Kind::Map(parts) => ("#{", *parts, ",", "}"),
            Kind::Pair { key, value } => {
                self.stack.push(Task::Flat(*value));
                self.stack.push(Task::Text(" => "));
                self.stack.push(Task::Flat(*key));
                return Ok(());
            }
            kind => return self.tree.write_text(out, kind),
        };
        self.stack.push(Task::Text(close));
        self.stack.push(Task::FlatParts(parts, 0, separator));
        out.write_str(open)
    }

    fn flat_parts(&mut self, parts: Parts, next: usize, separator: &'static str) {
        let (node, separator) = match self.tree.kids(parts).get(next) {
            Some(node) => {
                self.stack.push(Task::FlatParts(parts, next + 1, separator));
                (*node, ",")
            }
            None => match parts.tail {
                Some(tail) => (tail, separator),
                None => return,
            },
        };
        self.stack.push(Task::Flat(node));
        if next > 0 {
            self.stack.push(Task::Text(separator));
        }
    }
}

fn write_spaces(out: &mut impl Write, count: i64) -> fmt::Result {
    const SPACES: &str = "                                                                ";
    let mut left = usize::try_from(count).unwrap_or(0);
    while left > 0 {
        let now = left.min(SPACES.len());
        out.write_str(SPACES.get(..now).unwrap_or(SPACES))?;
        left -= now;
    }
    Ok(())
}
