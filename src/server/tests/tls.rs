//! RTSP over TLS: the handshake, its limits, and what is sent behind it.

use super::media::{TestTrack, session};
use super::world::{C, UDP, World, secs};
use crate::env::Readiness;
use crate::net::tls::rustls::crypto::ring;
use crate::net::tls::rustls::pki_types::pem::PemObject;
use crate::net::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use crate::net::tls::rustls::{ClientConfig, RootCertStore};
use crate::net::tls::{TlsAcceptor, TlsFiles, TlsTrust};
use crate::net::{ByteStream, TcpStream};
use crate::server::{Admission, DecideLater, Decision, RequestInfo, ServerConfig, ServerHooks};
use crate::wire::rtsp::StatusCode;
use sha2::{Digest as _, Sha256};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TLS: &str = "10.0.0.1:322";
const FILM: &str = "rtsps://10.0.0.1:322/film";

fn pem(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls").join(name)
}

fn files(name: &str) -> TlsFiles {
    TlsFiles::new(pem(&format!("{name}.pem")), pem(&format!("{name}.key")))
}

fn trust() -> TlsTrust {
    TlsTrust::AuthorityFile(pem("ca.pem"))
}

fn world(change: impl FnOnce(&mut ServerConfig)) -> World {
    world_of(change, files("server"))
}

/// A world whose server listens for TLS too, and has a film with frames of 3 KB.
fn world_of(change: impl FnOnce(&mut ServerConfig), files: TlsFiles) -> World {
    let mut w = World::configured(change);
    let acceptor = TlsAcceptor::from_files(files).unwrap();
    let address = TLS.parse().unwrap();
    let bound = w.serve(|server, env| server.listen_tls(env, address, acceptor)).unwrap();
    assert_eq!((bound, w.server().tls_addrs()), (address, vec![address]));
    assert!(!w.server().local_addrs().contains(&address));
    w.add(session("film").with_subsession(TestTrack::video().size(3000).alone()));
    w
}

impl World {
    fn tcp_to_tls(&mut self, from: &str) -> TcpStream {
        let from = from.parse().unwrap();
        TcpStream::connect_from(&mut self.env, Some(from), TLS.parse().unwrap()).unwrap()
    }

    fn client_over_tls(&mut self, trust: &TlsTrust) -> C {
        let i = self.clients.len() + 1;
        let stream = self.tcp_to_tls(&format!("10.0.2.{i}:0"));
        let connector = trust.connector(&mut self.env, "10.0.0.1").unwrap();
        self.client_of(connector.connect(stream).map_err(|(_, e)| e).unwrap())
    }

    fn client_of(&mut self, stream: impl Into<ByteStream>) -> C {
        let address: SocketAddr = format!("10.0.2.{}:1", self.clients.len() + 1).parse().unwrap();
        self.clients.push(super::client::Client::new(stream, address));
        C(self.clients.len() - 1)
    }

    fn playing_over_tls(&mut self) -> C {
        let c = self.client_over_tls(&trust());
        self.describe(c, FILM).expect(200);
        self.setup_tcp(c, FILM, 1);
        self.play(c, FILM);
        c
    }
}

#[track_caller]
fn expect_whole_frames(w: &World, c: C) {
    let track = w[c].track(1);
    assert_eq!(track.frames(), (0..250).collect::<Vec<_>>());
    let follows = |p: &[super::client::Rtp]| p[1].sequence == p[0].sequence.wrapping_add(1);
    assert!(track.rtp.windows(2).all(follows));
    assert_eq!(track.rtp.iter().filter(|p| p.marker).count(), 250, "ends of frames");
}

#[test]
fn a_film_plays_over_tls_and_every_url_is_rtsps() {
    let mut w = world(|_| {});
    let c = w.client_over_tls(&trust());
    assert_eq!(w.describe(c, FILM).header("Content-Base"), format!("{FILM}/"));
    w.setup_tcp(c, FILM, 1);
    let answer = w.play(c, FILM);
    let urls: Vec<_> = answer.rtp_info().entries.iter().map(|e| e.url.to_string()).collect();
    assert_eq!(urls, [format!("{FILM}/track1")]);
    w.run_secs(11.0);
    expect_whole_frames(&w, c);
    w.teardown(c, FILM);
    assert_eq!(w.census(), (0, 0, 1));
    w.leave(c);
    w.run_secs(1.0);
    assert_eq!(w.census(), (0, 0, 0));
}

