//! From tokens to values, without recursion.
//! Imports: bits (segment types), term, text. Source: OTP `erl_parse`.
//!
//! What is built of the tokens is a [`Builder`]'s affair: terms here, patterns and templates in `pattern`. The parser
//! keeps what is unfinished on a stack of its own, and finished parts on another: 40 bytes a level.

use super::Options;
use super::binary::{self, Element, Size};
use super::error::{ParseError, ParseErrorKind};
use super::lexer::{Lexer, Position, Spanned, Token};
use crate::term::{Atom, AtomError, Term, View};
use std::vec::Drain;

/// Makes values of what is read.
pub(crate) trait Builder {
    type Value;
    /// A binary in the making.
    type Bits: Default;
    /// Whether variables may have types.
    const TYPED: bool;

    /// A number, an atom, or a fun.
    fn literal(&mut self, term: Term) -> Self::Value;
    fn string(&mut self, text: &str) -> Self::Value;
    fn tuple(&mut self, elements: Drain<'_, Self::Value>) -> Self::Value;
    /// At least one element; the tail, if there is one, is the last of them.
    fn list(&mut self, elements: Drain<'_, Self::Value>, tail: bool) -> Self::Value;
    /// Keys and values in turn. `exact`: whether they are written with `:=`; `None` if there are none.
    fn map(
        &mut self,
        pairs: Drain<'_, Self::Value>,
        exact: Option<bool>,
        at: Position,
    ) -> Result<Self::Value, ParseError>;
    fn segment(&mut self, bits: &mut Self::Bits, element: Element<Self::Value>) -> Result<(), ParseError>;
    fn binary(&mut self, bits: Self::Bits) -> Self::Value;
    /// A variable, with the type behind it: `Name:type`.
    fn hole(&mut self, name: &str, kind: Option<&str>, at: Position) -> Result<Self::Value, ParseError>;
}

/// A value that has been read; numbers and strings are kept as such, because signs and binaries care.
pub(crate) enum Item<V> {
    Number(Term),
    Text(String),
    Value(V),
}

impl<V> Item<V> {
    fn into_value<B: Builder<Value = V>>(self, builder: &mut B) -> V {
        match self {
            Self::Number(n) => builder.literal(n),
            Self::Text(text) => builder.string(&text),
            Self::Value(v) => v,
        }
    }
}

/// What has begun and not ended. The parts of a list, tuple or map lie on the stack of values, from `start` on.
enum Frame<B> {
    Tuple { start: usize },
    List { start: usize, in_tail: bool },
    Map { start: usize, in_value: bool, exact: bool },
    Binary(Box<B>),
    Parenthesis,
    Sign { negative: bool },
}

/// A value, and where it began.
type Placed<V> = (Item<V>, Position);

/// What is unfinished.
struct Stack<B: Builder> {
    frames: Vec<(Frame<B::Bits>, Position)>,
    values: Vec<B::Value>,
}

impl<B: Builder> Stack<B> {
    fn push(&mut self, frame: Frame<B::Bits>, at: Position) {
        self.frames.push((frame, at));
    }

    fn ends_in_sign(&self) -> bool {
        matches!(self.frames.last(), Some((Frame::Sign { .. }, _)))
    }

    /// Whether the value that comes next is a part of a binary, signs before it aside.
    fn in_binary(&self) -> bool {
        let below = self.frames.len().checked_sub(if self.ends_in_sign() { 2 } else { 1 });
        below.is_some_and(|i| matches!(self.frames.get(i), Some((Frame::Binary(_), _))))
    }
}

pub(crate) struct Parser<'s, 'o> {
    lexer: Lexer<'s>,
    options: &'o Options,
    next: Option<Spanned<'s>>,
}

impl<'s, 'o> Parser<'s, 'o> {
    pub(crate) fn new(lexer: Lexer<'s>, options: &'o Options) -> Self {
        Self { lexer, options, next: None }
    }

    pub(crate) fn peek(&mut self) -> Result<&Spanned<'s>, ParseError> {
        match &mut self.next {
            Some(token) => Ok(token),
            empty => Ok(empty.insert(self.lexer.next()?)),
        }
    }

    pub(super) fn take(&mut self) -> Result<Spanned<'s>, ParseError> {
        match self.next.take() {
            Some(token) => Ok(token),
            None => self.lexer.next(),
        }
    }

