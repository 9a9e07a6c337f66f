//! Printing terms as OTP's `io_lib` does: `~w`, `~p`, `~0p`, `~tp`, `~W`, `~P`, and `chars_limit`.
//!
//! [`Printer`] holds the options. `{}` of a [`Term`] is `~w`, `{:#}` is `~p`, `{:?}` is `~0p`. The text equals that of
//! OTP 25, down to the column where a line is broken, with these exceptions:
//! * pairs of maps come in key order; OTP does so for up to 32 keys, larger maps come in the order of a private hash;
//! * where a line contains characters beyond 255, OTP counts grapheme clusters for its width, we count code points;
//! * names beyond ASCII in funs are written as they are, where OTP 25 takes their UTF-8 for Latin-1;
//! * beyond 1,000 columns of indentation nothing is broken into lines any more;
//! * numbers of nodes other than the own one (the `8379` in `<8379.1.0>`) are private to each runtime.
//!
//! Imports: term's views. Invariants: nothing recurses, so depth costs heap only; `~w` and `~0p` need memory in
//! proportion to the nesting, `~p` to the size of the term, and with a limit of characters to that limit. No locks.
//! Source: OTP `io_lib`, C2.10.

mod layout;
mod leaf;
mod limit;
pub(crate) mod quote;
mod stream;
mod strings;
mod tree;

use super::{NodeId, Term};
use quote::Charset;
use std::fmt::{self, Write};

/// Which lists of integers, and which binaries, are taken for text. Source: OTP `erl +pc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PrintableRange {
    /// Characters of ISO Latin-1: what `erl` does unless told otherwise.
    #[default]
    Latin1,
    /// All characters of Unicode: `erl +pc unicode`. Matters together with [`Printer::unicode`] only.
    Unicode,
}

/// What a term is printed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Write,
    Pretty,
}

/// How to print a term.
///
/// ```
/// use krarup::term::{Term, print::Printer};
/// let t = Term::tuple([Term::string("abc"), Term::binary("xyz")]);
/// assert_eq!(t.to_string(), "{[97,98,99],<<120,121,122>>}");
/// assert_eq!(Printer::pretty().to_string(&t), r#"{"abc",<<"xyz">>}"#);
/// assert_eq!(Printer::pretty().width(8).to_string(&t), "{\"abc\",\n <<\"xyz\">>}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printer {
    mode: Mode,
    width: usize,
    column: usize,
    depth: Option<usize>,
    chars_limit: Option<usize>,
    max_chars: Option<usize>,
    unicode: bool,
    printable: PrintableRange,
    strings: bool,
    home: Option<NodeId>,
}

impl Printer {
    /// `~w`: everything on one line, lists and binaries as numbers.
    pub fn plain() -> Self {
        Self {
            mode: Mode::Write,
            width: 0,
            column: 1,
            depth: None,
            chars_limit: None,
            max_chars: None,
            unicode: false,
            printable: PrintableRange::Latin1,
            strings: false,
            home: None,
        }
    }

    /// `~p`: broken into lines of 80 columns, text shown as text.
    pub fn pretty() -> Self {
        Self { mode: Mode::Pretty, width: 80, strings: true, ..Self::plain() }
    }

    /// `~0p`: text shown as text, everything on one line.
    pub fn line() -> Self {
        Self::pretty().width(0)
    }

    /// The length of a line in columns, for [`Printer::pretty`]; 0 means a single line. Source: `F` in `~F.Pp`.
    #[must_use]
    pub fn width(mut self, columns: usize) -> Self {
        self.width = columns;
        self
    }

    /// The column, from 1 on, where the text will begin. Source: `P` in `~F.Pp`.
    #[must_use]
    pub fn column(mut self, column: usize) -> Self {
        self.column = column.max(1);
        self
    }

    /// How deep to print before `...`; each element of a list counts as deeper than the one before. Source: `~P`, `~W`.
    #[must_use]
    pub fn depth(mut self, depth: usize) -> Self {
        self.depth = Some(depth);
        self
    }

    /// About how many characters to print: parts are replaced by `...` until the text is not much longer.
    /// Source: `chars_limit` of OTP `io_lib:format/3`.
    #[must_use]
    pub fn chars_limit(mut self, chars: usize) -> Self {
        self.chars_limit = Some(chars);
        self
    }

    /// How many characters to print at most, `...` for the cut included (at least those three). Sets
    /// [`Printer::chars_limit`] to the same number unless it has been set, so that the text usually ends well-formed;
    /// what is longer nevertheless is cut off. Memory is in proportion to this number, whatever the term.
    #[must_use]
    pub fn max_chars(mut self, chars: usize) -> Self {
        self.max_chars = Some(chars.max(3));
        self
    }

