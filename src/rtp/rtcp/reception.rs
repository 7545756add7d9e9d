//! What receivers report of us: RFC 3550 sections 6.4.1 and 6.4.4.

use super::{NtpTime, ReportBlock};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What one destination last reported of our stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceptionStatistics {
    /// SSRC of the receiver.
    pub reporter: u32,
    /// Share of packets lost since its report before, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since it began to receive; negative if duplicates outnumber losses.
    pub cumulative_lost: i32,
    /// Extended highest sequence number that arrived.
    pub highest_sequence: u32,
    /// Interarrival jitter, RTP timestamp units.
    pub jitter: u32,
    /// Time there and back, once it has seen one of our sender reports.
    pub round_trip: Option<Duration>,
    /// When its last report arrived.
    pub last_report_at: Instant,
    /// Reports so far.
    pub reports: u64,
}

/// How long a report may say that it has had our sender report. More is a wrong clock.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(3600);

/// Round-trip time by LSR and DLSR of a report block that arrived at `now`; `None` if its sender
/// had no report of ours or cannot have had it for so long.
pub(super) fn round_trip(now: NtpTime, block: &ReportBlock) -> Option<Duration> {
    if block.last_sr == 0 {
        return None;
    }
    let trip =
        now.middle().wrapping_sub(block.last_sr).wrapping_sub(block.delay_since_last_sr) as i32;
    // Both ends round to 1/65536 s: on a short path the difference may fall below zero.
    if trip < -2 {
        return None;
    }
    let trip = NtpTime::short_to_duration(trip.max(0).unsigned_abs());
    (trip <= LONGEST_ROUND_TRIP).then_some(trip)
}

/// The receivers heard of, by the key that the owner of the sockets gave their destination.
#[derive(Debug)]
pub(super) struct Receptions {
    table: HashMap<u64, ReceptionStatistics>,
    limit: usize,
}

impl Receptions {
    pub(super) fn new(limit: usize) -> Self {
        Self { table: HashMap::new(), limit }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn of(&self, from: u64) -> Option<&ReceptionStatistics> {
        self.table.get(&from)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &ReceptionStatistics)> {
        self.table.iter().map(|(&from, s)| (from, s))
    }

    pub(super) fn remove(&mut self, from: u64) -> bool {
        self.table.remove(&from).is_some()
    }

    /// Forgets whom nothing was heard of since `since`.
    pub(super) fn forget_silent(&mut self, now: Instant, longest: Duration) {
        self.table.retain(|_, s| now.saturating_duration_since(s.last_report_at) <= longest);
    }

    /// Takes a block about us; false if the table is full.
    pub(super) fn handle_block(
        &mut self,
        from: u64,
        reporter: u32,
        block: &ReportBlock,
        now: Instant,
        ntp_now: NtpTime,
    ) -> bool {
        let before = self.table.get(&from).filter(|s| s.reporter == reporter);
        if before.is_none() && self.table.len() >= self.limit && !self.table.contains_key(&from) {
            return false;
        }
        let statistics = ReceptionStatistics {
            reporter,
            fraction_lost: block.fraction_lost,
            cumulative_lost: block.cumulative_lost,
            highest_sequence: block.highest_sequence,
            jitter: block.jitter,
            round_trip: round_trip(ntp_now, block).or_else(|| before.and_then(|s| s.round_trip)),
            last_report_at: now,
            reports: before.map_or(0, |s| s.reports).saturating_add(1),
        };
        self.table.insert(from, statistics);
        true
    }
}
