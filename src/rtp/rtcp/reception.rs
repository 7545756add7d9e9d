//! Reports of receivers on our stream (RFC 3550 sections 6.4.1 and 6.4.4).

use super::{NtpTime, ReportBlock};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The last report of a receiver on our stream (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceptionStatistics {
    /// SSRC of the receiver.
    pub reporter: u32,
    /// Fraction of the packets lost since the previous report, in 256ths; see
    /// [`lost_share`](Self::lost_share).
    pub fraction_lost: u8,
    /// Packets lost since reception began; negative if duplicates outnumber losses. The number has
    /// 24 bits, and saturates.
    pub cumulative_lost: i32,
    /// Highest sequence number received; the upper 16 bits count the wraps.
    pub highest_sequence: u32,
    /// Interarrival jitter: the mean deviation of the packets' transit time.
    pub jitter: Duration,
    /// Round-trip time to the receiver; `None` until the receiver has received one of our sender
    /// reports. If a report does not state it (LSR is 0, or implausible), that of an earlier report
    /// is kept.
    pub round_trip: Option<Duration>,
    /// When this report arrived.
    pub last_report_at: Instant,
    /// Number of reports so far, including this one.
    pub reports: u64,
}

impl ReceptionStatistics {
    /// Returns the fraction of the packets lost since the previous report, from 0 to 1.
    pub fn lost_share(&self) -> f64 {
        f64::from(self.fraction_lost) / 256.0
    }
}

/// Longest plausible time since the receiver had our sender report; more indicates a wrong clock.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(3600);

/// Round-trip time from LSR and DLSR of a report block that arrived at `now`; `None` if the
/// receiver had no report of ours, or the values are implausible.
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

/// Converts interarrival jitter to a duration; zero if the clock rate is unknown.
fn jitter(units: u32, clock_rate: u32) -> Duration {
    let nanos = (u64::from(units) * 1_000_000_000).checked_div(u64::from(clock_rate));
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// The known receivers, by the key of their destination.
#[derive(Debug)]
pub(super) struct Receptions {
    table: HashMap<u64, ReceptionStatistics>,
    limit: usize,
    clock_rate: u32,
}

impl Receptions {
    pub(super) fn new(limit: usize, clock_rate: u32) -> Self {
        Self { table: HashMap::new(), limit, clock_rate }
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

    /// Removes receivers whose last report is older than `longest`.
    pub(super) fn forget_silent(&mut self, now: Instant, longest: Duration) {
        self.table.retain(|_, s| now.saturating_duration_since(s.last_report_at) <= longest);
    }

    /// Processes a report block on our stream, and returns its statistics; `None` if the table is
    /// full.
    pub(super) fn handle_block(
        &mut self,
        from: u64,
        reporter: u32,
        block: &ReportBlock,
        now: Instant,
        ntp_now: NtpTime,
    ) -> Option<ReceptionStatistics> {
        let before = self.table.get(&from).filter(|s| s.reporter == reporter);
        if before.is_none() && self.table.len() >= self.limit && !self.table.contains_key(&from) {
            return None;
        }
        let statistics = ReceptionStatistics {
            reporter,
            fraction_lost: block.fraction_lost,
            cumulative_lost: block.cumulative_lost,
            highest_sequence: block.highest_sequence,
            jitter: jitter(block.jitter, self.clock_rate),
            round_trip: round_trip(ntp_now, block).or_else(|| before.and_then(|s| s.round_trip)),
            last_report_at: now,
            reports: before.map_or(0, |s| s.reports).saturating_add(1),
        };
        self.table.insert(from, statistics);
        Some(statistics)
    }
}
