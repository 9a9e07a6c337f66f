//! Which lists and binaries are text, and how much of them is shown.
//! Imports: print::leaf, print::quote, term.

use super::leaf::is_printable;
use super::quote::{Charset, write_quoted};
use super::{PrintableRange, Style};
use crate::term::{ListIter, ListView, Term, View};
use std::fmt::{self, Write};

/// How a list is shown if it is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// All of it.
    Whole,
    /// So many characters of it, then `...`.
    Prefix(usize),
}

fn code(term: &Term) -> i64 {
    term.as_int().unwrap_or(-1)
}

/// Whether a list is text, within a limit of characters for its written form.
pub(super) fn list(list: ListView<'_>, depth: i64, chars: Option<usize>, style: &Style) -> Option<Shown> {
    if !style.strings || depth == 1 {
        return None;
    }
    let printable = |t: &Term| is_printable(code(t), style.printable);
    let Some(limit) = chars.map(|n| n.saturating_sub(2)) else {
        return (list.iter().all(printable) && list.is_proper()).then_some(Shown::Whole);
    };
    let clustered = style.charset == Charset::Unicode;
    let (mut rest, mut taken, mut clusters, mut previous) = (list.iter(), 0, 0, 0);
    loop {
        let mut ahead = rest.clone();
        let Some(element) = ahead.next() else { break };
        let joined = clustered && taken > 0 && joins_to(previous, code(element));
        if clusters == limit && !joined {
            break;
        }
        if !printable(element) {
            return None;
        }
        clusters += usize::from(!joined);
        taken += 1;
        previous = code(element);
        rest = ahead;
    }
    let mut ahead = rest.clone();
    if ahead.next().is_none() && ahead.into_tail().is_nil() {
        return Some(Shown::Whole);
    }
    // OTP looks at what follows for the sake of grapheme clusters only.
    let alone = matches!(previous, 8..=12 | 27);
    let cut = clusters == limit && (!clustered || (taken > 0 && (alone || begins_text(rest))));
    cut.then_some(Shown::Prefix(taken))
}

/// Whether what follows a cut, nested as it may be, begins with something that OTP takes for a character, and that
/// does not join the character before.
fn begins_text(rest: ListIter<'_>) -> bool {
    let direct = rest.clone().next();
    let mut stack = vec![rest];
    while let Some(mut rest) = stack.pop() {
        let next = rest.next();
        let term = match next {
            Some(element) => {
                stack.push(rest);
                element
            }
            None => rest.into_tail(),
        };
        match term.view() {
            View::Nil => {}
            View::Binary([]) => {}
            View::Binary(b) => return first_char(b).is_none_or(|(c, _)| !joins(c)),
            View::List(list) => stack.push(list.iter()),
            View::Int(_) | View::Big(_) if next.is_some() => {
                return !u32::try_from(code(term)).ok().and_then(char::from_u32).is_some_and(joins);
            }
            View::Float(f) => return direct.is_some_and(|d| std::ptr::eq(d, term)) && f < 256.0,
            _ => return false,
        }
    }
    true
}

/// Whether two characters are one grapheme cluster, as far as we care.
fn joins_to(previous: i64, next: i64) -> bool {
    (previous == 13 && next == 10) || u32::try_from(next).ok().and_then(char::from_u32).is_some_and(joins)
}

/// The blocks of combining characters and joiners; scattered ones of single scripts are not among them.
fn joins(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{610}'..='\u{61a}'
        | '\u{64b}'..='\u{65f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{200c}'..='\u{200d}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}')
}

/// A list of characters, or the beginning of it, as a string.
pub(super) fn write_list(out: &mut impl Write, list: ListView<'_>, shown: Shown, style: &Style) -> fmt::Result {
    let count = match shown {
        Shown::Whole => usize::MAX,
        Shown::Prefix(n) => n,
    };
    let chars = list.iter().take(count).filter_map(|t| char::from_u32(u32::try_from(code(t)).ok()?));
    write_quoted(out, chars, '"', style.charset)?;
    if shown == Shown::Whole { Ok(()) } else { out.write_str("...") }
}

