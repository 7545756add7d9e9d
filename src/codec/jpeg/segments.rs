//! [`segments`]: the marker segments of a JPEG file (ITU-T T.81 section B.1.1).

use crate::wire::{ParseError, Reader};

/// Second bytes of markers (table B.1).
pub mod marker {
    /// Start of frame, baseline DCT.
    pub const SOF0: u8 = 0xc0;
    /// The last of the starts of frame, among which DHT, JPG and DAC have numbers too.
    pub const SOF15: u8 = 0xcf;
    /// Huffman tables.
    pub const DHT: u8 = 0xc4;
    /// Reserved.
    pub const JPG: u8 = 0xc8;
    /// Arithmetic coding conditions.
    pub const DAC: u8 = 0xcc;
    /// Start of image.
    pub const SOI: u8 = 0xd8;
    /// End of image.
    pub const EOI: u8 = 0xd9;
    /// Start of scan.
    pub const SOS: u8 = 0xda;
    /// Quantization tables.
    pub const DQT: u8 = 0xdb;
    /// Restart interval.
    pub const DRI: u8 = 0xdd;
    /// Application data 0, of JFIF.
    pub const APP0: u8 = 0xe0;

    /// Returns whether a marker is the start of a frame, of whatever process.
    pub const fn is_start_of_frame(marker: u8) -> bool {
        matches!(marker, SOF0..=SOF15) && !matches!(marker, DHT | JPG | DAC)
    }

    /// Returns whether a marker stands alone, without a length and parameters.
    pub const fn is_alone(marker: u8) -> bool {
        matches!(marker, 0x01 | 0xd0..=EOI)
    }
}

/// A marker segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Segment<'a> {
    /// Second byte of the marker.
    pub marker: u8,
    /// Parameters, without the length; empty for a marker that stands alone.
    pub parameters: &'a [u8],
}

/// Iterates over marker segments, the first of which begins at the start of `data`. The parameters of
/// a start of scan are followed by entropy-coded data, over which the caller
/// [skips](Segments::skip_to). After an error the iterator ends.
pub const fn segments(data: &[u8]) -> Segments<'_> {
    Segments { data, at: 0 }
}

/// The iterator over marker segments that [`segments`] returns.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// Returns the offset behind the last segment.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Goes on at an offset.
    pub const fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    fn read(&mut self) -> Result<Segment<'a>, ParseError> {
        const WHAT: &str = "JPEG marker segment";
        let mut r = Reader::new(self.data.get(self.at..).unwrap_or_default());
        let invalid = ParseError::Invalid { what: WHAT, at: self.at };
        if r.u8(WHAT)? != 0xff {
            return Err(invalid);
        }
        // Any number of fill bytes may precede the marker (section B.1.1.2).
        let fill = r.remaining().iter().take_while(|byte| **byte == 0xff).count();
        r.take(fill, WHAT)?;
        let marker = r.u8(WHAT)?;
        let mut parameters = &[][..];
        if marker == 0 {
            return Err(invalid);
        }
        if !marker::is_alone(marker) {
            let len = usize::from(r.u16(WHAT)?).checked_sub(2).ok_or(invalid)?;
            parameters = r.take(len, WHAT)?;
        }
        self.at += r.position();
        Ok(Segment { marker, parameters })
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Result<Segment<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.data.len() {
            return None;
        }
        let segment = self.read();
        if segment.is_err() {
            self.at = self.data.len();
        }
        Some(segment)
    }
}
