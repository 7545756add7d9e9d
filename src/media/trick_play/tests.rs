use super::*;
use crate::frame::Frame;
use crate::media::demux::DemuxTable;
use std::time::Instant;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Ten seconds of video with a key frame every so many milliseconds, of which each frame says its time.
struct Film {
    next: u64,
    key_every: u64,
    seeks: usize,
    read: usize,
}

const EACH: u64 = 40;
const END: u64 = 10_000;

impl FramedSource for Film {
    fn poll_frame(&mut self, _: &mut SourceContext<'_>) -> FramePoll {
        if self.next >= END {
            return FramePoll::Ended(Ending::EndOfStream);
        }
        let at = self.next;
        (self.next, self.read) = (at + EACH, self.read + 1);
        let mut frame = Frame::new(at.to_be_bytes().to_vec(), ms(at), ms(EACH));
        frame.flags.key = at % self.key_every == 0;
        frame.dts = ms(at.saturating_sub(2 * EACH));
        FramePoll::Ready(frame)
    }

    fn seek(&mut self, npt: Duration, _: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        if npt >= ms(END) {
            return Err(SeekError::OutOfRange);
        }
        let at = npt.as_millis() as u64;
        self.next = at / self.key_every * self.key_every;
        self.seeks += 1;
        Ok(ms(self.next))
    }

    fn duration(&self) -> Option<Duration> {
        Some(ms(END))
    }
}

/// What is played at a scale from a place on, in milliseconds, and how it ends.
fn played(key_every: u64, scale: f32, from: u64) -> Vec<u64> {
    let film = Film { next: 0, key_every, seeks: 0, read: 0 };
    let mut play = TrickPlay::new(Box::new(film), true);
    let mut demuxers = DemuxTable::default();
    let cx = &mut SourceContext::new(Instant::now(), &mut demuxers);
    assert_eq!(play.test_scale_factor(scale), Some(scale));
    play.set_scale(scale);
    play.seek(ms(from), cx).unwrap();
    let mut times = Vec::new();
    for _ in 0..10_000 {
        let told = play.next_times();
        match play.poll_frame(cx) {
            FramePoll::Ready(frame) => {
                assert!(frame.flags.key || (0.0..=1.0).contains(&scale));
                assert!(told.is_none_or(|told| told.pts == frame.pts && told.dts == frame.dts));
                times.push(frame.pts.as_millis() as u64);
            }
            FramePoll::Pending(wait) => assert_eq!(wait, Wait::Work),
            FramePoll::Ended(ending) => {
                assert_eq!(ending, Ending::EndOfStream);
                assert!(matches!(play.poll_frame(cx), FramePoll::Ended(_)), "it stays so");
                return times;
            }
        }
    }
    panic!("no end: {times:?}");
}

#[test]
fn fast_forward_is_one_key_frame_after_the_other() {
    let every_second: Vec<u64> = (0..10).map(|n| n * 1000).collect();
    assert_eq!(played(1000, 2.0, 0), every_second);
    assert_eq!(played(1000, 4.0, 0), every_second);
    assert_eq!(played(1000, 4.0, 3500), every_second[3..]);
    assert_eq!(played(1000, 4.0, 9999), [9000]);
    // Rare ones are not made up for.
    assert_eq!(played(4000, 4.0, 0), [0, 4000, 8000]);
}

#[test]
fn no_more_than_ten_key_frames_a_second_are_given() {
    // A tenth of a second is 3.2 s.
    assert_eq!(played(1000, 32.0, 0), [0, 4000, 8000]);
    assert_eq!(played(40, 4.0, 0).len(), 25);
    assert_eq!(played(40, -4.0, 9999).len(), 25 + 1, "and the first one");
}

#[test]
fn backwards_the_key_frames_come_from_the_last_to_the_first() {
    assert_eq!(played(1000, -1.0, 4500), [4000, 3000, 2000, 1000, 0]);
    assert_eq!(played(1000, -32.0, 9999), [9000, 5000, 1000, 0]);
    assert_eq!(played(1000, -2.0, 0), [0]);
    assert_eq!(played(20_000, -2.0, 9999), [0]);
}

#[test]
fn slow_motion_is_every_frame() {
    assert_eq!(played(1000, 0.5, 0).len(), 250);
}

#[test]
fn little_is_read_to_find_a_key_frame() {
    struct Counted(Film, std::rc::Rc<std::cell::Cell<(usize, usize)>>);
    impl FramedSource for Counted {
        fn poll_frame(&mut self, cx: &mut SourceContext<'_>) -> FramePoll {
            let poll = self.0.poll_frame(cx);
            self.1.set((self.0.read, self.0.seeks));
            poll
        }
        fn seek(
            &mut self,
            npt: Duration,
            cx: &mut SourceContext<'_>,
        ) -> Result<Duration, SeekError> {
            self.0.seek(npt, cx)
        }
        fn duration(&self) -> Option<Duration> {
            self.0.duration()
        }
    }
    let count = std::rc::Rc::default();
    let film = Film { next: 0, key_every: 1000, seeks: 0, read: 0 };
    let mut play = TrickPlay::new(Box::new(Counted(film, std::rc::Rc::clone(&count))), true);
    let mut demuxers = DemuxTable::default();
    let cx = &mut SourceContext::new(Instant::now(), &mut demuxers);
    play.set_scale(8.0);
    let mut frames = 0;
    while let FramePoll::Ready(_) = play.poll_frame(cx) {
        frames += 1;
    }
    let (read, seeks) = count.get();
    assert_eq!((frames, read), (10, 10));
    assert!(seeks < 10 * 12, "{seeks} seeks");
}

#[test]
fn sound_and_what_cannot_be_sought_are_played_as_they_are() {
    let film = || Box::new(Film { next: 0, key_every: 40, seeks: 0, read: 0 });
    assert_eq!(TrickPlay::new(film(), false).test_scale_factor(4.0), Some(1.0));
    struct Live;
    impl FramedSource for Live {
        fn poll_frame(&mut self, _: &mut SourceContext<'_>) -> FramePoll {
            FramePoll::Pending(Wait::Input)
        }
    }
    assert_eq!(TrickPlay::new(Box::new(Live), true).test_scale_factor(4.0), Some(1.0));
}

#[test]
fn a_source_that_never_gives_what_it_promises_ends() {
    /// Its key frames are not where it says.
    struct Liar(u64);
    impl FramedSource for Liar {
        fn poll_frame(&mut self, _: &mut SourceContext<'_>) -> FramePoll {
            FramePoll::Ready(Frame::new(vec![1], ms(7), ms(1)))
        }
        fn seek(
            &mut self,
            npt: Duration,
            _: &mut SourceContext<'_>,
        ) -> Result<Duration, SeekError> {
            self.0 += 1;
            Ok(npt)
        }
        fn duration(&self) -> Option<Duration> {
            Some(ms(1000))
        }
    }
    for scale in [4.0, -4.0] {
        let mut play = TrickPlay::new(Box::new(Liar(0)), true);
        let mut demuxers = DemuxTable::default();
        let cx = &mut SourceContext::new(Instant::now(), &mut demuxers);
        play.set_scale(scale);
        let ends = (0..10_000).any(|_| matches!(play.poll_frame(cx), FramePoll::Ended(_)));
        assert!(ends, "at {scale}");
    }
}
