//! Presentation times of pictures, derived from the durations and output times that a bitstream
//! states (H.264 annexes C, D and E; H.265 likewise).

use crate::codec::h264::sei::PictureTiming;
use std::time::Duration;

/// Least plausible difference of output times (H.264 A.3.1, H.265 A.4.2: 1/300 s).
const SHORTEST: Duration = Duration::from_micros(3_300);
/// Greatest plausible difference of output times.
const LONGEST: Duration = Duration::from_secs(10);
/// Number of consecutive implausible output times after which all further ones are ignored.
const MAX_STRIKES: u32 = 8;
/// Units per tick: a margin for a clock that changes in the stream.
const UNITS_A_TICK: u64 = 1000;
/// Finest division, in units per second.
const MAX_UNITS_A_SECOND: u64 = 1 << 30;

/// An exact fraction of a second: the duration of a picture, or a unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureDuration {
    numerator: u64,
    denominator: u64,
}

impl PictureDuration {
    /// 1/25 s, for streams that state no duration.
    pub const DEFAULT: Self = Self { numerator: 1, denominator: 25 };

    /// Creates a duration of `numerator / denominator` seconds; `None` if it is below a thousandth
    /// of a second or above ten seconds.
    pub const fn new(numerator: u64, denominator: u64) -> Option<Self> {
        let too_short = numerator.saturating_mul(1000) < denominator;
        let too_long = denominator.saturating_mul(10) < numerator;
        if numerator == 0 || denominator == 0 || too_short || too_long {
            return None;
        }
        Some(Self { numerator, denominator })
    }

    /// Creates a duration; neither argument may be 0.
    const fn fraction(numerator: u64, denominator: u64) -> Self {
        let (mut a, mut b) = (numerator, denominator);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self { numerator: numerator / a, denominator: denominator / a }
    }

    /// The duration multiplied by `n`.
    pub(crate) const fn multiplied(self, n: u64) -> Self {
        let numerator = self.numerator.saturating_mul(n);
        Self::fraction(if numerator == 0 { 1 } else { numerator }, self.denominator)
    }

    /// Returns the duration of `n` pictures, rounded down to a nanosecond. Rounding errors do not
    /// accumulate.
    pub fn times(self, n: u64) -> Duration {
        // Every frame asks several times, and long division is slow.
        if let Some(units) = n.checked_mul(self.numerator) {
            if let Some(billionths) = (units % self.denominator).checked_mul(1_000_000_000) {
                let nanoseconds = billionths / self.denominator;
                return Duration::new(units / self.denominator, nanoseconds as u32);
            }
        }
        let units = u128::from(n) * u128::from(self.numerator);
        let denominator = u128::from(self.denominator);
        let seconds = u64::try_from(units / denominator).unwrap_or(u64::MAX);
        let nanoseconds = (units % denominator) * 1_000_000_000 / denominator;
        Duration::new(seconds, nanoseconds as u32)
    }

    /// Returns the number of the picture that is presented at `time`, counted from zero.
    pub fn index_at(self, time: Duration) -> u64 {
        let units = time.as_nanos().saturating_mul(u128::from(self.denominator));
        let guess = units / (u128::from(self.numerator) * 1_000_000_000);
        let guess = u64::try_from(guess).unwrap_or(u64::MAX);
        // `times` rounds down, so the picture may begin a fraction of a nanosecond earlier.
        if self.times(guess.saturating_add(1)) <= time { guess.saturating_add(1) } else { guess }
    }

    /// Converts to `unit`: whole units, and 2^32ths of a unit.
    fn in_units_of(self, unit: Self) -> (u64, u64) {
        let n = u128::from(self.numerator).saturating_mul(u128::from(unit.denominator));
        let d = u128::from(self.denominator).saturating_mul(u128::from(unit.numerator)).max(1);
        let whole = u64::try_from(n / d).unwrap_or(u64::MAX);
        // Rounded up, so that what adds up to a whole unit makes one.
        let rest = (n % d).checked_mul(1 << 32).map_or(0, |rest| rest.div_ceil(d));
        (whole, u64::try_from(rest).unwrap_or(0))
    }
}