/// How a binary is shown if it is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text<'a> {
    bytes: &'a [u8],
    utf8: bool,
    pub(super) cut: bool,
}

/// Whether a binary is text, at this depth and within a limit of characters for its written form.
pub(super) fn binary<'a>(bytes: &'a [u8], depth: i64, chars: Option<usize>, style: &Style) -> Option<Text<'a>> {
    if !style.strings {
        return None;
    }
    let depth = depth.saturating_sub(1);
    let chars = chars.map(|n| n.saturating_sub(6));
    let size = bytes.len();
    let by_depth = if depth >= 0 { (depth as usize).saturating_mul(4).min(size) } else { usize::MAX };
    let limit = match chars {
        Some(n) => n.min(by_depth),
        None => by_depth.min(size),
    };
    if limit == 0 {
        return None;
    }
    let enough = |shown: usize| depth > 0 && shown as i64 >= depth;
    match style.charset {
        Charset::Unicode => match valid_utf8(bytes, limit) {
            true => unicode(bytes, limit, style.printable, enough),
            false => latin1(bytes, limit, enough),
        },
        Charset::Latin1 => latin1(bytes, limit, enough),
    }
}

/// `enough` says whether so many characters may stand for the whole.
fn latin1(bytes: &[u8], limit: usize, enough: impl Fn(usize) -> bool) -> Option<Text<'_>> {
    let limit = limit.min(bytes.len());
    let fits = |b: &&u8| is_printable(i64::from(**b), PrintableRange::Latin1);
    let good = bytes.iter().take(limit).take_while(fits).count();
    let whole = good == bytes.len();
    // Of the first 20 bytes OTP asks less.
    if whole || (good == limit && limit <= 20) || enough(good) {
        let bytes = bytes.get(..good).unwrap_or(bytes);
        return Some(Text { bytes, utf8: false, cut: !whole });
    }
    None
}

fn unicode(bytes: &[u8], limit: usize, range: PrintableRange, enough: impl Fn(usize) -> bool) -> Option<Text<'_>> {
    let (mut end, mut count) = (0, 0);
    while count < limit {
        let Some((c, len)) = first_char(bytes.get(end..).unwrap_or_default()) else { break };
        if !is_printable(i64::from(u32::from(c)), range) {
            break;
        }
        end += len;
        count += 1;
    }
    let whole = end == bytes.len();
    let bytes = bytes.get(..end).unwrap_or(bytes);
    (whole || enough(count)).then_some(Text { bytes, utf8: end != count, cut: !whole })
}

fn first_char(bytes: &[u8]) -> Option<(char, usize)> {
    let head = bytes.get(..bytes.len().min(4)).unwrap_or_default();
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) => std::str::from_utf8(head.get(..e.valid_up_to())?).ok()?,
    };
    let c = text.chars().next()?;
    Some((c, c.len_utf8()))
}

/// Whether the first `limit` characters, or all if there are fewer, are UTF-8.
fn valid_utf8(mut bytes: &[u8], limit: usize) -> bool {
    for _ in 0..limit {
        if bytes.is_empty() {
            return true;
        }
        let Some((_, len)) = first_char(bytes) else { return false };
        bytes = bytes.get(len..).unwrap_or_default();
    }
    true
}

impl Text<'_> {
    pub(super) fn write(&self, out: &mut impl Write) -> fmt::Result {
        out.write_str("<<")?;
        if self.utf8 {
            let text = std::str::from_utf8(self.bytes).unwrap_or_default();
            write_quoted(out, text.chars(), '"', Charset::Unicode)?;
            out.write_str("/utf8")?;
        } else {
            write_quoted(out, self.bytes.iter().map(|b| char::from(*b)), '"', Charset::Unicode)?;
        }
        out.write_str(if self.cut { "...>>" } else { ">>" })
    }
}

/// The bytes of a bitstring and the bits that count in its last byte, 0 for all.
pub(super) fn bit_parts(term: &Term) -> Option<(&[u8], u8)> {
    match term.view() {
        View::Binary(b) => Some((b, 0)),
        View::Bits(b) => Some((b.bytes(), b.last_bits())),
        _ => None,
    }
}
