//! Streams of many clients: nobody's end, stall or error is anyone else's.

use super::client::{Rtcp, Way};
use super::media::{TestTrack, camera, film, session};
use super::world::{C, UDP, World, secs};
use crate::server::ServerConfig;
use crate::session::pool::RemovalReason;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

fn world() -> (World, Arc<AtomicUsize>) {
    let open = Arc::new(AtomicUsize::new(0));
    let mut w = World::new();
    let video = TestTrack::video().endless().counted_by(&open).shared();
    w.add(session("camera").with_subsession(video));
    (w, open)
}

#[test]
fn all_clients_share_one_source_that_ends_with_the_last() {
    let (mut w, open) = world();
    let clients: Vec<C> = (0..6).map(|i| w.playing("/camera", 1, i % 2 == 0)).collect();
    assert_eq!((open.load(Ordering::Relaxed), w.server().stream_count()), (1, 1));
    w.run_secs(1.0);
    let ssrc = w[clients[0]].track(1).rtp[0].ssrc;
    for (i, &c) in clients.iter().enumerate() {
        assert!(w[c].track(1).rtp.iter().all(|p| p.ssrc == ssrc));
        // They go in three ways, and the others go on.
        match i % 3 {
            0 => drop(w.teardown(c, "/camera")),
            1 => w.leave(c),
            _ => drop(w.pause(c, "/camera")),
        }
        w.run_secs(0.1);
        w.check();
        let late = &clients[i + 1..];
        late.iter().for_each(|&c| w[c].forget_media());
        w.run_secs(1.0);
        for &c in late {
            let frames = w[c].track(1).frames();
            assert!(frames.len() >= 24 && frames.windows(2).all(|f| f[1] == f[0] + 1));
            assert_eq!(w[c].track(1).byes(), 0);
        }
    }
    w.run_secs(70.0);
    assert_eq!(open.load(Ordering::Relaxed), 0);
    w.expect_nothing_left();
}

#[test]
fn a_paused_client_finds_the_stream_where_it_is() {
    let (mut w, _) = world();
    let (a, b) = (w.playing("/camera", 1, false), w.playing("/camera", 1, true));
    w.run_secs(1.0);
    w.pause(a, "/camera");
    w.run_secs(3.0);
    w.play(a, "/camera");
    w.run_secs(1.0);
    let (a, b) = (w[a].track(1).frames(), w[b].track(1).frames());
    assert_eq!(a.last(), b.last());
    assert!(a.windows(2).any(|f| f[1] > f[0] + 70), "it did not see what went by");
    assert!(b.windows(2).all(|f| f[1] == f[0] + 1));
}

#[test]
fn a_shared_stream_that_all_have_paused_waits() {
    let mut w = World::new();
    w.add(session("film").with_subsession(TestTrack::video().shared()));
    let a = w.playing("/film", 1, false);
    w.run_secs(2.0);
    w.pause(a, "/film");
    w.run_secs(5.0);
    let b = w.playing("/film", 1, false);
    w.run_secs(1.0);
    assert!((50..=52).contains(&w[b].track(1).frames()[0]));
    w.expect_nothing_left();
}

#[test]
fn everybody_hears_the_end_and_newcomers_begin_anew() {
    let mut w = World::new();
    w.add(session("film").with_subsession(TestTrack::video().frames(100).shared()));
    let (a, b) = (w.playing("/film", 1, false), w.playing("/film", 1, true));
    w.run_secs(6.0);
    for c in [a, b] {
        assert_eq!((w[c].track(1).frames().last(), w[c].track(1).byes()), (Some(&99), 1));
    }
    let late = w.playing("/film", 1, false);
    w.play(b, "/film");
    w.run_secs(2.0);
    let frames = w[late].track(1).frames();
    assert!(frames.len() >= 49 && frames[0] == 0, "{frames:?}");
    assert!(w[b].track(1).frames().len() >= 148);
    assert_eq!(w[a].track(1).frames().last(), Some(&99), "who did not ask gets nothing");
    w.expect_nothing_left();
}

