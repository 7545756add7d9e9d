//! [`Reader`]: a cursor over bytes that cannot panic.

use byteorder::{BigEndian, ByteOrder};
use std::fmt;

/// The reason for which bytes could not be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseError {
    /// The input ended before the end of a value.
    Incomplete {
        /// The value that was being read.
        what: &'static str,
    },
    /// The input is invalid, whatever follows it.
    Invalid {
        /// The value that was being read.
        what: &'static str,
        /// Offset from the start of the reader's input, in bytes.
        at: usize,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete { what } => write!(f, "{what}: input ends too early"),
            Self::Invalid { what, at } => write!(f, "{what}: invalid at byte {at}"),
        }
    }
}

impl std::error::Error for ParseError {}

/// Reads big-endian fields one after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Creates a reader at the first byte of `input`.
    pub const fn new(input: &'a [u8]) -> Self {
        Self { input, position: 0 }
    }

    /// Number of bytes read so far.
    pub const fn position(&self) -> usize {
        self.position
    }

    /// The bytes that are not read yet.
    pub fn remaining(&self) -> &'a [u8] {
        self.input.get(self.position..).unwrap_or_default()
    }

    /// Whether all bytes have been read.
    pub fn is_empty(&self) -> bool {
        self.remaining().is_empty()
    }

    /// Reads the next `n` bytes; `what` names the value in an error.
    pub fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], ParseError> {
        let taken = self.remaining().get(..n).ok_or(ParseError::Incomplete { what })?;
        self.position += n;
        Ok(taken)
    }

    /// Reads the next `N` bytes.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ParseError> {
        let &taken = self.remaining().first_chunk().ok_or(ParseError::Incomplete { what })?;
        self.position += N;
        Ok(taken)
    }

    /// Returns a reader over the next `n` bytes.
    pub fn sub(&mut self, n: usize, what: &'static str) -> Result<Self, ParseError> {
        self.take(n, what).map(Self::new)
    }

    /// Reads all remaining bytes.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.remaining();
        self.position = self.input.len();
        rest
    }

    /// Reads one byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, ParseError> {
        let &byte = self.remaining().first().ok_or(ParseError::Incomplete { what })?;
        self.position += 1;
        Ok(byte)
    }

    /// Reads an unsigned integer of two bytes.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, ParseError> {
        self.take(2, what).map(BigEndian::read_u16)
    }

    /// Reads an unsigned integer of three bytes.
    pub fn u24(&mut self, what: &'static str) -> Result<u32, ParseError> {
        self.take(3, what).map(BigEndian::read_u24)
    }

    /// Reads an unsigned integer of four bytes.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, ParseError> {
        self.take(4, what).map(BigEndian::read_u32)
    }

    /// Reads an unsigned integer of eight bytes.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, ParseError> {
        self.take(8, what).map(BigEndian::read_u64)
    }

    /// Returns an [`Invalid`](ParseError::Invalid) error at the present position.
    pub const fn invalid(&self, what: &'static str) -> ParseError {
        ParseError::Invalid { what, at: self.position }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_until_the_end_and_then_says_incomplete() {
        let mut r = Reader::new(&[1, 2, 3, 4, 5, 6]);
        assert_eq!(r.u8("a"), Ok(1));
        assert_eq!(r.u16("b"), Ok(0x0203));
        assert_eq!(r.u32("c"), Err(ParseError::Incomplete { what: "c" }));
        assert_eq!(r.u24("d"), Ok(0x0004_0506));
        assert!(r.is_empty());
    }
}
