//! Extended reports (RFC 3611): the blocks with which a receiver measures the round-trip time
//! (sections 4.4 and 4.5). Other blocks are passed on as they are.

use super::header::{packet_type, write_packet};
use super::ntp::NtpTime;
use crate::wire::{ParseError, Reader};

/// Block type of a receiver reference time.
const RRTR: u8 = 4;
/// Block type of the delays since the last receiver reference times.
const DLRR: u8 = 5;
/// Length of a sub-block of a DLRR block.
const DELAY_LEN: usize = 12;

/// An extended report whose blocks have been checked to be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedReport<'a> {
    /// SSRC of the participant that sends the report.
    pub ssrc: u32,
    blocks: &'a [u8],
}

/// A report block of an [`ExtendedReport`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum XrBlock<'a> {
    /// Receiver reference time (RFC 3611 section 4.4): the wall-clock time of the participant when
    /// it sent the block.
    ReceiverReferenceTime(NtpTime),
    /// Delays since the last receiver reference times that the participant has received (RFC 3611
    /// section 4.5).
    DelaysSinceLastRr(ReportedDelays<'a>),
    /// A block of another type, or of a length that its type does not have.
    Other {
        /// Block type.
        block_type: u8,
        /// The octet after the type.
        type_specific: u8,
        /// The block after its first four bytes.
        contents: &'a [u8],
    },
}

/// A sub-block of a DLRR block: what one receiver needs to compute the round-trip time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 3611 section 4.5")]
pub struct Dlrr {
    /// SSRC of the receiver.
    pub ssrc: u32,
    /// Middle 32 bits of the last reference time of that receiver; 0 if none was received.
    pub last_rr: u32,
    /// Time from the arrival of that reference time to this report, in 1/65536 second; 0 if none
    /// was received.
    pub delay_since_last_rr: u32,
}

/// The sub-blocks of a DLRR block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportedDelays<'a>(&'a [u8]);

impl ReportedDelays<'_> {
    /// Iterates over the sub-blocks, in order.
    pub fn iter(&self) -> impl Iterator<Item = Dlrr> {
        self.0.chunks_exact(DELAY_LEN).filter_map(|delay| Dlrr::parse(delay).ok())
    }
}

impl Dlrr {
    fn parse(delay: &[u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(delay);
        let what = "RTCP DLRR";
        Ok(Self { ssrc: r.u32(what)?, last_rr: r.u32(what)?, delay_since_last_rr: r.u32(what)? })
    }
}

impl<'a> ExtendedReport<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        let ssrc = r.u32("RTCP XR")?;
        let blocks = r.remaining();
        while !r.is_empty() {
            read_block(&mut r)?;
        }
        Ok(Self { ssrc, blocks })
    }

    /// Iterates over the blocks, in order.
    pub fn blocks(&self) -> impl Iterator<Item = XrBlock<'a>> + use<'a> {
        let mut r = Reader::new(self.blocks);
        std::iter::from_fn(move || (!r.is_empty()).then(|| read_block(&mut r).ok()).flatten())
    }
}

fn read_block<'a>(r: &mut Reader<'a>) -> Result<XrBlock<'a>, ParseError> {
    let what = "RTCP XR block";
    let (block_type, type_specific) = (r.u8(what)?, r.u8(what)?);
    let words = usize::from(r.u16(what)?);
    let contents = r.take(words * 4, what)?;
    Ok(match (block_type, contents.len()) {
        (RRTR, 8) => XrBlock::ReceiverReferenceTime(NtpTime(Reader::new(contents).u64(what)?)),
        (DLRR, len) if len % DELAY_LEN == 0 => XrBlock::DelaysSinceLastRr(ReportedDelays(contents)),
        _ => XrBlock::Other { block_type, type_specific, contents },
    })
}

/// Appends an extended report with one block. Its contents are a multiple of four bytes.
fn write_xr(out: &mut Vec<u8>, ssrc: u32, block_type: u8, contents: impl Iterator<Item = u32>) {
    write_packet(0, packet_type::XR, out, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        let start = out.len();
        out.extend_from_slice(&[block_type, 0, 0, 0]);
        contents.for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
        // A block that is too long for this field is too long for the packet, and not written.
        let words = u16::try_from((out.len() - start) / 4 - 1).unwrap_or(u16::MAX);
        if let Some(field) = out.get_mut(start + 2..start + 4) {
            field.copy_from_slice(&words.to_be_bytes());
        }
    });
}

/// Appends an extended report with a receiver reference time.
pub fn write_xr_rrtr(out: &mut Vec<u8>, ssrc: u32, time: NtpTime) {
    write_xr(out, ssrc, RRTR, [(time.0 >> 32) as u32, time.0 as u32].into_iter());
}

/// Appends an extended report with delays since the last receiver reference times. Nothing is
/// written if they do not fit into a packet (21,844 of them do).
pub fn write_xr_dlrr(out: &mut Vec<u8>, ssrc: u32, delays: &[Dlrr]) {
    let words = |d: &Dlrr| [d.ssrc, d.last_rr, d.delay_since_last_rr];
    write_xr(out, ssrc, DLRR, delays.iter().flat_map(words));
}
