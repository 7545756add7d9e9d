//! Feedback: generic NACK and picture loss indication (RFC 4585 sections 6.2.1 and 6.3.1), full
//! intra request (RFC 5104 section 4.3.1).

use super::header::{packet_type, write_packet};
use crate::wire::{ParseError, Reader};

const NACK_FORMAT: u8 = 1;
const PLI_FORMAT: u8 = 1;
const FIR_FORMAT: u8 = 4;

/// A feedback message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 4585 section 6.1")]
pub struct Feedback<'a> {
    /// [`RTPFB`](packet_type::RTPFB) or [`PSFB`](packet_type::PSFB).
    pub packet_type: u8,
    /// Feedback message type (FMT).
    pub format: u8,
    /// SSRC of the participant that sends the message.
    pub sender: u32,
    /// SSRC of the media source that the message is about; 0 in a full intra request, which names
    /// its sources in the [`information`](Self::information).
    pub media: u32,
    /// Feedback control information (FCI); its format depends on the message type.
    pub information: &'a [u8],
}

/// An entry of a generic NACK: packet `first` is lost, and each `first + 1 + i` whose bit `i` of
/// `following` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 4585 section 6.2.1")]
pub struct Nack {
    /// Sequence number of a lost packet.
    pub first: u16,
    /// Bit mask of the next sixteen packets: bit `i` is set if packet `first + 1 + i` is lost too.
    pub following: u16,
}

impl Nack {
    /// Iterates over the sequence numbers of the packets reported as lost.
    pub fn sequence_numbers(self) -> impl Iterator<Item = u16> {
        let lost = move |i: &u16| self.following >> i & 1 == 1;
        let following = (0..16).filter(lost).map(move |i| self.first.wrapping_add(i + 1));
        std::iter::once(self.first).chain(following)
    }
}

/// An entry of a full intra request: asks one source for a key frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 5104 section 4.3.1.1")]
pub struct Fir {
    /// SSRC of the requested source.
    pub ssrc: u32,
    /// Command sequence number; a repeated request has the number of the first.
    pub sequence: u8,
}

impl<'a> Feedback<'a> {
    pub(super) fn parse(packet_type: u8, format: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        let sender = r.u32("RTCP feedback")?;
        let media = r.u32("RTCP feedback")?;
        Ok(Self { packet_type, format, sender, media, information: r.rest() })
    }

    /// Whether the message is a picture loss indication for [`media`](Self::media).
    pub const fn is_pli(&self) -> bool {
        self.packet_type == packet_type::PSFB && self.format == PLI_FORMAT
    }

    /// Iterates over the entries of a generic NACK; empty for other messages.
    pub fn nacks(&self) -> impl Iterator<Item = Nack> + use<'a> {
        let is_nack = self.packet_type == packet_type::RTPFB && self.format == NACK_FORMAT;
        let mut r = Reader::new(if is_nack { self.information } else { &[] });
        std::iter::from_fn(move || {
            Some(Nack { first: r.u16("NACK").ok()?, following: r.u16("NACK").ok()? })
        })
    }

    /// Iterates over the entries of a full intra request; empty for other messages.
    pub fn firs(&self) -> impl Iterator<Item = Fir> + use<'a> {
        let is_fir = self.packet_type == packet_type::PSFB && self.format == FIR_FORMAT;
        let mut r = Reader::new(if is_fir { self.information } else { &[] });
        std::iter::from_fn(move || {
            let (ssrc, sequence) = (r.u32("FIR").ok()?, r.u8("FIR").ok()?);
            r.u24("FIR").ok()?;
            Some(Fir { ssrc, sequence })
        })
    }
}

fn write_feedback(
    out: &mut Vec<u8>,
    packet_type: u8,
    format: u8,
    [sender, media]: [u32; 2],
    information: impl FnOnce(&mut Vec<u8>),
) {
    write_packet(format, packet_type, out, |out| {
        out.extend_from_slice(&sender.to_be_bytes());
        out.extend_from_slice(&media.to_be_bytes());
        information(out);
    });
}

/// Appends a generic NACK.
pub fn write_nack(out: &mut Vec<u8>, sender: u32, media: u32, nacks: &[Nack]) {
    write_feedback(out, packet_type::RTPFB, NACK_FORMAT, [sender, media], |out| {
        for nack in nacks {
            out.extend_from_slice(&nack.first.to_be_bytes());
            out.extend_from_slice(&nack.following.to_be_bytes());
        }
    });
}

/// Appends a picture loss indication.
pub fn write_pli(out: &mut Vec<u8>, sender: u32, media: u32) {
    write_feedback(out, packet_type::PSFB, PLI_FORMAT, [sender, media], |_| {});
}

/// Appends a full intra request. The SSRC of the media source in the header is 0; the entries name
/// the sources (RFC 5104 section 4.3.1.2).
pub fn write_fir(out: &mut Vec<u8>, sender: u32, requests: &[Fir]) {
    write_feedback(out, packet_type::PSFB, FIR_FORMAT, [sender, 0], |out| {
        for fir in requests {
            out.extend_from_slice(&fir.ssrc.to_be_bytes());
            out.extend_from_slice(&[fir.sequence, 0, 0, 0]);
        }
    });
}
