//! From the time stamps of PES packets to those of frames.

use crate::media::FrameTimes;
use std::collections::VecDeque;
use std::time::Duration;

/// Packets whose frames have not come out yet: more than any stream has in a second.
const MAX_PACKETS: usize = 256;
/// How far a time stamp may lie behind or ahead of what the frames before it let expect.
const MAX_BACK: Duration = Duration::from_secs(1);
const MAX_AHEAD: Duration = Duration::from_secs(60);

/// The PES packets that were read: where in the elementary stream each begins, and its times.
#[derive(Clone, Debug, Default)]
pub(super) struct Stamps {
    packets: VecDeque<(u64, Option<FrameTimes>)>,
}

impl Stamps {
    pub(super) fn push(&mut self, start: u64, times: Option<FrameTimes>) {
        if times.is_none() && self.packets.back().is_none_or(|(_, last)| last.is_none()) {
            return;
        }
        if self.packets.len() >= MAX_PACKETS {
            self.packets.pop_front();
        }
        self.packets.push_back((start, times));
    }

    pub(super) fn clear(&mut self) {
        self.packets.clear();
    }

    /// The times of a frame that begins at `start` of the stream. They are those of the packet in
    /// which it commences, of which it must be the first frame (ISO/IEC 13818-1 section 2.4.3.7).
    /// What commences a picture of MPEG video is its start code, at `mark`, behind other headers;
    /// some multiplexers go by the first of these.
    pub(super) fn take(&mut self, start: u64, mark: u64) -> Option<FrameTimes> {
        while self.packets.get(1).is_some_and(|&(next, _)| next <= start) {
            self.packets.pop_front();
        }
        let so_far = self.packets.iter_mut().take_while(|&&mut (at, _)| at <= mark);
        let found = so_far.map(|(_, times)| times).find(|times| times.is_some());
        found.and_then(Option::take)
    }
}

/// The times of the frames of a stream of video, of which not every one has a time stamp. The others
/// follow from the times that the stream itself gives its pictures.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// What is added to these, in nanoseconds: presentation and decoding time.
    offset: Option<(i64, i64)>,
    last_dts: Duration,
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX / 4)
}

fn moved(time: Duration, by: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos(time).saturating_add(by)).unwrap_or(0))
}

impl Line {
    /// Whether a time stamp is known, by which others can be told.
    pub(super) const fn is_anchored(&self) -> bool {
        self.offset.is_some()
    }

    /// Takes a time stamp for true: `own` are the times that the stream itself gives the picture.
    pub(super) fn anchor(&mut self, own: FrameTimes, stamp: FrameTimes) {
        let dts = stamp.dts.min(stamp.pts);
        let pts = nanos(stamp.pts).saturating_sub(nanos(own.pts));
        self.offset = Some((pts, nanos(dts).saturating_sub(nanos(own.dts))));
    }

    /// The times of the next frame.
    pub(super) fn place(&mut self, own: FrameTimes, stamp: Option<FrameTimes>) -> FrameTimes {
        let (pts, dts) = self.offset.unwrap_or_default();
        let mut times = FrameTimes { pts: moved(own.pts, pts), dts: moved(own.dts, dts) };
        if let Some(stamp) = stamp.filter(|stamp| is_near(stamp.pts, times.pts)) {
            self.anchor(own, stamp);
            times = FrameTimes { pts: stamp.pts, dts: stamp.dts.min(stamp.pts) };
        }
        self.last_dts = times.dts.max(self.last_dts);
        FrameTimes { pts: times.pts.max(self.last_dts), dts: self.last_dts }
    }
}

/// Whether a time stamp can be that of a frame which is expected at `expected`.
pub(super) fn is_near(stamp: Duration, expected: Duration) -> bool {
    stamp.saturating_add(MAX_BACK) >= expected && stamp <= expected.saturating_add(MAX_AHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> FrameTimes {
        FrameTimes { pts: Duration::from_millis(ms), dts: Duration::from_millis(ms) }
    }

    #[test]
    fn a_stamp_is_of_the_first_frame_that_commences_in_its_packet() {
        let mut stamps = Stamps::default();
        for (start, times) in
            [(0, Some(at(1))), (100, None), (200, Some(at(2))), (300, Some(at(3)))]
        {
            stamps.push(start, times);
        }
        assert_eq!(stamps.take(0, 0), Some(at(1)));
        assert_eq!(stamps.take(50, 50), None, "the second of the packet");
        assert_eq!(stamps.take(150, 150), None);
        // Headers in a packet without, and the picture in that with a stamp.
        assert_eq!(stamps.take(195, 210), Some(at(2)));
        // Headers in a packet with a stamp of their own: the next stamp stays for the next.
        let mut stamps = Stamps::default();
        for (start, ms) in [(0, 1), (100, 2)] {
            stamps.push(start, Some(at(ms)));
        }
        assert_eq!(stamps.take(90, 110), Some(at(1)));
        assert_eq!(stamps.take(150, 150), Some(at(2)));
        for n in 0..10_000 {
            stamps.push(n * 10, Some(at(n)));
        }
        assert!(stamps.packets.len() <= MAX_PACKETS);
    }

    #[test]
    fn frames_without_a_stamp_follow_those_with_one() {
        let mut line = Line::default();
        assert!(!line.is_anchored());
        let reordered = FrameTimes { pts: Duration::from_millis(1080), ..at(1000) };
        line.anchor(at(40), reordered);
        // Those before it as well.
        let before = FrameTimes { pts: Duration::from_millis(1040), ..at(960) };
        assert_eq!(line.place(at(0), None), before);
        assert_eq!(line.place(at(40), Some(reordered)), reordered);
        let next = FrameTimes { pts: Duration::from_millis(1120), ..at(1040) };
        assert_eq!(line.place(at(80), None), next);
        // Nonsense is not believed, and decoding times never decrease.
        let expected = FrameTimes { pts: Duration::from_millis(1160), ..at(1080) };
        assert_eq!(line.place(at(120), Some(at(500_000))), expected);
        let later = line.place(at(160), Some(at(500)));
        assert_eq!(later.dts, Duration::from_millis(1080));
        assert!(later.pts >= later.dts);
    }
}
