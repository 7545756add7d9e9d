use super::*;
use crate::rtp::testing::{ms, some_instant};

/// A source of frames 40 ms apart, each of which is presented 80 ms after it is decoded.
#[derive(Default)]
struct Frames {
    next: usize,
    count: usize,
    /// Whether the source tells the times of its next frame without reading it.
    tells: bool,
}

impl Frames {
    fn times(&self) -> Option<FrameTimes> {
        let dts = ms(40 * self.next as u64);
        (self.next < self.count).then(|| FrameTimes { pts: dts + ms(80), dts })
    }
}

impl FramedSource for Frames {
    fn poll_frame(&mut self, _: &mut SourceContext<'_>) -> FramePoll {
        let Some(FrameTimes { pts, dts }) = self.times() else {
            return FramePoll::Ended(Ending::EndOfStream);
        };
        self.next += 1;
        FramePoll::Ready(Frame { dts, ..Frame::new(vec![0], pts, ms(40)) })
    }

    fn next_times(&self) -> Option<FrameTimes> {
        self.times().filter(|_| self.tells)
    }

    fn seek(&mut self, npt: Duration, _: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        self.next = npt.as_millis() as usize / 40;
        self.times().map(|times| times.pts).ok_or(SeekError::OutOfRange)
    }
}

/// A stream of its own, without RTP.
struct Player {
    playback: Playback,
    began: Instant,
    demuxers: DemuxTable,
}

impl Player {
    fn of(source: Frames, repeat_period: Option<Duration>) -> Self {
        let began = some_instant();
        let playback = Playback::new(Box::new(source), None, true, repeat_period, began);
        Self { playback, began, demuxers: DemuxTable::default() }
    }

    /// What is next so many milliseconds after the beginning; a frame that is due is sent.
    fn poll(&mut self, at: u64) -> NextFrame {
        let (now, clocks) = (self.began + ms(at), &mut LiveClocks::default());
        let next = self.playback.poll_frame(now, &mut self.demuxers, clocks, 1);
        if let NextFrame::Due { frame, .. } = &next {
            self.playback.note_sent(frame);
        }
        next
    }

    /// Decoding time of the frame that is due then, in milliseconds.
    #[track_caller]
    fn expect_frame(&mut self, at: u64, dts: u64) {
        let next = self.poll(at);
        let NextFrame::Due { frame, running_time, jumped: false } = next else {
            panic!("{next:?}");
        };
        assert_eq!((frame.dts, running_time), (ms(dts), ms(at + 80)), "at {at}");
    }

    #[track_caller]
    fn expect_nothing_before(&mut self, at: u64, until: u64) {
        let next = self.poll(at);
        let until = self.began + ms(until);
        assert!(matches!(next, NextFrame::NotBefore(t) if t == until), "{next:?}");
    }

    fn seek(&mut self, at: u64, npt: u64) -> Result<(), SeekError> {
        let now = self.began + ms(at);
        self.playback.seek(now, &mut self.demuxers, |source, cx| source.seek(ms(npt), cx))
    }
}

#[test]
fn frames_are_sent_when_they_are_due_and_read_no_earlier_than_they_must() {
    for tells in [false, true] {
        let mut player = Player::of(Frames { count: 3, tells, ..Frames::default() }, None);
        assert!(player.playback.is_fresh());
        player.playback.begin(player.began, ms(0));
        player.expect_frame(0, 0);
        player.expect_nothing_before(1, 40);
        assert_eq!(player.playback.pending.is_none(), tells);
        assert_eq!(player.playback.next_dts(), ms(40));
        player.expect_frame(40, 40);
        player.expect_frame(80, 80);
        let end = player.poll(81);
        assert!(matches!(end, NextFrame::End(npt) if npt == ms(120)), "{end:?}");
    }
}

#[test]
fn a_frame_behind_the_pause_point_waits_for_the_next_play() {
    let mut player = Player::of(Frames { count: 9, ..Frames::default() }, None);
    player.playback.begin(player.began, ms(0));
    player.playback.range_mut().set_pause_point(Some(ms(40)));
    player.expect_frame(0, 0);
    assert!(matches!(player.poll(40), NextFrame::PausePoint));
    player.playback.halt(player.began + ms(40));
    *player.playback.range_mut() = PlayRange::new(ms(40), Some(ms(80)));
    player.playback.begin(player.began + ms(1000), ms(40));
    player.expect_frame(1000, 40);
    let end = player.poll(1040);
    assert!(matches!(end, NextFrame::End(npt) if npt == ms(80)), "{end:?}");
}

#[test]
fn behind_a_seek_the_position_is_where_the_first_picture_is_presented() {
    let mut player = Player::of(Frames { count: 9, tells: true, ..Frames::default() }, None);
    assert_eq!(player.seek(0, 4000), Err(SeekError::OutOfRange));
    player.seek(0, 200).unwrap();
    assert_eq!((player.playback.npt(), player.playback.next_dts()), (ms(280), ms(200)));
    player.playback.begin(player.began, ms(200));
    player.expect_frame(0, 200);
    assert_eq!(player.playback.npt(), ms(240), "when the next one is decoded");
}

#[test]
fn a_source_that_is_left_at_its_end_is_not_read() {
    let repeats = Some(ms(1000));
    let mut player = Player::of(Frames { count: 9, tells: true, ..Frames::default() }, repeats);
    player.playback.go_to_end(ms(5000), player.began);
    player.playback.prepare(player.began, &mut player.demuxers);
    assert!(!player.playback.has_frame());
    assert_eq!(player.playback.npt(), ms(5000));
    player.playback.begin(player.began, ms(0));
    assert!(matches!(player.poll(0), NextFrame::End(_)));
    player.seek(0, 0).unwrap();
    player.playback.begin(player.began, ms(0));
    player.expect_frame(0, 0);
}

#[test]
fn a_source_begins_anew_one_period_after_its_start_unless_it_has_nothing() {
    let mut player = Player::of(Frames { count: 1, ..Frames::default() }, Some(ms(100)));
    player.playback.begin(player.began, ms(0));
    player.expect_frame(0, 0);
    assert!(matches!(player.poll(40), NextFrame::BeganAnew));
    player.expect_nothing_before(40, 100);
    player.expect_frame(100, 0);
    let mut player = Player::of(Frames::default(), Some(ms(100)));
    player.playback.begin(player.began, ms(0));
    assert!(matches!(player.poll(0), NextFrame::End(_)));
}
