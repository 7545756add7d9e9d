//! Receiver reports (RFC 3550 section 6.4.2) and report blocks (6.4.1).

use super::header::{MAX_COUNT, count_of, packet_type, write_packet};
use crate::wire::{ParseError, Reader};

const BLOCK_LEN: usize = 24;

/// A report block: the reception statistics of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 3550 section 6.4.1")]
pub struct ReportBlock {
    /// SSRC of the source.
    pub ssrc: u32,
    /// Fraction of the packets lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since reception began, a signed number of 24 bits; negative if duplicates
    /// outnumber losses.
    pub cumulative_lost: i32,
    /// Highest sequence number received; the upper 16 bits count the wraps.
    pub highest_sequence: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last SR; 0 if none was received.
    pub last_sr: u32,
    /// Time from the arrival of that SR to this report, in 1/65536 second; 0 if none was received.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    fn parse(block: &[u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(block);
        let what = "RTCP report block";
        let ssrc = r.u32(what)?;
        let loss = r.u32(what)?;
        let [fraction_lost, ..] = loss.to_be_bytes();
        Ok(Self {
            ssrc,
            fraction_lost,
            // The arithmetic shift extends the sign of the lower 24 bits.
            cumulative_lost: (loss << 8) as i32 >> 8,
            highest_sequence: r.u32(what)?,
            jitter: r.u32(what)?,
            last_sr: r.u32(what)?,
            delay_since_last_sr: r.u32(what)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
        let loss = u32::from(self.fraction_lost) << 24 | lost;
        for word in [
            self.ssrc,
            loss,
            self.highest_sequence,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        ] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// The report blocks of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlocks<'a>(&'a [u8]);

impl<'a> ReportBlocks<'a> {
    pub(super) fn read(count: u8, r: &mut Reader<'a>) -> Result<Self, ParseError> {
        r.take(usize::from(count) * BLOCK_LEN, "RTCP report blocks").map(Self)
    }

    /// Iterates over the blocks, in order.
    pub fn iter(self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.0.chunks_exact(BLOCK_LEN).filter_map(|block| ReportBlock::parse(block).ok())
    }

    /// Number of blocks, at most 31.
    pub const fn len(self) -> usize {
        self.0.len() / BLOCK_LEN
    }

    /// Whether there are no blocks.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// A receiver report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 3550 section 6.4.2")]
pub struct ReceiverReport<'a> {
    /// SSRC of the receiver.
    pub ssrc: u32,
    /// Report blocks, one for each source heard; may be empty.
    pub blocks: ReportBlocks<'a>,
    /// Profile-specific extensions.
    pub extension: &'a [u8],
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        let ssrc = r.u32("RTCP RR")?;
        let blocks = ReportBlocks::read(count, &mut r)?;
        Ok(Self { ssrc, blocks, extension: r.rest() })
    }
}

/// Appends a receiver report, followed by further ones if there are more than 31 blocks.
pub fn write_rr(out: &mut Vec<u8>, ssrc: u32, blocks: &[ReportBlock]) {
    let mut rest = blocks;
    loop {
        let (now, later) = rest.split_at_checked(MAX_COUNT).unwrap_or((rest, &[]));
        write_packet(count_of(now.len()), packet_type::RR, out, |out| {
            out.extend_from_slice(&ssrc.to_be_bytes());
            write_blocks(out, now);
        });
        rest = later;
        if rest.is_empty() {
            return;
        }
    }
}

pub(super) fn write_blocks(out: &mut Vec<u8>, blocks: &[ReportBlock]) {
    for block in blocks {
        block.write(out);
    }
}
