//! The bit syntax inside `<<` and `>>`: types of segments, and binaries built from literal ones.
//! Imports: bits, term, text. Source: OTP `erl_bits`, `eval_bits`.

use super::error::{ParseError, ParseErrorKind};
use super::lexer::{Position, Token};
use super::parser::{Item, Parser};
use crate::bits::{BitWriter, Endian, Segment, SegmentKind};
use crate::term::Term;

/// `Item:Size/Spec`
pub(crate) struct Element<V> {
    pub(crate) item: Item<V>,
    pub(crate) size: Size,
    pub(crate) spec: Spec,
    pub(crate) at: Position,
}

/// The size of a segment.
pub(crate) enum Size {
    /// None given.
    Default,
    /// A number.
    Fixed(usize),
    /// A variable.
    Hole(String, Position),
}

/// What stands behind the slash, as far as it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spec {
    kind: Option<SegmentKind>,
    /// `bits` and `bitstring` are binaries of unit 1.
    unit: Option<usize>,
    signed: Option<bool>,
    endian: Option<Endian>,
}

/// Sets what may be given twice only if it says the same.
fn set<T: PartialEq>(slot: &mut Option<T>, value: T) -> bool {
    match slot {
        Some(old) => *old == value,
        None => {
            *slot = Some(value);
            true
        }
    }
}

/// Reads `type-type-...` behind a slash.
pub(super) fn spec(parser: &mut Parser<'_, '_>) -> Result<Spec, ParseError> {
    let mut spec = Spec::default();
    loop {
        let token = parser.take()?;
        let Token::Atom(name) = &token.token else { return Err(token.unexpected()) };
        let bad = |why| token.at.error(ParseErrorKind::BadTerm(why));
        let fine = match &**name {
            "integer" => set(&mut spec.kind, SegmentKind::Integer),
            "float" => set(&mut spec.kind, SegmentKind::Float),
            "binary" | "bytes" => set(&mut spec.kind, SegmentKind::Binary),
            "bitstring" | "bits" => set(&mut spec.kind, SegmentKind::Binary) && set(&mut spec.unit, 1),
            "utf8" => set(&mut spec.kind, SegmentKind::Utf8),
            "utf16" => set(&mut spec.kind, SegmentKind::Utf16),
            "utf32" => set(&mut spec.kind, SegmentKind::Utf32),
            "signed" => set(&mut spec.signed, true),
            "unsigned" => set(&mut spec.signed, false),
            "big" => set(&mut spec.endian, Endian::Big),
            "little" => set(&mut spec.endian, Endian::Little),
            "native" => set(&mut spec.endian, Endian::Native),
            "unit" => {
                parser.expect_symbol(":")?;
                let number = parser.take()?;
                let Token::Integer(n) = &number.token else { return Err(number.unexpected()) };
                match n.as_int().map(usize::try_from) {
                    Some(Ok(n @ 1..=256)) => set(&mut spec.unit, n),
                    _ => return Err(bad("unit is not between 1 and 256")),
                }
            }
            _ => return Err(bad("unknown type of segment")),
        };
        if !fine {
            return Err(bad("types of a segment contradict each other"));
        }
        if !parser.take_symbol("-")? {
            return Ok(spec);
        }
    }
}

impl Spec {
    /// Whether nothing was given.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The segment's type, if the parts fit together. `sized`: whether a size is given.
    pub(crate) fn segment(&self, sized: bool) -> Result<Segment, &'static str> {
        let kind = self.kind.unwrap_or_default();
        let mut segment = Segment::new(kind);
        match kind {
            SegmentKind::Utf8 | SegmentKind::Utf16 | SegmentKind::Utf32 => {
                if sized || self.unit.is_some() {
                    return Err("a character has neither size nor unit");
                }
            }
            SegmentKind::Integer | SegmentKind::Float => {
                if !sized && self.unit.is_some() {
                    return Err("unit without a size");
                }
            }
            SegmentKind::Binary => {}
        }
        segment.unit = self.unit.unwrap_or(segment.unit);
        segment.signed = self.signed.unwrap_or(false);
        segment.endian = self.endian.unwrap_or_default();
        Ok(segment)
    }
}

/// Appends literal segments to `out`. `literal` gives the term of a value, if it is one. `growth` is what sizes may
/// still make out of nothing, in bits.
pub(crate) fn build<V>(
    out: &mut BitWriter,
    element: &Element<V>,
    literal: impl FnOnce(&V) -> Option<Term>,
    growth: &mut usize,
) -> Result<(), ParseError> {
    let bad = |why| element.at.error(ParseErrorKind::BadTerm(why));
    let size = match &element.size {
        Size::Default => None,
        Size::Fixed(n) => Some(*n),
        Size::Hole(..) => return Err(bad("size is a variable")),
    };
    let wrong = "value does not fit its segment";
    let segment = element.spec.segment(size.is_some()).map_err(bad)?;
    let term = match &element.item {
        Item::Text(text) if size.is_none() && element.spec.is_default() && text.chars().all(|c| c <= 'ÿ') => {
            text.chars().for_each(|c| out.put_uint(u64::from(u32::from(c)), 8, Endian::Big));
            return Ok(());
        }
        Item::Text(text) => {
            for c in text.chars() {
                grow(growth, segment.built_bits(size), element)?;
                segment.build(out, &Term::from(u32::from(c)), size).map_err(|_| bad(wrong))?;
            }
            return Ok(());
        }
        Item::Number(n) => n.clone(),
        Item::Value(v) => literal(v).ok_or_else(|| bad("value is not known"))?,
    };
    grow(growth, segment.built_bits(size), element)?;
    segment.build(out, &term, size).map_err(|_| bad(wrong))
}

/// Books what a sized segment takes. What the text itself could spell out is free.
fn grow<V>(growth: &mut usize, bits: usize, element: &Element<V>) -> Result<(), ParseError> {
    if bits > 64 {
        *growth = growth.checked_sub(bits).ok_or_else(|| element.at.error(ParseErrorKind::TooLarge))?;
    }
    Ok(())
}
