//! VP9: the uncompressed header of a frame. Reference: VP9 Bitstream and Decoding Process
//! Specification, sections 6.2 and 7.2.

use super::bits::PlainBits;
use crate::wire::ParseError;

/// `frame_sync_code`.
const SYNC_CODE: u32 = 0x49_8342;
/// `color_space` of RGB.
const CS_RGB: u32 = 7;

/// The beginning of the uncompressed header of a frame. That of a superframe (annex B) begins with
/// its first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameHeader {
    /// Profile, 0 to 3.
    pub profile: u8,
    /// Whether the frame is displayed. True too if the header is one that shows an earlier frame.
    pub show_frame: bool,
    /// What key frames state; `None` for others.
    pub key: Option<KeyFrame>,
}

/// What the header of a key frame states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyFrame {
    /// Bits of a sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// Whether chroma has half the horizontal and vertical resolution.
    pub subsampling: (bool, bool),
    /// `color_space` (section 7.2.2).
    pub color_space: u8,
    /// Whether samples have their full range.
    pub full_range: bool,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl FrameHeader {
    /// Parses the header at the start of `frame`.
    pub fn parse(frame: &[u8]) -> Result<Self, ParseError> {
        let mut r = PlainBits::new(frame, "VP9 frame header");
        if r.take(2)? != 2 {
            return Err(r.invalid());
        }
        let profile = (r.take(1)? | r.take(1)? << 1) as u8;
        if profile == 3 && r.flag()? {
            return Err(r.invalid());
        }
        // show_existing_frame
        if r.flag()? {
            return Ok(Self { profile, show_frame: true, key: None });
        }
        let is_key = !r.flag()?; // frame_type
        let show_frame = r.flag()?;
        r.skip(1)?; // error_resilient_mode
        let key = if is_key { Some(KeyFrame::parse(&mut r, profile)?) } else { None };
        Ok(Self { profile, show_frame, key })
    }
}

impl KeyFrame {
    fn parse(r: &mut PlainBits<'_>, profile: u8) -> Result<Self, ParseError> {
        if r.take(24)? != SYNC_CODE {
            return Err(r.invalid());
        }
        let bit_depth = match profile {
            0 | 1 => 8,
            _ if r.flag()? => 12,
            _ => 10,
        };
        let color_space = r.take(3)?;
        let has_other_subsampling = profile % 2 == 1;
        let (mut full_range, mut subsampling) = (true, (true, true));
        if color_space != CS_RGB {
            full_range = r.flag()?;
            if has_other_subsampling {
                subsampling = (r.flag()?, r.flag()?);
                r.skip(1)?;
            }
        } else if has_other_subsampling {
            subsampling = (false, false);
            r.skip(1)?;
        } else {
            return Err(r.invalid());
        }
        let width = r.take(16)? + 1;
        let height = r.take(16)? + 1;
        let color_space = color_space as u8;
        Ok(Self { bit_depth, subsampling, color_space, full_range, width, height })
    }
}

/// Returns whether decoding can start with a frame, of which the beginning is enough.
pub fn is_key(frame: &[u8]) -> bool {
    FrameHeader::parse(frame).is_ok_and(|header| header.key.is_some())
}

/// Returns width and height in pixels, which key frames alone state.
pub fn size(frame: &[u8]) -> Option<(u32, u32)> {
    let key = FrameHeader::parse(frame).ok()?.key?;
    Some((key.width, key.height))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A key frame of profile 0, BT.601, 352 × 288: frame_marker 10, profile 00, show_existing_frame
    /// 0, frame_type 0, show_frame 1, error_resilient_mode 0, the sync code, color_space 001,
    /// color_range 0, 0x015f and 0x011f (section 6.2).
    pub(crate) const KEY: [u8; 10] =
        [0b1000_0010, 0x49, 0x83, 0x42, 0b0010_0000, 0x15, 0xf0, 0x11, 0xf0, 0];
    /// A shown frame that is none.
    pub(crate) const INTER: [u8; 2] = [0b1000_0110, 0];

    #[test]
    fn headers_are_read() {
        let header = FrameHeader::parse(&KEY).unwrap();
        assert!(header.show_frame && is_key(&KEY));
        assert_eq!((header.profile, size(&KEY)), (0, Some((352, 288))));
        let key = header.key.unwrap();
        assert_eq!((key.bit_depth, key.subsampling, key.color_space), (8, (true, true), 1));
        let header = FrameHeader::parse(&INTER).unwrap();
        assert!(header.show_frame && header.key.is_none() && !is_key(&INTER));
        // Profile 2 has a bit for the depth, profile 1 bits for the subsampling.
        let deep = [0b1001_0010, 0x49, 0x83, 0x42, 0b1001_0000, 0x0a, 0xf8, 0x08, 0xf8];
        let key = FrameHeader::parse(&deep).unwrap().key.unwrap();
        assert_eq!((key.bit_depth, key.width, key.height), (12, 352, 288));
        let full = [0b1010_0010, 0x49, 0x83, 0x42, 0b0010_0000, 0x02, 0xbe, 0x02, 0x3e];
        let header = FrameHeader::parse(&full).unwrap();
        let key = header.key.unwrap();
        assert_eq!((header.profile, key.subsampling), (1, (false, false)));
        assert_eq!((key.width, key.height), (352, 288));
        let existing = FrameHeader::parse(&[0b1000_1000]).unwrap();
        assert!(existing.show_frame && existing.key.is_none());
    }

    #[test]
    fn what_is_no_frame_is_none() {
        for cut in 0..KEY.len() - 1 {
            assert!(!is_key(&KEY[..cut]));
        }
        for (at, bits) in [(0, 0x40), (1, 1), (4, 0xc0)] {
            let mut wrong = KEY;
            wrong[at] ^= bits;
            assert!(!is_key(&wrong), "byte {at}");
        }
        assert!(FrameHeader::parse(&[0b1011_1000]).is_err(), "profile 4");
    }
}