/// Timing that the bitstream states for a picture; in H.264, for a frame or both its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureTime {
    /// Duration in seconds, as a fraction; `None` if the stream states no plausible one.
    pub duration: Option<(u64, u64)>,
    /// Factor, as a fraction, by which repeated fields or frames lengthen the picture.
    pub repeated: (u32, u32),
    /// Output time in ticks of `clock`, from an arbitrary origin.
    pub output: Option<i64>,
    /// Duration of a clock tick in seconds, as a fraction.
    pub clock: Option<(u32, u32)>,
}

impl Default for PictureTime {
    fn default() -> Self {
        Self { duration: None, repeated: (1, 1), output: None, clock: None }
    }
}

/// Assigns times to pictures in output order, in one unit.
#[derive(Debug, Default)]
pub(super) struct TimeLine {
    /// The unit of time, fixed with the first picture.
    unit: Option<PictureDuration>,
    /// The duration of every picture, whatever the stream states.
    forced: Option<PictureDuration>,
    /// The duration of the last picture by its own parameters, for the time before it.
    usual: Option<PictureDuration>,
    /// 2^32ths of a unit that are not counted yet.
    fraction: u64,
    /// In units: the default time of the next picture, and the time of the last one.
    next: u64,
    last: Option<u64>,
    /// Difference between output times and the times here.
    offset: Option<i64>,
    strikes: u32,
    /// Whether an ignored rate has been logged.
    told: bool,
}

impl TimeLine {
    pub(super) fn set_unit(&mut self, unit: PictureDuration) {
        self.unit = Some(unit);
    }

    pub(super) fn force(&mut self, duration: PictureDuration) {
        self.unit = Some(duration);
        self.forced = Some(duration);
    }

    /// The unit of time, once a picture has been processed.
    pub(super) const fn unit(&self) -> Option<PictureDuration> {
        self.unit
    }

    /// Continues at another position: the next picture in output order is due at `time`, in units.
    pub(super) fn seek(&mut self, time: u64) {
        self.next = time;
        self.last = None;
        self.offset = None;
        self.fraction = 0;
    }

    /// Output times start from a new origin with the next picture in output order.
    pub(super) const fn restart_clock(&mut self) {
        self.offset = None;
    }

    /// The duration of a picture with its repetitions, and without.
    pub(super) fn duration(&mut self, time: &PictureTime) -> (PictureDuration, PictureDuration) {
        let usual = self.forced.unwrap_or_else(|| match time.duration {
            Some((n, d)) if n > 0 && d > 0 => PictureDuration::fraction(n, d),
            _ => {
                if time.clock.is_some() && !std::mem::replace(&mut self.told, true) {
                    let (n, d) = time.clock.unwrap_or_default();
                    log::warn!("the tick of {n}/{d} s is no picture rate: 25 a second are assumed");
                }
                PictureDuration::DEFAULT
            }
        });
        let (n, d) = if self.forced.is_some() { (1, 1) } else { time.repeated };
        let repeated = PictureDuration::fraction(
            usual.numerator.saturating_mul(u64::from(n.max(1))),
            usual.denominator.saturating_mul(u64::from(d.max(1))),
        );
        (usual, repeated)
    }

    fn settle(&mut self, usual: PictureDuration, time: &PictureTime) -> PictureDuration {
        *self.unit.get_or_insert_with(|| {
            // Ticks, or fields where these are no division of pictures.
            let shorter = |n: u32, d: u32| {
                u64::from(n).saturating_mul(usual.denominator)
                    <= usual.numerator.saturating_mul(u64::from(d))
            };
            let of_clock = time.clock.filter(|&(n, d)| n > 0 && d > 0 && shorter(n, d));
            let (n, d) = match of_clock {
                Some((n, d)) => (u64::from(n), u64::from(d)),
                None => (usual.numerator, usual.denominator.saturating_mul(2)),
            };
            let tick = PictureDuration::fraction(n, d);
            match tick.denominator.checked_mul(UNITS_A_TICK) {
                Some(fine) if fine <= MAX_UNITS_A_SECOND => {
                    PictureDuration::fraction(tick.numerator, fine)
                }
                _ => tick,
            }
        })
    }

