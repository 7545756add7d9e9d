//! Files at other scales: what is played of them is what is played of them at scale 1, at its time.

use super::testing::*;
use super::{Track, is_known, probe};
use crate::codec::CodecParameters;
use crate::frame::Frame;
use crate::media::trick_play::TrickPlay;
use std::time::Duration;

/// The files whose first track is H.264 or H.265, with what is played of it at scale 1.
fn films() -> Vec<(String, Vec<Frame>)> {
    let is_film = |track: &Track| {
        let parameters = &track.parameters;
        matches!(parameters, CodecParameters::H264 { .. } | CodecParameters::H265 { .. })
    };
    let mut films = Vec::new();
    for entry in std::fs::read_dir(media("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !is_known(name.as_ref()) {
            continue;
        }
        let file = probed(probe, &media(&name)).unwrap();
        if is_film(&file.tracks()[0]) && file.tracks()[0].seekable {
            films.push((name, Player::new(&file).rest()));
        }
    }
    films
}

fn at_scale(name: &str, scale: f32, from: Duration) -> Vec<Frame> {
    let file = probed(probe, &media(name)).unwrap();
    let mut player = Player::new(&file);
    player.change_source(|source| Box::new(TrickPlay::new(source, true)));
    assert_eq!(player.source.test_scale_factor(scale), Some(scale));
    player.source.set_scale(scale);
    player.seek(from).unwrap();
    player.rest()
}

const CLOSE: Duration = Duration::from_millis(2);

#[test]
fn key_frames_are_played_forwards_and_backwards() {
    let films = films();
    assert!(films.len() >= 12, "{}", films.len());
    for (name, all) in &films {
        let keys: Vec<_> = all.iter().filter(|frame| frame.flags.key).collect();
        let end = all.iter().map(|frame| frame.pts + frame.duration).max().unwrap();
        // Further apart than a tenth of a second at that scale, so all of them come.
        let apart = keys.windows(2).map(|k| k[1].pts - k[0].pts).min();
        let scale = apart.map_or(2.0, |apart| (apart.as_secs_f32() * 9.0).clamp(2.0, 4.0));
        let forwards = at_scale(name, scale, Duration::ZERO);
        let mut backwards = at_scale(name, -scale / 2.0, end - Duration::from_millis(1));
        backwards.reverse();
        for (way, played) in [("forwards", forwards), ("backwards", backwards)] {
            let times = |frames: &mut dyn Iterator<Item = &Frame>| -> Vec<_> {
                frames.map(|frame| frame.pts).collect()
            };
            let expected = times(&mut keys.iter().copied());
            assert_eq!(played.len(), keys.len(), "{name} {way}: {expected:?}");
            for (played, key) in played.iter().zip(&keys) {
                assert!(played.pts.abs_diff(key.pts) <= CLOSE, "{name} {way}: {expected:?}");
                assert_eq!(played.dts, played.pts);
                // Parameter sets may have been put in front.
                let slice = &key.data[key.data.len() / 2..];
                assert!(played.data.ends_with(slice), "{name} {way} at {:?}", key.pts);
            }
        }
    }
}

#[test]
fn slow_motion_plays_all_frames() {
    for (name, all) in films().iter().take(4) {
        assert_eq!(at_scale(name, 0.5, Duration::ZERO).len(), all.len(), "{name}");
    }
}
