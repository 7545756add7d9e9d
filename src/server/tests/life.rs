//! How connections and client sessions end: time-outs, signs of life, loss (RFC 2326 sections
//! 3.4 and 12.37).

use super::client::Way;
use super::media::camera;
use super::world::{C, UDP, World, secs};
use crate::server::{ServerConfig, ServerHooks};
use crate::session::pool::{RemovalReason, SessionInfo};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

#[test]
fn idle_connections_end() {
    let mut w = World::with_film_and_camera();
    let (idle, asks) = (w.client(), w.client());
    for _ in 0..8 {
        w.options(asks).expect(200);
        w.run_secs(8.0);
    }
    assert_eq!(w.census().2, 2);
    w.run_secs(2.0);
    assert_eq!(w.census().2, 1);
    assert!(w[idle].ended);
    w.run_secs(70.0);
    assert!(w[asks].ended);
    w.expect_nothing_left();
}

#[test]
fn half_sent_requests_end_their_connection() {
    let mut w = World::with_film_and_camera();
    let halves = [
        "OPT",
        "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n",
        "SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 100\r\n\r\nhalf",
        "$",
        "$\0\u{1}\0half",
    ];
    let clients: Vec<C> = halves
        .iter()
        .map(|half| {
            let c = w.client();
            w.send(c, half);
            c
        })
        .collect();
    w.run_secs(9.0);
    assert_eq!(w.census().2, halves.len());
    w.run_secs(1.5);
    assert_eq!(w.census().2, 0);
    assert!(clients.iter().all(|&c| w[c].ended || w[c].failed));
    // A drip does not help.
    let c = w.client();
    for byte in b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n" {
        w.send(c, [*byte]);
        w.run_secs(0.5);
    }
    assert_eq!(w.census().2, 0);
    w.expect_nothing_left();
}

#[test]
fn half_sent_requests_end_streaming_connections_too() {
    let mut w = World::with_film_and_camera();
    let c = w.playing("/camera", 1, true);
    w.send(c, "OPTIONS * RT");
    w.run_secs(12.0);
    assert_eq!(w.census(), (0, 0, 0));
    w.expect_nothing_left();
}

#[test]
fn a_silent_session_expires_after_time_out_and_grace() {
    let mut w = World::with_film_and_camera();
    let c = w.playing("/camera", 1, false);
    let start = w.now();
    w.run_secs(64.8);
    assert_eq!(w.census().0, 1);
    w.run_secs(0.3);
    assert_eq!(w.census(), (0, 0, 1));
    assert_eq!(w[c].track(1).byes(), 1, "it is told");
    let last = w[c].track(1).rtp.last().unwrap().at;
    assert!(last - start > secs(64.0));
    w.request(c, "PLAY", "/camera", &[]).expect(454);
    w.expect_nothing_left();
}

#[test]
fn signs_of_life_keep_a_session() {
    for tcp in [false, true] {
        for sign in ["OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "PLAY", "report", "DESCRIBE"] {
            let mut w = World::with_film_and_camera();
            let c = w.client();
            w.setup_over(c, "/camera", 1, tcp);
            w.setup_over(c, "/film", 1, tcp);
            w.tick = secs(0.05);
            for _ in 0..5 {
                w.run_secs(50.0);
                match sign {
                    "report" => w.send_report(c, 1),
                    _ => drop(w.request(c, sign, "/film", &[]).expect(200)),
                }
            }
            assert_eq!(w.census().0, 1, "{sign}");
            // Ten seconds of film may have drained.
            w.run_secs(76.0);
            assert_eq!(w.census().0, 0, "{sign}");
            w.expect_nothing_left();
        }
    }
}

#[test]
fn a_tcp_connection_that_drains_keeps_its_session() {
    let mut w = World::with_film_and_camera();
    w.tick = secs(0.05);
    let (tcp, udp) = (w.playing("/camera", 1, true), w.playing("/camera", 1, false));
    w.run_secs(300.0);
    assert_eq!(w.census().0, 1);
    assert_eq!(w[udp].track(1).byes(), 1);
    // While it pauses nothing drains.
    w.pause(tcp, "/camera");
    w.run_secs(66.0);
    assert_eq!(w.census().0, 0);
    w.expect_nothing_left();
}

