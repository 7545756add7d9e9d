//! [`SourceClock`]: the times of a relayed stream's source, by its RTP timestamps (RFC 3550 section
//! 5.1) and by what it says of the wall clock (section 6.4.1).

use std::time::{Duration, Instant};

/// Where the line begins, in seconds: what is older than the first packet has room before it.
const LEAD: i64 = 1 << 20;
/// A source whose wall clock differs from the server's by no more shows the same time; the rest is
/// the delay on the way.
const SAME_WALL_CLOCK: i128 = 10_000_000_000;

/// Unwraps the RTP timestamps of one track. The line goes on by the time of arrival where the source
/// begins anew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceClock {
    clock_rate: u32,
    last: Option<Last>,
    begins_anew: bool,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    timestamp: u32,
    /// Units on the line.
    at: i64,
    /// The latest place that was given out.
    highest: i64,
    arrived: Instant,
}

impl SourceClock {
    pub(crate) fn new(clock_rate: u32) -> Self {
        Self { clock_rate: clock_rate.max(1), last: None, begins_anew: false }
    }

    /// The timestamps of the packets to come have no relation to those before.
    pub(crate) const fn begin_anew(&mut self) {
        self.begins_anew = true;
    }

    /// The time of a timestamp on the line, which is exact to the unit.
    pub(crate) fn time_of(&mut self, timestamp: u32, arrived: Instant) -> Duration {
        let rate = i64::from(self.clock_rate);
        let begins_anew = std::mem::take(&mut self.begins_anew);
        let (at, highest, arrived) = match self.last {
            None => (LEAD * rate, LEAD * rate, arrived),
            Some(last) => {
                let passed = arrived.saturating_duration_since(last.arrived);
                let at = if begins_anew {
                    last.highest.saturating_add(units_of(passed, self.clock_rate).max(1))
                } else {
                    let step = timestamp.wrapping_sub(last.timestamp) as i32;
                    last.at.saturating_add(i64::from(step)).max(0)
                };
                (at, last.highest.max(at), arrived.max(last.arrived))
            }
        };
        self.last = Some(Last { timestamp, at, highest, arrived });
        let (seconds, rest) = (at / rate, at % rate);
        let nanos = rest * 1_000_000_000 / rate;
        Duration::new(seconds.unsigned_abs(), u32::try_from(nanos).unwrap_or(0))
    }
}

/// A capture time on the source's wall clock, and the timestamp, as viewers have it, that belongs to
/// it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Captured {
    /// Since the Unix epoch.
    pub(crate) time: Duration,
    pub(crate) timestamp: u32,
    /// When the packet arrived.
    pub(crate) arrived: Instant,
}

impl Captured {
    /// What a sender report says at `now`, when the server's wall clock shows `wall`: a time of the
    /// source's clock, since the Unix epoch, and the timestamp that belongs to it. It is the present
    /// of the server where the source's clock is right, and that of the source where it is not.
    pub(crate) fn report(&self, now: Instant, wall: Duration, clock_rate: u32) -> (Duration, u32) {
        let passed = now.saturating_duration_since(self.arrived);
        let of_source = self.time.saturating_add(passed);
        let off = nanos(of_source).saturating_sub(nanos(wall));
        let told = if off.abs() <= SAME_WALL_CLOCK { wall } else { of_source };
        (told, self.timestamp_of(told, clock_rate))
    }

    /// The timestamp of what was captured at `time`.
    pub(crate) fn timestamp_of(&self, time: Duration, clock_rate: u32) -> u32 {
        let after = nanos(time).saturating_sub(nanos(self.time));
        let rate = i128::from(clock_rate);
        let units =
            after.saturating_mul(rate).saturating_add(500_000_000).div_euclid(1_000_000_000);
        self.timestamp.wrapping_add(units as u32)
    }

    /// When what has this timestamp was captured. It must not be far from the present.
    pub(crate) fn time_of(&self, timestamp: u32, clock_rate: u32) -> Duration {
        let units = i64::from(timestamp.wrapping_sub(self.timestamp) as i32);
        let distance = units.unsigned_abs() * 1_000_000_000 / u64::from(clock_rate.max(1));
        let distance = Duration::from_nanos(distance);
        if units < 0 {
            self.time.saturating_sub(distance)
        } else {
            self.time.saturating_add(distance)
        }
    }
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

fn units_of(time: Duration, clock_rate: u32) -> i64 {
    let units = time.as_nanos().saturating_mul(u128::from(clock_rate)) / 1_000_000_000;
    i64::try_from(units).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::testing::some_instant;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn timestamps_wrap_go_back_and_begin_anew() {
        let begin = some_instant();
        let mut clock = SourceClock::new(90_000);
        let first = clock.time_of(u32::MAX - 8_999, begin);
        assert_eq!(clock.time_of(0, begin + 100 * MS), first + 100 * MS);
        assert_eq!(clock.time_of(u32::MAX - 3_599, begin + 110 * MS), first + 60 * MS);
        clock.begin_anew();
        // From the latest on, by the time that has passed, at least by a unit.
        assert_eq!(clock.time_of(77, begin + 610 * MS), first + 600 * MS);
        assert_eq!(clock.time_of(77 + 90, begin + 611 * MS), first + 601 * MS);
        clock.begin_anew();
        let next = clock.time_of(5, begin + 611 * MS);
        assert!(next > first + 601 * MS && next < first + 602 * MS);
    }

    #[test]
    fn reports_keep_the_time_of_capture() {
        let now = some_instant();
        let begin = Duration::from_secs(1_000_000_000);
        let captured = Captured { time: begin, timestamp: 1000, arrived: now };
        // The server's clock shows the time of arrival, 200 ms after the capture.
        let at = |ms: u32| begin + ms * MS;
        assert_eq!(captured.report(now, at(200), 90_000), (at(200), 1000 + 18_000));
        let later = captured.report(now + 50 * MS, at(250), 90_000);
        assert_eq!(later, (at(250), 1000 + 22_500));
        // A clock that is wrong is believed all the same.
        assert_eq!(captured.report(now + 50 * MS, at(90_000), 90_000), (at(50), 1000 + 4_500));
        assert_eq!(captured.timestamp_of(begin - 10 * MS, 90_000), 100);
        assert_eq!(captured.time_of(100, 90_000), begin - 10 * MS);
        assert_eq!(captured.time_of(1900, 90_000), at(10));
    }
}
