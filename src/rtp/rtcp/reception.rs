//! What receivers report of us: RFC 3550 sections 6.4.1 and 6.4.4.

use super::{NtpTime, ReportBlock};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What a receiver of our stream last reported (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceptionStatistics {
    /// SSRC of the receiver.
    pub reporter: u32,
    /// Share of packets lost since its report before, in 256ths;
    /// [`lost_share`](Self::lost_share) gives it as a number.
    pub fraction_lost: u8,
    /// Packets lost since it began to receive; negative if duplicates outnumber losses. It has 24
    /// bits, and stops at their ends.
    pub cumulative_lost: i32,
    /// Highest sequence number that arrived; the upper 16 bits count how often the number has
    /// wrapped.
    pub highest_sequence: u32,
    /// Interarrival jitter: by how much the time that packets need varies, on average.
    pub jitter: Duration,
    /// Time that a packet needs to the receiver and back; `None` until the receiver has had one of
    /// our sender reports. If a report does not tell it (LSR is 0, or not plausible), that of an
    /// earlier report stands.
    pub round_trip: Option<Duration>,
    /// When this report arrived.
    pub last_report_at: Instant,
    /// Reports so far, this one included.
    pub reports: u64,
}

impl ReceptionStatistics {
    /// Share of packets lost since the report before, from 0 to 1.
    pub fn lost_share(&self) -> f64 {
        f64::from(self.fraction_lost) / 256.0
    }
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

/// Interarrival jitter as a time; none if the clock is not known.
fn jitter(units: u32, clock_rate: u32) -> Duration {
    let nanos = (u64::from(units) * 1_000_000_000).checked_div(u64::from(clock_rate));
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// The receivers heard of, by the key that the owner of the sockets gave their destination.
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

    /// Forgets receivers whose last report is older than `longest`.
    pub(super) fn forget_silent(&mut self, now: Instant, longest: Duration) {
        self.table.retain(|_, s| now.saturating_duration_since(s.last_report_at) <= longest);
    }

    /// Takes a block about us, and returns what it says; `None` if the table is full.
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
