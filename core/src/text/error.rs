//! What is wrong with a text, and where.
//! Imports: nothing of the crate.

use std::fmt;

/// An error in a text, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line, from 1 on.
    pub line: usize,
    /// The column, from 1 on, in characters.
    pub column: usize,
    /// The distance from the text's beginning, in bytes.
    pub offset: usize,
    /// What is wrong.
    pub kind: ParseErrorKind,
}

/// What can be wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// This cannot stand here; empty at the end of the text.
    Syntax(String),
    /// A character that belongs to nothing, or an escape that means none.
    IllegalCharacter,
    /// Digits that are no integer (`16#`), or more than allowed.
    IllegalInteger,
    /// Digits that are no float (`1.0e`, `1.0e999`).
    IllegalFloat,
    /// An atom of more than 255 characters.
    IllegalAtom,
    /// A variable of more than 255 characters.
    IllegalVariable,
    /// A base that is not between 2 and 36.
    IllegalBase(String),
    /// A string, or a quoted atom, without an end; with its quote and its beginning.
    Unterminated {
        /// `"` or `'`.
        quote: char,
        /// The first characters.
        start: String,
    },
    /// `$` at the end of the text.
    UnterminatedCharacter,
    /// What is read is no term, or no pattern; and why.
    BadTerm(&'static str),
    /// Nested deeper than allowed.
    TooDeep,
    /// Binaries larger than allowed.
    TooLarge,
    /// The atom does not exist, and new ones are not allowed.
    UnknownAtom(String),
    /// The atom table is full.
    AtomTableFull,
}

impl ParseError {
    /// Counts lines and columns; the parts of the parser know the offset only.
    #[must_use]
    pub(crate) fn located(mut self, text: &str) -> Self {
        let before = text.get(..self.offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        self.line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        self.column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        self
    }
}

impl fmt::Display for ParseError {
    /// `Line:Column: what is wrong`, on one line, in OTP's words where it has some.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.kind)
    }
}

impl fmt::Display for ParseErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(before) if before.is_empty() => f.write_str("syntax error at end of text"),
            Self::Syntax(before) => write!(f, "syntax error before: {before}"),
            Self::IllegalCharacter => f.write_str("illegal character"),
            Self::IllegalInteger => f.write_str("illegal integer"),
            Self::IllegalFloat => f.write_str("illegal float"),
            Self::IllegalAtom => f.write_str("illegal atom"),
            Self::IllegalVariable => f.write_str("illegal var"),
            Self::IllegalBase(base) => write!(f, "illegal base '{base}'"),
            Self::Unterminated { quote, start } => {
                let what = if *quote == '"' { "string" } else { "atom" };
                write!(f, "unterminated {what} starting with {quote}{}{quote}", start.escape_debug())
            }
            Self::UnterminatedCharacter => f.write_str("unterminated character"),
            Self::BadTerm(why) => write!(f, "bad term: {why}"),
            Self::TooDeep => f.write_str("nested too deep"),
            Self::TooLarge => f.write_str("binary too large"),
            Self::UnknownAtom(name) => write!(f, "unknown atom '{}'", name.escape_debug()),
            Self::AtomTableFull => f.write_str("atom table full"),
        }
    }
}

impl std::error::Error for ParseError {}
