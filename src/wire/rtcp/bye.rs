//! Goodbye (RFC 3550 section 6.6).

use super::header::{MAX_COUNT, count_of, packet_type, short_text, write_packet};
use crate::wire::{ParseError, Reader};

/// A goodbye packet, which names the sources that leave the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bye<'a> {
    /// Reason for leaving, as text. RFC 3550 asks for UTF-8.
    pub reason: Option<&'a [u8]>,
    sources: &'a [u8],
}

impl<'a> Bye<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        let sources = r.take(usize::from(count) * 4, "RTCP BYE")?;
        let reason = if r.is_empty() {
            None
        } else {
            let len = usize::from(r.u8("RTCP BYE reason")?);
            Some(r.take(len, "RTCP BYE reason")?)
        };
        Ok(Self { reason, sources })
    }

    /// SSRCs of the sources that leave, at most 31.
    pub fn sources(self) -> impl Iterator<Item = u32> + use<'a> {
        self.sources.chunks_exact(4).filter_map(|s| Some(u32::from_be_bytes(s.try_into().ok()?)))
    }
}

/// Appends a goodbye packet for at most 31 sources, with at most 255 bytes of the reason.
pub fn write_bye(out: &mut Vec<u8>, sources: &[u32], reason: Option<&str>) {
    let sources = sources.get(..MAX_COUNT).unwrap_or(sources);
    write_packet(count_of(sources.len()), packet_type::BYE, out, |out| {
        for ssrc in sources {
            out.extend_from_slice(&ssrc.to_be_bytes());
        }
        if let Some(reason) = reason {
            let reason = short_text(reason).as_bytes();
            out.push(u8::try_from(reason.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(reason);
        }
    });
}
