//! [`AudioClock`]: presentation times of audio frames, from the rounded ones of a container.

use std::time::Duration;

/// A timestamp that is off by less than this is rounding, more is a gap.
const AUDIO_TOLERANCE: Duration = Duration::from_millis(3);

/// Presentation times of audio: counts samples as long as the container agrees.
#[derive(Clone, Debug, Default)]
pub(crate) struct AudioClock {
    anchor: Option<Duration>,
    /// Since the anchor, in samples of `rate`.
    samples: u64,
    rate: u32,
}

/// The time and the duration of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) pts: Duration,
    pub(crate) duration: Duration,
    /// The time line jumps before it.
    pub(crate) jump: bool,
}

impl AudioClock {
    /// Stamps a frame of `samples` at `rate`. `block` is the block's timestamp; frames after the
    /// first of a laced block have none.
    pub(crate) fn stamp(&mut self, block: Option<Duration>, samples: u64, rate: u32) -> Stamp {
        let rate = rate.max(1);
        let was_running = self.anchor.is_some();
        if rate != self.rate {
            self.anchor = self.expected();
            self.samples = 0;
            self.rate = rate;
        }
        let expected = self.expected();
        let pts = match (block, expected) {
            (Some(block), _) => self.foresee(block),
            (None, expected) => expected.unwrap_or_default(),
        };
        let jump = expected != Some(pts);
        if jump {
            self.anchor = Some(pts);
            self.samples = 0;
        }
        self.samples = self.samples.saturating_add(samples);
        let end = self.expected().unwrap_or(pts);
        Stamp { pts, duration: end.saturating_sub(pts), jump: jump && was_running }
    }

    /// When a frame is presented that the container has at `block`.
    pub(crate) fn foresee(&self, block: Duration) -> Duration {
        let near = |expected: &Duration| block.abs_diff(*expected) <= AUDIO_TOLERANCE;
        self.expected().filter(near).unwrap_or(block)
    }

    fn expected(&self) -> Option<Duration> {
        Some(self.anchor?.saturating_add(samples_to_time(self.samples, self.rate)))
    }
}

/// The duration of `samples`.
pub(crate) fn samples_to_time(samples: u64, rate: u32) -> Duration {
    let rate = u64::from(rate.max(1));
    let nanos = (samples % rate) * 1_000_000_000 / rate;
    Duration::from_secs(samples / rate).saturating_add(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn rounded_audio_times_become_even() {
        let mut clock = AudioClock::default();
        let mut before = None;
        for i in 0..10_000_u64 {
            let rounded = ms((i * 1024 * 1000 + 22_050) / 44_100);
            let stamp = clock.stamp(Some(rounded), 1024, 44_100);
            assert!(!stamp.jump);
            assert_eq!(stamp.pts, samples_to_time(i * 1024, 44_100));
            assert_eq!(stamp.pts, before.unwrap_or_default());
            before = Some(stamp.pts + stamp.duration);
        }
        let gap = clock.stamp(Some(ms(500_000)), 1024, 44_100);
        assert!(gap.jump);
        assert_eq!(gap.pts, ms(500_000));
        let laced = clock.stamp(None, 1024, 44_100);
        assert_eq!(laced.pts, gap.pts + gap.duration);
    }
}
