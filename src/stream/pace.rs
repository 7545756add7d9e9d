//! [`Pace`]: how fast a recording is presented (`Scale`, RFC 2326 section 12.34), and how fast what is
//! presented is sent (`Speed`, section 12.35).

use std::time::Duration;

/// The scale and the speed of a stream.
///
/// A second of presentation is `scale` seconds of normal play time, backwards if it is negative. RTP
/// timestamps count presentation. It takes a `speed`th of a second to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    pub(crate) scale: f32,
    pub(crate) speed: f32,
}

impl Pace {
    /// As it is recorded.
    pub(crate) const NORMAL: Self = Self { scale: 1.0, speed: 1.0 };

    pub(crate) fn is_backwards(self) -> bool {
        self.scale < 0.0
    }

    /// Whether normal play time goes as running time does.
    pub(crate) fn is_unscaled(self) -> bool {
        self.scale == 1.0
    }

    /// Whether what is presented is sent as fast as that.
    pub(crate) fn is_in_step(self) -> bool {
        self.speed == 1.0
    }

    /// Normal play time from one time to another, in the direction that is played; `Err` if that is the
    /// other direction.
    pub(crate) fn distance(self, from: Duration, to: Duration) -> Result<Duration, Duration> {
        let (from, to) = if self.is_backwards() { (to, from) } else { (from, to) };
        to.checked_sub(from).ok_or_else(|| from.saturating_sub(to))
    }

    /// Where so much normal play time leads.
    pub(crate) fn advance(self, from: Duration, by: Duration) -> Duration {
        if self.is_backwards() { from.saturating_sub(by) } else { from.saturating_add(by) }
    }

    /// How long it takes to present so much normal play time.
    pub(crate) fn presented_in(self, npt: Duration) -> Duration {
        if self.is_unscaled() { npt } else { times(npt, 1.0 / f64::from(self.scale.abs())) }
    }

    /// How long it takes to send so much normal play time.
    pub(crate) fn delivered_in(self, npt: Duration) -> Duration {
        let presented = self.presented_in(npt);
        if self.is_in_step() { presented } else { times(presented, 1.0 / f64::from(self.speed)) }
    }

    /// How much of the presentation is sent in a time of the clock.
    pub(crate) fn sent_in(self, time: Duration) -> Duration {
        if self.is_in_step() { time } else { times(time, f64::from(self.speed)) }
    }

    /// Normal play time that is sent in a time of the clock.
    pub(crate) fn played_in(self, time: Duration) -> Duration {
        let sent = self.sent_in(time);
        if self.is_unscaled() { sent } else { times(sent, f64::from(self.scale.abs())) }
    }
}

fn times(time: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_scale_makes_more_of_the_recording_a_second_and_a_speed_sends_more_of_it() {
        let pace = Pace { scale: 4.0, speed: 2.0 };
        assert_eq!((pace.presented_in(secs(8)), pace.delivered_in(secs(8))), (secs(2), secs(1)));
        assert_eq!((pace.sent_in(secs(1)), pace.played_in(secs(1))), (secs(2), secs(8)));
        assert_eq!(pace.distance(secs(3), secs(5)), Ok(secs(2)));
        assert_eq!(pace.distance(secs(5), secs(3)), Err(secs(2)));
        let back = Pace { scale: -0.5, speed: 1.0 };
        assert_eq!(back.presented_in(secs(8)), secs(16));
        assert_eq!(back.distance(secs(5), secs(3)), Ok(secs(2)));
        assert_eq!(back.distance(secs(3), secs(5)), Err(secs(2)));
        assert_eq!(
            (back.advance(secs(3), secs(2)), back.advance(secs(1), secs(2))),
            (secs(1), secs(0))
        );
    }

    #[test]
    fn normal_times_are_exact_and_none_overflow() {
        let odd = Duration::from_nanos(123_456_789_012_345_677);
        let pace = Pace::NORMAL;
        assert_eq!((pace.delivered_in(odd), pace.played_in(odd)), (odd, odd));
        let pace = Pace { scale: 32.0, speed: 16.0 };
        assert_eq!(pace.played_in(Duration::MAX), Duration::MAX);
        assert_eq!(pace.advance(Duration::MAX, odd), Duration::MAX);
    }
}
