//! Converts RTP timestamps to times (RFC 3550 sections 5.1 and 6.4.1).

use super::statistics::ticks;
use crate::rtp::rtcp::{NtpTime, SenderInfo};
use std::time::Duration;

/// Largest difference between timestamps and arrival times on the same time line: a sender may stop
/// for a while, or send buffered packets.
const LARGEST_LAG: Duration = Duration::from_secs(60);

/// Relates the timestamps of one SSRC to a time line from zero, and to the sender's wall clock.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    clock_rate: u32,
    /// The last timestamp, and its position in units since the start of the time line.
    last: Option<(u32, i64)>,
    /// Position in units of the next timestamp, if there was none yet.
    next_at: i64,
    report: Option<SenderInfo>,
}

impl Timeline {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self { clock_rate: clock_rate.max(1), last: None, next_at: 0, report: None }
    }

    /// Makes `timestamp` correspond to `at`.
    pub(super) fn set_reference(&mut self, timestamp: u32, at: Duration) {
        self.last = Some((timestamp, ticks(at, self.clock_rate) as i64));
    }

    pub(super) const fn handle_report(&mut self, report: SenderInfo) {
        self.report = Some(report);
    }

    /// Starts over with new timestamps; the next one follows `after` the last.
    pub(super) fn restart(&mut self, after: Duration) {
        if let Some((_, at)) = self.last.take() {
            self.next_at = at.saturating_add(ticks(after, self.clock_rate) as i64);
        }
        self.report = None;
    }

    /// Handles a restart of the sequence numbers, `after` the previous packet. If the sender has a
    /// new first timestamp as well, the time line continues by that time.
    pub(super) fn follow_jump(&mut self, timestamp: u32, after: Duration) {
        let Some((before, _)) = self.last else { return };
        let expected = before.wrapping_add(ticks(after, self.clock_rate) as u32);
        let off = (timestamp.wrapping_sub(expected) as i32).unsigned_abs();
        if u64::from(off) > ticks(LARGEST_LAG, self.clock_rate) {
            self.restart(after);
        }
    }

    /// The position of a timestamp, unwrapped around the last one. Positions before the start of
    /// the time line become its start.
    pub(super) fn presentation(&mut self, timestamp: u32) -> Duration {
        let (before, at) = self.last.unwrap_or((timestamp, self.next_at));
        let at = at.saturating_add(i64::from(timestamp.wrapping_sub(before) as i32));
        self.last = Some((timestamp, at));
        let at = u64::try_from(at).unwrap_or(0);
        let rate = u64::from(self.clock_rate);
        let nanos = (at % rate) * 1_000_000_000 / rate;
        Duration::from_secs(at / rate) + Duration::from_nanos(nanos)
    }

    /// The sender's wall-clock time at a timestamp, once it has reported.
    pub(super) fn wall_clock(&self, timestamp: u32) -> Option<NtpTime> {
        let report = self.report?;
        let distance = i64::from(timestamp.wrapping_sub(report.rtp_timestamp) as i32);
        let units = i128::from(distance) << 32;
        let distance = units.div_euclid(i128::from(self.clock_rate)) as i64;
        Some(NtpTime(report.ntp.0.wrapping_add_signed(distance)))
    }
}
