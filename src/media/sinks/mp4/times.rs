//! Times of samples: on one line for all tracks, in the order of decoding, and in ticks.

use std::collections::VecDeque;
use std::time::Duration;

const NANOSECONDS: i128 = 1_000_000_000;

/// How far a track's times may go back, as they do between pictures that are reordered, before they
/// are taken for those of a source that has begun anew.
const LARGEST_STEP_BACK: i64 = 1_000_000_000;
/// What follows such a step comes so much later than what was before.
const AFTER_STEP_BACK: i64 = 40_000_000;
/// How far the times of audio may be from where the samples before end, and still follow these:
/// containers round to milliseconds.
const ROUNDING: i64 = 2_000_000;
/// Decoding times are so far apart: more than a tick of video.
const LEAST_STEP: i64 = 12_000;
/// Longest delay between decoding and presentation.
const MAX_DELAY: i64 = 4_000_000_000;
/// Most bytes of pictures that wait for their decoding times.
const MAX_WAITING: usize = 32 << 20;

/// `time`, in nanoseconds, in units of `timescale` a second.
pub(super) fn ticks(time: i64, timescale: u32) -> i64 {
    let scaled = i128::from(time) * i128::from(timescale) + NANOSECONDS / 2;
    i64::try_from(scaled.div_euclid(NANOSECONDS)).unwrap_or(i64::MAX)
}

/// So many ticks in nanoseconds.
pub(super) fn from_ticks(ticks: u64, timescale: u32) -> i64 {
    let scale = i128::from(timescale.max(1));
    i64::try_from((i128::from(ticks) * NANOSECONDS + scale / 2) / scale).unwrap_or(i64::MAX)
}

fn nanoseconds(time: Duration) -> i64 {
    // Half the range is 146 years, and leaves room for sums.
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX).min(i64::MAX / 2)
}

/// Puts the times of one track's frames on the line of the recording. A source whose times begin
/// anew goes on where it was; all tracks of a recording go on with the same distance.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TrackLine {
    offset: i64,
    /// The latest time so far, as the source has it.
    latest: Option<i64>,
}

impl TrackLine {
    /// `shared` is the distance of the track that stepped back last.
    pub(super) fn place(&mut self, pts: Duration, shared: &mut i64) -> i64 {
        let time = nanoseconds(pts);
        let Some(latest) = self.latest else {
            (self.offset, self.latest) = (*shared, Some(time));
            return time.saturating_add(self.offset);
        };
        if time < latest.saturating_sub(LARGEST_STEP_BACK) {
            let end = latest.saturating_add(self.offset);
            if time.saturating_add(*shared) <= end {
                *shared = end.saturating_add(AFTER_STEP_BACK).saturating_sub(time);
            }
            (self.offset, self.latest) = (*shared, Some(time));
        } else {
            self.latest = Some(latest.max(time));
        }
        time.saturating_add(self.offset)
    }
}

/// Has the frames of audio follow each other without seam as long as their times agree with that.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AudioLine {
    /// Where the samples were put last that did not follow others, and samples since.
    anchor: Option<(i64, u64)>,
}

impl AudioLine {
    /// Where a frame of so many `samples` belongs that is to be presented at `time`.
    pub(super) fn place(&mut self, time: i64, samples: u32, rate: u32) -> i64 {
        if let Some((start, count)) = &mut self.anchor {
            let expected = start.saturating_add(from_ticks(*count, rate));
            if time.abs_diff(expected) <= ROUNDING as u64 {
                *count = count.saturating_add(u64::from(samples));
                return expected;
            }
        }
        self.anchor = Some((time, u64::from(samples)));
        time
    }
}

/// Finds the decoding times of pictures, of which only the presentation times are known.
///
/// The n-th picture in decoding order is decoded when the n-th in presentation order is presented,
/// less a delay with which no picture is presented before it is decoded. As many pictures are waited
/// for as may be reordered: these tell the n-th time, and the delay before it is needed. It grows
/// where pictures begin to be reordered (more), which brings decoding times together there.
#[derive(Debug)]
pub(super) struct DecodeTimes<T> {
    /// In decoding order, with their presentation times and lengths.
    waiting: VecDeque<(i64, usize, T)>,
    bytes: usize,
    /// Presentation times that are not in use for decoding times, in order.
    times: Vec<i64>,
    /// Most pictures that may be decoded before another and presented after it.
    depth: usize,
    /// The stream says that there will be so many, not only that there may be.
    is_stated: bool,
    delay: i64,
    last: Option<i64>,
    ended: bool,
}