#[test]
fn a_range_does_not_move_or_stop_what_others_watch() {
    let mut w = World::new();
    w.add(session("film").with_subsession(TestTrack::video().shared()));
    let a = w.playing("/film", 1, false);
    w.run_secs(1.0);
    let b = w.client();
    w.setup_udp(b, "/film", 1);
    w.play_range(b, "/film", "npt=5-6").expect(200);
    w.run_secs(8.5);
    let frames = w[a].track(1).frames();
    assert_eq!(frames, (0..frames.len() as u32).collect::<Vec<_>>());
    w.run_secs(2.0);
    assert_eq!(w[a].track(1).frames().len(), 250);
    // Nor when it begins anew.
    w.play(a, "/film");
    w.play_range(b, "/film", "npt=0-1").expect(200);
    w.run_secs(12.0);
    assert_eq!(w[a].track(1).frames().len(), 500);
    w.play_range(b, "/film", "npt=5-6").expect(200);
    w.play(a, "/film");
    w[a].forget_media();
    w.run_secs(12.0);
    assert_eq!(w[a].track(1).frames().last(), Some(&249), "whoever asked first");
    assert!(w[a].track(1).frames().len() > 240);
    w.expect_nothing_left();
}

#[test]
fn a_track_that_has_ended_before_the_others_stays_ended_for_newcomers() {
    let mut w = World::new();
    w.add(
        session("film")
            .with_subsession(TestTrack::video().shared())
            .with_subsession(TestTrack::audio().frames(100).shared()),
    );
    let a = w.playing("/film", 2, false);
    w.run_secs(5.0);
    assert_eq!(w[a].track(2).byes(), 1);
    let b = w.client();
    w.setup_udp(b, "/film", 1);
    w.setup_udp(b, "/film", 2);
    w.play_range(b, "/film", "npt=0-").expect(200);
    w.run_secs(1.0);
    assert!((124..128).contains(&w[b].track(1).frames()[0]));
    assert!(w[b].track(2).rtp.is_empty(), "it would be out of step");
    w.run_secs(6.0);
    // When all is over, all begins anew.
    w[b].forget_media();
    w.play_range(b, "/film", "npt=0-").expect(200);
    w.run_secs(1.0);
    assert_eq!((w[b].track(1).frames()[0], w[b].track(2).frames()[0]), (0, 0));
    w.expect_nothing_left();
}

/// A big picture a frame, so that a window fills soon.
fn heavy(config: ServerConfig) -> World {
    let mut w = World::with(config);
    let track = TestTrack::video().endless().size(20_000).interval_ms(40).key_every(10);
    w.add(session("heavy").with_subsession(track.shared()));
    w.set_profile(|p| p.tcp_window = 64 * 1024);
    w
}

#[test]
fn a_slow_reader_loses_whole_frames_up_to_a_key_frame() {
    let mut w = heavy(ServerConfig::unlimited());
    let (slow, fast) = (w.playing("/heavy", 1, true), w.playing("/heavy", 1, true));
    let udp = w.playing("/heavy", 1, false);
    for round in 0..4 {
        w.run_secs(1.0);
        w[slow].stalled = true;
        w.run_secs(6.0);
        w.check();
        w[slow].stalled = false;
        w.run_secs(2.0);
        assert!(!w[slow].ended, "round {round}");
    }
    // That the stream is not broken the client checks by itself.
    let frames = w[slow].track(1).frames();
    let gaps: Vec<_> = frames.windows(2).filter(|f| f[1] != f[0] + 1).collect();
    assert!(!gaps.is_empty() && gaps.len() <= 8, "{gaps:?}");
    assert!(gaps.iter().all(|gap| gap[1] % 10 == 0), "it goes on with a key frame: {gaps:?}");
    let whole = w[slow].track(1);
    let bytes: usize = whole.rtp.iter().map(|p| p.len).sum();
    assert!(bytes >= (frames.len() - 1) * 20_000, "frames are whole");
    // Reports go out with a frame, but are not lost with it.
    let reports = |c| w[c].track(1).rtcp.iter().filter_map(|r| r.info).collect::<Vec<_>>();
    assert!(reports(fast).len() > 5);
    assert_eq!(reports(slow).len(), reports(fast).len());
    // What was left out is counted, and the counters are brought up to date with each report.
    let missing: u32 = gaps.iter().map(|gap| gap[1] - gap[0] - 1).sum();
    w.run_secs(8.0);
    for (c, expected) in [(slow, missing), (fast, 0), (udp, 0)] {
        assert_eq!(w.session_of(c).1.counters().dropped_frames, u64::from(expected));
    }
    for c in [fast, udp] {
        let frames = w[c].track(1).frames();
        assert!(frames.windows(2).all(|f| f[1] == f[0] + 1));
        assert!(frames.len() > 890, "{}", frames.len());
        let at: Vec<_> = w[c].track(1).rtp.iter().filter(|p| p.marker).map(|p| p.at).collect();
        assert!(at.windows(2).all(|t| t[1] - t[0] < secs(0.06)), "no stall");
    }
    w.expect_nothing_left();
}

