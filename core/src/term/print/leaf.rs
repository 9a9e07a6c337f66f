//! Terms without parts, and the plain form of bitstrings.
//! Imports: print::quote, term.

use super::quote;
use super::{PrintableRange, Style};
use crate::term::{BigView, FunView, LocalFunView, NodeId, Term, View};
use std::fmt::{self, Write};

/// A term without parts. Of a term with parts only the empty ones are written; the others are the callers' affair.
pub(super) fn write_leaf(out: &mut impl Write, term: &Term, style: &Style) -> fmt::Result {
    match term.view() {
        View::Int(n) => write!(out, "{n}"),
        View::Big(n) => write_big(out, n, style),
        View::Float(f) => write_float(out, f),
        View::Atom(a) => quote::write_atom(out, a.as_str(), style.charset),
        View::Pid(p) => write!(out, "<{}.{}.{}>", node_number(p.node, style), p.number, p.serial),
        View::Port(p) => write!(out, "#Port<{}.{}>", node_number(p.node, style), p.id),
        View::Ref(r) => write_ref(out, r.node(), r.words(), style),
        View::Resource(r) => write_ref(out, r.node(), r.reference().words(), style),
        View::Fun(f) => write_fun(out, f),
        View::Nil => out.write_str("[]"),
        View::Tuple(_) => out.write_str("{}"),
        View::Map(_) => out.write_str("#{}"),
        View::List(_) | View::Binary(_) | View::Bits(_) => Ok(()),
    }
}

/// A node's number in pids, ports and references: 0 at home, elsewhere the number of its name.
fn node_number(node: NodeId, style: &Style) -> u32 {
    let home = style.home.map_or_else(|| node == NodeId::LOCAL_NONE || node.is_local(), |home| home == node);
    if home { 0 } else { node.name().index().max(1) }
}

fn write_ref(out: &mut impl Write, node: NodeId, words: &[u32], style: &Style) -> fmt::Result {
    write!(out, "#Ref<{}", node_number(node, style))?;
    for word in words.iter().rev() {
        write!(out, ".{word}")?;
    }
    out.write_char('>')
}

fn write_fun(out: &mut impl Write, fun: FunView<'_>) -> fmt::Result {
    match fun {
        FunView::External { module, function, arity } => {
            out.write_str("fun ")?;
            quote::write_emulator_atom(out, module.as_str())?;
            out.write_char(':')?;
            quote::write_emulator_atom(out, function.as_str())?;
            write!(out, "/{arity}")
        }
        FunView::Local(LocalFunView { module, old_index, old_uniq, .. }) => {
            let number = |t: &Term| t.as_int().unwrap_or(0);
            write!(out, "#Fun<{}.{}.{}>", module.as_str(), number(old_index), number(old_uniq))
        }
    }
}

/// Digits cost more than linear time, so a number that cannot fit anyway is not converted.
fn write_big(out: &mut impl Write, n: BigView<'_>, style: &Style) -> fmt::Result {
    let n = n.to_bigint();
    let digits = n.bits() as f64 * std::f64::consts::LOG10_2;
    if digits > style.max_digits as f64 { out.write_str("...") } else { write!(out, "{n}") }
}

/// The shortest digits that read back as the same float, in OTP's choice of notation: plain, unless that is longer
/// than with an exponent, or would claim more digits than a float has. Source: OTP `float_to_list(F, [short])`.
fn write_float(out: &mut impl Write, f: f64) -> fmt::Result {
    if f.is_sign_negative() {
        out.write_char('-')?;
    }
    if f == 0.0 {
        return out.write_str("0.0");
    }
    let text = shortest(f.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let count = digits.len() as i64;
    // The decimal point stands before the digit number `place`.
    let place = exponent + 1;
    let point = if count == 1 { 2 } else { 1 };
    let exponent_cost = exponent.to_string().len() as i64 + 1 + point;
    if place == 0 || (place < 0 && 2 - place <= exponent_cost) {
        write!(out, "0.{digits:0>width$}", width = (count - place) as usize)
    } else if 0 < place && place < count {
        let (whole, fraction) = digits.split_at(place as usize);
        write!(out, "{whole}.{fraction}")
    } else if place >= count && place - count + 2 <= exponent_cost && f.abs() < EXACT_INTEGERS {
        write!(out, "{digits:0<width$}.0", width = place as usize)
    } else {
        let (first, rest) = digits.split_at(1);
        write!(out, "{first}.{}e{exponent}", if rest.is_empty() { "0" } else { rest })
    }
}

/// The shortest digits, in scientific notation. Where two of the same length are equally near, Rust takes the upper
/// and OTP the even one.
fn shortest(f: f64) -> String {
    let upper = format!("{f:e}");
    let (mantissa, exponent) = upper.split_once('e').unwrap_or((&upper, "0"));
    let count = mantissa.len() - usize::from(mantissa.contains('.'));
    // One digit more than the shortest: a tie shows as a last 5 with nothing behind it.
    let halfway = |precision: usize| {
        let exact = format!("{f:.precision$e}");
        exact
            .split_once('e')
            .is_some_and(|(m, _)| m.trim_end_matches('0').len() == count + 2 && m[..count + 2].ends_with('5'))
    };
    // Two candidates can be equally near only where the digits are about as dense as the floats.
    if count < 15 || !halfway(count) || !halfway(60) {
        return upper;
    }
    let exact = format!("{f:.count$e}");
    let lower = exact.get(..count + 1).unwrap_or(mantissa);
    let even = lower.ends_with(['0', '2', '4', '6', '8']);
    let candidate = format!("{}e{exponent}", lower.trim_end_matches('0').trim_end_matches('.'));
    if even && candidate.parse() == Ok(f) { candidate } else { upper }
}

/// Up to here every integer is a float of its own; beyond, OTP writes an exponent.
const EXACT_INTEGERS: f64 = (1u64 << 53) as f64;

/// Which part of a bitstring is written in its plain form, and whether the cut shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes<'a> {
    /// The bytes written.
    pub(super) whole: &'a [u8],
    /// A last piece of fewer than 8 bits: its bits, and its number.
    pub(super) partial: Option<(u8, u8)>,
    /// Whether `...` stands for the rest.
    pub(super) cut: bool,
}