impl<T> DecodeTimes<T> {
    pub(super) const fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            times: Vec::new(),
            depth: 0,
            is_stated: false,
            delay: 0,
            last: None,
            ended: false,
        }
    }

    pub(super) fn set_depth(&mut self, depth: u32, is_stated: bool) {
        self.depth = depth.min(16) as usize;
        self.is_stated = is_stated;
    }

    pub(super) fn push(&mut self, pts: i64, len: usize, item: T) {
        let at = self.times.partition_point(|&time| time <= pts);
        self.times.insert(at, pts);
        self.waiting.push_back((pts, len, item));
        self.bytes = self.bytes.saturating_add(len);
        self.ended = false;
    }

    /// Lets go of what waits.
    pub(super) const fn end(&mut self) {
        self.ended = true;
    }

    /// The next picture in decoding order: decoding time, presentation time, and what it is.
    pub(super) fn poll(&mut self) -> Option<(i64, i64, T)> {
        let due = self.waiting.len() > self.depth || self.ended || self.bytes > MAX_WAITING;
        if !due || self.waiting.is_empty() {
            return None;
        }
        let both = self.times.iter().zip(&self.waiting);
        let late = both.map(|(time, (pts, ..))| time.saturating_sub(*pts)).max().unwrap_or(0);
        // No stream that is whole is so late; one whose times jump is.
        self.delay = self.delay.max(late.min(MAX_DELAY));
        if self.last.is_none() && self.is_stated {
            self.delay = self.delay.max(self.stated_delay());
        }
        let first = if self.times.is_empty() { 0 } else { self.times.remove(0) };
        let (pts, len, item) = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(len);
        let dts = first.saturating_sub(self.delay);
        // A stream that reorders more than it says, or that steps back, goes on in order.
        let dts = self.last.map_or(dts, |last| dts.max(last.saturating_add(LEAST_STEP)));
        self.last = Some(dts);
        Some((dts, pts, item))
    }

    /// The delay that is needed if as many pictures are reordered as is stated.
    fn stated_delay(&self) -> i64 {
        let steps = self.times.windows(2).map(|pair| match pair {
            [before, after] => after.saturating_sub(*before),
            _ => 0,
        });
        let step = steps.filter(|&step| step > 0).min().unwrap_or(0);
        step.saturating_mul(self.depth as i64).min(MAX_DELAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decoding times of pictures with these presentation times, all in milliseconds.
    fn decoded(depth: u32, is_stated: bool, pts: &[i64]) -> Vec<i64> {
        let mut times = DecodeTimes::new();
        times.set_depth(depth, is_stated);
        let mut out = Vec::new();
        let mut last = i64::MIN;
        let mut take = |times: &mut DecodeTimes<i64>, out: &mut Vec<i64>| {
            while let Some((dts, at, item)) = times.poll() {
                assert_eq!(at, item);
                assert!(dts > last, "decoding times increase");
                last = dts;
                out.push(dts / 1_000_000);
            }
        };
        for pts in pts.iter().map(|pts| pts * 1_000_000) {
            times.push(pts, 1, pts);
            take(&mut times, &mut out);
            assert!(times.waiting.len() <= depth as usize);
        }
        times.end();
        take(&mut times, &mut out);
        out
    }

    #[test]
    fn pictures_are_decoded_in_time() {
        assert_eq!(decoded(0, false, &[10, 20, 30]), [10, 20, 30]);
        assert_eq!(decoded(16, false, &[10, 20, 30]), [10, 20, 30], "nothing is reordered");
        // I P B B P B B
        let pts = [110, 140, 120, 130, 170, 150, 160];
        assert_eq!(decoded(2, false, &pts), [90, 100, 110, 120, 130, 140, 150]);
        // With a pyramid, of which the beginning does not tell all.
        assert_eq!(decoded(2, false, &[100, 140, 120, 110, 130]), [80, 80, 90, 100, 110]);
        // Reordering begins later: the delay is caught up with.
        let pts = [0, 40, 80, 200, 120, 160, 320, 240, 280];
        assert_eq!(decoded(2, false, &pts), [0, 40, 40, 40, 80, 120, 160, 200, 240]);
        // It is stated: the delay is there from the beginning.
        let pts = [0, 40, 160, 80, 120];
        assert_eq!(decoded(2, true, &pts), [-80, -40, 0, 40, 80]);
        assert_eq!(decoded(2, true, &[7]), [7]);
        // Reordered more than stated: in order all the same.
        assert_eq!(decoded(0, false, &[10, 40, 20, 30, 50]), [10, 40, 40, 40, 50]);
        assert_eq!(decoded(1, false, &[5, 5, 5]), [5, 5, 5]);
        // A jump is no delay.
        assert_eq!(decoded(1, false, &[1_000_000, 0]), [-4_000, 996_000]);
    }

    #[test]
    fn no_time_overflows() {
        let mut times = DecodeTimes::new();
        times.set_depth(2, true);
        for pts in [i64::MAX, i64::MIN, 0, i64::MAX, i64::MAX] {
            times.push(pts, 1, ());
            let _ = times.poll();
        }
        times.end();
        while times.poll().is_some() {}
    }

    #[test]
    fn no_picture_is_presented_before_it_is_decoded() {
        let mut random = crate::payload::testing::XorShift::new(5);
        for _ in 0..200 {
            // Groups of up to four B-frames between references, of any order within.
            let (mut pts, mut at) = (vec![0], 0);
            while pts.len() < 60 {
                let between = random.below(5) as i64;
                pts.push(at + 40 * (between + 1));
                let mut group: Vec<_> = (1..=between).map(|i| at + 40 * i).collect();
                while !group.is_empty() {
                    pts.push(group.remove(random.below(group.len() as u64) as usize));
                }
                at += 40 * (between + 1);
            }
            let decoded = decoded(5, false, &pts);
            assert!(decoded.iter().zip(&pts).all(|(dts, pts)| dts <= pts), "{pts:?}\n{decoded:?}");
        }
    }

    #[test]
    fn too_many_bytes_do_not_wait() {
        let mut times = DecodeTimes::new();
        times.set_depth(16, false);
        times.push(1, MAX_WAITING, ());
        assert!(times.poll().is_none());
        times.push(2, 1, ());
        assert!(times.poll().is_some() && times.poll().is_none());
    }

    #[test]
    fn tracks_that_begin_anew_go_on_together() {
        let (mut video, mut audio, mut shared) = (TrackLine::default(), TrackLine::default(), 0);
        let second = |line: &mut TrackLine, shared: &mut i64, ms: u64| {
            line.place(Duration::from_millis(ms), shared) / 1_000_000
        };
        assert_eq!(second(&mut video, &mut shared, 100_000), 100_000);
        assert_eq!(second(&mut audio, &mut shared, 100_020), 100_020);
        // Reordered.
        assert_eq!(second(&mut video, &mut shared, 99_920), 99_920);
        // The video begins anew, then the audio.
        assert_eq!(second(&mut video, &mut shared, 500), 100_040);
        assert_eq!(second(&mut audio, &mut shared, 100_040), 100_040);
        assert_eq!(second(&mut audio, &mut shared, 520), 100_060);
        assert_eq!(second(&mut video, &mut shared, 540), 100_080);
        // A gap stays.
        assert_eq!(second(&mut video, &mut shared, 60_540), 160_080);
        let mut late = TrackLine::default();
        assert_eq!(second(&mut late, &mut shared, 60_540), 160_080);
        // No time overflows.
        assert!(late.place(Duration::MAX, &mut shared) > 0);
        assert!(late.place(Duration::ZERO, &mut shared) > 0);
        assert!(late.place(Duration::MAX, &mut shared) > 0);
    }

    #[test]
    fn audio_follows_itself_but_keeps_its_gaps() {
        let mut line = AudioLine::default();
        // As Matroska rounds them.
        let rounded = [0, 23, 46, 70, 93, 116];
        for (i, at) in rounded.into_iter().enumerate() {
            let placed = line.place(at * 1_000_000, 1024, 44_100);
            assert_eq!(ticks(placed, 44_100), i as i64 * 1024);
        }
        assert_eq!(line.place(500_000_000, 1024, 44_100), 500_000_000);
        assert_eq!(ticks(line.place(523_000_000, 1024, 44_100), 44_100), 22_050 + 1024);
    }

    #[test]
    fn times_of_rtp_come_back_to_the_tick() {
        for rate in [90_000_u32, 48_000, 44_100, 8_000, 11_025] {
            for tick in (0..400).map(|i| i * i * 7919) {
                let time = Duration::from_nanos(tick * 1_000_000_000 / u64::from(rate));
                assert_eq!(ticks(nanoseconds(time), rate), tick as i64);
                assert_eq!(ticks(from_ticks(tick, rate), rate), tick as i64);
            }
        }
    }
}
