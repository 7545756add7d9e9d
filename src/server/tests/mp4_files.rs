//! MP4 files from a folder: what clients get of them is what they get of the same streams in
//! Matroska, and ranges and pauses are kept to.

use super::client::Track;
use super::play::range;
use super::world::{C, World, secs};
use crate::server::{FileSessionOptions, FolderProvider};
use std::path::Path;

fn world() -> World {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/media");
    let provider = FolderProvider::new(&root, FileSessionOptions::default()).unwrap();
    let mut w = World::providing(provider);
    w.tick = secs(0.02);
    w
}

/// Sets up both tracks of a file.
fn set_up(w: &mut World, path: &str) -> C {
    let c = w.client();
    w.describe(c, path).expect(200);
    w.setup_tcp(c, path, 1);
    w.setup_tcp(c, path, 2);
    c
}

/// Payloads, markers and timestamps of a track, in its clock from the first on.
fn packets(track: &Track) -> Vec<(u64, bool, u32)> {
    let first = track.rtp[0].timestamp;
    let of = |p: &super::client::Rtp| (p.digest, p.marker, p.timestamp.wrapping_sub(first));
    track.rtp.iter().map(of).collect()
}

#[test]
fn packets_are_those_of_matroska() {
    let mut w = world();
    let mut played = |name: &str| {
        let c = set_up(&mut w, name);
        w.play(c, name);
        w.run_secs(8.0);
        let tracks = [1, 2].map(|track| packets(w[c].track(track)));
        w.teardown(c, name);
        w.leave(c);
        tracks
    };
    let expected = played("/h264_aac.mkv");
    for name in ["/h264_aac.mp4", "/fragments.mp4"] {
        for (track, (found, expected)) in played(name).iter().zip(&expected).enumerate() {
            // There the first frame of sound is longer, and goes out by itself.
            if (name, track) == ("/fragments.mp4", 1) {
                continue;
            }
            assert_eq!(found.len(), expected.len(), "{name} {track}");
            for (a, b) in found.iter().zip(expected) {
                assert_eq!((a.0, a.1), (b.0, b.1), "{name} {track}");
                // Times in Matroska are rounded to a millisecond.
                let apart = (a.2.wrapping_sub(b.2) as i32).unsigned_abs();
                assert!(apart <= 90, "{name} {track}: {a:?} {b:?}");
            }
        }
    }
    w.expect_nothing_left();
}

#[test]
fn ranges_and_pauses_are_kept_to() {
    for name in ["/h264_aac.mp4", "/h265_mp3.m4v", "/index.mp4", "/fragments.mp4"] {
        let mut w = world();
        let c = set_up(&mut w, name);
        let answer = w.play_range(c, name, "npt=2.5-3.5").expect(200);
        let (start, end) = range(&answer);
        // A key frame a second.
        assert!(start > secs(1.5) && start <= secs(2.5), "{name}: {start:?}");
        assert_eq!(end, Some(secs(3.5)), "{name}");
        w.run_secs(1.0);
        for (track, entry) in answer.rtp_info().entries.iter().enumerate() {
            let first = &w[c].track(track + 1).rtp[0];
            // The range begins with the frame of sound that is being heard then.
            let apart = entry.rtptime.unwrap().wrapping_sub(first.timestamp) as i32;
            assert!(apart.abs() < 2500, "{name} {track}: {apart}");
            assert_eq!(entry.seq, Some(first.sequence), "{name}");
        }
        w.run_secs(3.0);
        let clock = 90_000.0;
        let video = packets(w[c].track(1));
        let last = video.iter().map(|p| p.2).max().unwrap();
        let played = secs(f64::from(last) / clock);
        assert!(
            played.abs_diff(secs(3.5) - start) < secs(0.2),
            "{name}: {played:?} from {start:?}"
        );
        // A pause in the middle, and on from there.
        w.play_range(c, name, "npt=0-").expect(200);
        w.run_secs(1.3);
        w.pause(c, name);
        w[c].forget_media();
        w.run_secs(1.0);
        assert!(w[c].track(1).rtp.is_empty(), "{name}");
        let answer = w.play(c, name).expect(200);
        let (start, _) = range(&answer);
        assert!(start.abs_diff(secs(1.3)) < secs(0.2), "{name}: {start:?}");
        w.run_secs(1.0);
        assert!(!w[c].track(1).rtp.is_empty() && !w[c].track(2).rtp.is_empty(), "{name}");
        w.teardown(c, name);
        w.expect_nothing_left();
    }
}

#[test]
fn a_recording_is_followed_while_it_is_written() {
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/media");
    let whole = std::fs::read(media.join("fragments.mp4")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (written, rest) = whole.split_at(whole.len() / 2);
    std::fs::write(folder.path().join("now.mp4"), written).unwrap();
    std::fs::write(folder.path().join("whole.mp4"), &whole).unwrap();
    let options = FileSessionOptions::default().with_follow(Some(secs(10.0)));
    let mut w = World::providing(FolderProvider::new(folder.path(), options).unwrap());
    w.tick = secs(0.02);
    let c = w.client();
    let sdp = w.describe(c, "/now.mp4").expect(200).body();
    assert!(sdp.contains("a=range:npt=0-\r\n"), "{sdp}");
    let [c, other] = ["/now.mp4", "/whole.mp4"].map(|name| set_up(&mut w, name));
    assert_eq!(range(&w.play(c, "/now.mp4")).1, None, "where it ends is not known");
    w.play(other, "/whole.mp4");
    w.run_secs(8.0);
    let (before, expected) = (w[c].track(1).rtp.len(), packets(w[other].track(1)));
    assert!(before < expected.len(), "{before}");
    let mut file = std::fs::OpenOptions::new().append(true).open(folder.path().join("now.mp4"));
    std::io::Write::write_all(file.as_mut().unwrap(), rest).unwrap();
    w.run_secs(5.0);
    for track in [1, 2] {
        let expected = packets(w[other].track(track));
        assert_eq!(packets(w[c].track(track)), expected, "track {track}");
        assert_eq!(w[c].track(track).byes(), 0, "there may be more");
    }
    w.run_secs(12.0);
    for (c, name) in [(c, "/now.mp4"), (other, "/whole.mp4")] {
        assert!([1, 2].iter().all(|track| w[c].track(*track).byes() == 1), "{name}");
        w.play_range(c, name, "npt=1-").expect(200);
        w.teardown(c, name);
    }
    w.expect_nothing_left();
}
