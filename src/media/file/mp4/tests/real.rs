//! Real files: the frames are those of the Matroska files that the same streams were put into.

use super::*;
use crate::codec::CodecParameters;
use crate::media::file::testing::{check_same_frames, frames_of as tracks_of};

#[test]
fn frames_are_those_of_matroska() {
    for (name, source) in [
        ("h264_aac.mp4", "h264_aac.mkv"),
        ("h265_mp3.m4v", "h265_mp3.mkv"),
        ("h264_pcm.mov", "h264_pcm.mkv"),
        ("phone.3gp", "no_cues.mkv"),
        ("fragments.mp4", "h264_aac.mkv"),
        ("index.mp4", "h265_mp3.mkv"),
        ("index.mp4", "h264_aac.mkv"),
        ("pipe.mp4", "h264_pcm.mkv"),
        ("vp9_opus.mp4", "vp9_opus.webm"),
        ("av1_opus.mp4", "av1_opus.mkv"),
        ("mpeg4_ac3.mp4", "mpeg4_ac3.mkv"),
        ("mpeg2_eac3.mp4", "mpeg2_eac3.mkv"),
        ("jpeg.mov", "jpeg.mkv"),
    ] {
        let ((media, found), (other, expected)) = (tracks_of(name), tracks_of(source));
        for track in 0..expected.len().min(found.len()) {
            let (found, expected) = (&found[track], &expected[track]);
            let parameters = &media.tracks()[track].parameters;
            let is_same = *parameters == other.tracks()[track].parameters;
            // The pictures of one file and the sound of another.
            if name == "index.mp4" && !is_same {
                continue;
            }
            assert!(is_same, "{name}");
            if matches!(parameters, CodecParameters::Pcm { .. }) {
                // The same samples, cut into other frames.
                let joined = |frames: &[Frame]| {
                    frames.iter().flat_map(|f| f.data.to_vec()).collect::<Vec<_>>()
                };
                assert!(joined(found) == joined(expected), "{name}");
                continue;
            }
            // FFmpeg, which did not know yet when its pictures would begin, has made the first frame
            // of sound longer.
            if name == "fragments.mp4" && track == 1 {
                let same = |(a, b): (&Frame, &Frame)| a.data == b.data;
                assert!(found.len() == expected.len() && found.iter().zip(expected).all(same));
                continue;
            }
            check_same_frames(&format!("{name} {track}"), found, expected);
        }
    }
}

/// Sound is counted from where it is begun with, from a time that these files have from Matroska:
/// rounded to a millisecond.
fn is_near(a: Duration, b: Duration) -> bool {
    a.abs_diff(b) < ms(2)
}

#[test]
fn what_follows_a_seek_is_what_follows_that_place_anyway() {
    for name in ["h264_aac.mp4", "h265_mp3.m4v", "fragments.mp4", "index.mp4", "phone.3gp"] {
        let (media, whole) = tracks_of(name);
        let duration = media.tracks()[0].duration.unwrap();
        let mut player = TracksPlayer::new(&media);
        for (track, frames) in whole.iter().enumerate() {
            let end = frames.iter().map(|f| f.pts + f.duration).max().unwrap();
            assert!(end.abs_diff(duration) < ms(200), "{name} {track}: {end:?} {duration:?}");
            assert!(frames.iter().all(|f| f.dts <= f.pts), "{name} {track}");
            let jumps = frames.iter().filter(|f| f.flags.discontinuity).count();
            assert_eq!(jumps, usize::from(name == "fragments.mp4" && track == 1), "{name} {track}");
        }
        for i in (0..=20).rev() {
            let npt = duration * i / 20;
            let landed = player.seek(npt).unwrap();
            assert!(landed <= npt && npt - landed < ms(1100), "{name}: {npt:?} {landed:?}");
            for (track, frames) in player.interleaved().iter().enumerate() {
                let same = |f: &&Frame| {
                    // An end of sequence may be in front of the first.
                    let same = |w: &Frame| f.data.ends_with(&w.data) && is_near(w.pts, f.pts);
                    whole[track].iter().any(same)
                };
                assert_eq!(frames.iter().filter(same).count(), frames.len(), "{name} {track}");
                let late = whole[track].iter().filter(|f| f.pts >= landed).count();
                assert!((late..late + 2).contains(&frames.len()), "{name} {track} at {npt:?}");
            }
        }
        assert_eq!(player.seek(duration + ms(1)), Err(SeekError::OutOfRange));
    }
}

#[test]
fn sound_alone_is_played_from_where_it_is_sought() {
    let (media, frames) = tracks_of("tones.m4a");
    assert_eq!(media.tracks().len(), 1);
    let mut player = TracksPlayer::new(&media);
    let npt = ms(2345);
    assert_eq!(player.seek(npt), Ok(npt));
    let first = player.next(0).unwrap();
    assert!(first.pts <= npt && first.pts + first.duration > npt);
    assert!(
        frames[0].iter().any(|frame| frame.data == first.data && is_near(frame.pts, first.pts))
    );
}