#[test]
fn garbage_is_no_sign_of_life() {
    for tcp in [false, true] {
        let mut w = World::with_film_and_camera();
        w.tick = secs(0.05);
        let c = w.client();
        w.setup_over(c, "/camera", 1, tcp);
        for i in 0..7u8 {
            w.send_rtcp(c, 1, &[]);
            w.send_rtcp(c, 1, &[i; 40]);
            w.send_rtcp(c, 1, &[0x80, 201, 0, 9, 1]);
            w.run_secs(10.0);
        }
        assert_eq!(w.census().0, 0);
        w.expect_nothing_left();
    }
}

#[test]
fn a_lost_tcp_connection_ends_its_session_at_once() {
    for reset in [false, true] {
        let mut w = World::with_film_and_camera();
        let (c, other) = (w.playing("/film", 2, true), w.playing("/camera", 1, true));
        w.run_secs(1.0);
        let host = w[c].address.ip();
        if reset {
            w.network().reset_connections(host);
        } else {
            w.leave(c);
        }
        w.run_secs(0.05);
        assert_eq!(w.census(), (1, 1, 1));
        w.check();
        w.run_secs(1.0);
        assert!(w[other].track(1).frames().len() >= 50);
        w.expect_nothing_left();
    }
}

#[test]
fn a_udp_session_outlives_its_connection_unless_told_otherwise() {
    for end in [false, true] {
        let mut w = World::configured(|c| c.end_udp_sessions_on_disconnect = end);
        w.add(camera("camera"));
        let c = w.playing("/camera", 1, false);
        w.leave(c);
        w.run_secs(2.0);
        let frames = w[c].track(1).frames().len();
        assert_eq!(w.census(), if end { (0, 0, 0) } else { (1, 1, 0) });
        assert!(if end { frames <= 2 } else { frames >= 48 });
        if !end {
            for _ in 0..5 {
                w.send_report(c, 1);
                w.run_secs(30.0);
            }
            assert_eq!(w.census().0, 1, "reports keep it");
            let again = w.beside(c);
            w[again].session = w[c].session.clone();
            w.teardown(again, "/camera");
            assert_eq!(w.census(), (0, 0, 1));
        }
        w.expect_nothing_left();
    }
}

#[test]
fn sessions_without_time_out_stay() {
    let mut w = World::configured(|c| c.pool.timeout = secs(0.0));
    w.add(camera("camera"));
    w.tick = secs(1.0);
    let c = w.client();
    let answer = w.setup_udp(c, "/camera", 1);
    assert!(!answer.header("Session").contains("timeout"));
    w.leave(c);
    w.run_secs(100_000.0);
    assert_eq!(w.census(), (1, 1, 0));
    w.serve(|server, env| {
        let id = server.lookup_server_media_session("camera").unwrap();
        assert_eq!(server.close_all_client_sessions(env, id), 1);
    });
    w.expect_nothing_left();
}

/// What the hooks were told.
type Told = Arc<Mutex<Vec<Option<RemovalReason>>>>;

struct Recorder(Told);

impl ServerHooks for Recorder {
    fn session_created(&mut self, _: &SessionInfo) {
        self.0.lock().unwrap().push(None);
    }
    fn session_removed(&mut self, _: &SessionInfo, reason: RemovalReason) {
        self.0.lock().unwrap().push(Some(reason));
    }
}

#[test]
fn hooks_are_told_why_a_session_left() {
    let told = Told::default();
    let mut w = World::with_film_and_camera();
    let recorder = Recorder(Arc::clone(&told));
    w.serve(|server, _| server.set_hooks(recorder));
    let expect = |reason| {
        let told = std::mem::take(&mut *told.lock().unwrap());
        assert_eq!(told, [None, Some(reason)]);
    };
    let c = w.playing("/film", 2, false);
    w.teardown(c, "/film");
    expect(RemovalReason::TornDown);
    w.playing("/film", 2, false);
    w.run_secs(66.0);
    expect(RemovalReason::Expired);
    let c = w.playing("/film", 2, true);
    w.leave(c);
    w.run_secs(0.1);
    expect(RemovalReason::ConnectionLost);
    w.playing("/film", 1, true);
    w.serve(|server, env| {
        let id = server.lookup_server_media_session("film").unwrap();
        server.close_all_client_sessions(env, id);
    });
    expect(RemovalReason::Removed);
    // A session that was refused is not told of.
    let c = w.client();
    let host: IpAddr = "10.0.0.1".parse().unwrap();
    w.options(c);
    w.network().set_host_descriptor_limit(host, Some(1));
    w.setup(c, "/film", 1, UDP).expect(503);
    w.network().set_host_descriptor_limit(host, None);
    assert!(told.lock().unwrap().is_empty());
    w.playing("/film", 1, true);
    let server = w.server;
    w.env.close(server);
    expect(RemovalReason::ServerClosing);
}

