//! Helpers of the file sources' tests.

use super::{MediaFile, Probe, ProbeError, ProbePoll};
use crate::frame::Frame;
use crate::media::demux::DemuxTable;
use crate::media::{Ending, FramePoll, FramedSource, SeekError, SourceContext, Wait};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A file of the test media.
pub(super) fn media(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/media").join(name)
}

/// A file with this content, removed when dropped.
pub(super) fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

type ProbeFn = fn(&Path) -> Result<Box<dyn Probe>, ProbeError>;

/// Probes with a small budget; the number of calls is bounded by the size of the file.
pub(super) fn probed(probe: ProbeFn, path: &Path) -> Result<Arc<dyn MediaFile>, ProbeError> {
    let len = std::fs::metadata(path).unwrap().len();
    let mut probe = probe(path)?;
    for _ in 0..1000 + len / 1000 {
        match probe.poll_probe(8000) {
            ProbePoll::Pending => {}
            ProbePoll::Ready(file) => return Ok(file),
            ProbePoll::Failed(e) => return Err(e),
        }
    }
    panic!("the probe does not come to an end");
}

/// Plays a file's only track.
pub(super) struct Player {
    pub(super) source: Box<dyn FramedSource>,
    demuxers: DemuxTable,
    now: Instant,
}

impl Player {
    pub(super) fn new(file: &Arc<dyn MediaFile>) -> Self {
        let (mut demuxers, now) = (DemuxTable::default(), Instant::now());
        let mut cx = SourceContext { now, demuxers: &mut demuxers };
        let source = Arc::clone(file).open_track(0, 1, &mut cx).unwrap();
        Self { source, demuxers, now }
    }

    /// Puts a filter in front of the source.
    pub(super) fn change_source(
        &mut self,
        filter: impl FnOnce(Box<dyn FramedSource>) -> Box<dyn FramedSource>,
    ) {
        struct None;
        impl FramedSource for None {
            fn poll_frame(&mut self, _: &mut SourceContext<'_>) -> FramePoll {
                FramePoll::Ended(Ending::EndOfStream)
            }
        }
        let source = std::mem::replace(&mut self.source, Box::new(None));
        self.source = filter(source);
    }

    pub(super) fn poll(&mut self) -> Result<Frame, Ending> {
        let mut cx = SourceContext { now: self.now, demuxers: &mut self.demuxers };
        for _ in 0..10_000 {
            match self.source.poll_frame(&mut cx) {
                FramePoll::Ready(frame) => return Ok(frame),
                FramePoll::Ended(ending) => return Err(ending),
                FramePoll::Pending(_) => {}
            }
        }
        panic!("the source neither gives nor ends");
    }

    pub(super) fn seek(&mut self, npt: Duration) -> Result<Duration, SeekError> {
        self.source.seek(npt, &mut SourceContext { now: self.now, demuxers: &mut self.demuxers })
    }

    pub(super) fn begin_anew(&mut self, period: Duration) -> Result<(), SeekError> {
        let mut cx = SourceContext { now: self.now, demuxers: &mut self.demuxers };
        self.source.begin_anew(period, &mut cx)
    }

    /// What is left, which must end well.
    pub(super) fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            match self.poll() {
                Ok(frame) => frames.push(frame),
                Err(ending) => {
                    assert_eq!(ending, Ending::EndOfStream);
                    assert_eq!(self.poll(), Err(Ending::EndOfStream), "asking again is harmless");
                    return frames;
                }
            }
        }
    }
}

/// Seeks to places all over the file: what follows is what a player from the start gets there.
pub(super) fn check_seeks(file: &Arc<dyn MediaFile>) {
    let duration = file.tracks()[0].duration.unwrap();
    let mut player = Player::new(file);
    let all = player.rest();
    for i in (0..40).rev() {
        let npt = duration * i / 40 + Duration::from_millis(3);
        let at = player.seek(npt).unwrap();
        assert!(at <= npt && npt - at < Duration::from_millis(100), "{npt:?} → {at:?}");
        let mut first = player.poll().unwrap();
        assert_eq!(first.pts, at);
        assert!(std::mem::take(&mut first.flags.discontinuity));
        let n = all.iter().position(|frame| frame.pts == at).unwrap();
        assert_eq!(first, all[n]);
        assert!(player.rest() == all[n + 1..], "after a seek to {npt:?}");
    }
    assert_eq!(player.seek(Duration::ZERO), Ok(Duration::ZERO));
    assert_eq!(player.seek(duration), Err(SeekError::OutOfRange));
    assert_eq!(player.seek(Duration::MAX), Err(SeekError::OutOfRange));
}