#[test]
fn answers_overtake_queued_media() {
    let mut w = heavy(ServerConfig::unlimited());
    let c = w.playing("/heavy", 1, true);
    w.run_secs(1.0);
    w[c].stalled = true;
    w.run_secs(3.0);
    for _ in 0..5 {
        w.ask(c, "OPTIONS", "*", &[]);
    }
    w.run_secs(1.0);
    w[c].stalled = false;
    let packets = w[c].packets;
    w.answer(c).expect(200);
    // What the window held, a packet that was cut, and not the megabyte behind.
    assert!(w[c].packets - packets < 150, "{} packets first", w[c].packets - packets);
    w.run_secs(1.0);
    assert_eq!(w[c].answers.len(), 4);
    w.teardown(c, "/heavy");
    w.expect_nothing_left();
}

#[test]
fn a_reader_that_takes_nothing_is_closed_in_time() {
    let mut w = heavy(ServerConfig::unlimited());
    let (dead, other) = (w.playing("/heavy", 1, true), w.playing("/heavy", 1, true));
    w[dead].stalled = true;
    w.run_secs(9.5);
    assert_eq!(w.census().2, 2);
    w.run_secs(2.0);
    assert_eq!(w.census(), (1, 1, 1));
    assert!(w[other].track(1).frames().len() > 280);
    w.expect_nothing_left();
}

#[test]
fn a_reader_that_is_always_behind_keeps_its_session() {
    // 500 kB/s are sent, 200 kB/s pass: the queue is never empty, but it drains.
    let mut w = heavy(ServerConfig::unlimited());
    let slow = w.client();
    let host = w[slow].address.ip();
    let mut profile = crate::env::LinkProfile::default();
    (profile.bandwidth, profile.tcp_window) = (Some(200_000), 64 * 1024);
    w.network().set_host_profile(host, profile);
    w.tick = secs(0.02);
    w.setup_tcp(slow, "/heavy", 1);
    w.play(slow, "/heavy");
    w.run_secs(100.0);
    assert_eq!(w.census(), (1, 1, 1), "for TCP a connection that drains is a sign of life");
    assert!(w[slow].track(1).frames().len() > 750);
    w.expect_nothing_left();
}

#[test]
fn one_destination_that_cannot_be_sent_to_does_not_stop_others() {
    let (mut w, _) = world();
    let (gone, here) = (w.playing("/camera", 1, false), w.playing("/camera", 1, false));
    let host = w[gone].address.ip();
    w.network().vanish(host);
    w.run_secs(2.0);
    assert!(w[here].track(1).frames().len() >= 50);
    // It ends by time-out alone.
    assert_eq!(w.census().0, 2);
    w.run_secs(30.0);
    w.options(here).expect(200);
    w.run_secs(40.0);
    assert_eq!(w.census().0, 1);
    w.expect_nothing_left();
}

