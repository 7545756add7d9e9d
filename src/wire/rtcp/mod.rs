//! RTCP packets (RFC 3550 section 6, RFC 4585 section 6, RFC 5104 section 4.3.1): one file a
//! kind; compound packets and their validity here.

pub mod app;
pub mod bye;
pub mod fb;
mod ntp;
pub mod rr;
pub mod sdes;
pub mod sr;

pub use app::{App, write_app};
pub use bye::{Bye, write_bye};
pub use fb::{Feedback, Fir, Nack, write_fir, write_nack, write_pli};
pub use ntp::NtpTime;
pub use rr::{ReceiverReport, ReportBlock, ReportBlocks, write_rr};
pub use sdes::{Sdes, SdesChunk, SdesItem, write_sdes, write_sdes_cname};
pub use sr::{SenderInfo, SenderReport, write_sr};

use super::{ParseError, Reader};

/// Packet types.
pub mod packet_type {
    /// Sender report.
    pub const SR: u8 = 200;
    /// Receiver report.
    pub const RR: u8 = 201;
    /// Source description.
    pub const SDES: u8 = 202;
    /// Goodbye.
    pub const BYE: u8 = 203;
    /// Application-defined.
    pub const APP: u8 = 204;
    /// Transport-layer feedback (RFC 4585).
    pub const RTPFB: u8 = 205;
    /// Payload-specific feedback (RFC 4585).
    pub const PSFB: u8 = 206;
}

/// Most report blocks, chunks or sources in one packet: the count has five bits.
pub const MAX_COUNT: usize = 31;

/// One packet of a compound packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// SR.
    SenderReport(SenderReport<'a>),
    /// RR.
    ReceiverReport(ReceiverReport<'a>),
    /// SDES.
    Sdes(Sdes<'a>),
    /// BYE.
    Bye(Bye<'a>),
    /// APP.
    App(App<'a>),
    /// RTPFB and PSFB.
    Feedback(Feedback<'a>),
    /// A type that this crate does not read.
    Unknown {
        /// Packet type.
        packet_type: u8,
        /// What the five bits of the count say.
        count: u8,
        /// What follows the first four bytes, without padding.
        body: &'a [u8],
    },
}

/// The packets of one datagram or interleaved frame. Iterating gives each packet, or why its
/// body is malformed (the others are readable nevertheless).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compound<'a> {
    packets: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks what RFC 3550 appendix A.2 asks for: version 2 throughout; the first packet is SR
    /// or RR and not padded; the lengths add up. Padding is accepted on the last packet alone.
    ///
    /// # Errors
    /// A check fails; the datagram is better dropped as a whole.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        match datagram {
            [first, packet_type::SR | packet_type::RR, ..] if first & 0x20 == 0 => {
                Self::parse_reduced_size(datagram)
            }
            [_, _, ..] => Err(ParseError::Invalid { what: "first RTCP packet", at: 1 }),
            _ => Err(ParseError::Incomplete { what: "RTCP header" }),
        }
    }

    /// As [`parse`](Self::parse), but any packet may be the first (RFC 5506).
    ///
    /// # Errors
    /// A check fails.
    pub fn parse_reduced_size(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(datagram);
        loop {
            let at = r.position();
            let (header, _) = read_packet(&mut r)?;
            if header.padding && !r.is_empty() {
                return Err(ParseError::Invalid { what: "RTCP padding", at });
            }
            if r.is_empty() {
                return Ok(Self { packets: datagram });
            }
        }
    }

    /// The packets in order.
    pub const fn packets(&self) -> Packets<'a> {
        Packets { reader: Reader::new(self.packets) }
    }
}

impl<'a> IntoIterator for Compound<'a> {
    type Item = Result<Packet<'a>, ParseError>;
    type IntoIter = Packets<'a>;

    fn into_iter(self) -> Packets<'a> {
        self.packets()
    }
}

/// Iterates over a [`Compound`].
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        match read_packet(&mut self.reader) {
            Ok((header, body)) => Some(parse_body(header, body)),
            Err(e) => {
                self.reader.rest();
                Some(Err(e))
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Header {
    padding: bool,
    count: u8,
    packet_type: u8,
}

/// The next packet's header and its body without padding.
fn read_packet<'a>(r: &mut Reader<'a>) -> Result<(Header, &'a [u8]), ParseError> {
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

fn parse_body(header: Header, body: &[u8]) -> Result<Packet<'_>, ParseError> {
    let Header { count, packet_type, .. } = header;
    Ok(match packet_type {
        packet_type::SR => Packet::SenderReport(SenderReport::parse(count, body)?),
        packet_type::RR => Packet::ReceiverReport(ReceiverReport::parse(count, body)?),
        packet_type::SDES => Packet::Sdes(Sdes::parse(count, body)?),
        packet_type::BYE => Packet::Bye(Bye::parse(count, body)?),
        packet_type::APP => Packet::App(App::parse(count, body)?),
        packet_type::RTPFB | packet_type::PSFB => {
            Packet::Feedback(Feedback::parse(packet_type, count, body)?)
        }
        _ => Packet::Unknown { packet_type, count, body },
    })
}

/// Appends a packet: header, what `body` appends, zeros up to a multiple of four bytes. What
/// would not fit the length field is not written at all.
fn write_packet(count: u8, packet_type: u8, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
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
fn short_text(text: &str) -> &str {
    let mut len = text.len().min(255);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    text.get(..len).unwrap_or_default()
}

/// A count of at most [`MAX_COUNT`].
fn count_of(n: usize) -> u8 {
    u8::try_from(n.min(MAX_COUNT)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
