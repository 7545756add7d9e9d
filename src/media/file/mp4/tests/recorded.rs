//! What the recorder of this crate writes is read again.

use super::*;
use crate::codec::CodecParameters;
use crate::media::file::testing;
use crate::media::sinks::{Mp4Config, Mp4Recorder, Recorder};

#[test]
fn recordings_are_read_again() {
    for name in ["h264_aac.mp4", "h265_mp3.m4v", "h264_pcm.mov"] {
        let media = finish(probe_mp4(&testing::media(name)).unwrap(), 64 << 10, 100).unwrap();
        let sent = TracksPlayer::new(&media).interleaved();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it.mp4");
        let mut recorder = Mp4Recorder::create(&path, Mp4Config::default()).unwrap();
        for track in media.tracks() {
            recorder.add_track(&track.parameters).unwrap();
        }
        let mut all: Vec<_> =
            sent.iter().enumerate().flat_map(|(i, of)| of.iter().map(move |f| (i, f))).collect();
        all.sort_by_key(|(_, frame)| frame.dts);
        for (track, frame) in &all {
            recorder.handle_frame(*track, frame).unwrap();
        }
        // As it is while it is recorded, and when it is complete.
        for is_complete in [false, true] {
            if is_complete {
                recorder.finish().unwrap();
            }
            let media = finish(probe_mp4(&path).unwrap(), 4096, 1000).unwrap();
            assert_eq!(media.tracks().len(), 2, "{name}");
            let mut player = TracksPlayer::new(&media);
            let found = player.interleaved();
            for (track, (found, sent)) in found.iter().zip(&sent).enumerate() {
                let is_pcm =
                    matches!(media.tracks()[track].parameters, CodecParameters::Pcm { .. });
                let joined = |frames: &[Frame]| {
                    frames.iter().flat_map(|f| f.data.to_vec()).collect::<Vec<_>>()
                };
                let (a, b) = (joined(found), joined(sent));
                assert!(a == b[..a.len()], "{name} {track}");
                assert!(!is_complete || a.len() == b.len(), "{name} {track}");
                if is_pcm {
                    continue;
                }
                for (a, b) in found.iter().zip(sent) {
                    assert_eq!(a.flags.key, b.flags.key, "{name} {track}");
                    let (at, other) = (a.pts - found[0].pts, b.pts - sent[0].pts);
                    assert!(at.abs_diff(other) <= ms(3), "{name} {track}: {at:?} {other:?}");
                }
            }
            let landed = player.seek(ms(2500)).unwrap();
            let picture = player.next(0).unwrap();
            assert!(picture.flags.key && picture.pts == landed, "{name}: {landed:?}");
            assert!(landed > ms(1400), "{name}: {landed:?}");
        }
    }
}
