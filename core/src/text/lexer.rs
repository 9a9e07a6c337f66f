//! From text to tokens.
//! Imports: term (its names' rules, integers), text. Source: OTP `erl_scan`.

use super::error::{ParseError, ParseErrorKind};
use super::{Options, number};
use crate::term::Term;
use crate::term::print::quote::{is_lower, is_name_char, is_reserved, is_upper};
use std::borrow::Cow;

/// A place in the text: the distance from its beginning in bytes. Lines are counted when there is an error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position(usize);

impl Position {
    pub(crate) fn error(self, kind: ParseErrorKind) -> ParseError {
        ParseError { line: 0, column: 0, offset: self.0, kind }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Token<'s> {
    Integer(Term),
    Float(f64),
    Char(char),
    Atom(Cow<'s, str>),
    Variable(&'s str),
    String(Cow<'s, str>),
    /// A reserved word.
    Word(&'s str),
    /// Punctuation, `.` inside a term included.
    Symbol(&'s str),
    /// The dot that ends a term.
    Dot,
    /// The end of the text.
    End,
}

#[derive(Clone, Debug)]
pub(crate) struct Spanned<'s> {
    pub(crate) token: Token<'s>,
    pub(crate) at: Position,
    /// The token as it was written.
    pub(crate) source: &'s str,
}

impl Spanned<'_> {
    /// The error that this token cannot stand here.
    pub(crate) fn unexpected(&self) -> ParseError {
        let before = match &self.token {
            Token::End => String::new(),
            Token::Symbol(s) | Token::Word(s) => format!("'{s}'"),
            Token::Dot => "'.'".to_owned(),
            _ => self.source.chars().take(80).flat_map(|c| if c < ' ' { vec![' '] } else { vec![c] }).collect(),
        };
        self.at.error(ParseErrorKind::Syntax(before))
    }

    pub(crate) fn is_symbol(&self, text: &str) -> bool {
        matches!(self.token, Token::Symbol(s) if s == text)
    }
}

/// The length of the punctuation that a text begins with: the longest there is.
fn symbol_len(text: &[u8]) -> usize {
    match text {
        [b'.', b'.', b'.', ..] | [b'=', b':' | b'/', b'=', ..] => 3,
        [b'.', b'.', ..]
        | [b'?' | b'<' | b'>' | b'=' | b'/' | b':', b'=', ..]
        | [b'<', b'<' | b'-', ..]
        | [b'>', b'>', ..]
        | [b'-', b'>' | b'-', ..]
        | [b'+', b'+', ..]
        | [b'=', b'<' | b'>', ..]
        | [b'|', b'|', ..]
        | [b':', b':', ..] => 2,
        _ => 1,
    }
}

#[derive(Clone)]
pub(crate) struct Lexer<'s> {
    text: &'s str,
    at: Position,
    max_digits: usize,
}

impl<'s> Lexer<'s> {
    pub(crate) fn new(text: &'s str, options: &Options) -> Self {
        Self { text, at: Position(0), max_digits: options.max_digits }
    }

    fn rest(&self) -> &'s str {
        self.text.get(self.at.0..).unwrap_or_default()
    }

    #[inline]
    fn peek(&self) -> Option<char> {
        match self.text.as_bytes().get(self.at.0) {
            Some(b) if b.is_ascii() => Some(char::from(*b)),
            Some(_) => self.rest().chars().next(),
            None => None,
        }
    }

    fn second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    #[inline]
    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at.0 += c.len_utf8();
        Some(c)
    }

    #[inline]
    fn bump_while(&mut self, accept: impl Fn(char) -> bool) {
        let rest = self.text.as_bytes().get(self.at.0..).unwrap_or_default();
        self.at.0 += rest.iter().take_while(|b| b.is_ascii() && accept(char::from(**b))).count();
        while self.peek().is_some_and(&accept) {
            self.bump();
        }
    }

    fn since(&self, start: Position) -> &'s str {
        self.text.get(start.0..self.at.0).unwrap_or_default()
    }

    fn skip_space(&mut self) -> Result<(), ParseError> {
        loop {
            self.bump_while(is_space);
            if self.peek() != Some('%') {
                return Ok(());
            }
            let start = self.at;
            while let Some(c) = self.peek().filter(|c| *c != '\n') {
                if !is_character(c) {
                    return Err(start.error(ParseErrorKind::IllegalCharacter));
                }
                self.bump();
            }
        }
    }

