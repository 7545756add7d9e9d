//! Frames that do not go out at once, because they are large or for many.

use super::media::{TestTrack, session};
use super::world::{C, World, secs};
use crate::server::{FastStart, OnDemandServerMediaSubsession};
use crate::session::pool::RemovalReason;
use std::time::Duration;

#[test]
fn a_large_frame_goes_out_in_bursts_and_whole() {
    let mut w = World::configured(|config| config.max_burst = 10);
    let track = TestTrack::video().size(60_000).key_every(1).frames(50);
    w.add(session("large").with_subsession(track.alone()));
    let c = w.playing("/large", 1, false);
    w.run(secs(2.5));
    let track = w[c].track(1);
    assert_eq!(track.frames(), (0..50).collect::<Vec<_>>());
    let bytes: usize = track.rtp.iter().map(|p| p.len).sum();
    assert!(bytes > 50 * 60_000, "{bytes} bytes of 50 frames");
    assert_eq!(track.rtp.iter().filter(|p| p.marker).count(), 50, "ends of frames");
    let gap = track.rtp.windows(2).find(|p| p[1].sequence != p[0].sequence.wrapping_add(1));
    assert!(gap.is_none(), "{gap:?}");
    assert_eq!(track.byes(), 1);
}

const CROWD: usize = 20;

/// A stream of frames of 20 KB every 40 ms for a crowd, half of it over UDP, of whom four have
/// their turn at once.
fn crowd(max_burst: usize, fast_start: FastStart) -> (World, Vec<C>) {
    let mut w = World::configured(|config| {
        (config.destinations_per_turn, config.max_burst) = (4, max_burst);
    });
    let track = TestTrack::video().endless().size(20_000).key_every(3);
    let track = OnDemandServerMediaSubsession::new(track).with_reuse_first_source(true);
    w.add(session("crowd").with_subsession(track.with_fast_start(fast_start)));
    let first = w.playing("/crowd", 1, false);
    let others = (1..CROWD).map(|i| {
        let c = w.beside(first);
        w.setup_over(c, "/crowd", 1, i % 2 == 1);
        w.play(c, "/crowd").expect(200);
        c
    });
    let crowd = [first].into_iter().chain(others).collect();
    w.tick = secs(0.001);
    (w, crowd)
}

/// Takes a turn; whether a frame has gone to some and not to all after it.
fn leaves_a_frame_on_its_way(w: &mut World) -> bool {
    w.env.turn(Some(Duration::from_millis(1))).unwrap();
    // Lets the clients look at their sockets.
    w.run(Duration::ZERO);
    w.server().streams.iter().any(|(_, s)| s.has_packets_on_their_way())
}

fn until_a_frame_is_on_its_way(w: &mut World) {
    assert!((0..100_000).any(|_| leaves_a_frame_on_its_way(w)), "no frame is sent in parts");
}

fn expect_whole_frames(w: &World, c: C) {
    let track = w[c].track(1);
    let frames = track.frames();
    assert!(!frames.is_empty());
    assert!(frames.windows(2).all(|f| f[1] == f[0] + 1), "{c:?}: {frames:?}");
    let follows = |p: &[super::client::Rtp]| p[1].sequence == p[0].sequence.wrapping_add(1);
    assert!(track.rtp.windows(2).all(follows), "{c:?}");
    assert_eq!(track.rtp.iter().filter(|p| p.marker).count(), frames.len(), "{c:?}: ends");
}

#[test]
fn a_crowd_gets_a_frame_in_parts_and_others_have_their_turn_in_between() {
    for (max_burst, per_frame) in [(0, 5), (6, 11)] {
        let (mut w, crowd) = crowd(max_burst, FastStart::Off);
        let (mut parts, mut frames, mut before) = (0, 0, false);
        let end = w.now() + secs(0.4);
        while w.now() < end {
            let now = leaves_a_frame_on_its_way(&mut w);
            parts += usize::from(now);
            frames += usize::from(now && !before);
            before = now;
        }
        assert!((9..=11).contains(&frames), "{frames}");
        assert!(parts >= frames * (per_frame - 1), "{parts} turns in the middle of {frames}");
        w.run_secs(1.0);
        crowd.iter().for_each(|c| expect_whole_frames(&w, *c));
        w.expect_nothing_left();
    }
}