/// Damages a file in many ways; each ends in an error or in a file that plays to an end.
pub(super) fn check_damage(probe: ProbeFn, whole: &[u8]) {
    let mut random = crate::payload::testing::XorShift::new(whole.len() as u64);
    let play = |bytes: &[u8]| {
        let file = file_of(bytes);
        let Ok(found) = probed(probe, file.path()) else { return };
        let mut player = Player::new(&found);
        let frames = player.rest();
        assert!(frames.iter().map(|f| f.data.len()).sum::<usize>() <= bytes.len());
        if let Some(duration) = found.tracks()[0].duration {
            let _ = player.seek(duration / 2);
            player.rest();
            if player.begin_anew(duration).is_ok() {
                player.rest();
            }
            for scale in [8.0, -3.0, 0.5] {
                if player.source.test_scale_factor(scale) == Some(scale) {
                    player.source.set_scale(scale);
                    let _ = player.seek(duration / 3);
                    player.rest();
                }
            }
        }
    };
    play(&[]);
    play(&[0; 100_000]);
    play(&random.bytes(50_000));
    for len in [1, 2, 3, 7, 10, 11, 12, 36, 44, 187, 188, 189, 400, 1000] {
        play(&whole[..len.min(whole.len())]);
    }
    for _ in 0..60 {
        let mut bytes = whole.to_vec();
        bytes.truncate(random.below(whole.len() as u64) as usize + 1);
        for _ in 0..random.below(50) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.next() as u8;
        }
        play(&bytes);
    }
}

/// Cuts a file short under a player.
pub(super) fn check_shrinking(probe: ProbeFn, whole: &[u8]) {
    let file = file_of(whole);
    let found = probed(probe, file.path()).unwrap();
    let mut player = Player::new(&found);
    player.poll().unwrap();
    file.as_file().set_len(whole.len() as u64 / 2).unwrap();
    let ending = loop {
        if let Err(ending) = player.poll() {
            break ending;
        }
    };
    assert!(matches!(ending, Ending::Failed(_)), "{ending:?}");
    let _ = player.seek(Duration::from_secs(1));
    drop(player);
    // And what was found out is not believed of what the file has become.
    let (mut demuxers, now) = (DemuxTable::default(), Instant::now());
    let mut cx = SourceContext { now, demuxers: &mut demuxers };
    assert!(found.open_track(0, 1, &mut cx).is_err());
}

/// Goes on with a probe to its end, which must come within so many calls.
pub(super) fn finish(
    mut probe: Box<dyn Probe>,
    budget: usize,
    calls: usize,
) -> Result<Arc<dyn MediaFile>, String> {
    for _ in 0..calls {
        match probe.poll_probe(budget) {
            ProbePoll::Pending => {}
            ProbePoll::Ready(media) => return Ok(media),
            ProbePoll::Failed(e) => return Err(e.to_string()),
        }
    }
    panic!("the probe does not come to an end");
}

/// Plays all tracks of a file.
pub(super) struct TracksPlayer {
    pub(super) demuxers: DemuxTable,
    pub(super) now: Instant,
    pub(super) sources: Vec<Box<dyn FramedSource>>,
}

impl TracksPlayer {
    /// Opens all tracks.
    pub(super) fn new(media: &Arc<dyn MediaFile>) -> Self {
        Self::opened(media, |media, track, cx| media.open_track(track, 1, cx))
    }

    /// Opens all tracks, and follows them.
    pub(super) fn following(media: &Arc<dyn MediaFile>, patience: Duration) -> Self {
        Self::opened(media, |media, track, cx| media.follow_track(track, 1, patience, cx))
    }

