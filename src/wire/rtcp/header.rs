//! The common header of RTCP packets: four bytes, and padding (RFC 3550 section 6.4.1).

use crate::wire::{ParseError, Reader};

/// RTCP packet types.
pub mod packet_type {
    /// Sender report.
    pub const SR: u8 = 200;
    /// Receiver report.
    pub const RR: u8 = 201;
    /// Source description.
    pub const SDES: u8 = 202;
    /// Goodbye.
    pub const BYE: u8 = 203;
    /// Application-defined packet.
    pub const APP: u8 = 204;
    /// Transport-layer feedback (RFC 4585).
    pub const RTPFB: u8 = 205;
    /// Payload-specific feedback (RFC 4585).
    pub const PSFB: u8 = 206;
    /// Extended report (RFC 3611).
    pub const XR: u8 = 207;
}

/// Most report blocks, chunks or sources in one packet: the count field has five bits.
pub const MAX_COUNT: usize = 31;

#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) padding: bool,
    pub(super) count: u8,
    pub(super) packet_type: u8,
}

/// Reads the next packet: its header, and its body without padding.
pub(super) fn read_packet<'a>(r: &mut Reader<'a>) -> Result<(Header, &'a [u8]), ParseError> {
    let at = r.position();
    let first = r.u8("RTCP header")?;
    if first >> 6 != 2 {
        return Err(ParseError::Invalid { what: "RTCP version", at });
    }
    let packet_type = r.u8("RTCP header")?;
    let words = usize::from(r.u16("RTCP header")?);
    let body = r.take(words * 4, "RTCP packet")?;
    let padding = first & 0x20 != 0;
    let mut len = body.len();
    if padding {
        let invalid = ParseError::Invalid { what: "RTCP padding", at };
        let padded = body.last().map_or(0, |&n| usize::from(n));
        if padded == 0 || padded % 4 != 0 {
            return Err(invalid);
        }
        len = len.checked_sub(padded).ok_or(invalid)?;
    }
    let body = body.get(..len).unwrap_or_default();
    Ok((Header { padding, count: first & 0x1F, packet_type }, body))
}

/// Appends a packet: the header, the output of `body`, zeros up to a multiple of four bytes. Writes
/// nothing if the body exceeds the length field.
pub(super) fn write_packet(
    count: u8,
    packet_type: u8,
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&[0x80 | (count & 0x1F), packet_type, 0, 0]);
    body(out);
    while (out.len() - start) % 4 != 0 {
        out.push(0);
    }
    let words = u16::try_from((out.len() - start) / 4 - 1);
    match (words, out.get_mut(start + 2..start + 4)) {
        (Ok(words), Some(field)) => field.copy_from_slice(&words.to_be_bytes()),
        _ => out.truncate(start),
    }
}

/// At most 255 bytes of `text`, cut between characters.
pub(super) fn short_text(text: &str) -> &str {
    let mut len = text.len().min(255);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    text.get(..len).unwrap_or_default()
}

/// The number of items that one packet holds, at most [`MAX_COUNT`].
pub(super) fn count_of(n: usize) -> u8 {
    u8::try_from(n.min(MAX_COUNT)).unwrap_or(0)
}
