//! JPEG: marker segments, and the header of a picture up to its first scan. Reference: ITU-T T.81
//! annex B.

mod header;
mod segments;
pub mod tables;

pub use header::{Component, Header, QuantizationTable};
pub use segments::{Segment, Segments, marker, segments};

use crate::wire::ParseError;
use memchr::memchr;

/// Returns the offset of the marker that ends the entropy-coded data which begin at `from`: the first
/// that is not a restart marker. `None` if there is none.
pub fn scan_end(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let found = at + memchr(0xff, data.get(at..)?)?;
        at = match data.get(found + 1)? {
            0 | 0xd0..=0xd7 => found + 2,
            0xff => found + 1,
            _ => return Some(found),
        };
    }
}

/// Returns the length in bytes of the JPEG file at the start of `data`: up to the end of image marker
/// and with it.
///
/// # Errors
/// [`ParseError::Incomplete`]: `data` end before the file does. [`ParseError::Invalid`]: they are no
/// JPEG file.
pub fn file_len(data: &[u8]) -> Result<usize, ParseError> {
    const WHAT: &str = "JPEG file";
    let incomplete = ParseError::Incomplete { what: WHAT };
    let mut all = segments(data);
    loop {
        let segment = all.next().ok_or(incomplete)??;
        match segment.marker {
            marker::EOI => return Ok(all.position()),
            marker::SOS => all.skip_to(scan_end(data, all.position()).ok_or(incomplete)?),
            _ => {}
        }
    }
}

/// Returns width and height in pixels of the JPEG file at the start of `data`.
pub fn size(data: &[u8]) -> Option<(u16, u16)> {
    let header = Header::parse(data).ok()?;
    Some((header.width, header.height))
}

#[cfg(test)]
pub(crate) mod tests;