#[test]
fn records_are_cut_anywhere() {
    for (seed, window) in [(1, 700), (2, 1200), (3, 4000)] {
        let mut w = World::seeded(seed, ServerConfig::unlimited());
        let acceptor = TlsAcceptor::from_files(files("server")).unwrap();
        let listen = TLS.parse().unwrap();
        w.serve(|server, env| server.listen_tls(env, listen, acceptor)).unwrap();
        w.add(session("film").with_subsession(TestTrack::video().size(3000).alone()));
        w.set_profile(|p| (p.partial, p.tcp_window) = (0.9, window * 10));
        let c = w.playing_over_tls();
        w.tick = secs(0.001);
        w.run_secs(11.0);
        expect_whole_frames(&w, c);
    }
}

#[test]
fn plain_udp_is_refused_over_tls_unless_it_is_allowed() {
    let mut w = world(|_| {});
    let c = w.client_over_tls(&trust());
    w.setup(c, FILM, 1, UDP).expect(461);
    w.setup(c, FILM, 1, "RTP/AVP;multicast").expect(461);
    // The next alternative is taken.
    let answer = w.setup(c, FILM, 1, &format!("{UDP},RTP/AVP/TCP;unicast")).expect(200);
    assert!(answer.transport().interleaved.is_some());
    // Nothing has changed over TCP.
    let plain = w.client();
    w.setup(plain, "/film", 1, UDP).expect(200);
    let mut w = world(|config| config.allow_plain_udp_over_tls = true);
    let c = w.client_over_tls(&trust());
    w.setup(c, FILM, 1, UDP).expect(200);
}

