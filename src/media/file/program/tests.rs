//! Tests with the files that people have, and with made ones.

use super::*;
use crate::frame::Frame;
use crate::media::file::mpeg_ts::probe_mpeg_ts;
use crate::media::file::testing::*;
use crate::media::file::{Probe, ProbeError, ProbePoll};
use std::path::Path;

/// A probe of a transport stream for its elementary streams.
fn probe_tracks(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    #[derive(Debug)]
    struct Tracks(Box<dyn Probe>);
    impl Probe for Tracks {
        fn poll_probe(&mut self, budget: usize) -> ProbePoll {
            match self.0.poll_probe(budget) {
                ProbePoll::Ready(file) => match file.elementary_streams() {
                    Some(streams) => ProbePoll::Ready(streams),
                    None => ProbePoll::Failed(ProbeError::Content("no streams".into())),
                },
                other => other,
            }
        }
    }
    Ok(Box::new(Tracks(probe_mpeg_ts(path)?)))
}

#[test]
fn transport_streams_are_also_offered_as_their_streams() {
    let file = probed(probe_mpeg_ts, &media("program.ts")).unwrap();
    assert_eq!(file.tracks()[0].parameters, CodecParameters::Mp2t);
    let streams = file.elementary_streams().unwrap();
    assert!(matches!(streams.tracks()[0].parameters, CodecParameters::H264 { .. }));
    assert!(matches!(streams.tracks()[1].parameters, CodecParameters::Aac { .. }));
    let frames = TracksPlayer::new(&streams).interleaved();
    assert_eq!(frames[0].len(), 125);
    // 5 s of 1024 samples, and the encoder's delay.
    assert_eq!(frames[1].len(), 217);
    assert!(frames.iter().flatten().filter(|frame| frame.flags.discontinuity).count() == 0);
    assert_eq!(frames[0].iter().filter(|frame| frame.flags.key).count(), 5);
    let mut times: Vec<_> = frames[0].iter().map(|frame| frame.pts).collect();
    times.sort();
    let step = Duration::from_millis(40);
    assert!(times.windows(2).all(|pair| (pair[1] - pair[0]).abs_diff(step).as_micros() < 20));
}

/// All tracks of a file go to the key picture before a position and on from there.
fn check_seeking(name: &str, probe: fn(&Path) -> Result<Box<dyn Probe>, ProbeError>) {
    let file = probed(probe, &media(name)).unwrap();
    let duration = file.tracks()[0].duration.unwrap();
    let all = TracksPlayer::new(&file).interleaved();
    let mut player = TracksPlayer::new(&file);
    for i in (0..20).rev() {
        let npt = duration * i / 20 + Duration::from_millis(1);
        let landed = player.seek(npt).unwrap();
        let keys = all[0].iter().filter(|frame| frame.flags.key && frame.pts <= npt);
        let Some(key) = keys.max_by_key(|frame| frame.pts) else {
            // Sound may begin first.
            assert_eq!(landed, npt);
            continue;
        };
        assert_eq!(landed, key.pts, "{name} {npt:?}");
        let frames = player.interleaved();
        assert!(frames[0][0].flags.key && frames[0][0].flags.discontinuity, "{name}");
        assert_eq!(frames[0][0].pts, landed, "{name}");
        let expected: Vec<&Frame> = all[0].iter().filter(|frame| frame.pts > landed).collect();
        assert!(frames[0][1..].iter().eq(expected), "{name} {npt:?}");
        for (track, (found, all)) in frames.iter().zip(&all).enumerate().skip(1) {
            let expected = all.iter().filter(|f| f.pts + f.duration > landed);
            assert!(found.iter().map(|f| &f.data).eq(expected.map(|f| &f.data)), "{name} {track}");
            assert!(found[0].pts.abs_diff(landed) < Duration::from_millis(60), "{name}");
        }
    }
    assert_eq!(player.seek(Duration::ZERO), Ok(Duration::ZERO));
    assert_eq!(player.seek(duration), Err(SeekError::OutOfRange));
}

#[test]
fn seeking_finds_key_pictures() {
    check_seeking("program.ts", probe_tracks);
    check_seeking("program.m2ts", probe_tracks);
}

#[test]
fn damaged_and_shrinking_files() {
    let bytes = std::fs::read(media("program.ts")).unwrap();
    check_damage(probe_tracks, &bytes);
    check_shrinking(probe_tracks, &bytes);
}