    pub(super) fn take_symbol(&mut self, text: &str) -> Result<bool, ParseError> {
        let found = self.peek()?.is_symbol(text);
        if found {
            self.next = None;
        }
        Ok(found)
    }

    pub(super) fn expect_symbol(&mut self, text: &str) -> Result<(), ParseError> {
        let token = self.take()?;
        if token.is_symbol(text) { Ok(()) } else { Err(token.unexpected()) }
    }

    /// The dot behind a term.
    pub(crate) fn expect_dot(&mut self) -> Result<(), ParseError> {
        let token = self.take()?;
        if matches!(token.token, Token::Dot) { Ok(()) } else { Err(token.unexpected()) }
    }

    /// The end of the text, perhaps behind a dot.
    pub(crate) fn finish(&mut self) -> Result<(), ParseError> {
        let mut token = self.take()?;
        if matches!(token.token, Token::Dot) {
            token = self.take()?;
        }
        if matches!(token.token, Token::End) { Ok(()) } else { Err(token.unexpected()) }
    }

    /// Reads one value.
    pub(crate) fn parse<B: Builder>(&mut self, builder: &mut B) -> Result<B::Value, ParseError> {
        let mut stack: Stack<B> = Stack { frames: Vec::new(), values: Vec::new() };
        let mut placed = None;
        loop {
            let done = match placed.take() {
                Some(done) => done,
                None => {
                    if stack.frames.len() > self.options.max_depth {
                        return Err(self.take()?.at.error(ParseErrorKind::TooDeep));
                    }
                    match self.operand(builder, &mut stack)? {
                        Some(done) => done,
                        None => continue,
                    }
                }
            };
            let Some((frame, start)) = stack.frames.pop() else {
                return Ok(done.0.into_value(builder));
            };
            placed = self.place(builder, frame, start, done, &mut stack)?;
        }
    }

    /// Reads a value without parts, or the beginning of one with parts.
    fn operand<B: Builder>(
        &mut self,
        builder: &mut B,
        stack: &mut Stack<B>,
    ) -> Result<Option<Placed<B::Value>>, ParseError> {
        let token = self.take()?;
        let (at, start) = (token.at, stack.values.len());
        let item = match &token.token {
            Token::Integer(n) => Item::Number(n.clone()),
            Token::Float(f) => match Term::float(*f) {
                Some(f) => Item::Number(f),
                None => return Err(at.error(ParseErrorKind::IllegalFloat)),
            },
            Token::Char(c) => Item::Number(Term::from(u32::from(*c))),
            Token::Atom(name) => Item::Value(builder.literal(Term::from(self.atom(name, at)?))),
            Token::String(first) => {
                let mut text = first.to_string();
                while let Token::String(more) = &self.peek()?.token {
                    text.push_str(more);
                    self.next = None;
                }
                Item::Text(text)
            }
            Token::Variable(name) => Item::Value(self.variable(builder, name, at)?),
            Token::Word("fun") => Item::Value(builder.literal(self.fun()?)),
            Token::Symbol("[") => {
                if !self.take_symbol("]")? {
                    stack.push(Frame::List { start, in_tail: false }, at);
                    return Ok(None);
                }
                Item::Value(builder.literal(Term::nil()))
            }
            Token::Symbol("{") => {
                if !self.take_symbol("}")? {
                    stack.push(Frame::Tuple { start }, at);
                    return Ok(None);
                }
                Item::Value(builder.tuple(stack.values.drain(start..)))
            }
            // The parts of a binary are expressions of another level, which maps do not belong to.
            Token::Symbol("#") if !stack.in_binary() => {
                self.expect_symbol("{")?;
                if !self.take_symbol("}")? {
                    stack.push(Frame::Map { start, in_value: false, exact: false }, at);
                    return Ok(None);
                }
                Item::Value(builder.map(stack.values.drain(start..), None, at)?)
            }
            Token::Symbol("<<") => {
                if !self.take_symbol(">>")? {
                    stack.push(Frame::Binary(Box::default()), at);
                    return Ok(None);
                }
                Item::Value(builder.binary(B::Bits::default()))
            }
            Token::Symbol("(") => {
                stack.push(Frame::Parenthesis, at);
                return Ok(None);
            }
            // In a binary, a sign takes no second one either.
            Token::Symbol(sign @ ("-" | "+")) if !(stack.ends_in_sign() && stack.in_binary()) => {
                stack.push(Frame::Sign { negative: *sign == "-" }, at);
                return Ok(None);
            }
            _ => return Err(token.unexpected()),
        };
        Ok(Some((item, at)))
    }

