//! Patterns that terms are matched against, and templates that terms are built from: one language on the syntax of
//! terms, compiled once.
//!
//! | written | means |
//! |---|---|
//! | `ok`, `17`, `"text"`, `{a, [1]}` | itself, compared by `=:=` |
//! | `Name` | a hole: matches anything and keeps it; a second `Name` must be equal (`=:=`) to the first |
//! | `_Name` | the same; the name says that nobody will ask |
//! | `_` | anything |
//! | `Name:pid`, `_:int` | a hole of one type, see below |
//! | `{A, B}` | a tuple of that size |
//! | `[A, B]`, `[H \| T]` | a list of that length; a list of at least so many elements, and what follows them |
//! | `#{key := V}` | a map that has at least these keys; `#{}` is any map |
//! | `<<Len:16, Data:Len/binary, _/bits>>` | bits, with the meaning of Erlang's bit syntax |
//!
//! Types of holes: `int`/`integer`, `float`, `num`/`number`, `atom`, `bool`/`boolean`, `pid`, `port`, `ref`/`reference`,
//! `fun`/`function`, `bin`/`binary`, `bits`/`bitstring`, `list`, `tuple`, `map`. They test what the guards `is_integer/1`
//! and so on test: `list` is `[]` or any list cell, even of an improper list; a native value is a `ref`.
//!
//! Keys of map patterns have no holes. A size in a binary is a number or a hole to the left of it, or one bound before.
//! Holes are numbered from 0 in the order in which their names first appear.
//!
//! In a [`Template`] holes stand anywhere, in keys too; pairs of maps are written with `=>`; `_` is not allowed.
//!
//! Imports: bits, term, text. Invariants: matching allocates nothing for patterns of up to 8 holes without binaries;
//! what is deeper than [`MAX_DEPTH`] does not compile, so matching recurses no deeper. No locks.
//! Source: C2.7, C2.20, C2.21; C ABI D13.

mod bindings;
mod bound;
mod compile;
mod holes;
mod matcher;
mod template;

pub use bindings::Bindings;
pub use bound::Bound;
pub use holes::{HoleType, UnknownHole};
pub use template::{BuildError, Template};

use crate::term::Term;
use crate::text::{Options, ParseError};
use bindings::Slots;
use holes::Holes;
use matcher::Node;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How deep a pattern or a template may be nested.
pub const MAX_DEPTH: usize = 100;

/// A compiled pattern. Cloning shares it.
///
/// ```
/// use krarup::pattern::Pattern;
/// use krarup::text::parse_term;
/// let pattern = Pattern::compile("{allocate, Name:atom, #{size := Size}, _}")?;
/// let message = parse_term("{allocate, disk, #{size => 10, unit => mb}, []}")?;
/// let bindings = pattern.matches(&message).expect("it matches");
/// assert_eq!(bindings.get("Size"), Some(&10.into()));
/// assert_eq!(bindings.slot(0).and_then(|t| t.as_atom()).map(|a| a.as_str()), Some("disk"));
/// assert!(!pattern.is_match(&parse_term("{allocate, \"disk\", #{size => 10}, []}")?));
/// # Ok::<(), krarup::text::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Pattern(Arc<Inner>);

struct Inner {
    source: Box<str>,
    holes: Holes,
    root: Node,
}

impl Pattern {
    /// Compiles a pattern; atoms in it are made.
    pub fn compile(text: &str) -> Result<Self, ParseError> {
        Self::compile_with(&Options::new(), text)
    }

    /// Compiles a pattern within limits: with [`Options::existing_atoms`] one from a stranger makes no atoms.
    pub fn compile_with(options: &Options, text: &str) -> Result<Self, ParseError> {
        let (root, holes) = compile::pattern(options, text)?;
        Ok(Self(Arc::new(Inner { source: text.into(), holes, root })))
    }

    /// What its holes hold if the term matches.
    pub fn matches<'t>(&'t self, term: &'t Term) -> Option<Bindings<'t>> {
        if !self.0.root.may_match(term) {
            return None;
        }
        let mut found = Bindings::new(&self.0.holes, Slots::new(self.0.holes.len()));
        matcher::run(&self.0.root, term, found.slots_mut()).then_some(found)
    }

    /// Whether the term matches.
    pub fn is_match(&self, term: &Term) -> bool {
        self.0.root.may_match(term) && matcher::run(&self.0.root, term, &mut Slots::new(self.0.holes.len()))
    }

    /// The pattern with a hole filled: it then matches only this value, by `=:=`. For selective receive.
    pub fn bind(&self, name: &str, value: impl Into<Term>) -> Result<Bound, UnknownHole> {
        Bound::new(self.clone()).bind(name, value)
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

impl FromStr for Pattern {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::compile(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.source())
    }
}
