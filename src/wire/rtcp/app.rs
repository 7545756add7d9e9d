//! Application-defined packets (RFC 3550 section 6.7).

use super::header::{packet_type, write_packet};
use crate::wire::{ParseError, Reader};

/// An application-defined packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 3550 section 6.7")]
pub struct App<'a> {
    /// Subtype, below 32, defined by the application.
    pub subtype: u8,
    /// SSRC of the participant that sends the packet.
    pub ssrc: u32,
    /// Name: four ASCII characters.
    pub name: [u8; 4],
    /// Application-dependent data; the length is a multiple of four bytes.
    pub data: &'a [u8],
}

impl<'a> App<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        let ssrc = r.u32("RTCP APP")?;
        let name = r.u32("RTCP APP")?.to_be_bytes();
        Ok(Self { subtype: count, ssrc, name, data: r.rest() })
    }
}

/// Appends an application-defined packet. Data whose length is not a multiple of four bytes are
/// padded with zeros; data longer than a packet holds (256 KiB) are not written.
pub fn write_app(out: &mut Vec<u8>, subtype: u8, ssrc: u32, name: [u8; 4], data: &[u8]) {
    write_packet(subtype, packet_type::APP, out, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        out.extend_from_slice(&name);
        out.extend_from_slice(data);
    });
}
