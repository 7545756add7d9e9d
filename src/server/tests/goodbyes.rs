//! The end of a stream that a crowd watches: everybody is told once, and no turn does it all.

use super::media::{TestTrack, session};
use super::world::{C, World, secs};
use crate::ids::{DestinationId, StreamId};
use crate::server::{FastStart, RtspServer};
use crate::session::pool::RemovalReason;
use std::time::Duration;

/// Viewers: more than twice as many as are told in one turn.
const CROWD: usize = 520;

/// Every other one of them is sent the stream over TCP.
const fn is_tcp(c: usize) -> bool {
    c % 2 == 0
}

/// A crowd that has set up a film of two seconds, which has key frames at its start and after a
/// second. All but the last one play.
fn crowd(w: &mut World) -> Vec<C> {
    let film = TestTrack::video().frames(50).key_every(25).shared();
    w.add(session("film").with_subsession(film.with_fast_start(FastStart::WaitForKeyFrame)));
    let first = w.client();
    let others: Vec<C> = (1..CROWD).map(|_| w.beside(first)).collect();
    let crowd: Vec<C> = [first].into_iter().chain(others).collect();
    for (i, &c) in crowd.iter().enumerate() {
        w.setup_over(c, "/film", 1, is_tcp(i)).expect(200);
    }
    for &c in &crowd[..CROWD - 1] {
        w.ask(c, "PLAY", "/film", &[]);
    }
    crowd
}

fn stream_of(server: &RtspServer) -> StreamId {
    server.streams.iter().next().expect("a stream").0
}

fn is_being_told(w: &World) -> bool {
    w.server().streams.iter().any(|(_, s)| s.has_ended() && s.is_reporting())
}

/// The stream and the destination of a viewer.
fn destination_of(w: &World, c: C) -> (StreamId, DestinationId) {
    let (session, _) = w.session_of(c);
    let stream = stream_of(w.server());
    let state = w.server().streams.get(stream).unwrap();
    let id = state.destinations().find(|(_, d)| d.session() == Some(session)).unwrap().0;
    (stream, id)
}

/// Runs one turn of the loop; returns how many datagrams, and bytes over TCP, were sent in it.
fn turn(w: &mut World) -> (u64, u64) {
    let before = w.network().statistics();
    w.env.turn(Some(secs(0.0005))).unwrap();
    let now = w.network().statistics();
    (now.datagrams_sent - before.datagrams_sent, now.tcp_bytes - before.tcp_bytes)
}

fn run_until_the_first_are_told(w: &mut World) {
    for _ in 0..200_000 {
        turn(w);
        // Clients take what they were sent.
        w.run(Duration::ZERO);
        if is_being_told(w) {
            return;
        }
    }
    panic!("the film does not end, or ends at once for all");
}

#[test]
fn the_end_reaches_a_crowd_in_parts_and_each_viewer_once() {
    let mut w = World::new();
    let crowd = crowd(&mut w);
    w.run_secs(1.5);
    let late = crowd[CROWD - 1];
    w.play(late, "/film");
    w.run_secs(0.4);
    run_until_the_first_are_told(&mut w);
    // One that was told and one that was not, over UDP and over TCP, each in four ways.
    let leaves = [0, 1, 510, 511].map(|i| crowd[i]);
    let tears_down = [2, 3, 512, 513].map(|i| crowd[i]);
    let is_lost = [4, 5, 514, 515].map(|i| crowd[i]);
    let pauses = [6, 7, 516, 517].map(|i| crowd[i]);
    for (group, reason) in [
        (leaves, RemovalReason::Removed),
        (tears_down, RemovalReason::TornDown),
        (is_lost, RemovalReason::ConnectionLost),
    ] {
        for c in group {
            let (session, _) = w.session_of(c);
            w[c].lenient = true;
            w.serve(|server, env| server.end_session(env, session, reason));
        }
    }
    for c in pauses {
        let to = destination_of(&w, c);
        w.serve(|server, env| server.streams.pause(env, &mut server.connections, to, None));
    }
    assert!(is_being_told(&w));
    let (mut most, mut turns) = ((0, 0), 0);
    while is_being_told(&w) {
        let sent = turn(&mut w);
        most = (most.0.max(sent.0), most.1.max(sent.1));
        turns += usize::from(sent != (0, 0));
    }
    assert!((2..=4).contains(&turns), "{turns} turns");
    assert!(most.0 <= 256 && most.1 <= 256 * 128, "{most:?} in one turn");
    w.run_secs(1.0);
    for (i, &c) in crowd.iter().enumerate() {
        let track = w[c].track(1);
        // A client that has vanished is told nothing.
        let vanished = is_lost[2..].contains(&c);
        assert_eq!(track.byes(), usize::from(!vanished), "{i}");
        if !vanished {
            assert!(track.rtcp.last().expect("RTCP").bye, "{i}: nothing comes after it");
        }
    }
    let heard = w[late].track(1);
    assert!(heard.rtp.is_empty(), "there was no key frame for it");
    assert_eq!(heard.rtcp.iter().map(|r| r.bye).collect::<Vec<_>>(), [false, true]);
    w.expect_nothing_left();
}

#[test]
fn who_plays_again_before_all_are_told_of_the_end_gets_the_old_goodbye_first() {
    for i in [516, 517] {
        let mut w = World::new();
        let crowd = crowd(&mut w);
        w.run_secs(1.9);
        run_until_the_first_are_told(&mut w);
        let c = crowd[i];
        assert_eq!(w[c].track(1).byes(), 0);
        let old = w[c].track(1).rtp[0].ssrc;
        let (stream, id) = destination_of(&w, c);
        w.serve(|server, env| {
            let streams = &mut server.streams;
            let start = |source: &mut dyn crate::media::FramedSource,
                         cx: &mut crate::media::SourceContext<'_>| {
                source.seek(Duration::ZERO, cx)
            };
            streams.seek(env, (stream, id), start).unwrap();
            streams.prepare(env, &mut server.connections, (stream, id)).unwrap();
            streams.start(env, &mut server.connections, (stream, id), Duration::ZERO);
        });
        w.run_secs(1.0);
        let track = w[c].track(1);
        let new = track.rtp.iter().find(|p| p.ssrc != old).expect("it goes on under a new SSRC");
        let bye = track.rtcp.iter().find(|r| r.bye).expect("a BYE");
        assert!(bye.ssrc == old && bye.at <= new.at);
        // The others are told of the end that they saw, and of no other.
        for &other in crowd[..CROWD - 1].iter().filter(|other| **other != c) {
            let track = w[other].track(1);
            assert_eq!(track.byes(), 1);
            assert!(track.rtcp.iter().all(|r| r.ssrc == old));
        }
        w.run_secs(3.0);
        assert_eq!(w[c].track(1).byes(), 2, "its second end");
        assert_eq!(w[crowd[0]].track(1).byes(), 1);
        w.expect_nothing_left();
    }
}
