//! [`TrackRecord`]: what has come of a track, as far as the checks need it: its size does not depend
//! on how much comes.

use riverrun::wire::rtcp::{Compound, Packet, SdesChunk, SenderInfo};
use riverrun::wire::rtp::{PacketKind, RtpPacket};
use std::collections::BTreeSet;
use std::time::Instant;

/// Reports of a track that are kept.
const MAX_REPORTS: usize = 32;
/// SSRCs of a track that are kept.
const MAX_SSRCS: usize = 8;

/// What a probe has kept of a track's packets.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrackRecord {
    pub(super) first: Option<Head>,
    pub(super) last: Option<(Head, Instant)>,
    pub(super) packets: u64,
    pub(super) malformed: u64,
    pub(super) payload_types: BTreeSet<u8>,
    pub(super) ssrcs: Vec<u32>,
    /// Sequence numbers that were passed over, and packets behind the last.
    pub(super) missing: u64,
    pub(super) behind: u64,
    pub(super) reports: Vec<Report>,
    /// RTCP packets, those that do not begin with a report, and those without a CNAME.
    pub(super) compounds: u64,
    pub(super) without_report: u64,
    pub(super) without_cname: u64,
    pub(super) cname: Option<String>,
    pub(super) has_bye: bool,
}

/// What counts of the header of an RTP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
}

/// A sender report, and what had come before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub(super) info: SenderInfo,
    pub(super) ssrc: u32,
    pub(super) at: Instant,
    pub(super) packets: u64,
    pub(super) last: Option<(Head, Instant)>,
}

impl TrackRecord {
    pub(crate) const fn packets(&self) -> u64 {
        self.packets
    }

    /// Takes a packet; `agreed` is what its channel or port is for.
    pub(crate) fn take(&mut self, agreed: PacketKind, data: &[u8], now: Instant) {
        match PacketKind::of(data, Some(agreed)) {
            PacketKind::Rtp => self.take_rtp(data, now),
            PacketKind::Rtcp => self.take_rtcp(data, now),
        }
    }

    fn take_rtp(&mut self, data: &[u8], now: Instant) {
        let Ok(packet) = RtpPacket::parse(data) else {
            self.malformed += 1;
            return;
        };
        self.packets += 1;
        self.payload_types.insert(packet.payload_type);
        if !self.ssrcs.contains(&packet.ssrc) && self.ssrcs.len() < MAX_SSRCS {
            self.ssrcs.push(packet.ssrc);
        }
        let head = Head {
            sequence: packet.sequence_number,
            timestamp: packet.timestamp,
            ssrc: packet.ssrc,
        };
        self.first.get_or_insert(head);
        if let Some((last, _)) = self.last.filter(|(last, _)| last.ssrc == head.ssrc) {
            match head.sequence.wrapping_sub(last.sequence) {
                0 | 0x8000.. => {
                    self.behind += 1;
                    return;
                }
                step => self.missing += u64::from(step - 1),
            }
        }
        self.last = Some((head, now));
    }

    fn take_rtcp(&mut self, data: &[u8], now: Instant) {
        self.compounds += 1;
        let Ok(compound) = Compound::parse(data) else {
            self.without_report += 1;
            return;
        };
        let mut cname = None;
        for packet in compound.packets().flatten() {
            match packet {
                Packet::SenderReport(report) if self.reports.len() < MAX_REPORTS => {
                    let (packets, last) = (self.packets, self.last);
                    let (info, ssrc) = (report.info, report.ssrc);
                    self.reports.push(Report { info, ssrc, at: now, packets, last });
                }
                Packet::Sdes(sdes) => {
                    let names = |chunk: SdesChunk<'_>| {
                        sdes.cname(chunk.ssrc)
                            .map(|name| String::from_utf8_lossy(name).into_owned())
                    };
                    cname = cname.or_else(|| sdes.chunks().find_map(names));
                }
                Packet::Bye(_) => self.has_bye = true,
                _ => {}
            }
        }
        match cname {
            Some(cname) => self.cname = Some(cname),
            None => self.without_cname += 1,
        }
    }
}

impl Report {
    /// Seconds by which its RTP timestamp is later than that of the packets would be by now.
    pub(super) fn difference(&self, clock_rate: u32) -> Option<f64> {
        let (last, at) = self.last?;
        let units = self.info.rtp_timestamp.wrapping_sub(last.timestamp) as i32;
        let passed = self.at.saturating_duration_since(at).as_secs_f64();
        Some(f64::from(units) / f64::from(clock_rate.max(1)) - passed)
    }
}
