//! Values of format parameters that several formats have: look-up by name, and bytes in hexadecimal.

use crate::wire::sdp::fmtp_parameters;
use bytes::Bytes;
use std::fmt::Write;

/// Returns the value of a parameter. Names are compared without regard to case.
pub(super) fn find<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    let mut all = fmtp_parameters(fmtp);
    all.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Reads bytes in hexadecimal, perhaps in quotes.
pub(super) fn from_hex(text: &str) -> Option<Bytes> {
    let text = text.trim_matches('"');
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |n, d| n << 4 | d)).collect())
}

/// Appends bytes in hexadecimal.
pub(super) fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(text, "{byte:02X}");
    }
}
