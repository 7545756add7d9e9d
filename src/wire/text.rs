//! Text parsers that several header parsers share. None accepts a sign, white space inside a
//! number, or overflow; `str::parse` is laxer here than the RFCs.

use super::ParseError;
use std::fmt::{self, Write as _};

/// The error for a malformed header value, without a position in the message.
pub(crate) const fn invalid(what: &'static str) -> ParseError {
    ParseError::Invalid { what, at: 0 }
}

/// Parses a decimal number that consists of digits only.
pub(crate) fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    if is_number(text) { text.parse().ok() } else { None }
}

/// Returns whether a text is a decimal number, of any length.
pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Parses a hexadecimal number of at most eight digits.
pub(crate) fn hex32(text: &str) -> Option<u32> {
    if text.is_empty() || text.len() > 8 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(text, 16).ok()
}

/// Reads `N` bytes from two hexadecimal digits each; `None` if there is anything else.
#[cfg(feature = "access")]
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut digits = text.bytes().map(|b| char::from(b).to_digit(16));
    for byte in &mut bytes {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    digits.next().is_none().then_some(bytes)
}

/// Returns bytes in lower-case hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The separators of RFC 2068 section 2.2: visible characters that are not part of a token.
const SEPARATORS: &[u8] = b"()<>@,;:\\\"/[]?={}";

/// A bit set of the characters of a token.
const TOKEN: u128 = {
    let (mut set, mut b) = (0, b'!');
    while b <= b'~' {
        set |= 1 << b;
        b += 1;
    }
    let mut rest = SEPARATORS;
    while let [separator, after @ ..] = rest {
        set &= !(1 << *separator);
        rest = after;
    }
    set
};

/// Returns whether a byte is a token character.
pub(crate) const fn is_token_byte(b: u8) -> bool {
    b.is_ascii() && TOKEN >> b & 1 == 1
}

pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&b| is_token_byte(b))
}

/// Returns whether a text contains a control character other than TAB. There is no early exit, so
/// that the compiler can vectorize the loop.
pub(crate) fn has_control(text: &str) -> bool {
    text.bytes().fold(false, |found, b| found | (b.is_ascii_control() & (b != b'\t')))
}

/// Removes one pair of surrounding quotes. Backslash escapes stay.
pub(crate) fn unquote(text: &str) -> &str {
    text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text)
}

/// Splits at `separator`, except inside double quotes.
pub(crate) fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        if c == '"' {
            quoted = !quoted;
        }
        c == separator && !quoted
    })
}

/// Splits `name=value` or `name`, and trims both; the value keeps its quotes.
pub(crate) fn parameter(text: &str) -> (&str, Option<&str>) {
    match text.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => (text.trim(), None),
    }
}

/// Removes a prefix, compared without regard to ASCII case.
pub(crate) fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    if head.eq_ignore_ascii_case(prefix) { text.get(prefix.len()..) } else { None }
}

/// Displays a value with each control character replaced by a space, so that no value, whatever its
/// origin, ends a line.
pub(crate) struct OneLine<'a>(pub(crate) &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !has_control(self.0) {
            return f.write_str(self.0);
        }
        for (i, piece) in self.0.split(|c: char| c.is_ascii_control() && c != '\t').enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            f.write_str(piece)?;
        }
        Ok(())
    }
}

/// Displays a parameter value: like [`OneLine`], and without the characters that end a parameter.
pub(crate) struct ParameterValue<'a>(pub(crate) &'a str);

impl fmt::Display for ParameterValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unfit = |b: u8| b.is_ascii_control() | matches!(b, b';' | b',' | b'"');
        if !self.0.bytes().fold(false, |found, b| found | unfit(b)) {
            return f.write_str(self.0);
        }
        self.0
            .split(|c: char| u8::try_from(c).is_ok_and(unfit))
            .try_for_each(|piece| f.write_str(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_alone() {
        assert_eq!(digits::<u32>("42"), Some(42));
        for bad in ["", "+4", "-4", " 4", "4 ", "4294967296", "0x1", "٤"] {
            assert_eq!(digits::<u32>(bad), None, "{bad}");
        }
        assert_eq!(hex32("0A1B2C3D"), Some(0x0A1B_2C3D));
        assert_eq!(hex32("+A"), None);
        assert_eq!(from_hex("0a1B"), Some([0x0a, 0x1b]));
        for bad in ["0a1b2", "0a1", "0a-b"] {
            assert_eq!(from_hex::<2>(bad), None, "{bad}");
        }
        assert_eq!(hex32("123456789"), None);
    }

    #[test]
    fn tokens_have_no_separators() {
        let separators = "()<>@,;:\\\"/[]?={} \t";
        for b in 0..=u8::MAX {
            let is_text = b.is_ascii() && !b.is_ascii_control();
            let expected = is_text && !separators.contains(char::from(b));
            assert_eq!(is_token_byte(b), expected, "{b}");
        }
    }

    #[test]
    fn quotes_protect_separators() {
        let parts: Vec<_> = split_unquoted(r#"a;mode="PLAY,RECORD",b"#, ',').collect();
        assert_eq!(parts, [r#"a;mode="PLAY,RECORD""#, "b"]);
    }

    #[test]
    fn no_value_ends_a_line() {
        assert_eq!(OneLine("a\r\nb\0c").to_string(), "a  b c");
        assert_eq!(ParameterValue("a;b\r\n,c").to_string(), "abc");
    }
}