impl<'a> Bytes<'a> {
    /// Cuts by depth (`0` and below: no limit) and by characters.
    pub(super) fn new(bytes: &'a [u8], last_bits: u8, depth: i64, chars: Option<usize>) -> Self {
        let (whole, tail) = match last_bits {
            0 => (bytes, None),
            n => (bytes.get(..bytes.len() - 1).unwrap_or_default(), bytes.last().map(|b| (b >> (8 - n), n))),
        };
        let pieces = whole.len() + usize::from(tail.is_some());
        let by_depth = if depth > 0 { (depth - 1) as usize } else { usize::MAX };
        let mut shown = pieces.min(by_depth);
        if let Some(mut left) = chars.map(|n| n.saturating_sub(4)) {
            for (i, byte) in whole.iter().take(shown).enumerate() {
                if left == 0 {
                    shown = i;
                    break;
                }
                left = left.saturating_sub(decimal_len(*byte) + 1);
            }
            // The partial byte needs room as well.
            if left == 0 && shown > whole.len() {
                shown = whole.len();
            }
        }
        Self {
            whole: whole.get(..shown).unwrap_or(whole),
            partial: if shown > whole.len() { tail } else { None },
            cut: shown < pieces,
        }
    }

    /// The pieces between the commas.
    pub(super) fn pieces(self) -> impl Iterator<Item = Piece> + use<'a> {
        let dots = self.cut.then_some(Piece::Dots);
        let partial = self.partial.map(|(value, bits)| Piece::Partial(value, bits));
        self.whole.iter().map(|b| Piece::Byte(*b)).chain(partial).chain(dots)
    }

    /// How many characters the whole takes, angle brackets included.
    pub(super) fn len(&self) -> usize {
        let count = self.whole.len() + usize::from(self.partial.is_some()) + usize::from(self.cut);
        let chars: usize = self.pieces().map(|p| p.len()).sum();
        4 + chars + count.saturating_sub(1)
    }

    pub(super) fn write(&self, out: &mut impl Write) -> fmt::Result {
        out.write_str("<<")?;
        for (i, piece) in self.pieces().enumerate() {
            if i != 0 {
                out.write_char(',')?;
            }
            piece.write(out)?;
        }
        out.write_str(">>")
    }
}

/// What stands between two commas of a bitstring.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece {
    Byte(u8),
    Partial(u8, u8),
    Dots,
}

impl Piece {
    pub(super) fn len(self) -> usize {
        match self {
            Self::Byte(b) => decimal_len(b),
            Self::Partial(value, _) => decimal_len(value) + 2,
            Self::Dots => 3,
        }
    }

    pub(super) fn write(self, out: &mut impl Write) -> fmt::Result {
        match self {
            Self::Byte(b) => write!(out, "{b}"),
            Self::Partial(value, bits) => write!(out, "{value}:{bits}"),
            Self::Dots => out.write_str("..."),
        }
    }
}

fn decimal_len(byte: u8) -> usize {
    match byte {
        0..=9 => 1,
        10..=99 => 2,
        _ => 3,
    }
}

/// Whether a character may stand in a string.
pub(super) fn is_printable(c: i64, range: PrintableRange) -> bool {
    match c {
        8..=13 | 27 | 32..=126 | 160..=255 => true,
        _ if range == PrintableRange::Latin1 => false,
        256..0xd800 | 0xe000..0xfffe | 0x1_0000..=0x10_ffff => true,
        _ => false,
    }
}
