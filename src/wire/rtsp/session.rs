//! The `Session` header: `id;timeout=N` (RFC 2326 section 12.37).

use crate::wire::ParseError;
use crate::wire::text::{ParameterValue, digits, invalid, parameter};
use std::fmt;

/// The `Session` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 2326 section 12.37")]
pub struct SessionHeader<'a> {
    /// Session id; opaque to the client.
    pub id: &'a str,
    /// Time-out in seconds: a session without requests for longer may be ended.
    pub timeout: Option<u32>,
}

impl<'a> SessionHeader<'a> {
    /// Creates a header; `timeout` is in seconds.
    pub const fn new(id: &'a str, timeout: Option<u32>) -> Self {
        Self { id, timeout }
    }

    /// Parses a `Session` header. The id may consist of any visible characters, since servers use
    /// them. Parameters other than `timeout`, and a `timeout` that is not a number, are ignored.
    ///
    /// # Errors
    /// The id is empty or contains other characters.
    pub fn parse(value: &'a str) -> Result<Self, ParseError> {
        let mut parts = value.split(';');
        let id = parts.next().unwrap_or_default().trim();
        let visible = |b: u8| b.is_ascii_graphic() && b != b',' && b != b'"';
        if id.is_empty() || !id.bytes().all(visible) {
            return Err(invalid("Session"));
        }
        let timeout = parts
            .map(parameter)
            .find(|(name, _)| name.eq_ignore_ascii_case("timeout"))
            .and_then(|(_, seconds)| digits(seconds?));
        Ok(Self { id, timeout })
    }
}

/// Displays no space after the semicolon: some clients take it for a part of the value.
impl fmt::Display for SessionHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", ParameterValue(self.id))?;
        match self.timeout {
            Some(timeout) => write!(f, ";timeout={timeout}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions() {
        let header = SessionHeader::new("aB3-_.+9", Some(60));
        assert_eq!(header.to_string(), "aB3-_.+9;timeout=60");
        assert_eq!(SessionHeader::parse(&header.to_string()), Ok(header));
        let parse = SessionHeader::parse;
        assert_eq!(parse(" 4711 ; Timeout = 30 ;x"), Ok(SessionHeader::new("4711", Some(30))));
        assert_eq!(parse("4711;timeout=-1"), Ok(SessionHeader::new("4711", None)));
        for bad in ["", ";timeout=60", "a b", "a\u{e9}", "a,b"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(SessionHeader::new("a\r\n;b", None).to_string(), "ab");
    }
}
