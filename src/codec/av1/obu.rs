//! [`obus`]: the open bitstream units of a temporal unit (sections 5.3 and 4.10.5).

use crate::wire::ParseError;

/// Values of `obu_type` (section 6.2.2).
pub mod obu_type {
    /// Sequence header.
    pub const SEQUENCE_HEADER: u8 = 1;
    /// Temporal delimiter.
    pub const TEMPORAL_DELIMITER: u8 = 2;
    /// Frame header, whose tile groups follow.
    pub const FRAME_HEADER: u8 = 3;
    /// Tile group.
    pub const TILE_GROUP: u8 = 4;
    /// Metadata.
    pub const METADATA: u8 = 5;
    /// Frame: a frame header and a tile group.
    pub const FRAME: u8 = 6;
    /// A frame header again.
    pub const REDUNDANT_FRAME_HEADER: u8 = 7;
    /// Tile list.
    pub const TILE_LIST: u8 = 8;
    /// Padding.
    pub const PADDING: u8 = 15;
}

const FORBIDDEN: u8 = 0x80;
const HAS_EXTENSION: u8 = 4;
const HAS_SIZE: u8 = 2;

const WHAT: &str = "AV1 OBU";

/// An open bitstream unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Obu<'a> {
    /// First byte of the header.
    pub header: u8,
    /// Second byte of the header, `obu_extension_header`, if there is one.
    pub extension: Option<u8>,
    /// The bytes after header and length.
    pub payload: &'a [u8],
    /// All bytes.
    pub bytes: &'a [u8],
}

impl<'a> Obu<'a> {
    /// Parses the OBU at the start of `bytes`. One without `obu_size` has all of them.
    ///
    /// # Errors
    /// The OBU is longer than `bytes`, or its header is invalid.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (obu, missing) = Self::parse_present(bytes)?;
        if missing > 0 { Err(ParseError::Incomplete { what: WHAT }) } else { Ok(obu) }
    }

    /// Like [`parse`](Self::parse), of an OBU of which the end may be missing.
    ///
    /// # Errors
    /// The header is cut off or invalid.
    pub fn parse_beginning(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Self::parse_present(bytes).map(|(obu, _)| obu)
    }

    /// Parses what is present of an OBU. Returns the number of bytes that are missing, too.
    fn parse_present(bytes: &'a [u8]) -> Result<(Self, usize), ParseError> {
        let incomplete = ParseError::Incomplete { what: WHAT };
        let (&header, mut rest) = bytes.split_first().ok_or(incomplete)?;
        if header & FORBIDDEN != 0 {
            return Err(ParseError::Invalid { what: WHAT, at: 0 });
        }
        let mut extension = None;
        if header & HAS_EXTENSION != 0 {
            let (&byte, behind) = rest.split_first().ok_or(incomplete)?;
            (extension, rest) = (Some(byte), behind);
        }
        let mut len = rest.len();
        if header & HAS_SIZE != 0 {
            (len, rest) = leb128(rest)?;
        }
        let (payload, behind) = rest.split_at(len.min(rest.len()));
        let bytes = bytes.get(..bytes.len() - behind.len()).unwrap_or_default();
        Ok((Self { header, extension, payload, bytes }, len - payload.len()))
    }

    /// Returns the `obu_type`.
    pub const fn obu_type(&self) -> u8 {
        self.header >> 3 & 15
    }

    /// Returns whether the OBU states its length.
    pub const fn has_size(&self) -> bool {
        self.header & HAS_SIZE != 0
    }

    /// Returns the first byte of the header of the OBU with `obu_size`.
    pub const fn sized_header(&self) -> u8 {
        self.header | HAS_SIZE
    }

    /// Returns the header of the OBU without `obu_size`, and the number of its bytes.
    pub fn header_without_size(&self) -> ([u8; 2], usize) {
        let extension = self.extension.unwrap_or_default();
        ([self.header & !HAS_SIZE, extension], 1 + usize::from(self.extension.is_some()))
    }

    /// Returns the bytes of the OBU with `obu_size`.
    pub fn to_sized(&self) -> Vec<u8> {
        let mut sized = Vec::with_capacity(self.bytes.len() + 8);
        sized.push(self.sized_header());
        sized.extend(self.extension);
        write_leb128(self.payload.len(), |byte| sized.push(byte));
        sized.extend_from_slice(self.payload);
        sized
    }
}

