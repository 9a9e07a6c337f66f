//! The first pass: does the structure hold, where does the term end, and how large will its block be?
//! Imports: read, term::build.
//!
//! A prefix format needs no stack for this: it is enough to count how many terms are still to come. That count may
//! never exceed the bytes that are left, for each term takes one at least; so nothing that is measured here can be out
//! of proportion to the input.

use super::error::DecodeErrorKind as Kind;
use super::read::{Reader, Result};
use super::{FLOAT_TEXT, MAX_ARITY, tag};
use crate::term::build::measure;

/// What the first pass found.
pub(super) struct Extent {
    /// Words of the block.
    pub words: usize,
    /// Where the term ends.
    pub end: usize,
}

/// Scans one term without its version byte.
pub(super) fn scan(mut r: Reader<'_>) -> Result<Extent> {
    let mut words = 0usize;
    let mut pending = 1usize;
    let mut pad = [0; 8];
    while pending > 0 {
        pending -= 1;
        let w = r.window::<8>(&mut pad);
        // Simple terms go on at once; compounds say how many words they take and how many terms follow.
        let (own, more) = match w.u8(0) {
            tag::SMALL_INTEGER | tag::ATOM_CACHE_REF => {
                r.advance(2)?;
                continue;
            }
            tag::INTEGER => {
                r.advance(5)?;
                continue;
            }
            tag::NEW_FLOAT => {
                r.advance(9)?;
                continue;
            }
            tag::NIL => {
                r.advance(1)?;
                continue;
            }
            tag::SMALL_ATOM | tag::SMALL_ATOM_UTF8 => {
                r.advance(2 + usize::from(w.u8(1)))?;
                continue;
            }
            tag::ATOM | tag::ATOM_UTF8 => {
                r.advance(3 + usize::from(w.u16(1)))?;
                continue;
            }
            tag::BINARY => {
                let n = w.u32(1) as usize;
                words += measure::binary(n);
                r.advance(5 + n)?;
                continue;
            }
            tag::STRING => {
                let n = usize::from(w.u16(1));
                words += measure::list(n);
                r.advance(3 + n)?;
                continue;
            }
            tag::SMALL_TUPLE => {
                let n = usize::from(w.u8(1));
                r.advance(2)?;
                (measure::tuple(n), n)
            }
            tag::LARGE_TUPLE => {
                let n = w.u32(1) as usize;
                let start = r.at();
                r.advance(5)?;
                if n > MAX_ARITY {
                    return r.fail(start, Kind::TooLarge);
                }
                (measure::tuple(n), n)
            }
            tag::LIST => {
                let n = w.u32(1) as usize;
                r.advance(5)?;
                (measure::list(n), n + 1)
            }
            tag::MAP => {
                let n = w.u32(1) as usize;
                r.advance(5)?;
                (measure::map(n), 2 * n)
            }
            _ => {
                // A copy, so that `r` can stay in registers.
                let mut copy = r;
                let found = scan_rare(&mut copy)?;
                r = copy;
                found
            }
        };
        words += own;
        pending += more;
        // Checked here alone, for only a compound can ask for more than there is.
        if pending > r.left() {
            return r.truncated();
        }
    }
    Ok(Extent { words, end: r.at() })
}

/// The tags that are seldom seen; gives the words of the term, and how many terms follow.
#[inline(never)]
fn scan_rare(r: &mut Reader<'_>) -> Result<(usize, usize)> {
    let start = r.at();
    let tag = r.u8()?;
    let mut words = 0;
    match tag {
        tag::FLOAT => r.skip(FLOAT_TEXT)?,
        tag::BIT_BINARY => {
            let n = r.len32()?;
            let last = r.u8()?;
            if last > 8 || (last == 0) != (n == 0) {
                return r.fail(start, Kind::BitCount(last));
            }
            words += measure::bits((n * 8).saturating_sub(8) + usize::from(last));
            r.skip(n)?;
        }
        tag::SMALL_BIG => {
            let n = usize::from(r.u8()?);
            words += measure::big(n);
            r.skip(n + 1)?;
        }
        tag::LARGE_BIG => {
            let n = r.len32()?;
            words += measure::big(n);
            r.skip(n + 1)?;
        }
        tag::PID | tag::NEW_PID => skip_pid(r, tag)?,
        tag::PORT => {
            skip_atom(r)?;
            r.skip(5)?;
        }
        tag::NEW_PORT => {
            skip_atom(r)?;
            r.skip(8)?;
        }
        tag::V4_PORT => {
            skip_atom(r)?;
            r.skip(12)?;
        }
        tag::REFERENCE => {
            skip_atom(r)?;
            r.skip(5)?;
        }
        tag::NEW_REFERENCE | tag::NEWER_REFERENCE => {
            let n = r.u16()?;
            if !(1..=5).contains(&n) {
                return r.fail(start, Kind::ReferenceLength(n));
            }
            words += measure::reference(usize::from(n));
            skip_atom(r)?;
            r.skip(4 * usize::from(n) + if tag == tag::NEW_REFERENCE { 1 } else { 4 })?;
        }
        tag::EXPORT => {
            skip_atom(r)?;
            skip_atom(r)?;
            skip_integer(r)?;
        }
        tag::NEW_FUN => {
            // Size, arity, uniq, index; the number of free variables.
            r.skip(4 + 1 + 16 + 4)?;
            let free = r.len32()?;
            skip_atom(r)?;
            skip_integer(r)?;
            skip_integer(r)?;
            let pid = r.at();
            match r.u8()? {
                t @ (tag::PID | tag::NEW_PID) => skip_pid(r, t)?,
                other => return r.fail(pid, Kind::Misplaced(other)),
            }
            words += measure::local_fun(free);
            return Ok((words, free));
        }
        tag::LOCAL => return r.fail(start, Kind::Local),
        other => return r.fail(start, Kind::Tag(other)),
    }
    Ok((words, 0))
}

fn skip_pid(r: &mut Reader<'_>, tag: u8) -> Result<()> {
    skip_atom(r)?;
    r.skip(if tag == tag::PID { 9 } else { 12 })
}

fn skip_atom(r: &mut Reader<'_>) -> Result<()> {
    let start = r.at();
    let n = match r.u8()? {
        tag::SMALL_ATOM | tag::SMALL_ATOM_UTF8 => usize::from(r.u8()?),
        tag::ATOM | tag::ATOM_UTF8 => usize::from(r.u16()?),
        tag::ATOM_CACHE_REF => 1,
        other => return r.fail(start, Kind::Misplaced(other)),
    };
    r.skip(n)
}

fn skip_integer(r: &mut Reader<'_>) -> Result<()> {
    let start = r.at();
    match r.u8()? {
        tag::SMALL_INTEGER => r.skip(1),
        tag::INTEGER => r.skip(4),
        tag::SMALL_BIG => {
            let n = r.u8()?;
            if n > 8 {
                return r.fail(start, Kind::Misplaced(tag::SMALL_BIG));
            }
            r.skip(usize::from(n) + 1)
        }
        other => r.fail(start, Kind::Misplaced(other)),
    }
}