    /// Whether characters beyond 255 are written as themselves. Source: the `t` in `~tp`, `~tw`.
    #[must_use]
    pub fn unicode(mut self, on: bool) -> Self {
        self.unicode = on;
        self
    }

    /// Which characters make a list or a binary text.
    #[must_use]
    pub fn printable(mut self, range: PrintableRange) -> Self {
        self.printable = range;
        self
    }

    /// Whether text is shown as text. Source: the `l` in `~lp` means no.
    #[must_use]
    pub fn strings(mut self, on: bool) -> Self {
        self.strings = on;
        self
    }

    /// Whose pids are shown with the number 0; without it, those of all nodes of this OS process.
    #[must_use]
    pub fn home(mut self, node: NodeId) -> Self {
        self.home = Some(node);
        self
    }

    /// The term as text.
    pub fn to_string(&self, term: &Term) -> String {
        let mut text = String::new();
        // A `String` takes everything.
        let _ = self.write_to(&mut text, term);
        text
    }

    /// Writes the term as text. Errors are those of `out`.
    pub fn write_to(&self, out: &mut impl Write, term: &Term) -> fmt::Result {
        let Some(max) = self.max_chars else { return self.write_whole(out, term) };
        let mut limited = Limited { out, left: max, held: String::new(), full: false };
        match self.write_whole(&mut limited, term) {
            Err(fmt::Error) if limited.full => limited.out.write_str("..."),
            Err(e) => Err(e),
            Ok(()) => limited.out.write_str(&limited.held),
        }
    }

    fn style(&self) -> Style {
        Style {
            mode: self.mode,
            charset: if self.unicode { Charset::Unicode } else { Charset::Latin1 },
            printable: if self.unicode { self.printable } else { PrintableRange::Latin1 },
            strings: self.strings && self.mode == Mode::Pretty,
            home: self.home,
            max_digits: self.max_chars.unwrap_or(usize::MAX),
        }
    }

    fn write_whole(&self, out: &mut impl Write, term: &Term) -> fmt::Result {
        let style = self.style();
        let depth = self.depth.map_or(-1, |d| i64::try_from(d).unwrap_or(-1));
        let chars = self.chars_limit.or(self.max_chars);
        if depth == 0 || chars == Some(0) {
            return out.write_str("...");
        }
        if !tree::has_parts(term) {
            return leaf::write_leaf(out, term, &style);
        }
        match (self.mode, chars, self.width) {
            (Mode::Write, None, _) | (Mode::Pretty, None, 0) => stream::write(out, term, depth, &style),
            (_, Some(limit), _) => {
                let mut tree = tree::Tree::new(style);
                let mut root = tree.limited(term, depth, limit);
                // The limit is overrun by a few characters at times; a greatest number is not.
                let most = self.max_chars.unwrap_or(usize::MAX);
                let mut tighter = limit;
                for _ in 0..4 {
                    let over = tree.nodes[root].len.saturating_sub(most);
                    if over == 0 {
                        break;
                    }
                    tighter = tighter.saturating_sub(over).max(1);
                    root = tree.limited(term, depth, tighter);
                }
                layout::write(out, &tree, root, if self.mode == Mode::Write { 0 } else { self.width }, self.column)
            }
            (Mode::Pretty, None, width) => {
                let mut tree = tree::Tree::new(style);
                let root = tree.measure(term, depth, None);
                layout::write(out, &tree, root, width, self.column)
            }
        }
    }
}

/// The options that parts of a term are written by.
#[derive(Clone, Debug)]
struct Style {
    mode: Mode,
    charset: Charset,
    printable: PrintableRange,
    strings: bool,
    home: Option<NodeId>,
    max_digits: usize,
}

/// Lets so many characters through. The last three are held back until it is known whether more come.
struct Limited<'a, W: Write> {
    out: &'a mut W,
    left: usize,
    held: String,
    full: bool,
}

impl<W: Write> Write for Limited<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.write_char(c)?;
        }
        Ok(())
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        if self.left == 0 {
            self.full = true;
            return Err(fmt::Error);
        }
        self.left -= 1;
        if self.left < 3 {
            self.held.push(c);
            return Ok(());
        }
        self.out.write_char(c)
    }
}

/// The term as `~w` prints it.
pub fn write(term: &Term) -> String {
    Printer::plain().to_string(term)
}

impl fmt::Display for Term {
    /// `{}` is `~w`, `{:#}` is `~p`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printer = if f.alternate() { Printer::pretty() } else { Printer::plain() };
        printer.write_to(f, self)
    }
}

impl fmt::Debug for Term {
    /// `~0p`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printer::line().write_to(f, self)
    }
}