#[test]
fn strangers_cannot_touch_a_session() {
    let (mut w, _) = world();
    w.add(film("film"));
    let (c, stranger) = (w.playing("/film", 2, false), w.client());
    let session = w[c].session.clone().unwrap();
    let named = [("Session", session.as_str())];
    for method in ["PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "OPTIONS", "DESCRIBE"] {
        w.request(stranger, method, "/film", &named).expect(454);
    }
    let offer = ("Transport", UDP);
    w.request(stranger, "SETUP", "/film/track1", &[named[0], offer]).expect(454);
    // RTCP from elsewhere is not its client's.
    let to: SocketAddr = match &w[c].track(1).way {
        Way::Udp { server, .. } => server.unwrap().1,
        Way::Tcp { .. } => panic!(),
    };
    let (mut rtp, _rtcp, _) = w.udp_pair(stranger);
    let mut report = Vec::new();
    crate::wire::rtcp::write_rr(&mut report, 1, &[]);
    for _ in 0..7 {
        rtp.send_to(&mut w.env, &report, to).unwrap();
        w.request(stranger, "OPTIONS", "*", &named).expect(454);
        w.run_secs(9.0);
    }
    assert_eq!(w.census().0, 1);
    w.run_secs(4.0);
    assert_eq!(w.census().0, 0, "a stranger keeps nothing alive");
    w.expect_nothing_left();
}

#[test]
fn a_second_connection_of_the_client_may_control_and_closing_it_disturbs_nothing() {
    for tcp in [false, true] {
        let (mut w, _) = world();
        let c = w.playing("/camera", 1, tcp);
        let session = w[c].session.clone().unwrap();
        let second = w.beside(c);
        let named = [("Session", session.as_str())];
        w.request(second, "OPTIONS", "*", &named).expect(200);
        w.request(second, "PAUSE", "/camera", &named).expect(200);
        w.request(second, "PLAY", "/camera", &named).expect(200);
        w.leave(second);
        w.run_secs(1.0);
        w[c].forget_media();
        w.run_secs(1.0);
        assert!(w[c].track(1).rtp.len() >= 24);
        assert_eq!(w.census(), (1, 1, 1));
        w.expect_nothing_left();
    }
}

#[test]
fn tracks_of_one_session_may_come_over_different_connections() {
    let mut w = World::new();
    w.add(film("film"));
    let a = w.client();
    w.setup_tcp(a, "/film", 1);
    let b = w.beside(a);
    w[b].session = w[a].session.clone();
    w.setup_tcp(b, "/film", 2);
    w.play(a, "/film");
    w.run_secs(1.0);
    assert!(w[a].track(1).rtp.len() >= 24 && w[b].track(2).rtp.len() >= 48);
    w.check();
    w.leave(b);
    w.run_secs(1.0);
    w.check();
    assert_eq!(w.census().0, 0, "a session ends with a connection that it streams over");
    w.expect_nothing_left();
}

#[test]
fn a_connection_that_a_track_was_moved_from_may_end() {
    let mut w = World::new();
    w.add(film("film"));
    let a = w.client();
    w.setup_udp(a, "/film", 1);
    let b = w.beside(a);
    w[b].session = w[a].session.clone();
    w.setup_tcp(b, "/film", 2);
    w.check();
    w.setup_udp(a, "/film", 2);
    w.check();
    w.play(a, "/film");
    for _ in 0..3 {
        w.run_secs(25.0);
        w.options(a).expect(200);
    }
    assert_eq!(w.census().2, 1, "nothing keeps it any more");
    assert!(w[b].ended);
    w.teardown(a, "/film");
    w.check();
    w.expect_nothing_left();
}

#[test]
fn who_joins_or_leaves_costs_the_others_no_packet() {
    for tcp in [false, true] {
        let mut w = World::new();
        w.add(session("radio").with_subsession(TestTrack::aac().endless().shared()));
        let a = w.playing("/radio", 1, tcp);
        w.run_secs(1.0);
        w[a].forget_media();
        for _ in 0..20 {
            let other = w.playing("/radio", 1, tcp);
            w.run_secs(0.04);
            w.pause(other, "/radio");
            w.run_secs(0.01);
        }
        let began = w[a].track(1).rtp.first().unwrap().at;
        let time = w[a].track(1).rtp.last().unwrap().at - began;
        // Three frames of 32 ms a packet, as before.
        let packets = w[a].track(1).rtp.len() - 1;
        assert!((time.as_millis() / 96).abs_diff(packets as u128) <= 1, "{packets} in {time:?}");
        assert!(packets > 10);
        // The last to go takes with it what was gathered for it.
        w.pause(a, "/radio");
        w.expect_nothing_left();
    }
}

