//! Reading terms from text: the syntax that `file:consult/1` and `erl_parse:parse_term/1` read.
//!
//! [`parse_term`] reads one term, [`consult`] a sequence of terms, each ended by a dot. [`Options`] sets limits, and
//! can forbid new atoms. Patterns and templates (`pattern`) are read by the same lexer and parser.
//!
//! Everything is read that OTP 25 reads: integers in any base, floats, `$c`, atoms, strings and their concatenation,
//! lists, tuples, maps, bit syntax with sizes and types, `fun m:f/1`, signs, parentheses, comments. As in OTP, pids,
//! references, ports and local funs have no readable form. Where OTP reads an expression that is no term (`{X}`,
//! `1+2`), the error is at the place where it stops being one, not at the term's beginning.
//!
//! Imports: bits, term. Invariants: the native stack does not grow with the text; memory is in proportion to the
//! text, apart from [`Options::max_binary_growth`]; no input panics. No locks but the atom table's.
//! Source: OTP `erl_scan`, `erl_parse`, `file:consult/1`; architecture, terms.

mod binary;
mod error;
mod lexer;
mod number;
mod parser;
mod terms;

pub(crate) use binary::{Element, Size, build};
pub use error::{ParseError, ParseErrorKind};
pub(crate) use lexer::Position;
pub(crate) use parser::{Builder, Item};
pub(crate) use terms::Pairs;

use crate::term::Term;
use lexer::{Lexer, Token};
use parser::Parser;

/// Reads one term. A dot at its end may be left out; after it only white space and comments may follow.
///
/// ```
/// use krarup::text::parse_term;
/// let t = parse_term("{ok, #{name => <<\"joe\">>, age => 16#20}}.")?;
/// assert_eq!(t.to_string(), "{ok,#{age => 32,name => <<106,111,101>>}}");
/// let e = parse_term("{ok,\n }").unwrap_err();
/// assert_eq!(e.to_string(), "2:2: syntax error before: '}'");
/// # Ok::<(), krarup::text::ParseError>(())
/// ```
pub fn parse_term(text: &str) -> Result<Term, ParseError> {
    Options::new().parse_term(text)
}

/// Reads terms that each end in a dot, as a file for `file:consult/1` holds them.
///
/// ```
/// let terms = krarup::text::consult("{port, 4369}.\n% a comment\n{hosts, [\"a\", \"b\"]}.\n")?;
/// assert_eq!(terms.len(), 2);
/// # Ok::<(), krarup::text::ParseError>(())
/// ```
pub fn consult(text: &str) -> Result<Vec<Term>, ParseError> {
    Options::new().consult(text)
}

/// What may be read, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    max_depth: usize,
    max_digits: usize,
    max_binary_growth: usize,
    existing_atoms: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// A million levels; integers of up to a million digits; 16 MiB of binary growth; new atoms allowed.
    pub fn new() -> Self {
        Self { max_depth: 1_000_000, max_digits: 1_000_000, max_binary_growth: 16 << 20, existing_atoms: false }
    }

    /// How deep terms may be nested. A level costs about 40 bytes of memory while the text is read.
    #[must_use]
    pub fn max_depth(mut self, levels: usize) -> Self {
        self.max_depth = levels;
        self
    }

    /// How many digits an integer may have. Reading digits costs somewhat more than linear time.
    #[must_use]
    pub fn max_integer_digits(mut self, digits: usize) -> Self {
        self.max_digits = digits;
        self
    }

    /// How many bytes of binaries a text may make out of nothing, by sizes such as that in `<<0:1000000>>`.
    #[must_use]
    pub fn max_binary_growth(mut self, bytes: usize) -> Self {
        self.max_binary_growth = bytes;
        self
    }

    /// Whether only atoms that exist already may be read: for text from others, who could fill the atom table.
    #[must_use]
    pub fn existing_atoms(mut self, only: bool) -> Self {
        self.existing_atoms = only;
        self
    }

    pub(crate) fn depth(&self) -> usize {
        self.max_depth
    }

    pub(crate) fn binary_growth_bits(&self) -> usize {
        self.max_binary_growth.saturating_mul(8)
    }

    /// As [`parse_term`].
    pub fn parse_term(&self, text: &str) -> Result<Term, ParseError> {
        self.read(text, &mut terms::Terms::new(self))
    }

    /// Reads one value of whatever the builder makes.
    pub(crate) fn read<B: Builder>(&self, text: &str, builder: &mut B) -> Result<B::Value, ParseError> {
        let mut parser = Parser::new(Lexer::new(text, self), self);
        let value = parser.parse(builder).and_then(|value| parser.finish().map(|()| value));
        value.map_err(|e| e.located(text))
    }

    /// As [`consult`].
    pub fn consult(&self, text: &str) -> Result<Vec<Term>, ParseError> {
        self.read_all(text).map_err(|e| e.located(text))
    }

    fn read_all(&self, text: &str) -> Result<Vec<Term>, ParseError> {
        let mut parser = Parser::new(Lexer::new(text, self), self);
        let mut terms = Vec::new();
        let mut builder = terms::Terms::new(self);
        while !matches!(parser.peek()?.token, Token::End) {
            terms.push(parser.parse(&mut builder)?);
            parser.expect_dot()?;
            builder.next_term();
        }
        Ok(terms)
    }
}
