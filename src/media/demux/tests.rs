use super::*;

/// Two tracks: 0 has a frame every 40 ms, each tenth a key frame; 1 one every 20 ms, all key
/// frames, up to `audio_until`. Ends at 100 s. Where there is no room for a frame of the other
/// track, it goes on in the one that is wanted alone.
#[derive(Debug, Default)]
struct Interleaved {
    at: u64,
    /// Of each track, where it has been read to beyond that.
    ahead: [u64; 2],
    audio_until: u64,
    closed: std::rc::Rc<std::cell::Cell<bool>>,
}

const END: u64 = 100_000;

impl Interleaved {
    fn frame(&self, track: usize, at: u64) -> Option<Frame> {
        let pts = Duration::from_millis(at);
        if track == 1 {
            let frame = || Frame::new(vec![1; 10], pts, Duration::from_millis(20));
            return (at < self.audio_until).then(frame);
        }
        let mut frame = Frame::new(vec![0; 10], pts, Duration::from_millis(40));
        frame.flags.key = at % 400 == 0;
        (at % 40 == 0).then_some(frame)
    }
}

impl Producer for Interleaved {
    fn poll_produce(
        &mut self,
        track: usize,
        outlets: &mut Outlets,
        cx: &mut SourceContext<'_>,
    ) -> Produced {
        let other = 1 - track;
        let alone = self.ahead[track] > self.at
            || (self.ahead[other] <= self.at && !outlets.has_room(other, 1, 10, cx.now));
        let at = if alone { self.ahead[track].max(self.at) } else { self.at };
        if at >= END {
            return Produced::Ended(Ending::EndOfStream);
        }
        for of in [track, other] {
            if (of == track || !alone) && self.ahead[of] <= at {
                self.frame(of, at).map(|frame| outlets.push(of, frame));
            }
        }
        if alone {
            self.ahead[track] = at + 20;
        } else {
            self.at = at + 20;
        }
        Produced::Progress
    }

    fn locate(&self, npt: Duration) -> Result<Duration, SeekError> {
        Ok(Duration::from_millis(npt.as_millis() as u64 / 400 * 400))
    }

    fn seek(&mut self, npt: Duration, _: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let landed = self.locate(npt)?;
        self.at = landed.as_millis() as u64;
        self.ahead = [0; 2];
        Ok(landed)
    }

    fn close(&mut self, _: &mut SourceContext<'_>) {
        self.closed.set(true);
    }
}

struct World {
    demuxers: DemuxTable,
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self { demuxers: DemuxTable::default(), now: Instant::now() }
    }

    fn open(&mut self, consumer: u64, track: usize, producer: Interleaved) -> OutletSource {
        let id = self.demuxers.acquire(Some((7, consumer)), || Box::new(producer));
        let queue =
            FrameQueue::new(QueueLimits { frames: 30, bytes: 1 << 20 }, Overflow::DropOldest);
        OutletSource::open(&mut self.demuxers, id, track, queue, None, true)
    }

    fn cx(&mut self) -> SourceContext<'_> {
        SourceContext { now: self.now, demuxers: &mut self.demuxers }
    }

    fn poll(&mut self, source: &mut OutletSource) -> FramePoll {
        source.poll_frame(&mut self.cx())
    }

    /// The next frame's time; asks again while there is work, time passing.
    fn next(&mut self, source: &mut OutletSource) -> Option<u64> {
        for _ in 0..10_000 {
            match self.poll(source) {
                FramePoll::Ready(frame) => return Some(frame.pts.as_millis() as u64),
                FramePoll::Pending(Wait::Until(at)) => self.now = at,
                FramePoll::Pending(_) => {}
                FramePoll::Ended(_) => return None,
            }
        }
        panic!("stalls");
    }
}

fn both() -> Interleaved {
    Interleaved { audio_until: END, ..Interleaved::default() }
}

#[test]
fn tracks_of_one_consumer_share_a_producer_which_goes_with_the_last() {
    let mut w = World::new();
    let producer = both();
    let closed = std::rc::Rc::clone(&producer.closed);
    let mut video = w.open(1, 0, producer);
    let mut audio = w.open(1, 1, both());
    let mut other = w.open(2, 0, both());
    assert_eq!((w.demuxers.len(), w.demuxers.users()), (2, 3));
    for n in 0..50 {
        assert_eq!(w.next(&mut video), Some(n * 40));
        assert_eq!(w.next(&mut audio), Some(n * 40));
        assert_eq!(w.next(&mut audio), Some(n * 40 + 20));
    }
    assert_eq!(w.next(&mut other), Some(0), "another consumer's is its own");
    video.close(&mut w.cx());
    video.close(&mut w.cx());
    assert!(!closed.get());
    assert_eq!(w.next(&mut audio), Some(2000));
    audio.close(&mut w.cx());
    assert!(closed.get());
    assert!(matches!(w.poll(&mut audio), FramePoll::Ended(Ending::Failed(_))));
    other.close(&mut w.cx());
    assert!(w.demuxers.is_empty() && w.demuxers.by_key.is_empty());
}