#[test]
fn who_speaks_no_tls_on_its_port_is_told_so() {
    let mut w = world(|_| {});
    let mut stream = w.tcp_to_tls("10.0.3.1:0");
    w.run_secs(0.1);
    stream.write(&mut w.env, b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n").unwrap();
    w.run_secs(0.5);
    let mut buf = [0; 200];
    let n = stream.read(&mut w.env, &mut buf).unwrap();
    let text = String::from_utf8_lossy(&buf[..n]).into_owned();
    assert!(text.starts_with("RTSP/1.0 400 ") && text.ends_with("\r\n\r\n"), "{text}");
    assert_eq!(stream.read(&mut w.env, &mut buf).unwrap(), 0);
    assert_eq!(w.census().2, 0);
    // What is neither is closed.
    let mut stream = w.tcp_to_tls("10.0.3.2:0");
    w.run_secs(0.1);
    stream.write(&mut w.env, b"\x80\x2e\x01\0\x02").unwrap();
    w.run_secs(0.5);
    assert!(
        !matches!(stream.read(&mut w.env, &mut buf), Err(e) if e.kind() == ErrorKind::WouldBlock)
    );
    assert_eq!(w.census().2, 0);
}

#[test]
fn who_speaks_tls_on_the_plain_port_is_not_left_waiting() {
    let mut w = world(|_| {});
    let plain = w.connect(1);
    let connector = trust().connector(&mut w.env, "10.0.0.1").unwrap();
    let c = w.client_of(connector.connect(plain).map_err(|(_, e)| e).unwrap());
    w.run_secs(0.5);
    assert!(w[c].failed, "a handshake that cannot be");
    assert_eq!(w.census().2, 0);
}

/// The first flight of a client.
fn client_hello(w: &mut World) -> Vec<u8> {
    let from = "10.0.4.1:0".parse().unwrap();
    let mut listener =
        crate::net::TcpListener::bind(&mut w.env, "10.0.4.2:1".parse().unwrap()).unwrap();
    let to = listener.local_addr().unwrap();
    let stream = TcpStream::connect_from(&mut w.env, Some(from), to).unwrap();
    let connector = trust().connector(&mut w.env, "10.0.0.1").unwrap();
    let mut stream = ByteStream::from(connector.connect(stream).map_err(|(_, e)| e).unwrap());
    w.run_secs(0.1);
    let (mut accepted, _) = listener.accept(&mut w.env).unwrap();
    let mut ready = Readiness::NONE;
    ready.writable = true;
    stream.handle_readiness(&mut w.env, ready).unwrap();
    w.run_secs(0.1);
    let mut hello = vec![0; 2000];
    let n = accepted.read(&mut w.env, &mut hello).unwrap();
    hello.truncate(n);
    stream.close(&mut w.env);
    accepted.close(&mut w.env);
    listener.close(&mut w.env);
    hello
}

#[test]
fn nobody_stretches_a_handshake() {
    let mut w = world(|config| config.handshake_timeout = secs(8.0));
    let hello = client_hello(&mut w);
    // A byte each time, a beginning, nothing at all, and all but the last byte.
    let mut slow: Vec<_> = (1..=4).map(|i| w.tcp_to_tls(&format!("10.0.3.{i}:0"))).collect();
    w.run_secs(0.1);
    slow[1].write(&mut w.env, &hello[..5]).unwrap();
    slow[3].write(&mut w.env, &hello[..hello.len() - 1]).unwrap();
    for byte in &hello[..15] {
        slow[0].write(&mut w.env, &[*byte]).unwrap();
        w.run_secs(0.5);
    }
    assert_eq!(w.census().2, 4, "they have {:?}", secs(0.4));
    w.run_secs(0.6);
    assert_eq!(w.census().2, 0);
}

/// `RIVERRUN_HANDSHAKES` is another number of them.
#[test]
fn handshakes_half_done_take_the_place_of_nobody_for_long() {
    let asked = std::env::var("RIVERRUN_HANDSHAKES").ok();
    let number = asked.map_or(1000, |n| n.parse().expect("a number"));
    let mut w = world(|config| config.max_connections = 250);
    let good = w.playing_over_tls();
    let hello = client_hello(&mut w);
    let mut most = 0;
    for batch in (0..number).collect::<Vec<_>>().chunks(300) {
        let mut crowd: Vec<_> = (batch.iter())
            .map(|i| w.tcp_to_tls(&format!("10.3.{}.{}:0", i / 200 % 200, i % 200 + 1)))
            .collect();
        w.run_secs(0.05);
        for stream in &mut crowd {
            // Those above the limit may be gone.
            let _ = stream.write(&mut w.env, &hello);
        }
        most = most.max(w.census().2);
        w.run_secs(4.95);
        assert!(w.census().2 <= 250);
        w.options(good).expect(200);
    }
    assert_eq!(most == 250, number >= 250, "{most}: the crowd takes all there is, and no more");
    w.run_secs(10.0);
    assert_eq!(w.census().2, 1, "only who plays is left");
    let c = w.client_over_tls(&trust());
    w.options(c).expect(200);
    w.run_secs(1.0);
    assert_eq!(w[good].track(1).byes(), 1);
}

#[test]
fn a_connection_that_is_cut_ends_as_over_tcp() {
    let mut w = world(|_| {});
    let c = w.playing_over_tls();
    w.run_secs(1.0);
    // Without a word of TLS either.
    w.network().vanish("10.0.2.1".parse().unwrap());
    w.run_secs(100.0);
    assert_eq!(w.census(), (0, 0, 0));
    assert!(!w[c].ended);
}

#[test]
fn a_slow_reader_loses_whole_frames_and_what_waits_is_bounded() {
    let mut w = world(|config| config.max_queued_media = 100_000);
    let track = TestTrack::video().endless().size(40_000).key_every(5);
    w.add(session("large").with_subsession(track.alone()));
    w.set_profile(|p| p.tcp_window = 60_000);
    let url = "rtsps://10.0.0.1:322/large";
    let c = w.client_over_tls(&trust());
    w.setup_tcp(c, url, 1);
    w.play(c, url);
    w.run_secs(0.5);
    for _ in 0..3 {
        w[c].stalled = true;
        for _ in 0..20 {
            w.run_secs(0.2);
            let connections = &w.server().connections;
            let (_, connection) = connections.iter().next().unwrap();
            let (_, out) = connection.held_bytes();
            assert!(out <= 100_000 + 20_000, "{out} bytes wait");
        }
        w[c].stalled = false;
        w.run_secs(1.0);
    }
    let track = w[c].track(1);
    let frames = track.frames();
    assert!(frames.windows(2).all(|f| f[1] > f[0]), "{frames:?}");
    let lost = frames.last().unwrap() + 1 - frames.len() as u32;
    assert!((100..350).contains(&lost), "{lost} of {:?}", frames.last());
    // Each that began to arrive did to its end.
    let ends = track.rtp.iter().filter(|p| p.marker).count();
    assert!(ends.abs_diff(frames.len()) <= 1, "{ends} ends of {} frames", frames.len());
    for pair in track.rtp.windows(2).filter(|p| p[0].timestamp != p[1].timestamp) {
        assert!(pair[0].marker && pair[1].frame.is_some(), "a frame in pieces");
    }
}

#[test]
fn who_reads_slowly_and_without_end_is_not_cut_off() {
    for over_tls in [true, false] {
        let mut w = world(|config| config.write_timeout = secs(5.0));
        let track = TestTrack::video().endless().size(120_000).key_every(1);
        w.add(session("large").with_subsession(track.alone()));
        // A frame takes 12 s.
        w.set_profile(|p| (p.bandwidth, p.tcp_window) = (Some(10_000), 10_000));
        let (url, c) = match over_tls {
            true => ("rtsps://10.0.0.1:322/large", w.client_over_tls(&trust())),
            false => ("rtsp://10.0.0.1/large", w.client()),
        };
        w.setup_tcp(c, url, 1);
        w.play(c, url);
        w.run_secs(60.0);
        assert!(!w[c].ended && !w[c].failed, "over TLS: {over_tls}");
        let frames = w[c].track(1).frames().len();
        assert!((3..8).contains(&frames), "over TLS: {over_tls}: {frames}");
        w[c].stalled = true;
        w.run_secs(20.0);
        assert_eq!(w.census().2, 0, "who reads nothing is");
    }
}

#[test]
fn certificates_are_renewed_while_sessions_go_on() {
    let folder = std::env::temp_dir().join(format!("riverrun-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let copy = |name: &str| {
        for ending in ["pem", "key"] {
            let to = folder.join(format!("now.{ending}"));
            std::fs::copy(pem(&format!("{name}.{ending}")), to).unwrap();
        }
    };
    copy("server");
    let now = TlsFiles::new(folder.join("now.pem"), folder.join("now.key"));
    let mut w = world_of(|_| {}, now);
    let c = w.playing_over_tls();
    w.run_secs(3.0);
    // A key that is not the certificate's changes nothing.
    std::fs::copy(pem("other.key"), folder.join("now.key")).unwrap();
    let refused = w.serve(|server, _| server.reload_tls()).unwrap_err();
    assert!(refused.to_string().contains("now.key"), "{refused}");
    let before = w.client_over_tls(&trust());
    w.options(before).expect(200);
    copy("other");
    assert_eq!(w.serve(|server, _| server.reload_tls()).unwrap(), 1);
    let unknown = w.client_over_tls(&trust());
    w.run_secs(0.5);
    assert!(w[unknown].failed, "the new certificate is of another authority");
    let after = w.client_over_tls(&TlsTrust::InsecureAnyone);
    w.options(after).expect(200);
    w.options(before).expect(200);
    w.run_secs(8.0);
    expect_whole_frames(&w, c);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn clients_may_have_to_have_a_certificate() {
    let mut known = files("server");
    known.client_authorities = Some(pem("ca.pem"));
    let mut w = world_of(|_| {}, known);
    let unknown = w.client_over_tls(&trust());
    w.run_secs(0.5);
    assert!(w[unknown].failed || w[unknown].ended);
    assert_eq!(w.census().2, 0);
    let mut roots = RootCertStore::empty();
    roots.add(certificate_of("ca")).unwrap();
    let certificate = certificate_of("client");
    let key = PrivateKeyDer::from_pem_file(pem("client.key")).unwrap();
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .unwrap();
    // The application is told which it is.
    let certificate = Sha256::digest(certificate_of("client")).into();
    w.serve(|server, _| server.set_hooks(Only(Some(certificate))));
    let c = w.client_over_tls(&TlsTrust::Config(Arc::new(config)));
    w.options(c).expect(200);
    let plain = w.client();
    w.options(plain).expect(403);
    w.serve(|server, _| server.set_hooks(Only(None)));
    w.options(plain).expect(200);
    w.options(c).expect(403);
}

/// Admits requests of clients that have presented this.
struct Only(Option<[u8; 32]>);

impl ServerHooks for Only {
    fn admit(&mut self, request: &RequestInfo<'_>, _: &DecideLater<'_>) -> Decision {
        match request.client_certificate == self.0 {
            true => Admission::Allow(None).into(),
            false => Admission::refuse(StatusCode::FORBIDDEN).into(),
        }
    }
}

fn certificate_of(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(pem(&format!("{name}.pem"))).unwrap()
}

#[test]
fn what_is_no_certificate_is_refused_and_named() {
    let refused = |files: TlsFiles| TlsAcceptor::from_files(files).unwrap_err().to_string();
    let missing = refused(TlsFiles::new(pem("missing.pem"), pem("server.key")));
    assert!(missing.contains("missing.pem"), "{missing}");
    let no_certificate = refused(TlsFiles::new(pem("server.key"), pem("server.key")));
    assert!(no_certificate.contains("server.key: no certificate"), "{no_certificate}");
    let no_key = refused(TlsFiles::new(pem("server.pem"), pem("ca.pem")));
    assert!(no_key.contains("ca.pem: no private key"), "{no_key}");
    let of_another = refused(TlsFiles::new(pem("server.pem"), pem("other.key")));
    assert!(of_another.contains("server.pem and"), "{of_another}");
    let debug = format!("{:?}", TlsAcceptor::from_files(files("server")).unwrap());
    assert!(!debug.contains("PRIVATE") && debug.len() < 500, "{debug}");
}
