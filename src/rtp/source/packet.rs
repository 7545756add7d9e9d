//! The RTP packet as bytes (RFC 3550 section 5.1), until `wire` has it.

use crate::wire::{ParseError, Reader};

/// An RTP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) marker: bool,
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    pub(super) payload: &'a [u8],
}

impl<'a> Packet<'a> {
    pub(super) fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(data);
        let head = r.u8("RTP")?;
        if head >> 6 != 2 {
            return Err(r.invalid("RTP version"));
        }
        let second = r.u8("RTP")?;
        let (sequence, timestamp, ssrc) = (r.u16("RTP")?, r.u32("RTP")?, r.u32("RTP")?);
        r.take(usize::from(head & 15) * 4, "CSRC")?;
        if head & 0x10 != 0 {
            r.u16("extension")?;
            let words = usize::from(r.u16("extension")?);
            r.take(words * 4, "extension")?;
        }
        let mut payload = r.rest();
        if head & 0x20 != 0 {
            let padding = payload.last().map_or(0, |&n| usize::from(n));
            payload = payload
                .len()
                .checked_sub(padding)
                .filter(|_| padding > 0)
                .and_then(|len| payload.get(..len))
                .ok_or_else(|| r.invalid("RTP padding"))?;
        }
        let (marker, payload_type) = (second & 0x80 != 0, second & 0x7f);
        Ok(Self { marker, payload_type, sequence, timestamp, ssrc, payload })
    }
}
