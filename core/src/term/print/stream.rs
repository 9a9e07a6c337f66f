//! Printing on one line, straight from the term: `~w`, `~W`, `~0p`, `~0P`.
//! Imports: print::leaf, print::strings, term. Memory: one frame per level of nesting.

use super::leaf::{Bytes, write_leaf};
use super::{Mode, Style, strings};
use crate::term::{ListIter, MapIter, Term, View};
use std::fmt::{self, Write};

/// A term whose parts are being written. `depth` is what is left for the next part; below 0 there is no limit.
enum Frame<'a> {
    List { rest: ListIter<'a>, depth: i64 },
    Tuple { rest: std::slice::Iter<'a, Term>, depth: i64 },
    Map { rest: MapIter<'a>, depth: i64, inner: i64 },
    Value { term: &'a Term, depth: i64 },
    Close(char),
}

pub(super) fn write(out: &mut impl Write, term: &Term, depth: i64, style: &Style) -> fmt::Result {
    let mut stack = Vec::new();
    begin(out, term, depth, style, &mut stack)?;
    while let Some(frame) = stack.pop() {
        let next = match frame {
            Frame::Close(c) => {
                out.write_char(c)?;
                continue;
            }
            Frame::Value { term, depth } => {
                out.write_str(" => ")?;
                Some((term, depth))
            }
            Frame::List { rest, depth } => list(out, rest, depth, &mut stack)?,
            Frame::Tuple { mut rest, depth } => match rest.next() {
                None => None,
                Some(_) if depth == 1 => {
                    out.write_str(",...")?;
                    None
                }
                Some(element) => {
                    out.write_char(',')?;
                    stack.push(Frame::Tuple { rest, depth: depth - 1 });
                    Some((element, depth - 1))
                }
            },
            Frame::Map { mut rest, depth, inner } => match rest.next() {
                // `~W` ends with `,...` whenever the depth is used up, even if nothing follows.
                next if depth == 1 && (next.is_some() || style.mode == Mode::Write) => {
                    out.write_str(",...")?;
                    None
                }
                None => None,
                Some((key, value)) => {
                    out.write_char(',')?;
                    stack.push(Frame::Map { rest, depth: depth - 1, inner });
                    stack.push(Frame::Value { term: value, depth: inner });
                    Some((key, inner))
                }
            },
        };
        if let Some((term, depth)) = next {
            begin(out, term, depth, style, &mut stack)?;
        }
    }
    Ok(())
}

/// What follows an element of a list.
fn list<'a>(
    out: &mut impl Write,
    mut rest: ListIter<'a>,
    depth: i64,
    stack: &mut Vec<Frame<'a>>,
) -> Result<Option<(&'a Term, i64)>, fmt::Error> {
    match rest.next() {
        Some(_) if depth == 1 => {
            out.write_str("|...")?;
            Ok(None)
        }
        Some(element) => {
            out.write_char(',')?;
            stack.push(Frame::List { rest, depth: depth - 1 });
            Ok(Some((element, depth - 1)))
        }
        None => match rest.into_tail() {
            tail if tail.is_nil() => Ok(None),
            _ if depth == 1 => {
                out.write_str("|...")?;
                Ok(None)
            }
            tail => {
                out.write_char('|')?;
                Ok(Some((tail, depth - 1)))
            }
        },
    }
}

/// Writes a term up to its first part, and leaves the rest on the stack.
fn begin<'a>(
    out: &mut impl Write,
    mut term: &'a Term,
    mut depth: i64,
    style: &Style,
    stack: &mut Vec<Frame<'a>>,
) -> fmt::Result {
    loop {
        let cut = depth == 1;
        match term.view() {
            View::List(list) => {
                if let Some(shown) = strings::list(list, depth, None, style) {
                    return strings::write_list(out, list, shown, style);
                }
                if cut {
                    return out.write_str("[...]");
                }
                out.write_char('[')?;
                let mut rest = list.iter();
                let Some(first) = rest.next() else { return out.write_char(']') };
                depth = depth.saturating_sub(1);
                stack.push(Frame::Close(']'));
                stack.push(Frame::List { rest, depth });
                term = first;
            }
            View::Tuple([first, rest @ ..]) => {
                if cut {
                    return out.write_str("{...}");
                }
                out.write_char('{')?;
                depth = depth.saturating_sub(1);
                stack.push(Frame::Close('}'));
                stack.push(Frame::Tuple { rest: rest.iter(), depth });
                term = first;
            }
            View::Map(map) if !map.is_empty() => {
                if cut {
                    return out.write_str(if style.mode == Mode::Write { "#{}" } else { "#{...}" });
                }
                out.write_str("#{")?;
                let mut rest = map.iter();
                let Some((key, value)) = rest.next() else { return out.write_char('}') };
                depth = depth.saturating_sub(1);
                stack.push(Frame::Close('}'));
                stack.push(Frame::Map { rest, depth, inner: depth });
                stack.push(Frame::Value { term: value, depth });
                term = key;
            }
            View::Binary(_) | View::Bits(_) => return write_bits(out, term, depth, style),
            _ => return write_leaf(out, term, style),
        }
    }
}

fn write_bits(out: &mut impl Write, term: &Term, depth: i64, style: &Style) -> fmt::Result {
    let Some((bytes, last_bits)) = strings::bit_parts(term) else { return Ok(()) };
    if last_bits == 0
        && depth != 1
        && !bytes.is_empty()
        && let Some(text) = strings::binary(bytes, depth, None, style)
    {
        return text.write(out);
    }
    Bytes::new(bytes, last_bits, depth, None).write(out)
}
