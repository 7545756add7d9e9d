//! From the timestamps of blocks to those of frames.
//!
//! Matroska gives presentation times in decoding order, rounded to the timestamp scale (as a
//! rule a millisecond), and no decoding times. RTP timestamps must step evenly, and pacing needs
//! times that never decrease.

use std::time::Duration;

/// Most frames by which pictures are reordered (the decoded picture buffer of H.264 and H.265
/// holds 16).
pub(super) const MAX_REORDER: usize = 16;

/// Presentation times of video with a constant frame rate: takes the rounding off.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameGrid {
    pub(super) origin: Duration,
    pub(super) step: Duration,
    /// Half a unit of the timestamp scale on either side, twice.
    pub(super) tolerance: Duration,
}

impl FrameGrid {
    /// The point of the grid that `pts` was rounded from, or `pts` if it lies on none.
    pub(super) fn snap(&self, pts: Duration) -> Duration {
        let step = self.step.as_nanos();
        let Some(since) = pts.checked_sub(self.origin) else { return pts };
        if step == 0 {
            return pts;
        }
        let n = (since.as_nanos() + step / 2) / step;
        let nanos = u64::try_from(n.saturating_mul(step)).unwrap_or(u64::MAX);
        let point = self.origin.saturating_add(Duration::from_nanos(nanos));
        if point.abs_diff(pts) <= self.tolerance { point } else { pts }
    }
}

/// Decoding times of video: the presentation times in ascending order, delayed by as many frames
/// as pictures are reordered by. So they never exceed the presentation time of their frame and
/// are as even as the presentation times are.
#[derive(Clone, Debug, Default)]
pub(super) struct DecodeClock {
    /// Frames by which pictures are reordered.
    depth: usize,
    frame_duration: Duration,
    /// The latest presentation times, ascending; `depth` of them once running.
    window: Vec<Duration>,
    last: Duration,
}

impl DecodeClock {
    pub(super) fn new(depth: usize, frame_duration: Duration) -> Self {
        let depth = depth.min(MAX_REORDER);
        Self { depth, frame_duration, ..Self::default() }
    }

    /// Another position of the file follows.
    pub(super) fn restart(&mut self) {
        self.window.clear();
        self.last = Duration::ZERO;
    }

    /// The decoding time of the next frame, which is presented at `pts`.
    pub(super) fn dts(&mut self, pts: Duration) -> Duration {
        let at = self.window.partition_point(|&t| t <= pts);
        self.window.insert(at, pts);
        let missing = (self.depth + 1).saturating_sub(self.window.len());
        let first = self.window.first().copied().unwrap_or(pts);
        let dts = if missing == 0 {
            self.window.remove(0)
        } else {
            // The frames before the first are not there; as if they were.
            let missing = u32::try_from(missing).unwrap_or(u32::MAX);
            first.saturating_sub(self.frame_duration.saturating_mul(missing))
        };
        if pts < self.last && self.depth < MAX_REORDER {
            // Reordered by more than was foreseen. From now on one more is.
            self.depth += 1;
        }
        self.last = dts.min(pts).max(self.last);
        self.last
    }
}

/// By how many frames pictures are reordered, seen from presentation times in decoding order.
pub(super) fn reorder_depth(pts: &[i64]) -> usize {
    let later = |i: usize| {
        let own = pts.get(i).copied().unwrap_or(i64::MAX);
        pts.iter().take(i).filter(|&&t| t > own).count()
    };
    (0..pts.len()).map(later).max().unwrap_or(0).min(MAX_REORDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn rounded_video_times_become_even() {
        let step = Duration::from_nanos(33_333_333);
        let grid = FrameGrid { origin: ms(20), step, tolerance: ms(1) };
        for i in 0..100_000_u32 {
            let exact = ms(20) + step * i;
            let rounded = ms((exact.as_nanos() as u64 + 500_000) / 1_000_000);
            assert_eq!(grid.snap(rounded), exact);
        }
        assert_eq!(grid.snap(ms(27)), ms(27));
        assert_eq!(grid.snap(ms(3)), ms(3));
    }

    #[test]
    fn decoding_times_are_even_and_never_late() {
        // I P B b B b …: a pyramid of depth 2, starting at 100 ms.
        let order = [0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11];
        let pts: Vec<i64> = order.iter().map(|n| 100 + n * 40).collect();
        assert_eq!(reorder_depth(&pts), 2);
        let mut clock = DecodeClock::new(2, ms(40));
        let dts: Vec<u128> = pts.iter().map(|&t| clock.dts(ms(t as u64)).as_millis()).collect();
        let even: Vec<u128> = (0..13).map(|i| 20 + i * 40).collect();
        assert_eq!(dts, even);
    }

    #[test]
    fn decoding_times_never_decrease_whatever_comes() {
        let mut seed = 1_u64;
        let mut clock = DecodeClock::new(1, ms(40));
        let mut last = Duration::ZERO;
        for _ in 0..10_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let dts = clock.dts(ms(seed >> 50));
            assert!(dts >= last);
            last = dts;
            assert!(clock.window.len() <= MAX_REORDER + 1);
        }
    }
}