    /// Assigns a time to the next picture in output order: its time and duration, in units.
    pub(super) fn stamp(&mut self, time: &PictureTime) -> (u64, u64) {
        let (usual, repeated) = self.duration(time);
        let unit = self.settle(usual, time);
        self.usual = Some(usual);
        let (whole, fraction) = repeated.in_units_of(unit);
        self.fraction += fraction;
        let duration = whole.saturating_add(self.fraction >> 32);
        self.fraction &= u64::from(u32::MAX);
        let mut at = self.next;
        if let (Some(output), true) = (time.output, self.believes_output()) {
            at = self.output_time(output, time.clock, unit);
        }
        self.last = Some(at);
        self.next = at.saturating_add(duration);
        (at, duration)
    }

    const fn believes_output(&self) -> bool {
        self.forced.is_none() && self.strikes < MAX_STRIKES
    }

    fn output_time(
        &mut self,
        output: i64,
        clock: Option<(u32, u32)>,
        unit: PictureDuration,
    ) -> u64 {
        let (n, d) = clock.unwrap_or((1, 1));
        let tick = PictureDuration::fraction(u64::from(n.max(1)), u64::from(d.max(1)));
        let (whole, fraction) = tick.in_units_of(unit);
        let tick = (i128::from(whole) << 32) + i128::from(fraction);
        let units = tick.saturating_mul(i128::from(output)) >> 32;
        let output = i64::try_from(units).unwrap_or(0);
        let told = self.offset.and_then(|offset| output.checked_add(offset));
        let told = told.and_then(|told| u64::try_from(told).ok());
        let since = |at: u64| self.last.map(|last| at.checked_sub(last));
        let believed = told.filter(|&at| match since(at) {
            None => true,
            Some(gap) => gap.is_some_and(|gap| gap > 0 && unit.times(gap) <= LONGEST),
        });
        let Some(at) = believed else {
            if told.is_some() {
                self.strikes += 1;
            }
            self.offset = i64::try_from(self.next).ok().and_then(|next| next.checked_sub(output));
            return self.next;
        };
        let short = since(at).flatten().is_some_and(|gap| unit.times(gap) < SHORTEST);
        self.strikes = if short { self.strikes + 1 } else { 0 };
        at
    }

    /// The duration in units of `pictures` pictures with this timing.
    pub(super) fn time_after(&mut self, pictures: u64, time: &PictureTime) -> u64 {
        let (usual, _) = self.duration(time);
        self.settle(usual, time);
        self.usual = Some(usual);
        self.span(pictures)
    }

    /// The duration in units of `pictures` pictures like the last one, not repeated.
    pub(super) fn span(&self, pictures: u64) -> u64 {
        let (Some(usual), Some(unit)) = (self.forced.or(self.usual), self.unit) else { return 0 };
        let (whole, fraction) = usual.in_units_of(unit);
        let fraction = u64::try_from((u128::from(fraction) * u128::from(pictures)) >> 32);
        whole.saturating_mul(pictures).saturating_add(fraction.unwrap_or(0))
    }
}

/// The removal times of a hypothetical reference decoder (C.1.2), and the output times that follow
/// from them (C.2.2), in clock ticks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RemovalClock {
    /// Removal time of the last access unit with a buffering period message.
    anchor: i64,
    started: bool,
    /// The last delay, and the amount added for its wraps.
    last: i64,
    wrapped: i64,
}