/// Iterates over the OBUs of a temporal unit in the low-overhead format (section 5.2). After an error
/// it ends.
pub const fn obus(unit: &[u8]) -> Obus<'_> {
    Obus { rest: unit }
}

/// The iterator over OBUs that [`obus`] returns.
#[derive(Clone, Debug)]
pub struct Obus<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Obus<'a> {
    type Item = Result<Obu<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let obu = Obu::parse(self.rest);
        let read = obu.map_or(self.rest.len(), |obu| obu.bytes.len());
        self.rest = self.rest.get(read..).unwrap_or_default();
        Some(obu)
    }
}

/// Reads a `leb128()` of at most 32 bits, and returns it with the bytes behind it.
pub fn leb128(bytes: &[u8]) -> Result<(usize, &[u8]), ParseError> {
    const WHAT: &str = "AV1 leb128";
    let mut value: u64 = 0;
    for (i, &byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).ok().and_then(|value| usize::try_from(value).ok());
            let value = value.ok_or(ParseError::Invalid { what: WHAT, at: i })?;
            return Ok((value, bytes.get(i + 1..).unwrap_or_default()));
        }
    }
    Err(if bytes.len() < 8 {
        ParseError::Incomplete { what: WHAT }
    } else {
        ParseError::Invalid { what: WHAT, at: 8 }
    })
}

/// Writes a `leb128()` with as few bytes as possible: `put` is given one after the other.
pub fn write_leb128(value: usize, mut put: impl FnMut(u8)) {
    let mut rest = value;
    while rest > 0x7f {
        put(rest as u8 | 0x80);
        rest >>= 7;
    }
    put(rest as u8);
}

/// Returns the number of bytes that [`write_leb128`] writes.
pub const fn leb128_len(value: usize) -> usize {
    let bits = usize::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_and_read() {
        for (value, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 1]),
            (u32::MAX as usize, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut written = Vec::new();
            write_leb128(value, |byte| written.push(byte));
            assert_eq!((&written[..], leb128_len(value)), (bytes, bytes.len()));
            written.push(9);
            assert_eq!(leb128(&written), Ok((value, &[9][..])));
        }
        // Padded, too long, cut off, above 32 bits.
        assert_eq!(leb128(&[0x85, 0x80, 0x80, 0x00]), Ok((5, &[][..])));
        assert!(matches!(leb128(&[0x80; 9]), Err(ParseError::Invalid { .. })));
        assert!(matches!(leb128(&[0x80; 3]), Err(ParseError::Incomplete { .. })));
        assert!(leb128(&[0xff, 0xff, 0xff, 0xff, 0x10]).is_err());
    }

    #[test]
    fn obus_are_found_one_behind_the_other() {
        // A temporal delimiter, metadata of layer (1, 2) with a padded length, and a frame without a
        // length.
        let unit = [0x12, 0, 0x2e, 0x30, 0x82, 0x00, 7, 8, 0x30, 1, 2, 3];
        let found: Vec<_> = obus(&unit).map(Result::unwrap).collect();
        let of = |i: usize| (found[i].obu_type(), found[i].payload);
        assert_eq!(of(0), (obu_type::TEMPORAL_DELIMITER, &[][..]));
        assert_eq!(of(1), (obu_type::METADATA, &[7, 8][..]));
        assert_eq!(of(2), (obu_type::FRAME, &[1, 2, 3][..]));
        assert_eq!(found[1].extension, Some(0x30));
        assert_eq!(found[1].header_without_size(), ([0x2c, 0x30], 2));
        assert_eq!(found[1].to_sized(), [0x2e, 0x30, 2, 7, 8]);
        assert_eq!(found[2].to_sized(), [0x32, 3, 1, 2, 3]);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn what_is_longer_than_its_unit_ends_it() {
        for unit in [&[0x32, 5, 1, 2][..], &[0x36], &[0x32], &[0x32, 0x80], &[0x80, 1]] {
            let mut all = obus(unit);
            assert!(all.next().unwrap().is_err(), "{unit:?}");
            assert_eq!(all.next(), None);
        }
    }
}
