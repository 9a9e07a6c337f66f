//! Numbers from digits.
//! Imports: term.

use crate::term::Term;
use num_bigint::{BigInt, BigUint};

/// Digits from here on are converted by halves, which costs less than quadratic time.
const LONG: usize = 2_000;

/// The integer that digits (and underscores between them) of a base stand for; `None` if there are none, if one does
/// not belong to the base, or if there are more than `max`.
pub(super) fn integer(text: &str, radix: u32, max: usize) -> Option<Term> {
    if let Ok(small) = i64::from_str_radix(text, radix) {
        return Some(Term::int(small));
    }
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b'_').collect();
    let text = std::str::from_utf8(&digits).ok()?;
    if let Ok(small) = i64::from_str_radix(text, radix) {
        return Some(Term::int(small));
    }
    if digits.is_empty() || digits.len() > max {
        return None;
    }
    big(&digits, radix).map(|n| Term::from(BigInt::from(n)))
}

/// The depth of recursion is the logarithm of the length.
fn big(digits: &[u8], radix: u32) -> Option<BigUint> {
    if digits.len() < LONG || radix.is_power_of_two() {
        return BigUint::parse_bytes(digits, radix);
    }
    let (high, low) = digits.split_at(digits.len() / 2);
    let shift = BigUint::from(radix).pow(u32::try_from(low.len()).ok()?);
    Some(big(high, radix)? * shift + big(low, radix)?)
}

/// The float that digits (and underscores between them) stand for; `None` if it is none or not finite.
pub(super) fn float(text: &str) -> Option<f64> {
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    digits.parse().ok().filter(|f: &f64| f.is_finite())
}
