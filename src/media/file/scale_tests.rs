//! Files at other scales: what is played of them is what is played of them at scale 1, at its time.

use super::testing::*;
use super::{Probe, ProbeError, Track, is_known};
use crate::codec::CodecParameters;
use crate::frame::Frame;
use crate::media::trick_play::TrickPlay;
use std::path::Path;
use std::time::Duration;

type ProbeFn = fn(&Path) -> Result<Box<dyn Probe>, ProbeError>;

/// As a server probes: transport streams by their elementary streams, where they are known.
#[cfg(feature = "more-files")]
const PROBE: ProbeFn = super::probe_tracks;
#[cfg(not(feature = "more-files"))]
const PROBE: ProbeFn = super::probe;
#[cfg(feature = "more-files")]
const LEAST_FILMS: usize = 36;
#[cfg(not(feature = "more-files"))]
const LEAST_FILMS: usize = 12;

/// The files whose first track is video, with what is played of it at scale 1.
fn films() -> Vec<(String, Vec<Frame>)> {
    use CodecParameters as P;
    let is_film = |track: &Track| {
        let of_pictures = [P::Vp8, P::Jpeg, P::MpegVideo];
        let is_other = matches!(
            track.parameters,
            P::H264 { .. } | P::H265 { .. } | P::Vp9 { .. } | P::Av1 { .. } | P::Mpeg4Video { .. }
        );
        is_other || of_pictures.contains(&track.parameters)
    };
    let mut films = Vec::new();
    for entry in std::fs::read_dir(media("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !is_known(name.as_ref()) {
            continue;
        }
        let file = probed(PROBE, &media(&name)).unwrap();
        if is_film(&file.tracks()[0]) && file.tracks()[0].seekable {
            films.push((name, Player::new(&file).rest()));
        }
    }
    films
}

fn at_scale(name: &str, scale: f32, from: Duration) -> Vec<Frame> {
    let file = probed(PROBE, &media(name)).unwrap();
    let mut player = Player::new(&file);
    player.change_source(|source| Box::new(TrickPlay::new(source, true)));
    assert_eq!(player.source.test_scale_factor(scale), Some(scale));
    player.source.set_scale(scale);
    player.seek(from).unwrap();
    player.rest()
}

const CLOSE: Duration = Duration::from_millis(2);

/// Those of some key frames, in the order in which they are played, that are so far apart.
fn apart<'a>(keys: impl Iterator<Item = &'a Frame>, step: Duration) -> Vec<&'a Frame> {
    let mut last: Option<Duration> = None;
    keys.filter(|key| {
        let is_far = last.is_none_or(|last| key.pts.abs_diff(last) + CLOSE / 4 >= step);
        if is_far {
            last = Some(key.pts);
        }
        is_far
    })
    .collect()
}

#[test]
fn key_frames_are_played_forwards_and_backwards() {
    let films = films();
    assert!(films.len() >= LEAST_FILMS, "{}", films.len());
    for (name, all) in &films {
        let keys: Vec<_> = all.iter().filter(|frame| frame.flags.key).collect();
        let end = all.iter().map(|frame| frame.pts + frame.duration).max().unwrap();
        let least = keys.windows(2).map(|k| k[1].pts - k[0].pts).min();
        // A tenth of a second at that scale: where they are further apart, all of them come.
        let scale = least.map_or(2.0, |apart| (apart.as_secs_f32() * 9.0).clamp(2.0, 4.0));
        let step = |scale: f32| Duration::from_millis(100).mul_f32(scale);
        let forwards = at_scale(name, scale, Duration::ZERO);
        let backwards = at_scale(name, -scale / 2.0, end - Duration::from_millis(1));
        let keys = || keys.iter().copied();
        for (way, played, expected) in [
            ("forwards", forwards, apart(keys(), step(scale))),
            ("backwards", backwards, apart(keys().rev(), step(scale / 2.0))),
        ] {
            let times: Vec<_> = expected.iter().map(|frame| frame.pts).collect();
            let found: Vec<_> = played.iter().map(|frame| frame.pts).collect();
            assert_eq!(found.len(), times.len(), "{name} {way}: {found:?} {times:?}");
            for (played, key) in played.iter().zip(&expected) {
                assert!(played.pts.abs_diff(key.pts) <= CLOSE, "{name} {way}: {times:?}");
                assert_eq!(played.dts, played.pts);
                // Parameter sets may have been put in front.
                let slice = &key.data[key.data.len() / 2..];
                assert!(played.data.ends_with(slice), "{name} {way} at {:?}", key.pts);
            }
        }
    }
}

