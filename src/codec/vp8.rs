//! VP8: the header of a frame. Reference: RFC 6386 sections 9.1 and 19.1.

use crate::wire::{ParseError, Reader};

/// Bytes that open the header of a key frame after the frame tag.
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

/// The uncompressed data chunk at the beginning of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameHeader {
    /// Bitstream version, 0 to 3, which selects the filters.
    pub version: u8,
    /// Whether the frame is displayed.
    pub show_frame: bool,
    /// Length of the first partition in bytes.
    pub first_partition_len: u32,
    /// Width and height in pixels, without scaling; `None` for frames that are not key frames.
    pub size: Option<(u16, u16)>,
}

impl FrameHeader {
    /// Parses the header at the start of `frame`.
    pub fn parse(frame: &[u8]) -> Result<Self, ParseError> {
        const WHAT: &str = "VP8 frame header";
        let mut r = Reader::new(frame);
        let [b0, b1, b2] = r.array(WHAT)?;
        let tag = u32::from_le_bytes([b0, b1, b2, 0]);
        let is_key = tag & 1 == 0;
        let version = (tag >> 1 & 7) as u8;
        if version > 3 {
            return Err(ParseError::Invalid { what: WHAT, at: 0 });
        }
        let mut size = None;
        if is_key {
            if r.array(WHAT)? != START_CODE {
                return Err(r.invalid(WHAT));
            }
            // The two highest bits of each are a request to scale.
            let mut dimension = || Ok(u16::from_le_bytes(r.array(WHAT)?) & 0x3fff);
            size = Some((dimension()?, dimension()?));
        }
        let (show_frame, first_partition_len) = (tag >> 4 & 1 == 1, tag >> 5);
        Ok(Self { version, show_frame, first_partition_len, size })
    }

    /// Returns whether decoding can start with the frame.
    pub const fn is_key(&self) -> bool {
        self.size.is_some()
    }
}

/// Returns whether decoding can start with a frame, of which the beginning is enough.
pub fn is_key(frame: &[u8]) -> bool {
    FrameHeader::parse(frame).is_ok_and(|header| header.is_key())
}

/// Returns width and height in pixels, which key frames alone state.
pub fn size(frame: &[u8]) -> Option<(u16, u16)> {
    FrameHeader::parse(frame).ok()?.size
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The header of a key frame of 176 × 144 (RFC 6386 section 9.1): version 0, shown, a first
    /// partition of 500 bytes.
    pub(crate) const KEY: [u8; 10] = [0x90, 0x3e, 0x00, 0x9d, 0x01, 0x2a, 176, 0, 144, 0];
    /// The tag of another frame with a first partition of 100 bytes.
    pub(crate) const INTER: [u8; 3] = [0x91, 0x0c, 0x00];

    #[test]
    fn headers_are_read() {
        let header = FrameHeader::parse(&KEY).unwrap();
        assert!(header.is_key() && header.show_frame);
        assert_eq!((header.version, header.first_partition_len), (0, 500));
        assert_eq!(size(&KEY), Some((176, 144)));
        let mut scaled = KEY;
        (scaled[7], scaled[9]) = (0x40 | 5, 0x80 | 3);
        assert_eq!(size(&scaled), Some((5 * 256 + 176, 3 * 256 + 144)));
        let header = FrameHeader::parse(&INTER).unwrap();
        assert!(!header.is_key() && header.show_frame && !is_key(&INTER));
        assert_eq!((header.first_partition_len, header.size), (100, None));
        let hidden = FrameHeader::parse(&[0x81, 0, 0]).unwrap();
        assert!(!hidden.show_frame);
    }

    #[test]
    fn what_is_no_frame_is_none() {
        for cut in 0..KEY.len() {
            assert!(FrameHeader::parse(&KEY[..cut]).is_err() && !is_key(&KEY[..cut]));
        }
        let mut wrong = KEY;
        wrong[4] = 2;
        assert!(!is_key(&wrong), "no start code");
        assert!(FrameHeader::parse(&[0x99, 0, 0]).is_err(), "version 4");
    }
}
