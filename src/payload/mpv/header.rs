//! The MPEG video-specific header (RFC 2250 section 3.4).

use crate::codec::mpeg_video::PictureHeader;
use crate::wire::{ParseError, Reader};

const WHAT: &str = "MPEG video-specific header";
/// Length of the header without extension.
pub(super) const HEADER_LEN: usize = 4;

/// Whether an MPEG-2 extension follows.
const T: u32 = 1 << 26;
/// Whether there is a sequence header in the packet.
pub(super) const S: u32 = 1 << 13;
/// Whether a slice begins at the beginning, or behind headers.
pub(super) const B: u32 = 1 << 12;
/// Whether the last byte is the end of a slice.
pub(super) const E: u32 = 1 << 11;

/// The fields that are the same in all packets of a picture.
pub(super) const fn of_picture(picture: &PictureHeader) -> u32 {
    (picture.temporal_reference as u32 & 0x3ff) << 16
        | (picture.picture_type as u32) << 8
        | (picture.backward as u32 & 0xf) << 4
        | picture.forward as u32 & 0xf
}

/// Type of the picture as in its own header; 0 if the sender does not tell it.
pub(super) const fn picture_type(header: u32) -> u8 {
    (header >> 8 & 7) as u8
}

/// Splits a payload into its header and the bytes of the elementary stream.
pub(super) fn split(payload: &[u8]) -> Result<(u32, &[u8]), ParseError> {
    /// Whether further extensions follow the MPEG-2 extension.
    const EXTENSIONS: u32 = 1 << 30;
    /// Whether composite display information follows it.
    const COMPOSITE_DISPLAY: u32 = 1;
    let mut r = Reader::new(payload);
    let header = r.u32(WHAT)?;
    if header & T != 0 {
        let extension = r.u32(WHAT)?;
        if extension & COMPOSITE_DISPLAY != 0 {
            r.u32(WHAT)?;
        }
        if extension & EXTENSIONS != 0 {
            // The first byte is the length in words, with its own.
            let words = r.remaining().first().copied().unwrap_or(0);
            if words == 0 {
                return Err(r.invalid(WHAT));
            }
            r.take(4 * usize::from(words), WHAT)?;
        }
    }
    if r.is_empty() {
        return Err(r.invalid("MPEG video payload"));
    }
    Ok((header, r.rest()))
}
