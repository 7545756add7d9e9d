//! RTSP in HTTP: tunnels, halves of tunnels, and what is none.

use super::client::Client;
use super::media::{TestTrack, session};
use super::world::{C, World, secs};
use crate::net::{HttpTunnel, Opener, TcpStream};
use crate::server::ServerConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::ErrorKind;

const OPTIONS: &str = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";

fn world(change: impl FnOnce(&mut ServerConfig)) -> World {
    let mut w = World::configured(change);
    w.add(session("film").with_subsession(TestTrack::video().size(3000).alone()));
    w
}

fn get(cookie: &str) -> String {
    format!("GET /film HTTP/1.0\r\nx-sessioncookie: {cookie}\r\n\r\n")
}

/// A POST with what it says, in base64.
fn post(cookie: &str, says: &str) -> String {
    let says = STANDARD.encode(says);
    format!(
        "POST /film HTTP/1.0\r\nx-sessioncookie: {cookie}\r\nContent-Length: 32767\r\n\r\n{says}"
    )
}

impl World {
    /// A connection from a host, over which something was said.
    fn saying(&mut self, host: &str, text: &str) -> TcpStream {
        let from = format!("{host}:0").parse().unwrap();
        let to = "10.0.0.1:554".parse().unwrap();
        let stream = TcpStream::connect_from(&mut self.env, Some(from), to).unwrap();
        self.run_secs(0.1);
        self.say(stream, text)
    }