#[test]
fn a_stopped_sibling_loses_frames_and_stalls_nobody() {
    let mut w = World::new();
    let mut video = w.open(1, 0, both());
    let mut audio = w.open(1, 1, both());
    assert_eq!(w.next(&mut video), Some(0));
    for n in 0..500 {
        assert_eq!(w.next(&mut audio), Some(n * 20));
        w.now += Duration::from_millis(20);
    }
    assert!(video.dropped(&w.demuxers) > 200);
    let resumed = w.next(&mut video).unwrap();
    assert!(resumed % 400 == 0 && resumed > 8000, "goes on at a recent key frame: {resumed}");
}

#[test]
fn a_track_that_is_over_does_not_make_its_sibling_lose_frames() {
    let mut w = World::new();
    let mut video = w.open(1, 0, both());
    let mut audio = w.open(1, 1, Interleaved::default());
    // The same producer, so this one's end counts.
    video.close(&mut w.cx());
    audio.close(&mut w.cx());
    let mut video = w.open(1, 0, Interleaved { audio_until: 1000, ..both() });
    let mut audio = w.open(1, 1, both());
    let mut audio_ended = false;
    for n in 0..END / 40 {
        assert_eq!(w.next(&mut video), Some(n * 40));
        for _ in 0..2 {
            match w.poll(&mut audio) {
                FramePoll::Ready(_) => {}
                FramePoll::Pending(Wait::Until(at)) => assert!(at > w.now),
                FramePoll::Pending(wait) => assert_eq!(wait, Wait::Work),
                FramePoll::Ended(_) => audio_ended = true,
            }
        }
        w.now += Duration::from_millis(40);
    }
    assert_eq!(video.dropped(&w.demuxers), 0);
    assert_eq!(w.next(&mut video), None);
    assert!(audio_ended || w.next(&mut audio).is_none());
}

#[test]
fn siblings_seek_once() {
    let mut w = World::new();
    let mut video = w.open(1, 0, both());
    let mut audio = w.open(1, 1, both());
    let to = |w: &mut World, s: &mut OutletSource, ms| {
        s.seek(Duration::from_millis(ms), &mut w.cx()).unwrap().as_millis()
    };
    assert_eq!(w.next(&mut audio), Some(0));
    assert_eq!(to(&mut w, &mut video, 5000), 4800);
    assert_eq!(w.next(&mut video), Some(4800));
    assert_eq!(w.next(&mut video), Some(4840));
    assert_eq!(to(&mut w, &mut audio, 5000), 4800);
    assert_eq!(w.next(&mut audio), Some(4800), "nothing was lost by joining");
    assert_eq!(w.next(&mut video), Some(4880), "and the first was not moved back");
    // The same place again is a new seek, and the sibling joins again.
    assert_eq!(to(&mut w, &mut audio, 5000), 4800);
    assert_eq!(to(&mut w, &mut video, 5000), 4800);
    assert_eq!((w.next(&mut audio), w.next(&mut video)), (Some(4800), Some(4800)));
    // After the end, too.
    assert_eq!(to(&mut w, &mut audio, 99_999), 99_600);
    while w.next(&mut audio).is_some() {}
    assert_eq!(to(&mut w, &mut audio, 0), 0);
    assert_eq!((w.next(&mut audio), w.next(&mut video)), (Some(0), Some(0)));
}

