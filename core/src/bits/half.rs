//! Floats of 16 bits (IEEE 754 binary16), which Rust does not have yet.
//!
//! Imports: nothing.

/// The value of the 16 bits; infinities and NaN come out as such.
pub(super) fn to_f64(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// The nearest 16 bits, ties to even; beyond the largest finite value an infinity, as OTP does.
pub(super) fn from_f64(value: f64) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 48 & 0x8000) as u16;
    let exponent = (bits >> 52 & 0x7ff) as i32 - 1023;
    let fraction = bits & ((1 << 52) - 1);
    if exponent == 1024 {
        return sign | 0x7c00 | u16::from(fraction != 0) << 9;
    }
    // A result below 2^-14 is a multiple of 2^-24, so that fewer of the significant bits are kept.
    let kept = if exponent < -14 { exponent + 24 } else { 10 };
    if kept < -1 {
        return sign;
    }
    let significant = fraction | 1 << 52;
    let shift = (52 - kept) as u32;
    let whole = significant >> shift;
    let rest = significant & ((1 << shift) - 1);
    let tie = 1u64 << (shift - 1);
    let up = u64::from(rest > tie || (rest == tie && whole & 1 == 1));
    // A carry out of the fraction goes into the exponent, which is the right next value.
    let base = if exponent < -14 { 0 } else { (exponent + 14).min(40) as u64 * 1024 };
    let magnitude = base + whole + up;
    sign | magnitude.min(0x7c00) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_half_survives_the_way_to_64_bits_and_back() {
        for bits in 0..=u16::MAX {
            if bits & 0x7c00 != 0x7c00 {
                assert_eq!(from_f64(to_f64(bits)), bits, "{bits:#x}");
            }
        }
    }

    #[test]
    fn ties_go_to_even_and_large_values_to_infinity() {
        assert_eq!(from_f64(1.000_488_281_25), 0x3c00);
        assert_eq!(from_f64(1.000_488_281_250_000_2), 0x3c01);
        assert_eq!(from_f64(65_519.9), 0x7bff);
        assert_eq!(from_f64(65_520.0), 0x7c00);
        assert_eq!(from_f64(-1e300), 0xfc00);
        assert_eq!(from_f64(2f64.powi(-25)), 0);
        assert_eq!(from_f64(2f64.powi(-25) * 1.001), 1);
        assert_eq!(from_f64(5e-324), 0);
    }
}
