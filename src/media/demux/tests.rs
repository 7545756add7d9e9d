use super::*;

/// Two tracks: 0 has a frame every 40 ms, each tenth a key frame; 1 one every 20 ms, all key
/// frames, up to `audio_until`. Ends at 100 s.
#[derive(Debug, Default)]
struct Interleaved {
    at: u64,
    audio_until: u64,
    closed: std::rc::Rc<std::cell::Cell<bool>>,
}

const END: u64 = 100_000;

impl Producer for Interleaved {
    fn poll_produce(&mut self, outlets: &mut Outlets, _: &mut SourceContext<'_>) -> Produced {
        if self.at >= END {
            return Produced::Ended(Ending::EndOfStream);
        }
        let pts = Duration::from_millis(self.at);
        if self.at % 40 == 0 {
            let mut frame = Frame::new(vec![0; 10], pts, Duration::from_millis(40));
            frame.flags.key = self.at % 400 == 0;
            outlets.push(0, frame);
        }
        if self.at < self.audio_until {
            outlets.push(1, Frame::new(vec![1; 10], pts, Duration::from_millis(20)));
        }
        self.at += 20;
        Produced::Progress
    }

    fn locate(&self, npt: Duration) -> Result<Duration, SeekError> {
        Ok(Duration::from_millis(npt.as_millis() as u64 / 400 * 400))
    }

    fn seek(&mut self, npt: Duration, _: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let landed = self.locate(npt)?;
        self.at = landed.as_millis() as u64;
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
    w.now += STILL_READING;
    for n in 0..500 {
        assert_eq!(w.next(&mut audio), Some(n * 20));
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
