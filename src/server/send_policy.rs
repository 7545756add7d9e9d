//! [`SendPolicy`]: when and in what portions a stream sends.

use super::subsession::FastStart;
use std::time::{Duration, Instant};

/// How a stream sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendPolicy {
    /// What who joins gets first.
    pub(super) fast_start: FastStart,
    /// Packets that go out over UDP at once.
    pub(super) max_burst: usize,
    /// Frames may be late by this much, so that one wake-up serves several streams.
    pub(super) slack: Duration,
    /// From when on multiples of `slack` are counted; the same for all streams.
    pub(super) origin: Instant,
}

impl SendPolicy {
    /// The next multiple of the slack at or after `at`.
    pub(super) fn wake_at(&self, at: Instant) -> Instant {
        let since = at.saturating_duration_since(self.origin).as_nanos();
        let Some(past) = since.checked_rem(self.slack.as_nanos()).filter(|&past| past > 0) else {
            return at;
        };
        // Less than the slack.
        let left = u64::try_from(self.slack.as_nanos() - past).unwrap_or(0);
        at.checked_add(Duration::from_nanos(left)).unwrap_or(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::UsageEnvironment;

    #[test]
    fn wake_ups_fall_on_common_multiples_of_the_slack() {
        let origin = UsageEnvironment::simulated(0).now();
        let policy = |slack| SendPolicy { fast_start: FastStart::Off, max_burst: 1, slack, origin };
        let us = Duration::from_micros;
        let coarse = policy(us(1000));
        for (at, expected) in [(0, 0), (1, 1000), (999, 1000), (1000, 1000), (40_001, 41_000)] {
            assert_eq!(coarse.wake_at(origin + us(at)), origin + us(expected), "{at}");
        }
        assert_eq!(policy(Duration::ZERO).wake_at(origin + us(7)), origin + us(7));
    }
}
