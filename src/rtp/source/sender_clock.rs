//! [`SenderClock`]: which wall-clock time belongs to a timestamp, by the sender's reports: RFC 3550
//! section 6.4.1. Reports contradict the packets, or one another, where a sender sets its clock while
//! it sends, has none, or is wrong; none of that may move the frames.

use super::statistics::ticks;
use crate::rtp::rtcp::{NtpTime, SenderInfo};
use std::time::{Duration, Instant};

/// How far a report's timestamp may be from those of the packets.
const LARGEST_LAG: Duration = Duration::from_secs(60);
/// By how much a report may differ from the one before and be believed at once: clocks drift, and
/// some senders write a report a little before they send it.
/// 100 ms, in units of NTP.
const TOLERANCE: u64 = (1 << 32) / 10;

#[derive(Clone, Copy, Debug)]
struct Report {
    info: SenderInfo,
    at: Instant,
}

/// The sender's wall clock, as far as its reports are believed.
#[derive(Clone, Debug)]
pub(super) struct SenderClock {
    clock_rate: u32,
    believed: Option<Report>,
    /// It has been held against the timestamps of packets.
    checked: bool,
    /// A report that contradicts the one believed. A second one that agrees with it is right.
    doubted: Option<SenderInfo>,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It says what the one before says, or it is the first.
    Believed,
    /// The sender has set its clock.
    Stepped,
    /// It is older than the one before.
    Late,
    /// It is not believed.
    Doubted,
}

impl SenderClock {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self { clock_rate: clock_rate.max(1), believed: None, checked: false, doubted: None }
    }

    /// Takes a report that has come at `now`. `expected` is about the timestamp that the sender is
    /// at, if packets have come.
    pub(super) fn handle_report(
        &mut self,
        info: SenderInfo,
        expected: Option<u32>,
        now: Instant,
    ) -> Verdict {
        // A sender without a wall clock tells no time (6.4.1).
        if info.ntp == NtpTime(0) {
            return Verdict::Doubted;
        }
        if expected.is_some_and(|expected| self.is_far(info.rtp_timestamp, expected)) {
            return Verdict::Doubted;
        }
        let report = Report { info, at: now };
        let Some(believed) = self.believed else {
            self.believed = Some(report);
            self.checked = expected.is_some();
            return Verdict::Believed;
        };
        if self.agree(&believed.info, &info) {
            self.doubted = None;
            if (info.ntp.0.wrapping_sub(believed.info.ntp.0) as i64) < 0 {
                return Verdict::Late;
            }
            self.believed = Some(report);
            self.checked |= expected.is_some();
            return Verdict::Believed;
        }
        if self.doubted.is_some_and(|doubted| self.agree(&doubted, &info)) {
            self.believed = Some(report);
            self.doubted = None;
            return Verdict::Stepped;
        }
        self.doubted = Some(info);
        Verdict::Doubted
    }

    /// The sender's wall-clock time of the timestamp of a frame that arrived at `arrived`; `None`
    /// unless it has told.
    pub(super) fn wall_clock(&mut self, timestamp: u32, arrived: Instant) -> Option<NtpTime> {
        let Report { info, at } = self.believed?;
        if !self.checked {
            // The report was ahead of the packets.
            let early = ticks(at.saturating_duration_since(arrived), self.clock_rate);
            let late = ticks(arrived.saturating_duration_since(at), self.clock_rate);
            let passed = (late as u32).wrapping_sub(early as u32);
            if self.is_far(info.rtp_timestamp.wrapping_add(passed), timestamp) {
                self.believed = None;
                return None;
            }
            self.checked = true;
        }
        Some(self.extrapolate(&info, timestamp))
    }

    fn is_far(&self, one: u32, other: u32) -> bool {
        let off = (one.wrapping_sub(other) as i32).unsigned_abs();
        u64::from(off) > ticks(LARGEST_LAG, self.clock_rate)
    }

    /// Whether both say the same of the sender's clock.
    fn agree(&self, one: &SenderInfo, other: &SenderInfo) -> bool {
        // Half of what timestamps count before they wrap: what comes after a longer time, as only a
        // sender's does that has been silent, cannot be told from a step.
        let expected = self.extrapolate(one, other.rtp_timestamp);
        let off = (other.ntp.0.wrapping_sub(expected.0) as i64).unsigned_abs();
        off <= TOLERANCE
    }

    fn extrapolate(&self, info: &SenderInfo, timestamp: u32) -> NtpTime {
        let distance = i64::from(timestamp.wrapping_sub(info.rtp_timestamp) as i32);
        let units = i128::from(distance) << 32;
        let distance = units.div_euclid(i128::from(self.clock_rate)) as i64;
        NtpTime(info.ntp.0.wrapping_add_signed(distance))
    }
}
