//! What one end ends: connections and sessions that hold on to each other, in long chains and in
//! great numbers.

use super::media::{camera, film};
use super::world::World;
use crate::ids::ConnectionId;
use crate::net::TcpStream;
use crate::server::UdpPorts;
use crate::session::pool::Entitlement;
use std::time::Duration;

/// Connections, and the server's names of all that it has.
fn connect(w: &mut World, n: usize) -> (Vec<TcpStream>, Vec<ConnectionId>) {
    let mut streams = Vec::new();
    while streams.len() < n {
        streams.extend((0..(n - streams.len()).min(2000)).map(|i| w.connect(i)));
        w.run_secs(0.1);
    }
    let ids: Vec<_> = w.server().connections.ids().collect();
    assert!(ids.len() >= n);
    (streams, ids)
}

/// Lets a connection of the server's have read a SETUP; in `session`, or for a new one.
fn set_up(w: &mut World, over: ConnectionId, track: usize, session: Option<&str>) {
    let session = session.map(|id| format!("Session: {id}\r\n")).unwrap_or_default();
    let request = format!(
        "SETUP rtsp://h/film/track{track} RTSP/1.0\r\nCSeq: 1\r\n{session}\
         Transport: RTP/AVP/TCP;unicast\r\n\r\n"
    );
    w.serve(|server, env| server.process_input(env, over, request.as_bytes()));
}

/// Sessions whose two tracks go over two connections each, one link after the other: each but the
/// first connection is on its way out and waits for nothing but the media that is queued for it.
fn chain(w: &mut World, links: usize) -> (Vec<TcpStream>, Vec<ConnectionId>) {
    let (streams, connections) = connect(w, links + 1);
    for pair in connections.windows(2) {
        set_up(w, pair[0], 1, None);
        let made_over = Some(pair[0].raw());
        let id = {
            let mut sessions = w.server().connections.get(pair[0]).unwrap().sessions.iter();
            let pool = w.server().pool();
            let of = |s: &_| pool.session(*s).is_some_and(|s| s.connection() == made_over);
            let session = sessions.find(of).expect("a session");
            pool.session(session).unwrap().id().to_owned()
        };
        set_up(w, pair[1], 2, Some(&id));
    }
    w.serve(|server, env| {
        for &id in &connections[1..] {
            server.connections.get_mut(id).unwrap().begin_close(env.now());
        }
    });
    (streams, connections)
}

/// As many bytes of stack a link as 50,000 links have of the usual 2 MiB, but made in a tenth of
/// the time. `RIVERRUN_LINKS=50000` tries so many.
const LINKS: usize = 5_000;
const STACK: usize = 224 << 10;

fn links() -> usize {
    let asked = std::env::var("RIVERRUN_LINKS").ok();
    asked.map_or(LINKS, |text| text.parse().expect("RIVERRUN_LINKS is a number"))
}

#[test]
fn the_end_of_a_chain_of_any_length_takes_no_stack() {
    let test = std::thread::Builder::new().stack_size(STACK).spawn(|| {
        let mut w = World::configured(|config| config.pool.entitlement = Entitlement::Anyone);
        w.add(film("film"));
        let links = links();
        let (mut streams, _) = chain(&mut w, links);
        assert_eq!(w.census(), (links, 2 * links, links + 1));
        streams.remove(0).close(&mut w.env);
        w.run_secs(0.5);
        assert_eq!(w.census(), (0, 0, 0));
        drop(streams);
        w.expect_nothing_left();
    });
    test.unwrap().join().unwrap();
}

/// Takes turns until all sessions have ended; the most that ended in one of them.
fn most_ends_in_a_turn(w: &mut World) -> usize {
    let mut most = 0;
    let mut before = w.census();
    while before.0 > 0 {
        w.env.turn(Some(Duration::from_millis(1))).unwrap();
        let now = w.census();
        most = most.max(before.0 + before.2 - now.0 - now.2);
        w.check();
        before = now;
    }
    most
}

#[test]
fn a_connection_with_any_number_of_sessions_ends_over_several_turns() {
    let mut w = World::configured(|config| {
        config.end_udp_sessions_on_disconnect = true;
        config.udp_ports = UdpPorts::Shared { port: 7000 };
    });
    w.add(film("film"));
    let (mut streams, connections) = connect(&mut w, 1);
    for port in 0..1_000 {
        let request = format!(
            "SETUP rtsp://h/film/track1 RTSP/1.0\r\nCSeq: 1\r\n\
             Transport: RTP/AVP;unicast;client_port={}-{}\r\n\r\n",
            2000 + 2 * port,
            2001 + 2 * port
        );
        w.serve(|server, env| server.process_input(env, connections[0], request.as_bytes()));
    }
    assert_eq!(w.census().0, 1_000);
    streams.remove(0).close(&mut w.env);
    let most = most_ends_in_a_turn(&mut w);
    assert!((100..=256).contains(&most), "{most} in one turn");
    w.run_secs(0.1);
    assert_eq!(w.census(), (0, 0, 0));
    w.expect_nothing_left();
}

#[test]
fn all_clients_of_a_media_session_are_ended_over_several_turns() {
    let mut w = World::new();
    let id = w.add(film("film"));
    let other = w.add(camera("camera"));
    let watching = w.playing("/camera", 1, true);
    let (_streams, connections) = connect(&mut w, 1_000);
    let mine: Vec<_> = connections
        .into_iter()
        .filter(|&id| w.server().connections.get(id).is_some_and(|c| c.sessions.is_empty()))
        .collect();
    for &over in &mine {
        set_up(&mut w, over, 1, None);
    }
    assert_eq!(w.census().0, 1 + mine.len());
    let ended = w.serve(|server, env| server.close_all_client_sessions(env, id));
    assert_eq!(ended, mine.len());
    assert!(w.census().0 > 700, "a part of them at once");
    w.check();
    w.run_secs(0.1);
    assert_eq!(w.census().0, 1);
    assert!(w.server().media_session(id).is_some_and(|s| s.reference_count() == 0));
    assert!(w.server().media_session(other).is_some());
    w.run_secs(1.0);
    assert!(w[watching].track(1).frames().len() > 20);
    w.expect_nothing_left();
}
