//! RTP and RTCP that clients send: whose it is, and what becomes of it.

use super::media::{TestTrack, film, session};
use super::transform::{self, KEY, protected, set_up, set_up_alone, stream_of};
use super::world::{C, World, secs};
use crate::ids::{ClientSessionId, MediaSessionId};
use crate::net::UdpSocket;
use crate::rtp::rtcp::ReceptionStatistics;
use crate::server::{IncomingPacket, ServerHooks, UdpPorts};
use crate::wire::rtcp::{ReportBlock, write_rr, write_sdes_cname};
use crate::wire::rtp::{HEADER_LEN, PacketKind, write_header};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use PacketKind::{Rtcp, Rtp};

/// A packet, as the application was told of it.
#[derive(Clone, Debug)]
struct Told {
    session: ClientSessionId,
    media_session: MediaSessionId,
    track: usize,
    from: SocketAddr,
    at: Instant,
    kind: PacketKind,
    data: Vec<u8>,
}

/// What the application was told, to be taken.
#[derive(Clone, Default)]
struct Ears(Arc<Mutex<Vec<Told>>>);

impl ServerHooks for Ears {
    fn packet_received(&mut self, packet: &IncomingPacket<'_>) {
        self.0.lock().unwrap().push(Told {
            session: packet.session,
            media_session: packet.media_session,
            track: packet.track,
            from: packet.from,
            at: packet.at,
            kind: packet.kind,
            data: packet.data.to_vec(),
        });
    }
}

impl Ears {
    fn of(w: &mut World) -> Self {
        let ears = Self::default();
        let hooks = ears.clone();
        w.serve(|server, _| server.set_hooks(hooks));
        ears
    }

