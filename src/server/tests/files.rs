//! Files of every kind, good and bad, from a folder.

use super::world::{C, World, secs};
use crate::server::{FileSessionOptions, FolderProvider};
use crate::wire::sdp::SessionDescription;
use std::path::Path;

/// A world whose server serves a folder of `testdata/`, and the names in it.
fn world(folder: &str) -> (World, Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
    let provider = FolderProvider::new(&root, FileSessionOptions::default()).unwrap();
    let names = provider.names();
    let mut w = World::providing(provider);
    w.tick = secs(0.05);
    (w, names)
}

/// Plays whatever tracks a file has over TCP; tells how many.
fn play(w: &mut World, c: C, path: &str) -> usize {
    let sdp = w.describe(c, path).expect(200).body();
    let tracks = SessionDescription::parse(sdp.as_bytes()).unwrap().media.len();
    for track in 1..=tracks {
        w.setup_tcp(c, path, track);
    }
    w.play(c, path);
    tracks
}

#[test]
fn files_play_to_their_ends() {
    let (mut w, names) = world("media");
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        let c = w.client();
        let path = format!("/{}", name.replace(' ', "%20"));
        let tracks = play(&mut w, c, &path);
        assert!(tracks > 0, "{name}");
        w.run_secs(1.0);
        let seek = w.play_range(c, &path, "npt=0.5-");
        assert_eq!(seek.status(), 200, "{name}");
        w.run_secs(15.0);
        for track in 1..=tracks {
            let track = w[c].track(track);
            assert!(!track.rtp.is_empty(), "{name}");
            assert_eq!(track.byes(), 1, "{name}");
            let steps = track.rtp.windows(2);
            assert!(steps.into_iter().all(|p| {
                let step = p[1].sequence.wrapping_sub(p[0].sequence);
                (1..1000).contains(&step)
            }));
        }
        w.teardown(c, &path);
        w.leave(c);
    }
    w.expect_nothing_left();
}

#[test]
fn bad_files_get_a_clear_answer() {
    let (mut w, names) = world("bad");
    assert!(names.len() > 30, "{names:?}");
    let mut refused = 0;
    for name in names {
        let c = w.client();
        let path = format!("/{name}");
        let answer = w.request(c, "DESCRIBE", &path, &[]);
        if answer.status() != 200 {
            assert_eq!(answer.status(), 415, "{name}");
            refused += 1;
            w.setup(c, &path, 1, "RTP/AVP/TCP;unicast").expect(415);
            continue;
        }
        // What can be had of a file that was cut is played.
        let tracks = play(&mut w, c, &path);
        w.run_secs(12.0);
        for track in 1..=tracks {
            assert_eq!(w[c].track(track).byes(), 1, "{name}");
        }
        w.check();
        w.teardown(c, &path);
    }
    assert!(refused > 20, "{refused}");
    w.expect_nothing_left();
}