#[test]
fn a_repeating_stream_plays_all_tracks_to_their_ends() {
    // Audio that ends with the video, and audio that ends before it.
    for audio_until in [END, END - 1000] {
        let mut w = World::new();
        let mut sources =
            [w.open(1, 0, Interleaved { audio_until, ..both() }), w.open(1, 1, both())];
        let mut laps = [0, 0];
        let mut expected = [0, 0];
        let mut due = [w.now; 2];
        while laps.iter().any(|&n| n < 3) {
            w.now += Duration::from_millis(10);
            for track in 0..2 {
                if w.now < due[track] {
                    continue;
                }
                match w.poll(&mut sources[track]) {
                    FramePoll::Ready(frame) => {
                        let (step, until) = if track == 0 { (40, END) } else { (20, audio_until) };
                        assert_eq!(frame.pts.as_millis() as u64, expected[track], "track {track}");
                        expected[track] = (expected[track] + step) % until;
                        due[track] = w.now + Duration::from_millis(step);
                    }
                    FramePoll::Pending(Wait::Until(at)) => due[track] = at,
                    FramePoll::Pending(_) => {}
                    FramePoll::Ended(_) => {
                        laps[track] += 1;
                        assert_eq!(expected[track], 0, "track {track} is not over");
                        // Asking again does not bring the next lap.
                        assert!(matches!(w.poll(&mut sources[track]), FramePoll::Ended(_)));
                        let landed = sources[track].seek(Duration::ZERO, &mut w.cx());
                        assert_eq!(landed, Ok(Duration::ZERO));
                    }
                }
            }
        }
        assert_eq!(sources[0].dropped(&w.demuxers) + sources[1].dropped(&w.demuxers), 0);
    }
}

#[test]
fn a_track_that_is_stored_far_ahead_loses_nothing_and_keeps_nobody_waiting() {
    // Both are paced: the audio's end comes when it is heard, and no frame is missing.
    let mut w = World::new();
    let mut video = w.open(1, 0, both());
    let mut audio = w.open(1, 1, both());
    for n in 0..100 {
        assert_eq!(w.next(&mut audio), Some(n * 20), "goes on without the video's being played");
    }
    let now = w.now;
    for n in 0..END / 40 {
        assert_eq!(w.next(&mut video), Some(n * 40));
    }
    assert_eq!(w.now, now, "nobody waited");
    assert_eq!(w.next(&mut video), None);
    for n in 100..END / 20 {
        assert_eq!(w.next(&mut audio), Some(n * 20));
    }
    assert_eq!(w.next(&mut audio), None);
    assert_eq!(video.dropped(&w.demuxers) + audio.dropped(&w.demuxers), 0);
}

#[test]
fn a_reader_between_two_frames_that_are_far_apart_has_not_stopped() {
    #[derive(Debug)]
    struct Slides(u64);
    impl Producer for Slides {
        fn poll_produce(
            &mut self,
            _: usize,
            outlets: &mut Outlets,
            cx: &mut SourceContext<'_>,
        ) -> Produced {
            let pts = Duration::from_secs(self.0);
            let frame = Frame::new(vec![0], pts, Duration::ZERO);
            if !outlets.has_room(0, 1, 1, cx.now) {
                outlets.push(1, frame);
                return Produced::Progress;
            }
            outlets.push(0, frame);
            self.0 += 10;
            Produced::Progress
        }
    }
    let mut w = World::new();
    let id = w.demuxers.acquire(None, || Box::new(Slides(0)));
    assert!(w.demuxers.retain(id));
    let limits = QueueLimits { frames: 3, bytes: 100 };
    let queue = || FrameQueue::new(limits, Overflow::DropOldest);
    let mut slides = OutletSource::open(&mut w.demuxers, id, 0, queue(), None, false);
    let mut other = OutletSource::open(&mut w.demuxers, id, 1, queue(), None, false);
    assert_eq!((w.next(&mut slides), w.next(&mut slides)), (Some(0), Some(10_000)));
    // The next is due in ten seconds.
    w.now += Duration::from_secs(9);
    for _ in 0..10 {
        w.next(&mut other).unwrap();
    }
    assert_eq!(slides.dropped(&w.demuxers), 0);
    for _ in 0..10 {
        w.now += Duration::from_millis(500);
        w.poll(&mut other);
    }
    assert!(slides.dropped(&w.demuxers) > 0, "now it has");
}

#[test]
fn tracks_that_stopped_together_go_on_together() {
    let mut w = World::new();
    let mut video = w.open(1, 0, both());
    let mut audio = w.open(1, 1, both());
    // The first to be asked does not make the other, which has not been yet, overflow.
    for n in 0..500 {
        assert_eq!(w.next(&mut audio), Some(n * 20));
    }
    w.next(&mut video).unwrap();
    w.now += Duration::from_secs(100);
    for n in 500..1000 {
        assert_eq!(w.next(&mut audio), Some(n * 20));
    }
    assert_eq!((w.next(&mut video), video.dropped(&w.demuxers)), (Some(40), 0));
}
