//! Numeric headers: `Scale` and `Speed` (RFC 2326 sections 12.34, 12.35), `CSeq` (12.17),
//! `Bandwidth` (12.6), `Blocksize` (12.7); and decimal fractions of times.

use crate::wire::ParseError;
use crate::wire::text::{digits, invalid};
use std::fmt;

/// Parses the value of `CSeq`, `Bandwidth` or `Blocksize`: a decimal number.
///
/// # Errors
/// The value is not a decimal number, or is greater than `u32::MAX`.
pub fn parse_number(value: &str) -> Result<u32, ParseError> {
    digits(value.trim()).ok_or(invalid("number"))
}

/// Parses the value of `Scale` or `Speed`: a decimal fraction, which may be negative. Exponents are
/// not accepted.
///
/// # Errors
/// The value is not such a number, or its magnitude exceeds a million.
pub fn parse_scale(value: &str) -> Result<f32, ParseError> {
    let text = value.trim();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let plain = unsigned.len() <= 64
        && unsigned.bytes().any(|b| b.is_ascii_digit())
        && unsigned.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !plain {
        return Err(invalid("Scale"));
    }
    match text.parse::<f32>() {
        Ok(scale) if scale.abs() <= 1e6 => Ok(scale),
        _ => Err(invalid("Scale")),
    }
}

/// Displays a `Scale` or `Speed` with at least one decimal (`1.0`), as players expect.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a number with a notation")]
pub struct Scale(pub f32);

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Display of floats never uses exponents; Debug does.
        if self.0.is_finite() && self.0.fract() != 0.0 {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{:.1}", if self.0.is_finite() { self.0 } else { 1.0 })
        }
    }
}

/// Converts the digits after a decimal point to nanoseconds; digits beyond the ninth are ignored.
pub(super) fn fraction_nanos(fraction: &str) -> Option<u32> {
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digit = |b: Option<u8>| b.map_or(0, |b| u32::from(b.wrapping_sub(b'0')));
    let mut bytes = fraction.bytes();
    Some((0..9).fold(0, |nanos, _| nanos * 10 + digit(bytes.next())))
}

/// Writes `.` and the decimals without trailing zeros, but at least `least` of them.
pub(super) fn write_fraction(f: &mut fmt::Formatter<'_>, nanos: u32, least: usize) -> fmt::Result {
    let (mut nanos, mut width) = (nanos, 9);
    while width > least && nanos % 10 == 0 {
        nanos /= 10;
        width -= 1;
    }
    if width == 0 { Ok(()) } else { write!(f, ".{nanos:0width$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales() {
        assert_eq!(parse_scale(" 1.000000 "), Ok(1.0));
        assert_eq!(parse_scale("-2"), Ok(-2.0));
        assert_eq!(parse_scale(".5"), Ok(0.5));
        for bad in ["", "-", "1e9", "inf", "NaN", "1,0", "1.2.3", "--1", ".", "8888888444444448888"]
        {
            assert!(parse_scale(bad).is_err(), "{bad}");
        }
        assert_eq!(Scale(1.0).to_string(), "1.0");
        assert_eq!(Scale(-0.25).to_string(), "-0.25");
        assert_eq!(Scale(f32::NAN).to_string(), "1.0");
    }

    #[test]
    fn fractions() {
        assert_eq!(fraction_nanos(""), Some(0));
        assert_eq!(fraction_nanos("25"), Some(250_000_000));
        assert_eq!(fraction_nanos("12345678999"), Some(123_456_789));
        assert_eq!(fraction_nanos("2x"), None);
    }

    #[test]
    fn numbers_are_trimmed() {
        assert_eq!(parse_number(" 302 "), Ok(302));
        assert!(parse_number("-1").is_err());
    }
}
