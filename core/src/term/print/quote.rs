//! Atoms and strings as Erlang source writes them.
//! Imports: nothing of the crate.

use std::fmt::{self, Write};

/// Which characters beyond ASCII are written as themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// Those up to 255; the others as `\x{400}`.
    Latin1,
    /// All.
    Unicode,
}

/// Words of the language, which are no atoms without quotes.
pub(crate) const RESERVED: [&str; 28] = [
    "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case", "catch", "cond", "div",
    "else", "end", "fun", "if", "let", "maybe", "not", "of", "or", "orelse", "receive", "rem", "try", "when",
];

/// Words that are reserved only with a feature that is off by default.
const FEATURE_WORDS: [&str; 2] = ["else", "maybe"];

/// Whether the word is reserved: `xor` too, which sorts last.
pub(crate) fn is_reserved(word: &str) -> bool {
    word == "xor" || (RESERVED.binary_search(&word).is_ok() && !FEATURE_WORDS.contains(&word))
}

/// Lower-case letters of Latin-1, which begin an atom.
pub(crate) fn is_lower(c: char) -> bool {
    matches!(c, 'a'..='z' | 'ß'..='ÿ') && c != '÷'
}

/// Upper-case letters of Latin-1, which begin a variable, as `_` does.
pub(crate) fn is_upper(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'À'..='Þ') && c != '×'
}

/// What may follow in an atom or a variable.
pub(crate) fn is_name_char(c: char) -> bool {
    is_lower(c) || is_upper(c) || matches!(c, '0'..='9' | '_' | '@')
}

/// Whether an atom needs no quotes.
pub(crate) fn is_plain_atom(text: &str) -> bool {
    text.starts_with(is_lower) && text.chars().all(is_name_char) && !is_reserved(text)
}

/// An atom, in quotes if it needs them.
pub(super) fn write_atom(out: &mut impl Write, text: &str, charset: Charset) -> fmt::Result {
    if is_plain_atom(text) { out.write_str(text) } else { write_quoted(out, text.chars(), '\'', charset) }
}

/// Characters between quotes, with escapes.
pub(super) fn write_quoted(
    out: &mut impl Write,
    chars: impl Iterator<Item = char>,
    quote: char,
    charset: Charset,
) -> fmt::Result {
    out.write_char(quote)?;
    for c in chars {
        write_escaped(out, c, quote, charset)?;
    }
    out.write_char(quote)
}

fn write_escaped(out: &mut impl Write, c: char, quote: char, charset: Charset) -> fmt::Result {
    match c {
        '\\' => out.write_str("\\\\"),
        _ if c == quote => {
            out.write_char('\\')?;
            out.write_char(c)
        }
        ' '..='~' | '\u{a0}'..='ÿ' => out.write_char(c),
        '\u{100}'.. if charset == Charset::Unicode => out.write_char(c),
        '\u{100}'.. => write!(out, "\\x{{{:X}}}", u32::from(c)),
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        '\u{b}' => out.write_str("\\v"),
        '\u{8}' => out.write_str("\\b"),
        '\u{c}' => out.write_str("\\f"),
        '\u{1b}' => out.write_str("\\e"),
        '\u{7f}' => out.write_str("\\d"),
        _ => write!(out, "\\{:03o}", u32::from(c)),
    }
}

/// An atom inside a fun: the emulator writes those, and quotes by other rules than the library (`@` needs quotes,
/// reserved words do not, some escapes differ).
pub(super) fn write_emulator_atom(out: &mut impl Write, text: &str) -> fmt::Result {
    let plain = text.starts_with(is_lower) && text.chars().all(|c| c != '@' && is_name_char(c));
    if plain {
        return out.write_str(text);
    }
    out.write_char('\'')?;
    for c in text.chars() {
        match c {
            '\'' | '\\' => {
                out.write_char('\\')?;
                out.write_char(c)?;
            }
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\u{b}' => out.write_str("\\v")?,
            '\u{8}' => out.write_str("\\b")?,
            '\u{c}' => out.write_str("\\f")?,
            '\0'..='\u{1f}' | '\u{80}'..='\u{9f}' => write!(out, "\\{:03o}", u32::from(c))?,
            _ => out.write_char(c)?,
        }
    }
    out.write_char('\'')
}