/// Keeps packets and bytes of the sessions that have ended.
struct Counting(Arc<Mutex<Vec<(u64, u64)>>>);

impl ServerHooks for Counting {
    fn session_removed(&mut self, info: &SessionInfo, _: RemovalReason) {
        self.0.lock().unwrap().push((info.counters.packets, info.counters.bytes));
    }
}

#[test]
fn a_session_that_expires_has_its_last_packets_counted() {
    let told: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    let mut w = World::with_film_and_camera();
    let hooks = Counting(Arc::clone(&told));
    w.serve(|server, _| server.set_hooks(hooks));
    let c = w.playing("/camera", 1, false);
    w.run_secs(70.0);
    let rtp = &w[c].track(1).rtp;
    let got = (rtp.len() as u64, rtp.iter().map(|p| p.len as u64).sum::<u64>());
    assert_eq!(*told.lock().unwrap(), [got]);
}

#[test]
fn counters_tell_what_was_sent() {
    let told: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    for (path, tcp) in [("/film", false), ("/film", true), ("/camera", false), ("/camera", true)] {
        let mut w = World::with_film_and_camera();
        let hooks = Counting(Arc::clone(&told));
        w.serve(|server, _| server.set_hooks(hooks));
        let other = w.playing("/camera", 1, tcp);
        w.run_secs(3.0);
        let c = w.playing(path, 1, tcp);
        w.run_secs(7.0);
        w.pause(c, path);
        w.run_secs(3.0);
        w.play(c, path);
        w.run_secs(1.0);
        w.teardown(c, path);
        w.run_secs(0.1);
        let rtp = &w[c].track(1).rtp;
        let got = (rtp.len() as u64, rtp.iter().map(|p| p.len as u64).sum::<u64>());
        let (packets, bytes) = told.lock().unwrap().pop().unwrap();
        assert!(packets.abs_diff(got.0) <= 1, "{path}: {packets}, {got:?}");
        assert!(bytes.abs_diff(got.1) <= 300, "{path}: {bytes}, {got:?}");
        w.teardown(other, "/camera");
    }
}

#[test]
fn the_server_says_goodbye_when_it_closes() {
    let mut w = World::with_film_and_camera();
    let clients: Vec<C> =
        [("/film", true), ("/film", false), ("/camera", true), ("/camera", false)]
            .into_iter()
            .map(|(path, tcp)| w.playing(path, 1, tcp))
            .collect();
    let idle = w.client();
    w.run_secs(1.0);
    let server = w.server;
    assert!(w.env.close(server));
    w.run_secs(0.5);
    for &c in &clients {
        assert_eq!(w[c].track(1).byes(), 1, "{c:?}");
        assert!(w[c].ended);
    }
    assert!(w[idle].ended);
    assert_eq!(w.env.delayed_tasks(), 0);
    let host = "10.0.0.1".parse().unwrap();
    assert_eq!(w.network().open_sockets(host), 0);
    assert_eq!(w.env.media(), 0);
}

#[test]
fn connections_have_limits() {
    let mut w = World::configured(|c| {
        c.max_connections = 4;
        c.max_connections_per_peer = 2;
    });
    w.add(camera("camera"));
    let a = w.client();
    let b = w.beside(a);
    for c in [a, b] {
        w.options(c).expect(200);
    }
    let c = w.beside(a);
    w[c].lenient = true;
    w.run_secs(0.1);
    assert!(w[c].ended || w[c].failed);
    let (d, e, f) = (w.client(), w.client(), w.client());
    w[f].lenient = true;
    w.options(d).expect(200);
    w.options(e).expect(200);
    w.run_secs(0.1);
    assert!(w[f].ended || w[f].failed);
    w.leave(a);
    w.run_secs(0.1);
    let g = w.beside(b);
    w.options(g).expect(200);
    w.expect_nothing_left();
}

