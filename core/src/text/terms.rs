//! Building terms of what is read.
//! Imports: bits, term, text.

use super::Options;
use super::binary::{self, Element};
use super::error::{ParseError, ParseErrorKind};
use super::lexer::Position;
use super::parser::Builder;
use crate::bits::BitWriter;
use crate::term::Term;
use crate::term::build::Arena;
use bytes::Bytes;
use std::vec::Drain;

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
    type Bits = BitWriter;
    const TYPED: bool = false;

    fn literal(&mut self, term: Term) -> Term {
        term
    }

    fn string(&mut self, text: &str) -> Term {
        self.arena.list(text.chars().map(|c| Term::from(u32::from(c))), Term::nil())
    }

    fn tuple(&mut self, elements: Drain<'_, Term>) -> Term {
        self.arena.tuple(elements)
    }

    fn list(&mut self, mut elements: Drain<'_, Term>, tail: bool) -> Term {
        let tail = if tail { elements.next_back() } else { None };
        self.arena.list(elements, tail.unwrap_or_else(Term::nil))
    }

    fn map(&mut self, pairs: Drain<'_, Term>, exact: Option<bool>, at: Position) -> Result<Term, ParseError> {
        if exact == Some(true) {
            return Err(at.error(ParseErrorKind::BadTerm("`:=` outside of a pattern")));
        }
        Ok(self.arena.map(Pairs(pairs)))
    }

    fn segment(&mut self, bits: &mut BitWriter, element: Element<Term>) -> Result<(), ParseError> {
        binary::build(bits, &element, |term| Some(term.clone()), &mut self.growth)
    }

    fn binary(&mut self, bits: BitWriter) -> Term {
        match bits.into_parts() {
            (bytes, bits) if bits % 8 == 0 => self.arena.shared(Bytes::from(bytes)),
            (bytes, bits) => Term::bitstring(bytes, bits),
        }
    }

    fn hole(&mut self, _: &str, _: Option<&str>, at: Position) -> Result<Term, ParseError> {
        Err(at.error(ParseErrorKind::BadTerm("variable")))
    }
}

/// Two and two.
pub(crate) struct Pairs<I>(pub(crate) I);

impl<I: Iterator> Iterator for Pairs<I> {
    type Item = (I::Item, I::Item);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }
}