    fn say(&mut self, mut stream: TcpStream, text: &str) -> TcpStream {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match stream.write(&mut self.env, rest) {
                Ok(n) => rest = &rest[n..],
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => panic!("{e}"),
            }
            self.run_secs(0.02);
        }
        stream
    }

    /// What has arrived, and whether the connection has ended.
    fn heard(&mut self, stream: &mut TcpStream) -> (String, bool) {
        self.run_secs(0.2);
        let (mut text, mut buf) = (Vec::new(), [0; 4096]);
        let ended = loop {
            match stream.read(&mut self.env, &mut buf) {
                Ok(0) => break true,
                Ok(n) => text.extend_from_slice(&buf[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break false,
                Err(_) => break true,
            }
        };
        (String::from_utf8_lossy(&text).into_owned(), ended)
    }

    fn tunnel_of(&mut self, host: &str, opener: Opener, to: &str) -> C {
        let from = format!("{host}:0").parse().unwrap();
        let stream =
            TcpStream::connect_from(&mut self.env, Some(from), to.parse().unwrap()).unwrap();
        let mut opener = opener;
        opener.local = host.parse().ok();
        let carrier = opener.wrap(&mut self.env, stream).unwrap();
        let tunnel = HttpTunnel::new(carrier, opener, ("10.0.0.1", "/film"), "c00c1e");
        self.clients.push(Client::new(tunnel, from));
        C(self.clients.len() - 1)
    }

    fn expect_film_in_tunnel(&mut self, c: C) {
        let url = "/film";
        self.describe(c, url).expect(200);
        self.setup_tcp(c, url, 1);
        self.play(c, url);
        self.run_secs(11.0);
        let track = self[c].track(1);
        assert_eq!(track.frames(), (0..250).collect::<Vec<_>>());
        let follows = |p: &[super::client::Rtp]| p[1].sequence == p[0].sequence.wrapping_add(1);
        assert!(track.rtp.windows(2).all(follows));
        // The two connections are one.
        assert_eq!((self.census(), self.server().tunnels.len()), ((1, 1, 1), 1));
        self.teardown(c, url);
        self.leave(c);
        self.run_secs(1.0);
        assert_eq!((self.census(), self.server().tunnels.len()), ((0, 0, 0), 0));
    }
}

#[test]
fn a_film_plays_in_a_tunnel() {
    for (seed, partial) in [(1, 0.0), (2, 0.5), (3, 0.95)] {
        let mut w = World::seeded(seed, ServerConfig::unlimited());
        w.add(session("film").with_subsession(TestTrack::video().size(3000).alone()));
        w.set_profile(|profile| profile.partial = partial);
        w.tick = secs(0.001);
        let c = w.tunnel_of("10.0.2.1", Opener::default(), "10.0.0.1:554");
        w.expect_film_in_tunnel(c);
    }
}

#[cfg(feature = "tls")]
#[test]
fn a_film_plays_in_a_tunnel_over_tls() {
    use crate::net::tls::{TlsAcceptor, TlsFiles, TlsTrust};
    let mut w = world(|_| {});
    let pem = |name: &str| format!("{}/testdata/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let files = TlsFiles::new(pem("server.pem"), pem("server.key"));
    let acceptor = TlsAcceptor::from_files(files).unwrap();
    let listen = "10.0.0.1:443".parse().unwrap();
    w.serve(|server, env| server.listen_tls(env, listen, acceptor)).unwrap();
    w.set_profile(|profile| profile.partial = 0.5);
    w.tick = secs(0.001);
    let tls = TlsTrust::InsecureAnyone.connector(&mut w.env, "10.0.0.1").unwrap();
    let c = w.tunnel_of("10.0.2.1", Opener { local: None, tls: Some(tls) }, "10.0.0.1:443");
    w.expect_film_in_tunnel(c);
}

#[track_caller]
fn expect_tunnel(heard: &(String, bool)) {
    let (text, ended) = heard;
    assert!(text.starts_with("HTTP/1.0 200 OK\r\n"), "{text}");
    assert!(text.contains("Content-Type: application/x-rtsp-tunnelled\r\n") && !ended, "{text}");
}

#[track_caller]
fn expect_answer(heard: &(String, bool), cseq: u32) {
    let (text, ended) = heard;
    let cseq = format!("\r\nCSeq: {cseq}\r\n");
    assert!(text.starts_with("RTSP/1.0 200 OK\r\n") && text.contains(&cseq) && !ended, "{text}");
}

#[test]
fn a_browser_gets_an_answer_of_http() {
    let mut w = world(|_| {});
    for method in ["GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET /film HTTP/1.0\n\n"] {
        let mut browser = w.saying("10.0.3.1", method);
        let (text, ended) = w.heard(&mut browser);
        assert!(text.starts_with("HTTP/1.0 404 Not Found\r\n") && ended, "{text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{text}");
    }
    let mut form = w.saying("10.0.3.1", "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na=b");
    let (text, ended) = w.heard(&mut form);
    assert!(text.starts_with("HTTP/1.0 400 ") && ended, "{text}");
    let mut long = w.saying("10.0.3.1", &format!("GET /{} HTTP/1.0\r\n", "x".repeat(9000)));
    let (text, ended) = w.heard(&mut long);
    assert!(text.starts_with("HTTP/1.0 400 ") && ended, "{text}");
    assert_eq!((w.census().2, w.server().tunnels.len()), (0, 0));
}

#[test]
fn tunnels_may_be_switched_off() {
    let mut w = world(|config| config.http_tunnels = false);
    let mut stream = w.saying("10.0.3.1", &get("a"));
    let (text, ended) = w.heard(&mut stream);
    assert!(text.starts_with("RTSP/1.0 ") && ended, "{text}");
}

#[test]
fn what_begins_like_http_and_is_rtsp_is_served() {
    let mut w = world(|_| {});
    for request in [
        "PAUSE rtsp://10.0.0.1/film RTSP/1.0\r\nCSeq: 7\r\nSession: x\r\n\r\n",
        "PLAY rtsp://10.0.0.1/film RTSP/1.0\r\nCSeq: 7\r\nSession: x\r\n\r\n",
        "GET_PARAMETER rtsp://10.0.0.1/film RTSP/1.0\r\nCSeq: 7\r\n\r\n",
        "GET rtsp://10.0.0.1/film RTSP/1.0\r\nCSeq: 7\r\n\r\n",
    ] {
        for cut in 1..8 {
            let mut stream = w.saying("10.0.3.1", &request[..cut]);
            w.run_secs(0.1);
            stream = w.say(stream, &request[cut..]);
            let (text, ended) = w.heard(&mut stream);
            assert!(text.starts_with("RTSP/1.0 ") && text.contains("CSeq: 7"), "{request}{text}");
            assert!(!ended, "{request}");
            stream.close(&mut w.env);
        }
    }
}

#[test]
fn halves_of_tunnels_end_by_their_time_limit() {
    let mut w = world(|config| config.handshake_timeout = secs(6.0));
    let mut lonely_get = w.saying("10.0.3.1", &get("a"));
    let mut lonely_post = w.saying("10.0.3.2", &post("b", OPTIONS));
    let mut slow = w.saying("10.0.3.3", "GET /film HTT");
    expect_tunnel(&w.heard(&mut lonely_get));
    assert_eq!((w.census().2, w.server().tunnels.len()), (3, 2));
    for _ in 0..5 {
        w.run_secs(0.9);
        slow = w.say(slow, "P");
    }
    assert_eq!(w.census().2, 3);
    w.run_secs(2.0);
    assert_eq!((w.census().2, w.server().tunnels.len()), (0, 0));
    for stream in [&mut lonely_get, &mut lonely_post, &mut slow] {
        assert!(w.heard(stream).1);
    }
}

#[test]
fn a_post_may_come_first() {
    let mut w = world(|_| {});
    let _post = w.saying("10.0.3.1", &post("a", OPTIONS));
    w.run_secs(2.0);
    let mut tunnel = w.saying("10.0.3.1", &get("a"));
    let (text, _) = w.heard(&mut tunnel);
    let (head, answer) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 OK") && answer.starts_with("RTSP/1.0 200 OK"), "{text}");
    assert_eq!((w.census().2, w.server().tunnels.len()), (1, 1));
}

/// What fills a read is not read on as RTSP while the head of HTTP is looked at.
#[test]
fn a_post_that_comes_first_may_bring_much() {
    let mut w = world(|_| {});
    let requests: String =
        (1..=400).map(|n| format!("OPTIONS * RTSP/1.0\r\nCSeq: {n}\r\n\r\n")).collect();
    let text = post("c", &requests);
    assert!(text.len() > 16 * 1024);
    let _post = w.saying("10.0.2.1", &text);
    let mut get = w.saying("10.0.2.1", &get("c"));
    let (answers, ended) = w.heard(&mut get);
    assert!(!ended);
    assert_eq!(answers.matches("RTSP/1.0 200").count(), 400);
    assert!(answers.contains("CSeq: 400\r\n"));
}

#[test]
fn a_request_in_a_tunnel_may_begin_like_http() {
    for request in ["PLAY", "GET_PARAMETER", "PAUSE"] {
        let mut w = world(|_| {});
        let mut tunnel = w.saying("10.0.3.1", &get("a"));
        expect_tunnel(&w.heard(&mut tunnel));
        let wire = w.saying("10.0.3.1", &post("a", &request[..1]));
        let rest = format!("{} rtsp://10.0.0.1/film RTSP/1.0\r\nCSeq: 7\r\n\r\n", &request[1..]);
        let _wire = w.say(wire, &STANDARD.encode(rest));
        let (text, ended) = w.heard(&mut tunnel);
        assert!(text.starts_with("RTSP/1.0 ") && text.contains("CSeq: 7") && !ended, "{text}");
    }
}

#[test]
fn tunnels_do_not_cross() {
    let mut w = world(|_| {});
    let mut mine = w.saying("10.0.3.1", &get("a"));
    expect_tunnel(&w.heard(&mut mine));
    let mine_post = w.saying("10.0.3.1", &post("a", ""));
    // Another host knows the cookie.
    let mut theirs = w.saying("10.0.3.2", &post("a", OPTIONS));
    assert_eq!(w.heard(&mut mine), (String::new(), false));
    let mut their_get = w.saying("10.0.3.2", &get("a"));
    let (text, _) = w.heard(&mut their_get);
    assert!(text.starts_with("HTTP/1.0 200 OK") && text.contains("RTSP/1.0 200 OK"), "{text}");
    assert!(!w.heard(&mut theirs).1);
    // Another client of the same host has chosen the same.
    let mut second = w.saying("10.0.3.1", &get("a"));
    let (text, ended) = w.heard(&mut second);
    assert!(text.starts_with("HTTP/1.0 409 ") && ended, "{text}");
    let _post = w.say(mine_post, &STANDARD.encode(OPTIONS));
    expect_answer(&w.heard(&mut mine), 1);
    // Two wait for the same GET.
    let _first = w.saying("10.0.3.1", &post("z", ""));
    let mut second = w.saying("10.0.3.1", &post("z", ""));
    assert!(w.heard(&mut second).0.starts_with("HTTP/1.0 409 "));
}

#[test]
fn a_post_is_closed_and_opened_again_in_mid_session() {
    let mut w = world(|_| {});
    let ask = |cseq: u32| format!("OPTIONS * RTSP/1.0\r\nCSeq: {cseq}\r\n\r\n");
    let mut tunnel = w.saying("10.0.3.1", &get("a"));
    expect_tunnel(&w.heard(&mut tunnel));
    for cseq in 1..4 {
        let post = w.saying("10.0.3.1", &post("a", &ask(cseq)));
        expect_answer(&w.heard(&mut tunnel), cseq);
        post.close(&mut w.env);
        w.run_secs(if cseq == 2 { 30.0 } else { 0.1 });
    }
    // The next comes before the end of the one before; a request goes from one to the other.
    let request = ask(5);
    let (begun, ended) = request.split_at(10);
    let old = w.saying("10.0.3.1", &post("a", &format!("{}{begun}", ask(4))));
    expect_answer(&w.heard(&mut tunnel), 4);
    let new = w.saying("10.0.3.1", &post("a", ended));
    expect_answer(&w.heard(&mut tunnel), 5);
    let _ = (old, new);
    assert_eq!(w.census().2, 1);
}

#[test]
fn base64_has_line_ends_anywhere_and_nothing_else() {
    let mut w = world(|_| {});
    let mut tunnel = w.saying("10.0.3.1", &get("a"));
    expect_tunnel(&w.heard(&mut tunnel));
    let mut wire = w.saying("10.0.3.1", &post("a", ""));
    let mut text = STANDARD.encode(OPTIONS);
    for at in (0..text.len()).rev().step_by(7) {
        text.insert_str(at, "\r\n");
    }
    for piece in text.as_bytes().chunks(3) {
        wire = w.say(wire, std::str::from_utf8(piece).unwrap());
    }
    expect_answer(&w.heard(&mut tunnel), 1);
    let _wire = w.say(wire, "\r\n\r\n{}");
    assert!(w.heard(&mut tunnel).1, "what is not base64 ends the tunnel");
    assert_eq!((w.census().2, w.server().tunnels.len()), (0, 0));
}

#[test]
fn the_end_of_the_get_is_the_end_of_the_tunnel() {
    let mut w = world(|_| {});
    let mut tunnel = w.saying("10.0.3.1", &get("a"));
    expect_tunnel(&w.heard(&mut tunnel));
    let setup = "SETUP rtsp://10.0.0.1/film/track1 RTSP/1.0\r\nCSeq: 1\r\n\
        Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n";
    let mut wire = w.saying("10.0.3.1", &post("a", setup));
    expect_answer(&w.heard(&mut tunnel), 1);
    assert_eq!(w.census(), (1, 1, 1));
    tunnel.close(&mut w.env);
    assert!(w.heard(&mut wire).1);
    assert_eq!((w.census(), w.server().tunnels.len()), ((0, 0, 0), 0));
}

#[test]
fn a_flood_of_halves_is_bounded_and_forgotten() {
    let mut w = world(|config| config.max_connections = 300);
    let mut crowd = Vec::new();
    for i in 0..1000 {
        let mut stream = w.connect(i);
        w.run(secs(0.005));
        let text = if i % 2 == 0 { get(&i.to_string()) } else { post(&i.to_string(), OPTIONS) };
        let _ = stream.write(&mut w.env, text.as_bytes());
        crowd.push(stream);
    }
    assert_eq!((w.census().2, w.server().tunnels.len()), (300, 300));
    w.run_secs(12.0);
    assert_eq!((w.census().2, w.server().tunnels.len()), (0, 0));
    drop(crowd);
    w.expect_nothing_left();
}

#[test]
fn tls_on_the_plain_port_gets_an_alert() {
    let mut w = world(|_| {});
    let mut stream = w.saying("10.0.3.1", "\x16\x03\x01\0");
    let (text, ended) = w.heard(&mut stream);
    assert_eq!((text.as_bytes(), ended), (&b"\x15\x03\x01\0\x02\x02\x46"[..], true));
    assert_eq!(w.census().2, 0);
}