    /// Puts a value where it belongs; what that completes is the next value.
    fn place<B: Builder>(
        &mut self,
        builder: &mut B,
        frame: Frame<B::Bits>,
        start_at: Position,
        (item, at): Placed<B::Value>,
        stack: &mut Stack<B>,
    ) -> Result<Option<Placed<B::Value>>, ParseError> {
        let value = match frame {
            Frame::Parenthesis => {
                self.expect_symbol(")")?;
                return Ok(Some((item, start_at)));
            }
            Frame::Sign { negative } => match item {
                Item::Number(n) => {
                    let n = if negative { negate(&n) } else { n };
                    // A sign before a sign is no term, so the number may not take another.
                    builder.literal(n)
                }
                Item::Text(_) | Item::Value(_) => {
                    return Err(at.error(ParseErrorKind::BadTerm("sign before something else than a number")));
                }
            },
            Frame::Tuple { start } => {
                stack.values.push(item.into_value(builder));
                if self.separated("}")? {
                    stack.push(frame, start_at);
                    return Ok(None);
                }
                builder.tuple(stack.values.drain(start..))
            }
            Frame::List { start, in_tail } => {
                stack.values.push(item.into_value(builder));
                let bar = !in_tail && self.take_symbol("|")?;
                if bar || (!in_tail && self.separated("]")?) {
                    stack.push(Frame::List { start, in_tail: bar }, start_at);
                    return Ok(None);
                }
                if in_tail {
                    self.expect_symbol("]")?;
                }
                builder.list(stack.values.drain(start..), in_tail)
            }
            Frame::Map { start, in_value: false, exact } => {
                let token = self.take()?;
                let now_exact = token.is_symbol(":=");
                if !now_exact && !token.is_symbol("=>") {
                    return Err(token.unexpected());
                }
                if start < stack.values.len() && exact != now_exact {
                    return Err(token.at.error(ParseErrorKind::BadTerm("`=>` and `:=` in one map")));
                }
                stack.values.push(item.into_value(builder));
                stack.push(Frame::Map { start, in_value: true, exact: now_exact }, start_at);
                return Ok(None);
            }
            Frame::Map { start, in_value: true, exact } => {
                stack.values.push(item.into_value(builder));
                if self.separated("}")? {
                    stack.push(Frame::Map { start, in_value: false, exact }, start_at);
                    return Ok(None);
                }
                builder.map(stack.values.drain(start..), Some(exact), start_at)?
            }
            Frame::Binary(mut bits) => {
                let size = if self.take_symbol(":")? { self.size()? } else { Size::Default };
                let spec = if self.take_symbol("/")? { binary::spec(self)? } else { binary::Spec::default() };
                builder.segment(&mut bits, Element { item, size, spec, at })?;
                if self.separated(">>")? {
                    stack.push(Frame::Binary(bits), start_at);
                    return Ok(None);
                }
                builder.binary(*bits)
            }
        };
        Ok(Some((Item::Value(value), start_at)))
    }