    fn opened(
        media: &Arc<dyn MediaFile>,
        open: impl Fn(
            Arc<dyn MediaFile>,
            usize,
            &mut SourceContext<'_>,
        ) -> std::io::Result<Box<dyn FramedSource>>,
    ) -> Self {
        let mut demuxers = DemuxTable::default();
        let now = Instant::now();
        let cx = &mut SourceContext { now, demuxers: &mut demuxers };
        let sources = (0..media.tracks().len()).map(|i| open(Arc::clone(media), i, cx).unwrap());
        let sources = sources.collect();
        Self { demuxers, now, sources }
    }

    /// The frames of a track until it waits or ends; and when it is to be asked again, if it waits.
    pub(super) fn until_wait(&mut self, track: usize) -> (Vec<Frame>, Option<Instant>) {
        let mut frames = Vec::new();
        for _ in 0..100_000 {
            let cx = &mut SourceContext { now: self.now, demuxers: &mut self.demuxers };
            match self.sources[track].poll_frame(cx) {
                FramePoll::Ready(frame) => frames.push(frame),
                FramePoll::Pending(Wait::Until(at)) => return (frames, Some(at)),
                FramePoll::Pending(_) => {}
                FramePoll::Ended(Ending::EndOfStream) => return (frames, None),
                FramePoll::Ended(Ending::Failed(why)) => panic!("{why}"),
            }
        }
        panic!("the source neither waits nor comes to an end");
    }

    /// Seeks with all tracks.
    pub(super) fn seek(&mut self, npt: Duration) -> Result<Duration, SeekError> {
        let cx = &mut SourceContext { now: self.now, demuxers: &mut self.demuxers };
        let landed: Vec<_> = self.sources.iter_mut().map(|s| s.seek(npt, cx)).collect();
        assert!(landed.iter().all(|l| *l == landed[0]), "{landed:?}");
        landed[0].clone()
    }

    /// The next frame of a track; `None` at the end.
    pub(super) fn next(&mut self, track: usize) -> Option<Frame> {
        for _ in 0..100_000 {
            let cx = &mut SourceContext { now: self.now, demuxers: &mut self.demuxers };
            match self.sources[track].poll_frame(cx) {
                FramePoll::Ready(frame) => return Some(frame),
                FramePoll::Pending(Wait::Until(at)) => self.now = at,
                FramePoll::Pending(_) => {}
                FramePoll::Ended(Ending::EndOfStream) => return None,
                FramePoll::Ended(Ending::Failed(why)) => panic!("{why}"),
            }
        }
        panic!("the source does not come to an end");
    }

    /// What is left of a track.
    pub(super) fn all(&mut self, track: usize) -> Vec<Frame> {
        std::iter::from_fn(|| self.next(track)).collect()
    }

    /// All frames of all tracks, each track a bit at a time.
    pub(super) fn interleaved(&mut self) -> Vec<Vec<Frame>> {
        let mut frames = vec![Vec::new(); self.sources.len()];
        let mut running: Vec<usize> = (0..self.sources.len()).collect();
        while !running.is_empty() {
            running.retain(|&track| match self.next(track) {
                Some(frame) => {
                    frames[track].push(frame);
                    true
                }
                None => false,
            });
        }
        for track in &frames {
            assert!(track.is_sorted_by_key(|f| f.dts), "decoding times decrease");
        }
        frames
    }
}

/// A file of the test media, and the frames of its tracks.
pub(super) fn frames_of(name: &str) -> (Arc<dyn MediaFile>, Vec<Vec<Frame>>) {
    let media = finish(super::probe(&media(name)).unwrap(), 64 << 10, 100).unwrap();
    let frames = TracksPlayer::new(&media).interleaved();
    (media, frames)
}

/// Checks that two containers gave the same frames of a track. Times are counted from the first
/// frame of the track on, because containers place tracks differently.
pub(super) fn check_same_frames(what: &str, found: &[Frame], expected: &[Frame]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(a.data == b.data, "{what}, frame {i}");
        assert_eq!(a.flags, b.flags, "{what}, frame {i}");
        let (at, other) = (a.pts - found[0].pts, b.pts - expected[0].pts);
        assert!(at.abs_diff(other) <= Duration::from_millis(1), "{what}, {i}: {at:?} {other:?}");
    }
}