/// A picture with which decoding can start is the first alone: it is all that there is to see, and
/// looking for others ends.
#[test]
#[cfg(feature = "more-files")]
fn files_of_one_key_frame_come_to_their_end() {
    use bytes::Bytes;
    let mut ivf = std::fs::read(media("vp8.ivf")).unwrap();
    // RFC 6386 section 9.1: the least bit of a frame says that it is none.
    let mut at = 32;
    let mut n = 0;
    while let Some(len) = ivf.get(at..at + 4).map(|len| u32::from_le_bytes(len.try_into().unwrap()))
    {
        ivf[at + 12] |= u8::from(n > 0);
        (at, n) = (at + 12 + len as usize, n + 1);
    }
    let mut stream = std::fs::read(media("mpeg2.mpeg")).unwrap();
    let pictures: Vec<_> = memchr::memmem::find_iter(&stream, &[0, 0, 1, 0]).collect();
    for at in &pictures[1..] {
        // ISO/IEC 13818-2 section 6.3.9: picture_coding_type, of predicted pictures.
        stream[at + 5] = stream[at + 5] & 0xc7 | 2 << 3;
    }
    for at in memchr::memmem::find_iter(&stream.clone(), &[0, 0, 1, 0xb3]).skip(1) {
        // Sequence headers become user data.
        stream[at + 3] = 0xb2;
    }
    for (bytes, probe) in
        [(ivf, super::ivf::probe_ivf as ProbeFn), (stream, super::mpeg_ps::probe_mpeg_ps)]
    {
        let held = file_of(&Bytes::from(bytes));
        let file = probed(probe, held.path()).unwrap();
        let name = format!("{:?}", file.tracks()[0].parameters);
        for (scale, from) in [(2.0, 0), (4.0, 900), (-1.0, 1500), (-8.0, 0), (32.0, 1999)] {
            let mut player = Player::new(&file);
            player.change_source(|source| Box::new(TrickPlay::new(source, true)));
            player.source.set_scale(scale);
            player.seek(Duration::from_millis(from)).unwrap();
            let frames = player.rest();
            let is_it = |frame: &Frame| frame.flags.key && frame.pts < Duration::from_millis(100);
            let times: Vec<_> = frames.iter().map(|frame| frame.pts).collect();
            assert!(times.len() <= 1 && frames.iter().all(is_it), "{name} {scale}: {times:?}");
        }
    }
}

/// Sound that is neither skipped nor repeated is played as it is.
#[test]
#[cfg(feature = "more-files")]
fn sound_of_ogg_has_no_other_scale() {
    for name in ["sound.opus", "vorbis.ogg"] {
        let file = probed(PROBE, &media(name)).unwrap();
        let mut player = Player::new(&file);
        player.change_source(|source| Box::new(TrickPlay::new(source, false)));
        for scale in [2.0, -1.0, 0.5] {
            assert_eq!(player.source.test_scale_factor(scale), Some(1.0), "{name}");
        }
    }
}

#[test]
fn slow_motion_plays_all_frames() {
    for (name, all) in films().iter().take(4) {
        assert_eq!(at_scale(name, 0.5, Duration::ZERO).len(), all.len(), "{name}");
    }
}
