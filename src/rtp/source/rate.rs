//! [`ReceiveRate`]: packets and bits per second.

use std::time::{Duration, Instant};

/// Time over which is measured.
const WINDOW: Duration = Duration::from_secs(1);

/// The rate at which a stream arrives, measured over about a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiveRate {
    /// Packets per second.
    pub packets: u64,
    /// Bits per second, counting RTP packets without the headers of UDP, IP or TCP.
    pub bits: u64,
}

/// Counts what comes, second by second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RateMeter {
    /// Since when is counted.
    began: Option<Instant>,
    /// When the last packet came.
    counted_at: Option<Instant>,
    packets: u64,
    octets: u64,
    last: ReceiveRate,
}

impl RateMeter {
    /// A packet of `octets` has come.
    pub(super) fn count(&mut self, octets: usize, now: Instant) {
        // Many packets come at a time.
        if self.counted_at != Some(now) {
            self.counted_at = Some(now);
            let began = *self.began.get_or_insert(now);
            let passed = now.saturating_duration_since(began);
            if passed >= WINDOW {
                self.last = self.over(passed);
                (self.began, self.packets, self.octets) = (Some(now), 0, 0);
            }
        }
        self.packets += 1;
        self.octets += octets as u64;
    }

    /// The rate of the last second; of the time since, if for more than a second nothing has come
    /// that would have ended it.
    pub(super) fn rate(&self, now: Instant) -> ReceiveRate {
        let passed = self.began.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        if passed >= 2 * WINDOW { self.over(passed) } else { self.last }
    }

    fn over(&self, passed: Duration) -> ReceiveRate {
        let nanos = passed.as_nanos().max(1);
        let per_second = |n: u64| {
            let n = u128::from(n).saturating_mul(1_000_000_000) / nanos;
            u64::try_from(n).unwrap_or(u64::MAX)
        };
        ReceiveRate {
            packets: per_second(self.packets),
            bits: per_second(self.octets.saturating_mul(8)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::testing::{ms, some_instant};

    #[test]
    fn is_that_of_the_last_second() {
        let start = some_instant();
        let mut meter = RateMeter::default();
        assert_eq!(meter.rate(start), ReceiveRate::default());
        for i in 0..100 {
            meter.count(125, start + ms(20 * i));
        }
        // 50 packets a second of 1,000 bits.
        let rate = ReceiveRate { packets: 50, bits: 50_000 };
        assert_eq!(meter.rate(start + ms(2000)), rate);
        assert_eq!(meter.rate(start + ms(2900)), rate);
        // Nothing more has come: 50 packets of the second before, over ten seconds; then nothing.
        let later = meter.rate(start + ms(11_000));
        assert_eq!(later, ReceiveRate { packets: 5, bits: 5000 });
        assert_eq!(meter.rate(start + Duration::from_secs(1 << 20)), ReceiveRate::default());
    }
}
