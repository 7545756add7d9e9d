//! Clients in numbers, and what they leave behind (nothing).

use super::media::{TestTrack, session};
use super::world::{World, secs};
use crate::net::TcpStream;

#[test]
fn ten_thousand_connections_at_once() {
    let mut w = World::with_film_and_camera();
    let good = w.playing("/camera", 1, true);
    w.tick = secs(0.02);
    let mut crowd: Vec<TcpStream> = Vec::new();
    for batch in 0..5 {
        crowd.extend((0..2000).map(|i| w.connect(batch * 2000 + i)));
        w.run_secs(0.2);
    }
    assert_eq!(w.census().2, 10_001);
    let says =
        ["", "OPTIONS * RT", "\0\0\0", "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", "$\0\x01\0x"];
    for (i, stream) in crowd.iter_mut().enumerate() {
        let _ = stream.write(&mut w.env, says[i % says.len()].as_bytes());
    }
    for _ in 0..10 {
        w.options(good).expect(200);
        w.run_secs(1.0);
    }
    assert!(w[good].track(1).frames().len() >= 270, "nobody's crowd is anyone else's");
    w.run_secs(70.0);
    assert_eq!(w.census().2, 1);
    drop(crowd);
    w.expect_nothing_left();
}

#[test]
fn floods_of_setup_are_bounded_and_forgotten() {
    let mut w = World::configured(|c| c.pool.max_sessions = 100);
    w.add(session("x").with_subsession(TestTrack::video().alone()));
    let good = w.playing("/x", 1, true);
    for round in 0..4 {
        let c = w.client();
        for i in 0..200 {
            w[c].session = None;
            let offer = if i % 2 == 0 {
                format!("RTP/AVP;unicast;client_port={0}-{0}", 2000 + i)
            } else {
                format!("RTP/AVP;unicast;client_port={}-{}", 2000 + i, 2001 + i)
            };
            w.ask(c, "SETUP", "/x/track1", &[("Transport", &offer)]);
        }
        w.run_secs(1.0);
        let statuses: Vec<_> = w[c].answers.drain(..).map(|a| a.status()).collect();
        assert_eq!(statuses.len(), 200);
        let made = statuses.iter().filter(|s| **s == 200).count();
        assert_eq!(made, if round == 0 { 99 } else { 0 }, "round {round}");
        assert_eq!(statuses.iter().filter(|s| **s == 461).count(), 100);
        assert_eq!(w.census().0, 100);
        w.check();
        w.leave(c);
        w.options(good).expect(200);
    }
    w.tick = secs(0.05);
    w.run_secs(66.0);
    assert_eq!(w.census().0, 1);
    w.expect_nothing_left();
}

#[test]
fn abusive_connections_leave_nothing_behind() {
    let mut w = World::with_film_and_camera();
    w.tick = secs(0.05);
    let good = w.playing("/camera", 1, true);
    w.run_secs(1.0);
    let timers = w.env.delayed_tasks();
    let setup = "SETUP rtsp://h/film/track1 RTSP/1.0\r\nCSeq: 1\r\n\
                 Transport: RTP/AVP/TCP;unicast\r\n\r\n";
    for round in 0..20 {
        let mut streams: Vec<TcpStream> = (0..100).map(|i| w.connect(i)).collect();
        w.run_secs(0.01);
        for (i, stream) in streams.iter_mut().enumerate() {
            let text = match (round + i) % 5 {
                0 => setup.to_owned(),
                1 => setup.repeat(10),
                2 => setup[..60].to_owned(),
                3 => "\r\n".repeat(3000),
                _ => "$\u{2}\0\u{1}x".repeat(100),
            };
            let _ = stream.write(&mut w.env, text.as_bytes());
        }
        w.run_secs(0.01);
        for stream in streams {
            stream.close(&mut w.env);
        }
        w.run_secs(0.05);
        w.check();
        // All that they made went with them.
        assert_eq!(w.census(), (1, 1, 1), "round {round}");
        assert_eq!(w.env.delayed_tasks(), timers);
    }
    assert!(w[good].track(1).byes() == 0);
    w.expect_nothing_left();
}