    /// Goes back to where a token began.
    pub(crate) fn rewind(&mut self, to: Position) {
        self.at = to;
    }

    /// The next token.
    pub(crate) fn next(&mut self) -> Result<Spanned<'s>, ParseError> {
        self.skip_space()?;
        let at = self.at;
        let token = match self.peek() {
            None => Token::End,
            Some(c) if is_lower(c) => {
                self.bump_while(is_name_char);
                match self.since(at) {
                    word if is_reserved(word) => Token::Word(word),
                    name => Token::Atom(self.checked_name(name, at, ParseErrorKind::IllegalAtom)?.into()),
                }
            }
            Some(c) if is_upper(c) || c == '_' => {
                self.bump_while(is_name_char);
                Token::Variable(self.checked_name(self.since(at), at, ParseErrorKind::IllegalVariable)?)
            }
            Some('0'..='9') => self.number()?,
            Some('"') => Token::String(self.quoted('"')?),
            Some('\'') => {
                let name = self.quoted('\'')?;
                self.checked_name(&name, at, ParseErrorKind::IllegalAtom)?;
                Token::Atom(name)
            }
            Some('$') => self.character()?,
            Some('.') if self.second().is_none_or(|c| is_space(c) || c == '%') => {
                self.bump();
                Token::Dot
            }
            Some(c) if c > 'ÿ' => return Err(at.error(ParseErrorKind::IllegalCharacter)),
            Some(_) => {
                for _ in 0..symbol_len(self.rest().as_bytes()) {
                    self.bump();
                }
                Token::Symbol(self.since(at))
            }
        };
        Ok(Spanned { token, at, source: self.since(at) })
    }

    fn checked_name<'n>(&self, name: &'n str, at: Position, kind: ParseErrorKind) -> Result<&'n str, ParseError> {
        if name.chars().nth(255).is_some() { Err(at.error(kind)) } else { Ok(name) }
    }

    /// Digits, and underscores between them.
    fn digits(&mut self, accept: impl Fn(char) -> bool) {
        let mut previous = false;
        while let Some(c) = self.peek() {
            if accept(c) {
                previous = true;
            } else if c == '_' && previous && self.second().is_some_and(&accept) {
                previous = false;
            } else {
                break;
            }
            self.bump();
        }
    }

    fn number(&mut self) -> Result<Token<'s>, ParseError> {
        let start = self.at;
        let decimal = |c: char| c.is_ascii_digit();
        self.digits(decimal);
        if self.peek() == Some('#') {
            let base: String = self.since(start).chars().filter(|c| *c != '_').collect();
            let base = base.trim_start_matches('0');
            let radix = match base.parse() {
                Ok(radix @ 2..=36) => radix,
                _ if base.is_empty() => return Err(start.error(ParseErrorKind::IllegalBase("0".to_owned()))),
                _ => return Err(start.error(ParseErrorKind::IllegalBase(base.chars().take(80).collect()))),
            };
            self.bump();
            let first = self.at;
            self.digits(|c| c.is_digit(radix));
            let value = number::integer(self.since(first), radix, self.max_digits);
            return value.map(Token::Integer).ok_or_else(|| start.error(ParseErrorKind::IllegalInteger));
        }
        if self.peek() != Some('.') || !self.second().is_some_and(decimal) {
            let value = number::integer(self.since(start), 10, self.max_digits);
            return value.map(Token::Integer).ok_or_else(|| start.error(ParseErrorKind::IllegalInteger));
        }
        self.bump();
        self.digits(decimal);
        if matches!(self.peek(), Some('e' | 'E')) {
            self.bump();
            if matches!(self.peek(), Some('+' | '-')) {
                self.bump();
            }
            self.digits(decimal);
        }
        let value = number::float(self.since(start));
        value.map(Token::Float).ok_or_else(|| start.error(ParseErrorKind::IllegalFloat))
    }

    fn character(&mut self) -> Result<Token<'s>, ParseError> {
        let start = self.at;
        self.bump();
        match self.peek() {
            None => Err(start.error(ParseErrorKind::UnterminatedCharacter)),
            Some('\\') => match self.escape() {
                Ok(Some(c)) => Ok(Token::Char(c)),
                Ok(None) => Err(start.error(ParseErrorKind::UnterminatedCharacter)),
                Err(kind) => Err(start.error(kind)),
            },
            Some(c) if is_character(c) => {
                self.bump();
                Ok(Token::Char(c))
            }
            Some(_) => Err(start.error(ParseErrorKind::IllegalCharacter)),
        }
    }

    /// What stands between quotes; borrowed if nothing in it is escaped.
    fn quoted(&mut self, quote: char) -> Result<Cow<'s, str>, ParseError> {
        let start = self.at;
        self.bump();
        let first = self.at;
        let mut owned: Option<String> = None;
        loop {
            if owned.is_none() {
                self.bump_while(|c| c != quote && c != '\\' && c >= ' ' && is_character(c));
            }
            let here = self.at;
            match self.peek() {
                Some(c) if c == quote => {
                    let plain = self.since(first);
                    self.bump();
                    return Ok(owned.map_or(Cow::Borrowed(plain), Cow::Owned));
                }
                Some('\\') => {
                    let text = owned.get_or_insert_with(|| self.since(first).to_owned());
                    match self.escape() {
                        Ok(Some(c)) => text.push(c),
                        Ok(None) => return Err(self.unterminated(quote, start, owned.as_deref().unwrap_or_default())),
                        Err(kind) => return Err(here.error(kind)),
                    }
                }
                Some(c) if is_character(c) => {
                    self.bump();
                    if let Some(text) = &mut owned {
                        text.push(c);
                    }
                }
                Some(_) => return Err(here.error(ParseErrorKind::IllegalCharacter)),
                None => {
                    let text = owned.as_deref().unwrap_or_else(|| self.since(first));
                    return Err(self.unterminated(quote, start, text));
                }
            }
        }
    }

    fn unterminated(&self, quote: char, start: Position, text: &str) -> ParseError {
        start.error(ParseErrorKind::Unterminated { quote, start: text.chars().take(16).collect() })
    }

    /// The character that an escape stands for; `None` if the text ends in it.
    fn escape(&mut self) -> Result<Option<char>, ParseErrorKind> {
        self.bump();
        let Some(c) = self.peek() else { return Ok(None) };
        if c.is_digit(8) {
            let start = self.at;
            while self.at.0 - start.0 < 3 && self.peek().is_some_and(|c| c.is_digit(8)) {
                self.bump();
            }
            let value = u32::from_str_radix(self.since(start), 8).unwrap_or(0);
            return Ok(char::from_u32(value));
        }
        if !is_character(c) {
            return Err(ParseErrorKind::IllegalCharacter);
        }
        self.bump();
        Ok(Some(match c {
            'x' => return self.hexadecimal(),
            '^' => match self.bump() {
                None => return Ok(None),
                Some('\n') => '\n',
                Some(c) => char::from((u32::from(c) & 31) as u8),
            },
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'e' => '\u{1b}',
            's' => ' ',
            'd' => '\u{7f}',
            other => other,
        }))
    }

    /// `\x41` or `\x{10ffff}`, from behind the `x` on.
    fn hexadecimal(&mut self) -> Result<Option<char>, ParseErrorKind> {
        let hex = |c: char| c.is_ascii_hexdigit();
        let braces = self.peek() == Some('{');
        if braces {
            self.bump();
        }
        let start = self.at;
        while self.peek().is_some_and(hex) && (braces || self.at.0 - start.0 < 2) {
            self.bump();
        }
        let digits = self.since(start);
        if self.peek().is_none() && (braces || digits.is_empty()) {
            return Ok(None);
        }
        if (braces && self.bump() != Some('}')) || (!braces && digits.len() < 2) {
            return Err(ParseErrorKind::IllegalCharacter);
        }
        let digits = digits.trim_start_matches('0');
        let value = if digits.is_empty() && self.since(start).starts_with('0') {
            Some(0)
        } else {
            u32::from_str_radix(digits, 16).ok()
        };
        match value.and_then(char::from_u32).filter(|c| is_character(*c)) {
            Some(c) => Ok(Some(c)),
            None => Err(ParseErrorKind::IllegalCharacter),
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, '\0'..=' ' | '\u{80}'..='\u{a0}')
}

/// What erl takes for a character: all but the two that swap a byte order mark.
fn is_character(c: char) -> bool {
    !matches!(c, '\u{fffe}' | '\u{ffff}')
}
