//! Files at other scales: what goes on at normal rate afterwards goes on together.

use super::client::{Answer, Track};
use super::play::range;
use super::world::{C, World, secs};
use crate::server::{FileSessionOptions, FolderProvider};
use std::path::Path;
use std::time::Duration;

/// Files with pictures and sound, and the clock rate of the sound.
const FILMS: &[(&str, f64)] = &[
    ("/h264_aac.mp4", 44_100.0),
    ("/fragments.mp4", 44_100.0),
    ("/h264_aac.mkv", 44_100.0),
    #[cfg(feature = "more-files")]
    ("/program.ts", 44_100.0),
];

/// A client that has set up both tracks of a file.
fn viewer(name: &str) -> (World, C) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/media");
    let options = FileSessionOptions::default().with_ts_tracks(true);
    let provider = FolderProvider::new(&root, options).unwrap();
    let mut w = World::providing(provider);
    let c = w.client();
    w.describe(c, name).expect(200);
    w.setup_tcp(c, name, 1);
    w.setup_tcp(c, name, 2);
    (w, c)
}

fn play(w: &mut World, c: C, name: &str, headers: &[(&str, &str)]) -> Answer {
    w[c].forget_media();
    w.request(c, "PLAY", name, headers).expect(200)
}

/// The normal play time of the first packet of a track, by what the answer to PLAY says, and the
/// same of a time at which it came.
#[track_caller]
fn npt_of_first(answer: &Answer, index: usize, track: &Track, clock: f64) -> f64 {
    let entry = &answer.rtp_info().entries[index];
    let first = track.rtp.first().unwrap_or_else(|| panic!("media of track {}", index + 1));
    assert_eq!(entry.seq, Some(first.sequence));
    let since = first.timestamp.wrapping_sub(entry.rtptime.expect("rtptime")) as i32;
    range(answer).0.as_secs_f64() + f64::from(since) / clock
}

/// Checks that pictures and sound begin within a frame of each other, in normal play time as it is
/// told and in that of the clock, where the presentation has got to.
#[track_caller]
fn assert_in_step(w: &World, c: C, answer: &Answer, clock: f64, at: Duration) {
    let (video, sound) = (w[c].track(1), w[c].track(2));
    let (picture, heard) =
        (npt_of_first(answer, 0, video, 90_000.0), npt_of_first(answer, 1, sound, clock));
    let frame = 0.04;
    assert!((picture - heard).abs() <= frame, "pictures from {picture}, sound from {heard}");
    // A key frame a second, the last of which was seen. A transport stream begins with the time of
    // decoding, and its first picture is shown two frames later.
    let from = at.as_secs_f64();
    assert!(picture <= from + 3.0 * frame && picture > from - 1.0 - frame, "{picture} for {from}");
    let came = |track: &Track| track.rtp[0].at;
    let apart = came(video).max(came(sound)) - came(video).min(came(sound));
    // A packet of sound is sent when its last frame is there.
    assert!(apart <= secs(0.2), "{apart:?} apart");
    // And stay so: what is sent at a moment is heard and seen at the same.
    let last = |track: &Track, clock: f64| {
        let newest = track.rtp.iter().map(|p| p.timestamp.wrapping_sub(track.rtp[0].timestamp));
        f64::from(newest.max().unwrap()) / clock
    };
    let off = (picture + last(video, 90_000.0)) - (heard + last(sound, clock));
    // Pictures are sent in the order of decoding, ahead of some that are shown before, and sound when
    // its packet is full.
    assert!(off.abs() < 0.3, "{off} after a second");
}

#[test]
fn after_a_scale_pictures_and_sound_are_in_step_again() {
    for &(name, clock) in FILMS {
        for (scale, from, time) in
            [("4", "npt=0-", 0.6), ("-2", "npt=4.5-", 1.3), ("0.5", "npt=1-", 1.5)]
        {
            for pauses in [false, true] {
                let (mut w, c) = viewer(name);
                let what = [("Scale", scale), ("Range", from)];
                assert!(play(&mut w, c, name, &what).value("Scale").is_some());
                w.run_secs(time);
                assert!(!w[c].track(1).rtp.is_empty(), "{name} at {scale}");
                assert!(w[c].track(2).rtp.is_empty(), "{name} at {scale}");
                let at = if pauses {
                    let at = range(&w.pause(c, name)).0;
                    w[c].forget_media();
                    w.run_secs(2.0);
                    assert!(w[c].track(1).rtp.is_empty(), "{name}: nothing comes while it pauses");
                    Some(at)
                } else {
                    None
                };
                let answer = play(&mut w, c, name, &[("Scale", "1.0")]);
                assert_eq!(answer.header("Scale"), "1.0");
                let at = at.unwrap_or_else(|| range(&answer).0);
                w.run_secs(1.0);
                assert_in_step(&w, c, &answer, clock, at);
                w.teardown(c, name);
                w.expect_nothing_left();
            }
        }
    }
}

/// What has no other scale is played as it is; what can be played at one begins and ends there.
#[test]
#[cfg(feature = "more-files")]
fn files_of_pictures_or_sound_alone() {
    for (name, scale, used, count) in [
        ("/vp8.ivf", "4", "4.0", 1..=3),
        ("/vp9.ivf", "-2", "-2.0", 1..=5),
        ("/av1.ivf", "0.5", "0.5", 10..=1000),
        ("/pictures.m2v", "2", "2.0", 3..=6),
        ("/sound.opus", "4", "1.0", 20..=1000),
        ("/vorbis.ogg", "-1", "1.0", 20..=1000),
    ] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/media");
        let provider = FolderProvider::new(&root, FileSessionOptions::default()).unwrap();
        let mut w = World::providing(provider);
        let c = w.client();
        w.describe(c, name).expect(200);
        w.setup_tcp(c, name, 1);
        let answer = play(&mut w, c, name, &[("Scale", scale)]);
        assert_eq!(answer.header("Scale"), used, "{name}");
        w.run_secs(4.5);
        let pictures = w[c].track(1).rtp.iter().filter(|p| p.marker || used == "1.0").count();
        assert!(count.contains(&pictures), "{name}: {pictures}");
        assert_eq!(w[c].track(1).byes(), 1, "{name}");
        w.teardown(c, name);
        w.expect_nothing_left();
    }
}