impl RemovalClock {
    /// The output time of the next picture in decoding order; `length` is the length of the removal
    /// delay in bits.
    pub(super) fn output(
        &mut self,
        timing: &PictureTiming,
        buffering_period: bool,
        length: u32,
    ) -> Option<i64> {
        let (removal, output) = timing.delays?;
        let mut delay = self.wrapped.saturating_add(i64::from(removal));
        if delay < self.last {
            // The delays count modulo 2^length.
            let period = 1_i64 << length.min(32);
            self.wrapped = self.wrapped.saturating_add(period);
            delay = delay.saturating_add(period);
        }
        self.last = delay;
        let mut removed = self.anchor.saturating_add(delay);
        if buffering_period {
            if !self.started {
                removed = 0;
            }
            *self = Self { anchor: removed, started: true, ..Self::default() };
        }
        self.started = true;
        Some(removed.saturating_add(i64::from(output)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_division_give_the_same() {
        let rates = [(1, 25), (1001, 30_000), (1001, 60_000), (1 << 35, (1 << 34) + 7)];
        for (numerator, denominator) in rates {
            let duration = PictureDuration::new(numerator, denominator).unwrap();
            for n in (0..60).map(|bits| (1_u64 << bits) | 5) {
                let nanoseconds =
                    u128::from(n) * u128::from(numerator) * 1_000_000_000 / u128::from(denominator);
                let told = duration.times(n).as_nanos();
                assert_eq!(told, nanoseconds, "{n} × {numerator}/{denominator}");
            }
        }
    }

    fn told(duration: (u64, u64)) -> PictureTime {
        let clock = Some((duration.0 as u32, duration.1 as u32 * 2));
        PictureTime { duration: Some(duration), clock, ..PictureTime::default() }
    }

    #[test]
    fn a_clock_that_changes_does_not_drift() {
        let mut line = TimeLine::default();
        let mut at = 0;
        for n in 0..100_000_u64 {
            let rate = if n < 30 { (1001, 30_000) } else { (1, 24) };
            at = line.stamp(&told(rate)).0;
        }
        let wanted = Duration::from_nanos(1_001_000_000) + Duration::from_secs(99_969) / 24;
        assert!(line.unit().unwrap().times(at).abs_diff(wanted) < Duration::from_micros(50));
    }

    /// Times in milliseconds of pictures with these output times in thousandths.
    fn by_clock(ticks: &[i64]) -> Vec<u128> {
        let mut line = TimeLine::default();
        let times = ticks.iter().map(|&output| {
            let clock = Some((1, 1000));
            let time = PictureTime { output: Some(output), clock, ..PictureTime::default() };
            line.stamp(&time).0
        });
        let times: Vec<_> = times.collect();
        times.iter().map(|&at| line.unit().unwrap().times(at).as_millis()).collect()
    }

    #[test]
    fn output_times_are_followed_where_they_can_be() {
        assert_eq!(by_clock(&[70, 110, 143, 1143, 1145]), [0, 40, 73, 1073, 1075]);
        // Back in time, or far away: another beginning.
        assert_eq!(by_clock(&[70, 110, 20, 30, 500_000, 500_050]), [0, 40, 80, 90, 130, 180]);
        assert_eq!(by_clock(&[i64::MAX, i64::MIN, 0, 5]), [0, 40, 80, 85]);
        // A clock that stands still or counts pictures is none.
        assert_eq!(by_clock(&[0; 20])[19], 19 * 40);
        let counted: Vec<_> = (0..200).collect();
        assert_eq!(by_clock(&counted)[199], 8 + 191 * 40);
    }

    #[test]
    fn removal_delays_count_from_the_buffering_period_before() {
        let mut clock = RemovalClock::default();
        let mut at = |period, removal, output| {
            let timing = PictureTiming { pic_struct: None, delays: Some((removal, output)) };
            clock.output(&timing, period, 4).unwrap()
        };
        // The first delay is of no period; the next one counts from it, and so on; then wrapping.
        assert_eq!([at(true, 9, 2), at(false, 2, 2), at(true, 4, 2)], [2, 4, 6]);
        assert_eq!([at(false, 14, 0), at(false, 1, 0), at(true, 3, 0)], [18, 21, 23]);
        assert_eq!(at(false, 5, 1), 29);
    }
}