#[test]
fn reports_go_out_with_a_frame_or_soon_without_one() {
    let mut w = World::new();
    w.add(camera("camera"));
    let slow = TestTrack::video().endless().interval_ms(20_000).shared();
    w.add(session("slides").with_subsession(slow));
    let (tcp, other, udp) = (w.client(), w.client(), w.client());
    w.setup_tcp(tcp, "/camera", 1);
    w.add_track(other, 1, Way::Tcp { rtp: 6, rtcp: 9 });
    w.setup(other, "/camera", 1, "RTP/AVP/TCP;unicast;interleaved=6-9").expect(200);
    w.setup_udp(udp, "/camera", 1);
    for c in [tcp, other, udp] {
        w.play(c, "/camera");
    }
    let slides = w.playing("/slides", 1, true);
    w.run_secs(60.0);
    for c in [tcp, other, udp] {
        // The first one of all greets the newcomer.
        let track = w[c].track(1);
        let regular = &track.rtcp[1..];
        assert!((8..=25).contains(&regular.len()), "{}", regular.len());
        let near = |a: Instant, b: Instant| a.max(b) - a.min(b) < secs(0.002);
        let with_frame = |r: &&Rtcp| track.rtp.iter().any(|p| near(p.at, r.at));
        assert_eq!(regular.iter().filter(with_frame).count(), regular.len());
        assert!(regular.iter().all(|r| r.info.is_some()), "on the channel for reports");
    }
    assert!(w[slides].track(1).rtp.len() <= 4);
    assert!((8..=25).contains(&w[slides].track(1).rtcp.len()));
    w.expect_nothing_left();
}

#[test]
fn a_report_reaches_a_crowd_in_parts() {
    for tcp in [false, true] {
        let mut w = World::new();
        w.add(camera("camera"));
        let first = w.playing("/camera", 1, tcp);
        for _ in 1..300 {
            let c = w.beside(first);
            // Every other one over UDP in any case: connections get it with a frame.
            w.setup_over(c, "/camera", 1, tcp && c.0 % 2 == 0);
            w.play(c, "/camera");
        }
        w.run_secs(1.0);
        for c in 0..300 {
            w[C(c)].forget_media();
        }
        w.tick = secs(0.05);
        w.run_secs(12.0);
        let reports = |c: usize| &w[C(c)].track(1).rtcp;
        let count = reports(0).len();
        assert!((1..=6).contains(&count), "{count}");
        for c in 0..300 {
            // One may be on its way at either end.
            assert!(reports(c).len().abs_diff(count) <= 1, "{c}: {} {count}", reports(c).len());
        }
        // Seen in the middle of it.
        w.tick = secs(0.001);
        let under_way = |w: &World| w.server().streams.iter().any(|(_, s)| s.is_reporting());
        let steps = (0..8000).take_while(|_| {
            w.run_secs(0.001);
            !under_way(&w)
        });
        assert!(steps.count() < 8000);
        // Who leaves meanwhile does not make others miss it.
        let before: Vec<usize> = (0..300).map(|c| w[C(c)].track(1).rtcp.len()).collect();
        for c in 0..10 {
            let (id, _) = w.session_of(C(c));
            w.serve(|server, env| server.end_session(env, id, RemovalReason::Removed));
        }
        // What they were sent is counted with it, in the same parts.
        let counts = |w: &World| -> Vec<u64> {
            w.server().pool().iter().map(|(_, s)| s.counters().packets).collect()
        };
        let counted_a_turn = (0..300).map(|_| {
            let before = counts(&w);
            w.run_secs(0.001);
            counts(&w).iter().zip(before).filter(|(now, before)| *now != before).count()
        });
        let counted_a_turn: Vec<usize> = counted_a_turn.collect();
        assert!(counted_a_turn.iter().all(|n| *n <= 256), "{counted_a_turn:?}");
        assert!(counted_a_turn.iter().sum::<usize>() > 0);
        let late = (260..300).filter(|c| !tcp || c % 2 == 1);
        let missed: Vec<_> = late.filter(|c| w[C(*c)].track(1).rtcp.len() == before[*c]).collect();
        assert!(missed.is_empty(), "{missed:?}");
        w.tick = secs(0.05);
        w.expect_nothing_left();
    }
}
