//! What a newcomer to a shared stream gets first.

use super::client::Answer;
use super::media::{TestTrack, session};
use super::play::assert_rtptime;
use super::world::{C, World, secs};
use crate::env::LinkProfile;
use crate::server::{FastStart, OnDemandServerMediaSubsession, ServerConfig};
use std::collections::BTreeMap;

const KEY_EVERY: u32 = 25;

fn world(fast_start: FastStart) -> World {
    let mut w = World::new();
    let track = OnDemandServerMediaSubsession::new(TestTrack::video().key_every(KEY_EVERY))
        .with_reuse_first_source(true)
        .with_fast_start(fast_start);
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
        let rtptime = info.entries[0].rtptime.expect("rtptime");
        assert_rtptime(&answer, rtptime, first, 0.04, 90_000.0);
        assert_eq!(rtptime, first.timestamp, "the range starts with the key frame");
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
        let rtptime = answer.rtp_info().entries[0].rtptime.expect("rtptime");
        assert_rtptime(&answer, rtptime, &w[c].track(1).rtp[0], 0.04, 90_000.0);
    }
}

#[test]
fn a_newcomer_gets_the_next_frame_otherwise() {
    let mut w = world(FastStart::Off);
    let (c, _) = join(&mut w, false);
    let first = w[c].track(1).frames().first().copied().expect("media");
    assert!(first > KEY_EVERY && first < 2 * KEY_EVERY, "{first}");
}

#[test]
fn by_default_a_newcomer_begins_with_a_key_frame_whatever_the_source_says() {
    for (tcp, fast_start) in [
        (true, FastStart::default()),
        (false, FastStart::default()),
        (true, FastStart::KeyFrameCache),
        (false, FastStart::KeyFrameCache),
    ] {
        let mut w = World::new();
        let track = TestTrack::video().key_every(KEY_EVERY).that_calls_all_frames_key();
        let track = OnDemandServerMediaSubsession::new(track).with_reuse_first_source(true);
        w.add(session("live").with_subsession(match fast_start {
            FastStart::WaitForKeyFrame => track, // No word of it is needed.
            other => track.with_fast_start(other),
        }));
        let (c, _) = join(&mut w, tcp);
        let frames = w[c].track(1).frames();
        assert_eq!(frames.first().map(|n| n % KEY_EVERY), Some(0), "tcp {tcp} {fast_start:?}");
        assert!(frames.windows(2).all(|pair| pair[1] == pair[0] + 1));
        w.run_secs(10.0);
        let dropped = w.session_of(c).1.counters().dropped_frames;
        assert_eq!(dropped, 0, "who waits has lost nothing");
    }
}

/// A stream whose frames are as large as `size` bytes, kept since the last key frame, and its first
/// viewer.
fn cached(size: usize, config: impl FnOnce(&mut ServerConfig)) -> World {
    let mut w = World::configured(config);
    let track = TestTrack::video().endless().size(size).key_every(KEY_EVERY);
    let track = OnDemandServerMediaSubsession::new(track).with_reuse_first_source(true);
    w.add(session("live").with_subsession(track.with_fast_start(FastStart::KeyFrameCache)));
    w.playing("/live", 1, false);
    w.tick = secs(0.001);
    w
}

fn expect_all_since_a_key_frame(w: &World, c: C) {
    let track = w[c].track(1);
    let frames = track.frames();
    assert_eq!(frames.first().map(|n| n % KEY_EVERY), Some(0), "{c:?}");
    assert!(frames.windows(2).all(|f| f[1] == f[0] + 1), "{c:?}: {frames:?}");
    let follows = |p: &[super::client::Rtp]| p[1].sequence == p[0].sequence.wrapping_add(1);
    assert!(track.rtp.windows(2).all(follows), "{c:?}: neither gap nor duplicate");
}

#[test]
fn what_is_kept_goes_out_in_bursts_and_the_stream_follows_it() {
    // From little more than the stream brings to the usual.
    for (max_burst, late) in [(2, 1.5), (2, 1.96), (10, 1.9), (64, 1.96)] {
        for tcp in [false, true] {
            let mut w = cached(20_000, |config| config.max_burst = max_burst);
            w.run_secs(late);
            let c = w.client();
            w.setup_over(c, "/live", 1, tcp);
            w.play(c, "/live");
            w.run_secs(2.5);
            expect_all_since_a_key_frame(&w, c);
            let track = w[c].track(1);
            let last = *track.frames().last().expect("frames");
            assert!(last > 95, "{last}: it has caught up");
            // A burst each 2 ms, and of the stream's own frames what goes out over UDP at once.
            let mut counts = BTreeMap::new();
            for packet in &track.rtp {
                let at = packet.at - track.rtp[0].at;
                *counts.entry(at.as_millis() / 2).or_insert(0) += 1;
            }
            let most = counts.values().max().copied().unwrap_or(0);
            let of_stream = if tcp { 15 } else { max_burst.min(15) };
            assert!(most <= 2 * max_burst + of_stream, "{most} packets in 2 ms, tcp {tcp}");
            w.expect_nothing_left();
        }
    }
}

