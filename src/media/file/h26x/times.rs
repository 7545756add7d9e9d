//! [`Times`]: when each picture of a file is presented, by its place in output order.

use super::units::MAX_UNITS;
use crate::framer::video::PictureDuration;
use std::time::Duration;

/// Places in a row that share a full time.
const GROUP: usize = 64;

/// When pictures are presented. Where all last as long, which is the rule, that takes no memory.
#[derive(Debug)]
pub(super) enum Times {
    /// All pictures last as long.
    Even { duration: PictureDuration, pictures: u64 },
    /// They do not.
    Uneven {
        unit: PictureDuration,
        /// Units of time from the beginning to each place that is a multiple of `GROUP`.
        groups: Vec<u64>,
        /// Units of time from the first place of its group to each.
        within: Vec<u32>,
        end: u64,
    },
    /// They do not, and are too many. Between the places that can be sought it is guessed.
    Unknown { unit: PictureDuration, end: u64, pictures: u64 },
}

impl Times {
    /// How long all pictures last.
    pub(super) fn total(&self) -> Duration {
        match self {
            Self::Even { duration, pictures } => duration.times(*pictures),
            Self::Uneven { unit, end, .. } | Self::Unknown { unit, end, .. } => unit.times(*end),
        }
    }

    /// When the picture with so many others before it in output order is presented.
    pub(super) fn at(&self, place: u64) -> Duration {
        match self {
            Self::Even { duration, .. } => duration.times(place),
            Self::Uneven { unit, groups, within, end } => {
                let place = usize::try_from(place).unwrap_or(usize::MAX);
                let group = groups.get(place / GROUP);
                let time = group.zip(within.get(place));
                unit.times(time.map_or(*end, |(group, within)| group + u64::from(*within)))
            }
            Self::Unknown { unit, end, pictures } => {
                let time = u128::from(*end) * u128::from(place) / u128::from((*pictures).max(1));
                unit.times(u64::try_from(time).unwrap_or(*end))
            }
        }
    }

    /// The last picture in output order that is presented at or before `time`.
    pub(super) fn place_at(&self, time: Duration) -> u64 {
        let pictures = match self {
            Self::Even { duration, .. } => return duration.index_at(time),
            Self::Uneven { within, .. } => within.len() as u64,
            Self::Unknown { pictures, .. } => *pictures,
        };
        let (mut low, mut high) = (0, pictures);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.at(middle) <= time { low = middle + 1 } else { high = middle }
        }
        low.saturating_sub(1)
    }
}

/// Collects the times of pictures in decoding order.
#[derive(Debug, Default)]
pub(super) struct TimesBuilder {
    /// What all lasted so far.
    even: Option<u64>,
    /// By place in output order, once they were not even.
    times: Vec<u64>,
    uneven: bool,
    too_many: bool,
    pictures: u64,
    end: u64,
}

impl TimesBuilder {
    /// Takes note of the next picture in decoding order: its place in output order, when it is
    /// presented and for how long.
    pub(super) fn push(&mut self, place: u64, time: u64, duration: u64) {
        let even = *self.even.get_or_insert(duration);
        self.end = self.end.max(time.saturating_add(duration));
        if !self.uneven && (duration != even || place.checked_mul(even) != Some(time)) {
            self.uneven = true;
            // Those before had the times that they were expected to have, wherever they stand;
            // of those between them that are still to come the times are put in then.
            let known = self.pictures.saturating_add(MAX_REORDER).min(MAX_UNITS as u64);
            self.times = (0..known).map(|place| place.saturating_mul(even)).collect();
        }
        self.pictures += 1;
        if !self.uneven || self.too_many {
            return;
        }
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        if place >= MAX_UNITS {
            (self.too_many, self.times) = (true, Vec::new());
            return;
        }
        if place >= self.times.len() {
            self.times.resize(place + 1, time);
        }
        if let Some(slot) = self.times.get_mut(place) {
            *slot = time;
        }
    }

    /// When the last picture ends, in units of time.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn finish(mut self, unit: PictureDuration) -> Times {
        let (end, pictures) = (self.end, self.pictures);
        if !self.uneven {
            let duration = unit.multiplied(self.even.unwrap_or(1));
            return Times::Even { duration, pictures };
        }
        self.times.truncate(usize::try_from(pictures).unwrap_or(usize::MAX));
        let mut groups = Vec::with_capacity(self.times.len().div_ceil(GROUP));
        let mut within = Vec::with_capacity(self.times.len());
        let mut last = 0;
        for group in self.times.chunks(GROUP) {
            let first = group.first().copied().unwrap_or(0).max(last);
            groups.push(first);
            for &time in group {
                // Times do not go back.
                last = last.max(time);
                let Ok(since) = u32::try_from(last - first) else {
                    return Times::Unknown { unit, end, pictures };
                };
                within.push(since);
            }
        }
        if self.too_many || within.len() as u64 != pictures {
            return Times::Unknown { unit, end, pictures };
        }
        Times::Uneven { unit, groups, within, end }
    }
}

/// Further than this no picture is moved between decoding and output.
const MAX_REORDER: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: PictureDuration = match PictureDuration::new(1, 1000) {
        Some(unit) => unit,
        None => PictureDuration::DEFAULT,
    };

    #[test]
    fn even_times_take_no_memory() {
        let mut builder = TimesBuilder::default();
        for place in [0, 3, 1, 2, 6, 4, 5] {
            builder.push(place, place * 40, 40);
        }
        let times = builder.finish(MS);
        assert!(matches!(times, Times::Even { .. }));
        assert_eq!((times.at(5), times.total()), (ms(200), ms(280)));
        assert_eq!(times.place_at(ms(119)), 2);
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn uneven_times_are_kept_in_output_order() {
        let mut random = crate::payload::testing::XorShift::new(3);
        let mut told = vec![0];
        for n in 0..2000 {
            let duration = if n < 100 { 40 } else { 1 + random.below(3000) };
            told.push(told[n] + duration);
        }
        let mut builder = TimesBuilder::default();
        // P B B P B B …
        let places = (0..2000_usize).map(|n| match n % 4 {
            0 => n + 3,
            _ => n - 1,
        });
        for place in places {
            builder.push(place as u64, told[place], told[place + 1] - told[place]);
        }
        let times = builder.finish(MS);
        assert!(matches!(times, Times::Uneven { .. }));
        assert_eq!(times.total(), ms(told[2000]));
        for (n, &at) in told[..2000].iter().enumerate() {
            assert_eq!(times.at(n as u64), ms(at));
            assert_eq!(times.place_at(ms(at)), n as u64);
            assert_eq!(times.place_at(ms(told[n + 1]) - Duration::from_nanos(1)), n as u64);
        }
        assert_eq!(times.place_at(Duration::MAX), 1999);
    }

    #[test]
    fn too_many_or_absurd_ones_are_guessed() {
        let mut builder = TimesBuilder::default();
        for place in 0..=MAX_UNITS as u64 {
            builder.push(place, place * 40 + u64::from(place > 9), 40);
        }
        let times = builder.finish(MS);
        assert!(matches!(times, Times::Unknown { .. }));
        assert!(times.at(1000).abs_diff(ms(40_000)) < ms(2));
        assert_eq!(times.place_at(ms(40_010)), 1000);
        let mut builder = TimesBuilder::default();
        for (place, time) in [(0, 0), (1, u64::MAX), (2, 5), (u64::MAX, 7)] {
            builder.push(place, time, u64::MAX);
        }
        let _ = builder.finish(MS).at(1);
    }
}
