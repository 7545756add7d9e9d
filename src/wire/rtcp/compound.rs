//! [`Compound`]: the RTCP packets of one datagram, with the validity checks of RFC 3550 section 6.1
//! and appendix A.2.

use super::app::App;
use super::bye::Bye;
use super::fb::Feedback;
use super::header::{Header, packet_type, read_packet};
use super::rr::ReceiverReport;
use super::sdes::Sdes;
use super::sr::SenderReport;
use super::xr::ExtendedReport;
use crate::wire::{ParseError, Reader};

/// One packet of a compound packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// Sender report.
    SenderReport(SenderReport<'a>),
    /// Receiver report.
    ReceiverReport(ReceiverReport<'a>),
    /// Source description.
    Sdes(Sdes<'a>),
    /// Goodbye.
    Bye(Bye<'a>),
    /// Application-defined packet.
    App(App<'a>),
    /// Feedback message (RTPFB or PSFB).
    Feedback(Feedback<'a>),
    /// Extended report.
    ExtendedReport(ExtendedReport<'a>),
    /// A packet of another type.
    Unknown {
        /// Packet type.
        packet_type: u8,
        /// The five count bits of the header.
        count: u8,
        /// The packet after its first four bytes, without padding.
        body: &'a [u8],
    },
}

/// The packets of one datagram or interleaved frame. The iterator yields each packet, or the error
/// of a malformed body; the other packets remain readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compound<'a> {
    packets: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks the rules of RFC 3550 appendix A.2: version 2 throughout; the first packet is SR or
    /// RR and not padded; the lengths add up. Padding is accepted on the last packet only.
    ///
    /// # Errors
    /// One of these checks fails; the caller should drop the whole datagram.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        match datagram {
            [first, packet_type::SR | packet_type::RR, ..] if first & 0x20 == 0 => {
                Self::parse_reduced_size(datagram)
            }
            [_, _, ..] => Err(ParseError::Invalid { what: "first RTCP packet", at: 1 }),
            _ => Err(ParseError::Incomplete { what: "RTCP header" }),
        }
    }

    /// Like [`parse`](Self::parse), but accepts any packet type in the first place (RFC 5506).
    ///
    /// # Errors
    /// One of the other checks fails.
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

    /// Returns an iterator over the packets, in order.
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

/// An iterator over the packets of a [`Compound`].
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
        packet_type::XR => Packet::ExtendedReport(ExtendedReport::parse(body)?),
        _ => Packet::Unknown { packet_type, count, body },
    })
}