#[test]
fn a_crowd_that_joins_at_once_is_served_in_turns() {
    // A megabyte since the key frame for each of twenty.
    let mut w = cached(40_000, |_| {});
    w.run_secs(1.96);
    let crowd: Vec<_> = (0..20).map(|i| (w.client(), i % 2 == 0)).collect();
    for &(c, tcp) in &crowd {
        w.setup_over(c, "/live", 1, tcp);
    }
    for &(c, _) in &crowd {
        w.ask(c, "PLAY", "/live", &[]);
    }
    let (mut most, mut before, mut began) = (0, w.network().statistics(), false);
    for _ in 0..200_000 {
        w.env.turn(Some(secs(0.0001))).unwrap();
        w.run(std::time::Duration::ZERO);
        let now = w.network().statistics();
        let datagrams = (now.datagrams_sent - before.datagrams_sent) * 1448;
        most = most.max(datagrams + now.tcp_bytes - before.tcp_bytes);
        before = now;
        let goes_on = w.server().streams.iter().any(|(_, s)| s.is_anyone_catching_up());
        began |= goes_on;
        if began && !goes_on {
            break;
        }
    }
    assert!(most > 0 && most < 2 << 20, "{most} bytes in one turn");
    w.run_secs(2.0);
    for (c, _) in crowd {
        w[c].answers.clear();
        expect_all_since_a_key_frame(&w, c);
    }
    w.expect_nothing_left();
}

#[test]
fn a_newcomer_that_does_not_keep_up_goes_on_with_a_key_frame() {
    // 500 kB/s are sent. What is kept since the key frame is more than a connection may hold.
    for (bandwidth, max_queued, max_cached) in
        [(600_000, 100_000, 4 << 20), (200_000, 100_000, 1 << 20), (300_000, 20_000, 600_000)]
    {
        let mut w = cached(20_000, |config| {
            (config.max_queued_media, config.max_cached) = (max_queued, max_cached);
        });
        w.run_secs(1.9);
        let c = w.client();
        let host = w[c].address.ip();
        let mut profile = LinkProfile::default();
        (profile.bandwidth, profile.tcp_window) = (Some(bandwidth), 64 * 1024);
        w.network().set_host_profile(host, profile);
        w.setup_tcp(c, "/live", 1);
        w.play(c, "/live");
        w.run_secs(20.0);
        let frames = w[c].track(1).frames();
        assert_eq!(frames.first().map(|n| n % KEY_EVERY), Some(0));
        let gaps: Vec<_> = frames.windows(2).filter(|f| f[1] != f[0] + 1).collect();
        assert!(gaps.iter().all(|gap| gap[1] % KEY_EVERY == 0), "{bandwidth}: {gaps:?}");
        assert!(frames.len() > 100, "{}", frames.len());
        w.expect_nothing_left();
    }
}

#[test]
fn without_a_key_frame_in_the_cache_a_newcomer_waits() {
    for tcp in [false, true] {
        let mut w = cached(20_000, |config| config.max_cached = 100_000);
        w.run_secs(1.5);
        let c = w.client();
        w.setup_over(c, "/live", 1, tcp);
        let answer = w.play(c, "/live");
        assert_eq!(answer.rtp_info().entries[0].seq, None, "it is not known which comes first");
        w.run_secs(2.0);
        expect_all_since_a_key_frame(&w, c);
        assert_eq!(w[c].track(1).frames()[0], 2 * KEY_EVERY);
    }
}

#[test]
fn who_pauses_or_leaves_while_it_catches_up_gets_nothing_more() {
    for tcp in [false, true] {
        let mut w = cached(20_000, |config| config.max_burst = 2);
        w.run_secs(1.9);
        let (c, other) = (w.client(), w.client());
        for c in [c, other] {
            w.setup_over(c, "/live", 1, tcp);
            w.play(c, "/live");
        }
        w.run_secs(0.05);
        w.pause(c, "/live");
        w.teardown(other, "/live");
        w.run_secs(0.1);
        let had = w[c].track(1).rtp.len();
        w.run_secs(1.0);
        assert_eq!(w[c].track(1).rtp.len(), had);
        w[c].tracks[0].forget();
        w.play(c, "/live");
        w.run_secs(2.0);
        expect_all_since_a_key_frame(&w, c);
        w.expect_nothing_left();
    }
}
