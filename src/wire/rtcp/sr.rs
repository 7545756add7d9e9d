//! Sender reports (RFC 3550 section 6.4.1).

use super::header::{MAX_COUNT, count_of, packet_type, write_packet};
use super::ntp::NtpTime;
use super::rr::{ReportBlock, ReportBlocks, write_blocks, write_rr};
use crate::wire::{ParseError, Reader};

/// Sender information: the statistics of a sender's own stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 3550 section 6.4.1")]
pub struct SenderInfo {
    /// Wall-clock time of the report.
    pub ntp: NtpTime,
    /// The same instant as an RTP timestamp of the stream.
    pub rtp_timestamp: u32,
    /// Packets sent since the stream began, modulo 2³².
    pub packet_count: u32,
    /// Bytes of payload sent since the stream began, modulo 2³².
    pub octet_count: u32,
}

/// A sender report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 3550 section 6.4.1")]
pub struct SenderReport<'a> {
    /// SSRC of the sender.
    pub ssrc: u32,
    /// Statistics of the sender's own stream.
    pub info: SenderInfo,
    /// Report blocks of the streams that the sender receives; may be empty.
    pub blocks: ReportBlocks<'a>,
    /// Profile-specific extensions.
    pub extension: &'a [u8],
}

impl<'a> SenderReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        let ssrc = r.u32("RTCP SR")?;
        let info = SenderInfo {
            ntp: NtpTime(r.u64("RTCP SR")?),
            rtp_timestamp: r.u32("RTCP SR")?,
            packet_count: r.u32("RTCP SR")?,
            octet_count: r.u32("RTCP SR")?,
        };
        let blocks = ReportBlocks::read(count, &mut r)?;
        Ok(Self { ssrc, info, blocks, extension: r.rest() })
    }
}

/// Appends a sender report; blocks beyond the 31st follow in receiver reports.
pub fn write_sr(out: &mut Vec<u8>, ssrc: u32, info: &SenderInfo, blocks: &[ReportBlock]) {
    let (now, later) = blocks.split_at_checked(MAX_COUNT).unwrap_or((blocks, &[]));
    write_packet(count_of(now.len()), packet_type::SR, out, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        out.extend_from_slice(&info.ntp.0.to_be_bytes());
        for word in [info.rtp_timestamp, info.packet_count, info.octet_count] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        write_blocks(out, now);
    });
    if !later.is_empty() {
        write_rr(out, ssrc, later);
    }
}