    /// All that was told since the last call.
    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// An RTP packet that says `text`.
fn rtp(text: &str) -> Vec<u8> {
    let mut header = [0; HEADER_LEN];
    write_header(&mut header, true, 96, 7, 8, 9);
    [&header[..], text.as_bytes()].concat()
}

/// A report of how the stream arrives that the client is sent of a track.
fn report(w: &World, c: C, track: usize, jitter: u32) -> Vec<u8> {
    let block = ReportBlock {
        ssrc: w[c].track(track).rtp[0].ssrc,
        fraction_lost: 0,
        cumulative_lost: 0,
        highest_sequence: 0,
        jitter,
        last_sr: 0,
        delay_since_last_sr: 0,
    };
    let mut report = Vec::new();
    write_rr(&mut report, 0x77, &[block]);
    write_sdes_cname(&mut report, 0x77, "client");
    report
}

/// What the client's reports of its first track have come to.
fn reception(w: &World, c: C) -> Option<ReceptionStatistics> {
    let (session, _) = w.session_of(c);
    w.server().client_statistics(session).next().expect("a track").delivery.reception
}

fn rejected(w: &World) -> u64 {
    w.server().streams.iter().map(|(_, stream)| stream.rejected_packets()).sum()
}

#[test]
fn packets_of_viewers_reach_the_application_by_session_and_track() {
    for ports in [UdpPorts::Pairs { base: 6970, tries: 100 }, UdpPorts::Shared { port: 0 }] {
        let mut w = World::configured(|config| config.udp_ports = ports);
        let ears = Ears::of(&mut w);
        let film = w.add(film("film"));
        // All on one host.
        let first = w.client();
        let viewers: Vec<_> =
            (0..4).map(|i| if i == 0 { first } else { w.beside(first) }).collect();
        for (i, &c) in viewers.iter().enumerate() {
            for track in [1, 2] {
                w.setup_over(c, "/film", track, i % 2 == 1);
            }
            w.play(c, "/film");
        }
        w.run_secs(0.5);
        assert_eq!(ears.count(), 0, "nobody has sent any");
        for &c in &viewers {
            for track in [2, 1] {
                let sent = [(Rtp, rtp(&format!("{c:?} {track}"))), (Rtcp, report(&w, c, track, 5))];
                let began = w.now();
                for (kind, packet) in &sent {
                    w.send_packet(c, track, *kind, packet);
                    w.run_secs(0.1);
                }
                let told = ears.take();
                assert_eq!(told.len(), 2, "{c:?}, {track}: {told:?}");
                for (told, (kind, packet)) in told.iter().zip(&sent) {
                    assert_eq!((told.kind, &told.data), (*kind, packet));
                    assert_eq!(told.session, w.session_of(c).0, "{c:?}");
                    assert_eq!((told.media_session, told.track), (film, track - 1));
                    assert_eq!(told.from.ip(), w[c].address.ip());
                    assert!(told.at >= began && told.at <= w.now());
                }
            }
            assert!(reception(&w, c).is_some());
        }
        assert_eq!(rejected(&w), 0);
        w.expect_nothing_left();
    }
}

#[test]
fn what_strangers_send_reaches_nobody() {
    let mut w = World::new();
    let ears = Ears::of(&mut w);
    w.add(super::media::camera("camera"));
    let c = w.client();
    let server = {
        let spec = w.setup_udp(c, "/camera", 1).transport();
        let (rtp, rtcp) = spec.server_port.expect("ports");
        [rtp, rtcp].map(|port| SocketAddr::new("10.0.0.1".parse().unwrap(), port))
    };
    w.play(c, "/camera");
    w.run_secs(0.1);
    let send_from = |w: &mut World, from: SocketAddr| {
        let mut socket = UdpSocket::bind(&mut w.env, from).unwrap();
        for to in server {
            for packet in [rtp("stranger"), report(w, c, 1, 9), b"\r\n\r\n".to_vec()] {
                socket.send_to(&mut w.env, &packet, to).unwrap();
            }
        }
        w.run_secs(0.1);
        socket.close(&mut w.env);
        ears.take().len()
    };
    assert_eq!(send_from(&mut w, "10.0.9.9:4000".parse().unwrap()), 0);
    assert_eq!((reception(&w, c), rejected(&w)), (None, 0));
    // Another port of the viewer's host is the viewer behind an address translator, as long as
    // there is no other viewer.
    let beside = SocketAddr::new(w[c].address.ip(), 999);
    assert_eq!(send_from(&mut w, beside), 4);
    assert_eq!(rejected(&w), 2, "what is neither is dropped");
    let other = w.beside(c);
    w.setup_udp(other, "/camera", 1);
    assert_eq!(send_from(&mut w, beside), 0);
    w.expect_nothing_left();
}

#[test]
fn the_kind_of_a_packet_goes_before_the_port_or_channel_that_it_comes_to() {
    let mut w = World::new();
    let ears = Ears::of(&mut w);
    let track = |multiplexed| TestTrack::video().alone().with_multiplexed_rtcp(multiplexed);
    w.add(session("plain").with_subsession(track(false)));
    w.add(session("mux").with_subsession(track(true)));
    let [udp, tcp] = [false, true].map(|tcp| w.playing("/plain", 1, tcp));
    let mux = w.client();
    let (socket, other, _) = w.udp_pair(mux);
    other.close(&mut w.env);
    let port = socket.local_addr().unwrap().port();
    let transport = format!("RTP/AVP;unicast;client_port={port}-{port}");
    let spec = w.setup(mux, "/mux", 1, &transport).expect(200).transport();
    let (at, again) = spec.server_port.expect("ports");
    assert_eq!(at, again, "one port for both");
    let to = SocketAddr::new("10.0.0.1".parse().unwrap(), at);
    let any = SocketAddr::new(w[mux].address.ip(), 0);
    let spare = UdpSocket::bind(&mut w.env, any).unwrap();
    let way = super::client::Way::Udp { rtp: socket, rtcp: spare, server: Some((to, to)) };
    w.add_track(mux, 1, way);
    w.play(mux, "/mux");
    w.run_secs(0.1);
    for c in [udp, tcp, mux] {
        assert_eq!(reception(&w, c), None);
        let report = report(&w, c, 1, 90);
        w.send_packet(c, 1, Rtp, &report);
        w.run_secs(0.1);
        let told = ears.take();
        assert_eq!((told.len(), told[0].kind), (1, Rtcp), "{c:?}: RTCP where RTP belongs");
        assert_eq!(reception(&w, c).expect("it counts").jitter, Duration::from_millis(1));
        w.send_packet(c, 1, Rtcp, &rtp("swapped"));
        w.run_secs(0.1);
        let told = ears.take();
        assert_eq!((told.len(), told[0].kind), (1, Rtp), "{c:?}: RTP where RTCP belongs");
        assert_eq!(told[0].data, rtp("swapped"));
    }
    // A sign of life, too: nothing else keeps the session of a silent client.
    let long = w.server().config.pool.timeout + w.server().config.pool.grace + secs(10.0);
    let end = w.now() + long;
    while w.now() < end {
        let report = report(&w, udp, 1, 90);
        w.send_packet(udp, 1, Rtp, &report);
        w.run_secs(10.0);
    }
    let sessions: Vec<_> = w.server().pool().iter().map(|(id, _)| id).collect();
    assert!(sessions.contains(&w.session_of(udp).0));
    w.expect_nothing_left();
}

#[test]
fn a_flood_is_taken_in_parts() {
    for tcp in [false, true] {
        let mut w = World::configured(|config| config.requests_per_turn = 10);
        let ears = Ears::of(&mut w);
        w.add(super::media::camera("camera"));
        let (c, other) = (w.playing("/camera", 1, tcp), w.playing("/camera", 1, false));
        w.run_secs(0.1);
        for i in 0..200 {
            w.send_packet(c, 1, Rtp, &rtp(&i.to_string()));
        }
        let had = w[other].track(1).rtp.len();
        // The client sends; from now on the server has the turns to itself.
        w.run(Duration::ZERO);
        let (mut most, mut before, mut turns) = (0, 0, 0);
        while before < 200 && turns < 1000 {
            w.env.turn(Some(Duration::from_millis(1))).unwrap();
            most = most.max(ears.count() - before);
            (before, turns) = (ears.count(), turns + 1);
        }
        let limit = if tcp { 10 } else { 32 };
        assert_eq!(most, limit, "tcp {tcp}: in one turn");
        assert_eq!(before, 200, "tcp {tcp}: none is lost");
        let texts: Vec<_> = ears.take().into_iter().map(|told| told.data).collect();
        let expected: Vec<_> = (0..200).map(|i: i32| rtp(&i.to_string())).collect();
        assert_eq!(texts, expected);
        w.run_secs(1.0);
        assert!(w[other].track(1).rtp.len() >= had + 24, "the others go on");
        w.expect_nothing_left();
    }
}

#[test]
fn nothing_comes_of_a_track_that_is_torn_down() {
    for tcp in [false, true] {
        let mut w = World::new();
        let ears = Ears::of(&mut w);
        w.add(film("film"));
        let c = w.playing("/film", 2, tcp);
        w.run_secs(0.1);
        let heard = |w: &mut World| {
            for track in [1, 2] {
                w.send_packet(c, track, Rtp, &rtp("still here"));
            }
            w.run_secs(0.1);
            ears.take().iter().map(|told| told.track).collect::<Vec<_>>()
        };
        assert_eq!(heard(&mut w), [0, 1]);
        w.pause(c, "/film");
        assert_eq!(heard(&mut w), [0, 1], "a track that pauses is set up");
        w.request(c, "TEARDOWN", "/film/track1", &[]).expect(200);
        // Over UDP the ports are closed.
        assert_eq!(heard(&mut w), [1]);
        w.teardown(c, "/film");
        assert_eq!(heard(&mut w), []);
        w.options(c).expect(200);
        w.expect_nothing_left();
    }
}

/// Sends packets as they are to be, as they are not to be, and as somebody else would.
fn expect_unprotected(w: &mut World, ears: &Ears, c: C, key: u8) {
    let before = rejected(w);
    ears.take();
    let sent = [(Rtp, rtp("a secret")), (Rtcp, report(w, c, 1, 90))];
    for (kind, packet) in &sent {
        w.send_packet(c, 1, *kind, packet);
        w.send_packet(c, 1, *kind, &protected(key ^ 1, *kind, packet));
    }
    w.run_secs(0.1);
    assert_eq!(ears.count(), 0, "{c:?}: neither");
    assert_eq!(reception(w, c), None, "{c:?}: nor a report");
    assert_eq!(rejected(w), before + 4);
    for (kind, packet) in &sent {
        w.send_packet(c, 1, *kind, &protected(key, *kind, packet));
    }
    w.run_secs(0.1);
    let told: Vec<_> = ears.take().into_iter().map(|told| (told.kind, told.data)).collect();
    assert_eq!(told, sent, "{c:?}");
    assert!(reception(w, c).is_some(), "{c:?}");
    assert_eq!(rejected(w), before + 4);
}

#[test]
fn what_comes_to_a_transformed_stream_passes_its_transform() {
    let mut w = transform::world(400, 0);
    let ears = Ears::of(&mut w);
    let viewers = [false, true].map(|tcp| set_up(&mut w, tcp, Some(KEY)));
    let calls = transform::transform(&mut w, None);
    viewers.iter().for_each(|&c| drop(w.play(c, "/secret")));
    w.run_secs(0.5);
    viewers.iter().for_each(|&c| expect_unprotected(&mut w, &ears, c, KEY));
    assert_eq!(calls.unprotected.get(), 2 * 6);
    w.expect_nothing_left();
}

#[test]
fn what_comes_from_one_destination_passes_its_own_transform() {
    let mut w = transform::world(400, 0);
    let ears = Ears::of(&mut w);
    let secret = [(false, 0x11), (true, 0x22)].map(|(tcp, key)| {
        let (c, calls) = set_up_alone(&mut w, tcp, key);
        (c, key, calls)
    });
    let plain = set_up(&mut w, false, None);
    secret.iter().for_each(|(c, ..)| drop(w.play(*c, "/secret")));
    w.play(plain, "/secret");
    w.run_secs(0.5);
    for (c, key, calls) in &secret {
        expect_unprotected(&mut w, &ears, *c, *key);
        assert_eq!(calls.unprotected.get(), 6);
    }
    w.send_packet(plain, 1, Rtp, &rtp("no secret"));
    w.run_secs(0.1);
    assert_eq!(ears.take()[0].data, rtp("no secret"));
    assert_eq!(w.server().stream(stream_of(&w)).unwrap().rejected_packets(), 8);
    w.expect_nothing_left();
}
