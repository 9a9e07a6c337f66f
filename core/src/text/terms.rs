//! Building terms of what is read.
//! Imports: bits, term, text.

use super::Options;
use super::binary::{self, Element};
use super::error::{ParseError, ParseErrorKind};
use super::lexer::Position;
use super::parser::{Builder, Pair};
use crate::bits::BitWriter;
use crate::term::Term;
use crate::term::build::Arena;
use bytes::Bytes;

/// Each term of a sequence gets blocks of its own, so that keeping one does not keep the others.
pub(super) struct Terms {
    arena: Arena,
    growth: usize,
}

impl Terms {
    pub(super) fn new(options: &Options) -> Self {
        Self { arena: Arena::new(), growth: options.binary_growth_bits() }
    }

    pub(super) fn next_term(&mut self) {
        self.arena = Arena::new();
    }
}

impl Builder for Terms {
    type Value = Term;
    const TYPED: bool = false;

    fn literal(&mut self, term: Term) -> Term {
        term
    }

    fn string(&mut self, text: &str) -> Term {
        self.arena.list(text.chars().map(|c| Term::from(u32::from(c))), Term::nil())
    }

    fn tuple(&mut self, elements: Vec<Term>) -> Term {
        self.arena.tuple(elements)
    }

    fn list(&mut self, elements: Vec<Term>, tail: Option<Term>, _: Position) -> Result<Term, ParseError> {
        Ok(self.arena.list(elements, tail.unwrap_or_else(Term::nil)))
    }

    fn map(&mut self, pairs: Vec<Pair<Term>>, _: Position) -> Result<Term, ParseError> {
        if let Some(pair) = pairs.iter().find(|p| p.exact) {
            return Err(pair.at.error(ParseErrorKind::BadTerm("`:=` outside of a pattern")));
        }
        Ok(self.arena.map(pairs.into_iter().map(|p| (p.key, p.value))))
    }

    fn binary(&mut self, elements: Vec<Element<Term>>, _: Position) -> Result<Term, ParseError> {
        let mut out = BitWriter::new();
        for element in &elements {
            binary::build(&mut out, element, |term| Some(term.clone()), &mut self.growth)?;
        }
        Ok(match out.into_parts() {
            (bytes, bits) if bits % 8 == 0 => self.arena.shared(Bytes::from(bytes)),
            (bytes, bits) => Term::bitstring(bytes, bits),
        })
    }

    fn hole(&mut self, _: &str, _: Option<&str>, at: Position) -> Result<Term, ParseError> {
        Err(at.error(ParseErrorKind::BadTerm("variable")))
    }
}
