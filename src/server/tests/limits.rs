//! Limits on what all clients together and each address alone may take.

use super::media::{TestTrack, film, session};
use super::world::{C, UDP, World, secs};
use crate::server::{ServerConfig, ServerMediaSession, ServerStatistics};

fn statistics(w: &World) -> ServerStatistics {
    w.server().statistics()
}

#[test]
fn one_address_cannot_take_the_last_descriptors() {
    let mut w = World::with_film_and_camera();
    let host = "10.0.0.1".parse().unwrap();
    w.network().set_host_descriptor_limit(host, Some(64));
    let first = w.client();
    let greedy: Vec<C> = (0..80)
        .map(|_| {
            let c = w.beside(first);
            w[c].refusable = true;
            c
        })
        .collect();
    w.run_secs(1.0);
    let open = w.network().open_sockets(host);
    assert_eq!(open, 56, "an eighth is kept");
    let refused = greedy.iter().filter(|&&c| w[c].ended).count() as u64;
    assert_eq!(statistics(&w).connections_refused_for_descriptors, refused);
    assert!(refused > 20);
    for c in greedy {
        if w[c].ended {
            assert_eq!(w[c].answers.pop_front().unwrap().status(), 503);
        }
    }
    // Whoever has nothing yet is served.
    let others: Vec<C> = (0..4).map(|_| w.client()).collect();
    for c in others {
        w.setup(c, "/film", 1, "RTP/AVP/TCP;unicast").expect(200);
    }
    assert_eq!(statistics(&w).connections_refused, 0);
}

#[test]
fn one_address_cannot_take_the_last_descriptors_with_ports() {
    let mut w = World::with_film_and_camera();
    let host = "10.0.0.1".parse().unwrap();
    w.network().set_host_descriptor_limit(host, Some(128));
    let greedy = w.client();
    let refused = (0..100).find(|_| {
        w[greedy].session = None;
        w.setup(greedy, "/film", 1, UDP).status() == 503
    });
    let open = w.network().open_sockets(host);
    assert!(refused.is_some() && (112..=114).contains(&open), "{open} are open");
    assert_eq!(statistics(&w).requests_refused_for_descriptors, 1);
    // What takes none is served, and what it has is not lost.
    w[greedy].session = None;
    w.setup(greedy, "/film", 1, "RTP/AVP/TCP;unicast").expect(200);
    let sessions = w.census().0;
    // It is no way around to come again: the ports stay when the connection ends.
    w.leave(greedy);
    let again = w.beside(greedy);
    w[again].refusable = true;
    w.run_secs(0.1);
    assert!(w[again].ended && w.census().0 == sessions - 1);
    // Newcomers have a connection, and ports for two tracks.
    for _ in 0..2 {
        let c = w.client();
        w.setup_udp(c, "/film", 1);
        w.setup_udp(c, "/film", 2);
        w.play(c, "/film");
        w[c].session = None;
        w.setup(c, "/film", 1, UDP).expect(200);
        w[c].session = None;
        w.setup(c, "/film", 1, UDP).expect(503);
    }
}

#[test]
fn what_is_refused_is_counted() {
    let mut config = ServerConfig::unlimited();
    config.max_connections_per_peer = 2;
    config.max_connections = 4;
    config.max_streams = 2;
    config.pool.max_sessions_per_peer = 2;
    config.pool.max_sessions = 3;
    let mut w = World::with(config);
    w.add(film("film"));
    let a = w.client();
    let b = w.beside(a);
    let c = w.beside(a);
    w[c].refusable = true;
    w.run_secs(0.1);
    assert!(w[c].ended && !w[b].ended);
    let counted = statistics(&w);
    assert_eq!((counted.connections, counted.connections_of_peer_refused), (2, 1));
    w.setup(a, "/film", 1, UDP).expect(200);
    w.setup(b, "/film", 1, UDP).expect(200);
    let d = w.client();
    w.setup(d, "/film", 1, UDP).expect(503);
    assert_eq!(statistics(&w).streams_refused, 1);
    w[a].session = None;
    w.setup(a, "/film", 1, UDP).expect(503);
    assert_eq!(statistics(&w).sessions_of_peer_refused, 1);
    let e = w.client();
    let f = w.client();
    w[f].refusable = true;
    w.run_secs(0.1);
    assert!(w[f].ended && !w[e].ended);
    assert_eq!(statistics(&w).connections_refused, 1);
}

/// A film of frames that fill a TCP connection soon.
fn heavy() -> ServerMediaSession {
    let mut session = session("heavy");
    session.add_subsession(TestTrack::video().size(20_000).endless().alone()).unwrap();
    session
}

#[test]
fn those_who_do_not_read_leave_memory_for_those_who_do() {
    const MOST: usize = 400_000;
    let mut w = World::configured(|config| {
        config.max_buffered = MOST;
        config.write_timeout = secs(1000.0);
    });
    w.add(heavy());
    let stuck: Vec<C> = (0..12).map(|_| w.playing("/heavy", 1, true)).collect();
    for &c in &stuck {
        w[c].stalled = true;
    }
    let mut most = 0;
    for _ in 0..200 {
        w.run_secs(0.1);
        most = most.max(statistics(&w).buffered);
    }
    assert!((MOST / 2..=MOST).contains(&most), "{most} bytes were held");
    let counted = statistics(&w);
    assert!(counted.buffers_refused > 100, "{counted:?}");
    let reader = w.playing("/heavy", 1, true);
    w.run_secs(4.0);
    let frames = w[reader].track(1).frames().len();
    assert!(frames > 90, "{frames} frames of four seconds arrived");
    for c in stuck {
        w.leave(c);
    }
    w.run_secs(1.0);
    assert!(statistics(&w).buffered < 30_000, "{:?}", statistics(&w));
}

#[test]
fn parts_of_requests_may_not_fill_the_memory() {
    let mut w = World::configured(|config| config.max_buffered = 60_000);
    w.add(film("film"));
    let part = format!(
        "OPTIONS * RTSP/1.0\r\n{}",
        format!("X-Filler: {}\r\n", "a".repeat(110)).repeat(50)
    );
    let crowd: Vec<C> = (0..30).map(|_| w.client()).collect();
    for &c in &crowd {
        w.send(c, &part);
        w.run_secs(0.02);
        assert!(statistics(&w).buffered <= 60_000 + 2 * part.len());
    }
    let closed = crowd.iter().filter(|&&c| w[c].ended).count();
    assert!((10..30).contains(&closed), "{closed} were closed");
    assert!(statistics(&w).buffers_refused >= closed as u64);
    let other = w.client();
    w.describe(other, "/film").expect(200);
}
