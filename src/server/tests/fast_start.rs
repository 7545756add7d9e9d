//! What who joins a shared stream gets first.

use super::client::Answer;
use super::media::{TestTrack, session};
use super::world::{C, World};
use crate::server::{FastStart, OnDemandServerMediaSubsession};

const KEY_EVERY: u32 = 25;

fn world(fast_start: FastStart) -> World {
    let mut w = World::new();
    let track = OnDemandServerMediaSubsession::new(TestTrack::video().key_every(KEY_EVERY))
        .reuse_first_source(true)
        .fast_start(fast_start);
    w.add(session("live").with_subsession(track));
    w
}

/// Joins the stream 1.5 s after the first client began, in the middle of a group of pictures.
fn join(w: &mut World, tcp: bool) -> (C, Answer) {
    w.playing("/live", 1, tcp);
    w.run_secs(1.5);
    let c = w.client();
    w.describe(c, "/live").expect(200);
    w.setup_over(c, "/live", 1, tcp).expect(200);
    let answer = w.play(c, "/live").expect(200);
    w.run_secs(2.0);
    (c, answer)
}

#[test]
fn a_newcomer_gets_all_since_the_key_frame_at_once() {
    for tcp in [true, false] {
        let mut w = world(FastStart::KeyFrameCache);
        let (c, answer) = join(&mut w, tcp);
        let track = w[c].track(1);
        let frames = track.frames();
        assert_eq!(frames.first().map(|n| n % KEY_EVERY), Some(0), "tcp {tcp}");
        let gap = frames.windows(2).find(|pair| pair[1] != pair[0] + 1);
        assert_eq!(gap, None, "tcp {tcp}");
        let first = track.rtp.first().expect("media");
        let info = answer.rtp_info();
        assert_eq!(info.entries[0].seq, Some(first.sequence));
        assert_eq!(info.entries[0].rtptime, Some(first.timestamp));
    }
}

#[test]
fn a_newcomer_may_wait_for_the_next_key_frame() {
    for tcp in [true, false] {
        let mut w = world(FastStart::WaitForKeyFrame);
        let (c, answer) = join(&mut w, tcp);
        let frames = w[c].track(1).frames();
        assert_eq!(frames.first(), Some(&(2 * KEY_EVERY)), "tcp {tcp}");
        assert_eq!(frames.windows(2).find(|pair| pair[1] != pair[0] + 1), None, "tcp {tcp}");
        assert_eq!(
            answer.rtp_info().entries[0].seq,
            None,
            "it is not known which packet comes first"
        );
    }
}

#[test]
fn a_newcomer_gets_the_next_frame_otherwise() {
    let mut w = world(FastStart::Off);
    let (c, _) = join(&mut w, false);
    let first = w[c].track(1).frames().first().copied().expect("media");
    assert!(first > KEY_EVERY && first < 2 * KEY_EVERY, "{first}");
}
