//! Probe and sources together, over files that the builder writes and over real ones.

mod builder;
mod codecs;
mod edits;
mod fragmented;
mod hostile;
mod real;
mod recorded;
mod samples;

use self::builder::*;
use super::*;
use crate::frame::Frame;
use crate::media::file::testing::{TracksPlayer, finish};
use crate::media::{Ending, FramePoll, SeekError};
use std::time::Duration;

/// Probes with small bites; panics if that takes unreasonably many.
fn probe(bytes: Vec<u8>) -> Result<Arc<dyn MediaFile>, String> {
    let calls = bytes.len() * 4 + 1000;
    finish(probe_mp4_bytes(bytes.into()).unwrap(), 100, calls)
}

fn player(bytes: Vec<u8>) -> TracksPlayer {
    TracksPlayer::new(&probe(bytes).unwrap())
}

fn play(bytes: Vec<u8>) -> Vec<Vec<Frame>> {
    player(bytes).interleaved()
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What the frames of `track` must be.
fn check_pictures(frames: &[Frame], samples: &[Stored]) {
    assert_eq!(frames.len(), samples.len());
    for (i, (frame, stored)) in frames.iter().zip(samples).enumerate() {
        let bare = [&[0, 0, 0, 1], &stored.data[4..]].concat();
        let sets = if stored.key { &SETS[..] } else { &[] };
        assert_eq!(frame.data, [sets, &bare].concat(), "picture {i}");
        assert_eq!(frame.flags.key, stored.key, "picture {i}");
        assert!(frame.dts <= frame.pts, "picture {i}");
    }
}

#[test]
fn pictures_and_sounds_come_out_in_step() {
    let (video, sound) = (Written::video(250), Written::mp3(400));
    let both = [video.clone(), sound.clone()];
    let (moov, _) = movie(&both, 0, false);
    let at = (ftyp().len() + moov.len() + 8) as u64;
    let (moov, media) = movie(&both, at, false);
    let in_front = [ftyp(), moov, boxed(b"mdat", &media)].concat();
    // To the end of the file, and with a length of 64 bits.
    let (moov, _) = movie(&both, 0, true);
    let at = (ftyp().len() + moov.len() + 8) as u64;
    let open_end = [ftyp(), movie(&both, at, true).0, words(&[0]), b"mdat".to_vec(), media.clone()];
    let long = [&words(&[1])[..], b"mdat", &(16 + media.len() as u64).to_be_bytes(), &media];
    let (moov, _) = movie(&both, 16, false);
    let long = [long.concat(), moov].concat();
    for (n, bytes) in [file(&both), in_front, open_end.concat(), long].into_iter().enumerate() {
        let media = probe(bytes).unwrap();
        assert_eq!(media.tracks()[0].duration, Some(ms(10_000)), "file {n}");
        let frames = TracksPlayer::new(&media).interleaved();
        check_pictures(&frames[0], &video.samples);
        assert_eq!(frames[1].len(), 400);
        for (i, frame) in frames[0].iter().enumerate() {
            let at = ms(i as u64 * 40);
            assert_eq!((frame.pts, frame.dts, frame.duration), (at, at, ms(40)), "file {n}");
        }
        for (i, frame) in frames[1].iter().enumerate() {
            assert_eq!((frame.pts, frame.duration), (ms(i as u64 * 24), ms(24)), "file {n}");
            assert_eq!(frame.data, sound.samples[i].data);
            assert!(!frame.flags.discontinuity);
        }
    }
}

#[test]
fn seeks_go_to_the_key_frame_before() {
    let bytes = file(&[Written::video(250), Written::mp3(417)]);
    let mut player = player(bytes);
    for (npt, key) in [(5500, 5000), (0, 0), (9999, 9000), (3000, 3000), (2999, 2000), (40, 0)] {
        assert_eq!(player.seek(ms(npt)), Ok(ms(key)));
        let times: Vec<_> = player.sources.iter().map(|s| s.next_times().unwrap().pts).collect();
        let picture = player.next(0).unwrap();
        assert_eq!((picture.pts, times[0]), (ms(key), ms(key)));
        assert!(picture.flags.key && picture.flags.discontinuity);
        let sound = player.next(1).unwrap();
        assert_eq!(times[1], sound.pts);
        assert!(sound.pts <= ms(key) && sound.pts + sound.duration > ms(key), "{npt}: {sound:?}");
        assert_eq!(player.next(0).unwrap().pts, ms(key + 40));
    }
    assert_eq!(player.seek(ms(10_009)), Err(SeekError::OutOfRange));
    assert_eq!(player.seek(ms(9000)), Ok(ms(9000)));
    assert_eq!((player.all(0).len(), player.all(1).len()), (25, 42));
}

#[test]
fn times_are_known_before_frames_are_read() {
    let mut player = player(file(&[Written::video(60), Written::mp3(100)]));
    for track in 0..2 {
        while let Some(times) = player.sources[track].next_times() {
            let frame = player.next(track).unwrap();
            assert_eq!((frame.pts, frame.dts), (times.pts, times.dts));
        }
        assert_eq!(player.next(track), None);
    }
}