#[test]
fn who_joins_in_the_middle_of_a_frame_begins_with_what_was_announced() {
    for (tcp, fast_start) in [
        (true, FastStart::Off),
        (false, FastStart::Off),
        (true, FastStart::KeyFrameCache),
        (false, FastStart::KeyFrameCache),
    ] {
        let (mut w, crowd) = crowd(6, fast_start);
        let c = w.beside(crowd[0]);
        w.setup_over(c, "/crowd", 1, tcp).expect(200);
        w.run_secs(0.5);
        until_a_frame_is_on_its_way(&mut w);
        let announced = w.serve(|server, env| {
            let (stream, state) = server.streams.iter().next().expect("a stream");
            let idle = state.destinations().find(|(_, d)| !d.is_playing());
            let (id, _) = idle.expect("who was set up");
            let connections = &mut server.connections;
            let announced = server.streams.with_stream(env, connections, stream, |s, env, w| {
                s.begin_packet(env, w, id);
                s.rtp_info(env.now(), Duration::ZERO, Duration::ZERO, true).0
            });
            server.streams.start(env, connections, (stream, id), Duration::ZERO);
            announced
        });
        w.run_secs(0.5);
        assert_eq!(w[c].track(1).rtp.first().map(|p| Some(p.sequence)), announced, "tcp {tcp}");
        for c in crowd.into_iter().chain([c]) {
            expect_whole_frames(&w, c);
        }
        w.expect_nothing_left();
    }
}

#[test]
fn who_leaves_in_the_middle_of_a_frame_gets_nothing_after_the_goodbye() {
    let (mut w, crowd) = crowd(6, FastStart::Off);
    for &c in &crowd {
        w.run_secs(0.1);
        until_a_frame_is_on_its_way(&mut w);
        let (id, _) = w.session_of(c);
        let others_wait = w.serve(|server, env| {
            server.end_session(env, id, RemovalReason::Removed);
            let stream = server.streams.iter().next();
            stream.is_none_or(|(_, s)| s.has_packets_on_their_way())
        });
        assert!(others_wait, "the others get theirs in parts all the same");
        w.run_secs(0.2);
        let track = w[c].track(1);
        let bye = track.rtcp.iter().find(|r| r.bye).expect("a BYE");
        assert!(track.rtp.iter().all(|p| p.at <= bye.at), "{c:?}");
        expect_whole_frames(&w, c);
    }
    w.expect_nothing_left();
}

#[test]
fn many_who_leave_or_pause_in_the_middle_of_a_frame_do_not_hurry_it_for_the_others() {
    for pauses in [false, true] {
        let (mut w, crowd) = crowd(6, FastStart::Off);
        w.run_secs(0.1);
        until_a_frame_is_on_its_way(&mut w);
        // Before and behind the place that the frame has come to, over UDP and over TCP.
        let (going, staying): (Vec<C>, Vec<C>) = crowd.iter().partition(|c| c.0 % 5 < 2);
        for &c in &going {
            let (session, _) = w.session_of(c);
            let others_wait = w.serve(|server, env| {
                if !pauses {
                    server.end_session(env, session, RemovalReason::Removed);
                    return server.streams.iter().all(|(_, s)| s.has_packets_on_their_way());
                }
                let (stream, state) = server.streams.iter().next().expect("a stream");
                let all = state.destinations();
                let its: Vec<_> = all.filter(|(_, d)| d.session() == Some(session)).collect();
                let id = its[0].0;
                let connections = &mut server.connections;
                server.streams.with_stream(env, connections, stream, |s, env, w| {
                    s.begin_packet(env, w, id);
                    s.pause(env, id);
                    s.has_packets_on_their_way()
                }) == Some(true)
            });
            assert!(others_wait, "{c:?}");
        }
        w.run_secs(0.5);
        for &c in &going {
            // A connection has a frame whole or not at all.
            let last = w[c].track(1).rtp.last().expect("media").at;
            assert!(w.now() - last > secs(0.4), "{c:?} gets nothing more");
        }
        for &c in going.iter().chain(&staying) {
            expect_whole_frames(&w, c);
        }
        let counted = |c: C| w[c].track(1).frames().len();
        assert!(staying.iter().all(|c| counted(*c) >= 14), "no frame is lost");
        w.expect_nothing_left();
    }
}

#[test]
fn who_plays_again_in_the_middle_of_a_frame_goes_on_where_it_is_told() {
    for tcp in [false, true] {
        let (mut w, crowd) = crowd(6, FastStart::Off);
        let c = crowd[usize::from(tcp)];
        for _ in 0..10 {
            w.run_secs(0.1);
            until_a_frame_is_on_its_way(&mut w);
            let answer = w.play(c, "/crowd");
            let seq = answer.rtp_info().entries[0].seq.expect("seq");
            w.run_secs(0.1);
            assert!(w[c].track(1).rtp.iter().any(|p| p.sequence == seq), "tcp {tcp}");
        }
        until_a_frame_is_on_its_way(&mut w);
        w.run_secs(0.03);
        crowd.iter().for_each(|c| expect_whole_frames(&w, *c));
        w.expect_nothing_left();
    }
}