    /// Whether a comma follows; otherwise `close` must.
    fn separated(&mut self, close: &str) -> Result<bool, ParseError> {
        let comma = self.take_symbol(",")?;
        if !comma {
            self.expect_symbol(close)?;
        }
        Ok(comma)
    }

    /// The size of a segment: a number or a variable, perhaps in parentheses.
    fn size(&mut self) -> Result<Size, ParseError> {
        let mut open = 0;
        while self.take_symbol("(")? {
            open += 1;
        }
        let token = self.take()?;
        let size = match &token.token {
            Token::Integer(n) => match n.as_int().map(usize::try_from) {
                Some(Ok(n)) => Size::Fixed(n),
                _ => return Err(token.at.error(ParseErrorKind::TooLarge)),
            },
            Token::Char(c) => Size::Fixed(u32::from(*c) as usize),
            Token::Variable(name) => Size::Hole((*name).to_owned(), token.at),
            _ => return Err(token.unexpected()),
        };
        for _ in 0..open {
            self.expect_symbol(")")?;
        }
        Ok(size)
    }

    fn variable<B: Builder>(&mut self, builder: &mut B, name: &str, at: Position) -> Result<B::Value, ParseError> {
        // In a binary, a size may follow the colon: only a word is a type.
        if B::TYPED && self.peek()?.is_symbol(":") {
            let colon = self.take()?;
            let kind = match &self.peek()?.token {
                Token::Atom(kind) => Some(kind.clone()),
                Token::Word("fun") => Some("fun".into()),
                _ => None,
            };
            if let Some(kind) = kind {
                self.next = None;
                return builder.hole(name, Some(&kind), at);
            }
            // Give the colon back: the lexer goes on behind the token that was looked at.
            let after = self.next.replace(colon);
            if let Some(after) = after {
                self.lexer.rewind(after.at);
            }
        }
        builder.hole(name, None, at)
    }

    /// The rest of `fun m:f/1`.
    fn fun(&mut self) -> Result<Term, ParseError> {
        let module = self.fun_name()?;
        self.expect_symbol(":")?;
        let function = self.fun_name()?;
        self.expect_symbol("/")?;
        let token = self.take()?;
        let Token::Integer(n) = &token.token else { return Err(token.unexpected()) };
        match n.as_int().map(u8::try_from) {
            Some(Ok(arity)) => Ok(Term::export_fun(module, function, arity)),
            _ => Err(token.at.error(ParseErrorKind::BadTerm("fun of more than 255 arguments"))),
        }
    }

    fn fun_name(&mut self) -> Result<Atom, ParseError> {
        let token = self.take()?;
        let Token::Atom(name) = &token.token else { return Err(token.unexpected()) };
        self.atom(name, token.at)
    }

    fn atom(&self, name: &str, at: Position) -> Result<Atom, ParseError> {
        if self.options.existing_atoms {
            let known = Atom::existing(name);
            return known.ok_or_else(|| at.error(ParseErrorKind::UnknownAtom(name.to_owned())));
        }
        Atom::new(name).map_err(|e| {
            at.error(match e {
                AtomError::TooLong => ParseErrorKind::IllegalAtom,
                _ => ParseErrorKind::AtomTableFull,
            })
        })
    }
}

/// The number with its sign changed.
fn negate(n: &Term) -> Term {
    match n.view() {
        View::Int(n) => Term::from(-i128::from(n)),
        View::Big(n) => Term::from(-n.to_bigint()),
        View::Float(f) => Term::float(-f).unwrap_or_else(|| n.clone()),
        _ => n.clone(),
    }
}
