//! The byte stream format of H.264 and H.265 (annex B of both standards): start codes, NAL units,
//! and conversion from the length-prefixed form of MP4 and Matroska (ISO/IEC 14496-15).

pub(crate) use crate::codec::start_codes::find_start_code;
use crate::wire::{ParseError, Reader};
use bytes::Bytes;
use std::ops::Range;

/// The start code that this crate writes before a NAL unit.
pub const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Iterates over the NAL units of an Annex B byte stream, without start codes, leading and trailing
/// zero bytes. Bytes before the first start code and empty NAL units are skipped.
pub fn nal_units(data: &[u8]) -> NalUnits<'_> {
    NalUnits { ranges: NalRanges::new(data), data }
}

/// An iterator over NAL units; see [`nal_units`].
#[derive(Clone, Debug)]
pub struct NalUnits<'a> {
    ranges: NalRanges<'a>,
    data: &'a [u8],
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.data.get(self.ranges.next()?)
    }
}

/// Like [`nal_units`], but yields offsets into the data.
pub fn nal_ranges(data: &[u8]) -> NalRanges<'_> {
    NalRanges::new(data)
}

/// An iterator over the ranges of NAL units; see [`nal_ranges`].
#[derive(Clone, Debug)]
pub struct NalRanges<'a> {
    data: &'a [u8],
    /// Offset of the next NAL unit's first byte.
    next: Option<usize>,
}

impl<'a> NalRanges<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self { data, next: find_start_code(data, 0).map(|at| at + 3) }
    }
}

impl Iterator for NalRanges<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let begin = self.next?;
            let code = find_start_code(self.data, begin);
            self.next = code.map(|at| at + 3);
            let nal = self.data.get(begin..code.unwrap_or(self.data.len()))?;
            // A NAL unit never ends in a zero byte (7.4.1): those belong to the byte stream.
            let len = nal.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            if len > 0 {
                return Some(begin..begin + len);
            }
        }
    }
}

/// Iterates over the NAL units of `data` as slices that share its memory.
pub fn shared_nal_units(data: &Bytes) -> impl Iterator<Item = Bytes> + '_ {
    nal_ranges(data).map(|range| data.slice(range))
}

/// Concatenates NAL units, each after a start code.
pub fn from_nal_units<'a>(nals: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for nal in nals {
        out.extend_from_slice(&START_CODE);
        out.extend_from_slice(nal);
    }
    out
}

/// Converts NAL units, each after its length in `length_size` bytes (1 to 4), to Annex B form.
/// Fails if a length exceeds the remaining data. Empty NAL units are skipped.
pub fn from_length_prefixed(data: &[u8], length_size: usize) -> Result<Vec<u8>, ParseError> {
    let mut reader = Reader::new(data);
    // With four-byte lengths the result is just as long.
    let mut out = Vec::with_capacity(data.len() + 16);
    while !reader.is_empty() {
        let len = match length_size {
            1 => usize::from(reader.u8("NAL unit length")?),
            2 => usize::from(reader.u16("NAL unit length")?),
            3 => reader.u24("NAL unit length")? as usize,
            4 => reader.u32("NAL unit length")? as usize,
            _ => return Err(reader.invalid("size of a NAL unit length")),
        };
        let nal = reader.take(len, "NAL unit")?;
        if !nal.is_empty() {
            out.extend_from_slice(&START_CODE);
            out.extend_from_slice(nal);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_nal_units_between_start_codes_of_either_length() {
        let data = [9, 0, 0, 0, 0, 1, 7, 8, 0, 0, 1, 5, 0, 6, 0, 0, 0, 1, 0, 0, 1, 4, 0, 0, 0];
        let nals: Vec<_> = nal_units(&data).collect();
        assert_eq!(nals, [&[7, 8][..], &[5, 0, 6], &[4]]);
        assert_eq!(nal_units(&[1, 2, 3]).count(), 0);
        assert_eq!(nal_units(&[0, 0, 1]).count(), 0);
        assert_eq!(nal_units(&[]).count(), 0);
    }

    #[test]
    fn length_prefixes_become_start_codes() {
        let data = [0, 2, 7, 8, 0, 0, 0, 1, 5];
        let annexb = from_length_prefixed(&data, 2).unwrap();
        assert_eq!(annexb, [0, 0, 0, 1, 7, 8, 0, 0, 0, 1, 5]);
        assert_eq!(annexb, from_nal_units([&[7, 8][..], &[5]]));
        assert!(from_length_prefixed(&[0xff, 0xff, 0xff, 0xff, 1], 4).is_err());
        assert!(from_length_prefixed(&data, 0).is_err());
        assert!(from_length_prefixed(&data, 5).is_err());
        assert!(from_length_prefixed(&[0, 0, 1, 9], 3).is_ok_and(|v| v == [0, 0, 0, 1, 9]));
    }
}