#[test]
fn descriptors_that_run_out_pause_accepting_without_spinning() {
    let mut w = World::with(ServerConfig::unlimited());
    w.add(camera("camera"));
    let host: IpAddr = "10.0.0.1".parse().unwrap();
    // The listener, three connections and a pair of ports.
    w.network().set_host_descriptor_limit(host, Some(6));
    let c = w.playing("/camera", 1, false);
    let others = [w.client(), w.client()];
    for c in others {
        w.options(c).expect(200);
    }
    let waiting = [w.client(), w.client(), w.client()];
    for c in waiting {
        w.ask(c, "OPTIONS", "*", &[]);
    }
    let turns = w.env.statistics().turns;
    w.tick = secs(0.05);
    w.run_secs(10.0);
    let turns = w.env.statistics().turns - turns;
    assert!(turns < 1500, "{turns} turns");
    assert!(waiting.iter().all(|&c| w[c].answers.is_empty()));
    assert!(w[c].track(1).frames().len() >= 250, "those who are there are served");
    // One who goes makes room at once, sockets of media as well.
    w.leave(others[0]);
    w.answer_within(waiting[0], secs(0.5)).expect("room").expect(200);
    w.teardown(c, "/camera");
    w.answer_within(waiting[1], secs(1.0)).expect("room").expect(200);
    w.answer_within(waiting[2], secs(1.0)).expect("room").expect(200);
    w.network().set_host_descriptor_limit(host, None);
    w.expect_nothing_left();
}

#[test]
fn rtcp_over_udp_of_a_client_behind_a_translator_counts() {
    let mut w = World::with_film_and_camera();
    let c = w.playing("/camera", 1, false);
    // Its reports come from another port than it announced.
    let (mut other, _unused, _) = w.udp_pair(c);
    let to = match &w[c].track(1).way {
        Way::Udp { server, .. } => server.unwrap().1,
        Way::Tcp { .. } => panic!(),
    };
    let mut report = Vec::new();
    crate::wire::rtcp::write_rr(&mut report, 1, &[]);
    w.tick = secs(0.05);
    for _ in 0..4 {
        other.send_to(&mut w.env, &report, to).unwrap();
        w.run_secs(40.0);
    }
    assert_eq!(w.census().0, 1);
    w.expect_nothing_left();
}

#[test]
fn jumps_of_the_wall_clock_change_nothing() {
    let mut w = World::with_film_and_camera();
    w.tick = secs(0.05);
    let (a, b) = (w.playing("/camera", 1, false), w.playing("/film", 2, true));
    for jump in [-1_000_000, 2_000_000, -1_699_000_000, 4_000_000_000] {
        w.env.jump_wall_clock(jump);
        w.options(a).expect(200);
        w.run_secs(2.0);
    }
    assert!(w[a].track(1).frames().len() >= 200);
    assert!(w[b].track(2).frames().len() >= 400);
    assert_eq!(w.census().0, 2);
    w.expect_nothing_left();
}

/// A camera's viewers behind one router that restarts. On a small stack, so that few are enough to
/// overflow it where one is dropped from within the other.
#[test]
fn connections_that_break_all_at_once_are_dropped_one_after_the_other() {
    let viewers = || {
        let mut w = World::with_film_and_camera();
        let first = w.playing("/camera", 1, true);
        for _ in 1..400 {
            let c = w.beside(first);
            w.setup_tcp(c, "/camera", 1);
            w.play(c, "/camera");
        }
        assert_eq!(w.census().0, 400);
        let host = w[first].address.ip();
        w.network().reset_connections(host);
        // They are found broken in the middle of a send to all.
        w.serve(|server, env| {
            let connections = &mut server.connections;
            for stream in server.streams.iter().map(|(id, _)| id).collect::<Vec<_>>() {
                server
                    .streams
                    .with_stream(env, connections, stream, |s, env, cx| s.end_at_once(env, cx));
            }
            server.follow_up(env);
        });
        w.run_secs(0.1);
        assert_eq!(w.census(), (0, 0, 0));
        w.expect_nothing_left();
    };
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(viewers).unwrap();
    thread.join().unwrap();
}
