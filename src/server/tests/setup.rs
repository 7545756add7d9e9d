//! SETUP: the choice of a transport (RFC 2326 sections 10.4 and 12.39), and the limits.

use super::client::Way;
use super::media::{TestTrack, camera, film, session};
use super::world::{C, UDP, World};
use crate::net::{Groupsock, MulticastInterface};
use crate::server::{MulticastTrack, UdpPorts};
use std::net::IpAddr;

const TCP: &str = "RTP/AVP/TCP;unicast;interleaved=0-1";

fn world() -> World {
    let mut w = World::new();
    w.add(film("film"));
    w
}

#[test]
fn the_answer_names_ports_addresses_and_source() {
    let mut w = world();
    let c = w.client();
    let answer = w.setup(c, "/film", 1, UDP).expect(200);
    let spec = answer.transport();
    assert_eq!(spec.client_port, Some((5000, 5001)));
    let (rtp, rtcp) = spec.server_port.unwrap();
    assert!(rtp % 2 == 0 && rtcp == rtp + 1 && rtp >= 6970);
    assert_eq!(spec.destination.as_deref(), Some("10.0.1.2"));
    assert_eq!(spec.source.as_deref(), Some("10.0.0.1"));
    assert!(spec.ssrc.is_some());
    let session = answer.header("Session");
    let (id, timeout) = session.split_once(';').unwrap();
    assert_eq!(timeout, "timeout=60", "without a space");
    assert!(
        id.len() >= 22 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b))
    );
    // The second track of the session has other ports.
    let second = w.setup(c, "/film", 2, "RTP/AVP/UDP;unicast;client_port=5002-5003").expect(200);
    assert_eq!(second.header("Session"), session);
    assert_ne!(second.transport().server_port, Some((rtp, rtcp)));
    assert_ne!(second.transport().ssrc, spec.ssrc);
}

#[test]
fn the_first_alternative_that_can_be_served_is_taken() {
    let mut w = world();
    let multicast = "RTP/AVP;multicast;port=5000-5001";
    let zero = "RTP/AVP;unicast;client_port=0-0";
    let secure = "RTP/SAVP;unicast;client_port=5000-5001";
    let feedback = "RTP/AVPF;unicast;client_port=5000-5001";
    let record = "RTP/AVP;unicast;client_port=5000-5001;mode=RECORD";
    for (offer, tcp) in [
        (format!("{UDP},{TCP}"), false),
        (format!("{TCP},{UDP}"), true),
        (format!("{multicast},{zero},{secure},{feedback},{record},{TCP}"), true),
        (format!("{secure},{UDP},{TCP}"), false),
        (format!("x-raw/udp;unicast,{TCP}"), true),
    ] {
        let c = w.client();
        let spec = w.setup(c, "/film", 1, &offer).expect(200).transport();
        assert_eq!(spec.interleaved.is_some(), tcp, "{offer}");
        assert_eq!(spec.client_port.is_some(), !tcp, "{offer}");
    }
    for refused in [multicast, zero, secure, feedback, record] {
        let c = w.client();
        w.setup(c, "/film", 1, refused).expect(461);
        w.setup(c, "/film", 1, &format!("{refused},{refused}")).expect(461);
    }
    w.expect_nothing_left();
}

#[test]
fn interleaved_channels_are_as_asked_unless_taken() {
    let mut w = world();
    let c = w.client();
    let channels = |w: &mut World, track, offer: &str| {
        w.setup(c, "/film", track, offer).expect(200).transport().interleaved
    };
    assert_eq!(channels(&mut w, 1, "RTP/AVP/TCP;unicast;interleaved=8-9"), Some((8, 9)));
    assert_eq!(channels(&mut w, 2, "RTP/AVP/TCP;unicast;interleaved=9-10"), Some((0, 1)));
    let c = w.client();
    for (track, expected) in [(1, (0, 1)), (2, (2, 3))] {
        let spec = w.setup(c, "/film", track, TCP).expect(200).transport();
        assert_eq!(spec.interleaved, Some(expected));
    }
    w.check();
}

#[test]
fn a_destination_that_is_asked_for_is_not_used() {
    let mut w = world();
    for elsewhere in ["10.9.9.9", "[2001:db8::1]", "example.org", "10.0.0.1"] {
        let c = w.client();
        let (rtp, rtcp, ports) = w.udp_pair(c);
        let offer = format!("RTP/AVP;unicast;destination={elsewhere};client_port={ports}");
        let spec = w.setup(c, "/film", 1, &offer).expect(200).transport();
        assert_eq!(spec.destination, Some(w[c].address.ip().to_string()), "{elsewhere}");
        w.add_track(c, 1, Way::Udp { rtp, rtcp, server: None });
        w.play(c, "/film");
        w.run_secs(0.5);
        assert!(w[c].track(1).rtp.len() >= 12, "{elsewhere}");
        let c = w.client();
        let offer = format!("RTP/AVP/TCP;unicast;destination={elsewhere};interleaved=4-5");
        let spec = w.setup(c, "/film", 1, &offer).expect(200).transport();
        assert_eq!(spec.interleaved, Some((4, 5)), "{elsewhere}");
    }
    w.expect_nothing_left();
}

#[test]
fn what_is_asked_for_once_more_is_answered_the_same() {
    let mut w = world();
    let (c, any) = (w.client(), "RTP/AVP/TCP;unicast");
    let first = w.setup(c, "/film", 1, TCP).expect(200).transport();
    // Another track has the channels that the second one asks for.
    let second = w.setup(c, "/film", 2, TCP).expect(200).transport();
    assert_eq!((first.interleaved, second.interleaved), (Some((0, 1)), Some((2, 3))));
    for playing in [false, true] {
        for (track, offer, answered) in
            [(1, TCP, &first), (1, any, &first), (2, TCP, &second), (2, any, &second)]
        {
            assert_eq!(&w.setup(c, "/film", track, offer).expect(200).transport(), answered);
        }
        for (track, channels) in [(1, (0, 1)), (2, (2, 3))] {
            w.add_track(c, track, Way::Tcp { rtp: channels.0, rtcp: channels.1 });
        }
        if !playing {
            w.play(c, "/film");
        }
        w.run_secs(1.0);
    }
    assert!(w[c].tracks.iter().map(|t| t.rtp.len()).sum::<usize>() >= 50 + 100 - 5);
    let c = w.client();
    let (rtp, rtcp, ports) = w.udp_pair(c);
    let offer = format!("RTP/AVP;unicast;client_port={ports}");
    let first = w.setup(c, "/film", 1, &offer).expect(200).transport();
    assert_eq!(w.setup(c, "/film", 1, &offer).expect(200).transport(), first);
    w.add_track(c, 1, Way::Udp { rtp, rtcp, server: None });
    w.play(c, "/film");
    w.run_secs(1.0);
    assert_eq!(w.setup(c, "/film", 1, &offer).expect(200).transport(), first, "while it plays");
    w.setup(c, "/film", 1, UDP).expect(455);
    w.run_secs(1.0);
    assert!(w[c].track(1).rtp.len() >= 49, "{}", w[c].track(1).rtp.len());
    w.expect_nothing_left();
}

#[test]
fn a_track_set_up_otherwise_goes_on_where_it_stands() {
    let mut w = world();
    let c = w.client();
    let first = w.setup_udp(c, "/film", 1).transport();
    w.play(c, "/film");
    w.run_secs(2.0);
    w.pause(c, "/film");
    // Over TCP and back, to the ports that it had and to others.
    let second = w.setup_tcp(c, "/film", 1).transport();
    let third = w.setup_udp(c, "/film", 1).transport();
    assert_eq!((first.ssrc, second.ssrc), (second.ssrc, third.ssrc));
    assert_eq!(first.server_port, third.server_port);
    // What does not come about leaves it as it is.
    w.setup(c, "/film", 1, "RTP/SAVP;unicast;client_port=5000-5001").expect(461);
    w.play(c, "/film");
    w.run_secs(1.0);
    let frames = w[c].track(1).frames();
    assert!((48..=52).contains(&frames[0]) && frames.len() >= 24, "{frames:?}");
    w.pause(c, "/film");
    // Channels that overlap with its own.
    for channels in [(0, 1), (1, 2), (2, 3)] {
        let offer = format!("RTP/AVP/TCP;unicast;interleaved={}-{}", channels.0, channels.1);
        let spec = w.setup(c, "/film", 1, &offer).expect(200).transport();
        assert_eq!(spec.interleaved, Some(channels));
        assert_eq!(w.setup(c, "/film", 1, &offer).expect(200).transport(), spec);
    }
    w.add_track(c, 1, Way::Tcp { rtp: 2, rtcp: 3 });
    w.play(c, "/film");
    for _ in 0..9 {
        w.run_secs(0.1);
        w.send_report(c, 1);
    }
    assert!(w[c].track(1).rtp.len() >= 20);
    w.check();
    w.expect_nothing_left();
}

#[test]
fn channels_of_a_connection_run_out() {
    let mut w = World::configured(|c| c.pool.max_media_per_session = 1000);
    for i in 0..130 {
        w.add(camera(&format!("c{i}")));
    }
    let c = w.client();
    let statuses: Vec<_> =
        (0..130).map(|i| w.setup(c, &format!("/c{i}"), 1, TCP).status()).collect();
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 128);
    assert_eq!(statuses[128..], [453, 453]);
    w.expect_nothing_left();
}

#[test]
fn rtcp_shares_the_port_where_both_want_it() {
    let mut w = World::new();
    w.add(session("mux").with_subsession(TestTrack::video().alone().with_multiplexed_rtcp(true)));
    w.add(camera("plain"));
    let c = w.client();
    assert!(w.describe(c, "/mux").body().contains("a=rtcp-mux"));
    let (rtp, rtcp, ports) = w.udp_pair(c);
    let port = ports.split_once('-').unwrap().0.to_owned();
    let offer = format!("RTP/AVP;unicast;client_port={port}-{port};RTCP-mux");
    w.setup(c, "/plain", 1, &offer).expect(461);
    let spec = w.setup(c, "/mux", 1, &offer).expect(200).transport();
    let (server, same) = spec.server_port.unwrap();
    assert_eq!(server, same);
    w.add_track(c, 1, Way::Udp { rtp, rtcp, server: None });
    w.play(c, "/mux");
    w.run_secs(7.0);
    assert!(w[c].track(1).rtp.len() > 170 && w[c].track(1).rtcp.len() >= 2);
}

#[test]
fn streams_may_share_one_pair_of_ports() {
    let mut w = World::configured(|c| c.udp_ports = UdpPorts::Shared { port: 7000 });
    w.add(film("film"));
    w.add(camera("camera"));
    let clients: Vec<C> = (0..3).map(|_| w.playing("/film", 2, false)).collect();
    let viewer = w.playing("/camera", 1, false);
    w.run_secs(2.0);
    for &c in &clients {
        for track in [1, 2] {
            let Way::Udp { server, .. } = &w[c].track(track).way else { panic!() };
            assert_eq!(server.unwrap().0.port(), 7000);
            assert!(w[c].track(track).frames().len() >= 50);
        }
    }
    assert!(w[viewer].track(1).rtp.len() >= 50);
    // Reports are told apart by where they come from.
    for _ in 0..9 {
        w.send_report(viewer, 1);
        w.send_report(clients[0], 2);
        w.run_secs(10.0);
    }
    assert_eq!(w.census().0, 2);
    w.expect_nothing_left();
}

#[test]
fn ports_that_have_run_out_are_answered_503() {
    let mut w = World::configured(|c| c.udp_ports = UdpPorts::Pairs { base: 65_531, tries: 4 });
    w.add(film("film"));
    let c = w.client();
    w.setup_udp(c, "/film", 1);
    w.setup_udp(c, "/film", 2);
    let other = w.client();
    let answer = w.setup(other, "/film", 1, UDP).expect(503);
    assert!(answer.value("Retry-After").is_some());
    w.check();
    assert_eq!(w.census().0, 1);
    for _ in 0..100 {
        w.setup(other, "/film", 1, UDP).expect(503);
    }
    w.setup_tcp(other, "/film", 1);
    let (third, last) = (w.client(), w.client());
    w.teardown(c, "/film");
    w.setup_udp(third, "/film", 1);
    w.setup_udp(last, "/film", 1);
    w.expect_nothing_left();
}

#[test]
fn descriptors_that_have_run_out_are_answered_503() {
    let mut w = world();
    let c = w.client();
    w.options(c);
    let host: IpAddr = "10.0.0.1".parse().unwrap();
    w.network().set_host_descriptor_limit(host, Some(3));
    w.setup(c, "/film", 1, UDP).expect(503);
    w.setup_tcp(c, "/film", 1);
    w.expect_nothing_left();
}

#[test]
fn a_full_pool_is_answered_503_after_the_transport_was_judged() {
    let mut w = World::configured(|c| c.pool.max_sessions = 2);
    w.add(film("film"));
    let [a, b, c] = [w.client(), w.client(), w.client()];
    w.setup_udp(a, "/film", 1);
    w.setup_tcp(b, "/film", 1);
    let answer = w.setup(c, "/film", 1, UDP).expect(503);
    let seconds: u64 = answer.header("Retry-After").parse().unwrap();
    assert!((1..=65).contains(&seconds), "{seconds}");
    w.setup(c, "/film", 1, "RTP/SAVP;unicast;client_port=5000-5001").expect(461);
    w.setup(c, "/film", 5, UDP).expect(404);
    // A present session may set up more.
    w.setup_udp(a, "/film", 2);
    // A lower limit evicts nobody, a higher one lets in.
    w.serve(|server, _| server.set_max_sessions(1));
    w.play(a, "/film");
    assert_eq!(w.census().0, 2);
    w.setup(c, "/film", 1, UDP).expect(503);
    w.serve(|server, _| server.set_max_sessions(0));
    w.setup_udp(c, "/film", 1);
    // The place of one who leaves is free at once, in whatever way.
    w.serve(|server, _| server.set_max_sessions(3));
    let d = w.client();
    w.setup(d, "/film", 1, UDP).expect(503);
    w.teardown(c, "/film");
    w.setup_udp(d, "/film", 1);
    w.leave(b);
    w.run_secs(0.1);
    w.setup_udp(c, "/film", 1);
    w.expect_nothing_left();
}

#[test]
fn retry_after_tells_when_a_place_is_free() {
    let mut w = World::configured(|c| c.pool.max_sessions = 1);
    w.add(film("film"));
    let (a, b) = (w.client(), w.client());
    w.setup_udp(a, "/film", 1);
    w.run_secs(20.0);
    let answer = w.setup(b, "/film", 1, UDP).expect(503);
    let seconds: f64 = answer.header("Retry-After").parse().unwrap();
    w.run_secs(seconds);
    w.setup_udp(b, "/film", 1);
    w.expect_nothing_left();
}

#[test]
fn peers_and_streams_have_limits_of_their_own() {
    let mut w = World::configured(|c| {
        c.pool.max_sessions_per_peer = 2;
        c.pool.max_sessions_per_stream = 3;
    });
    w.add(film("film"));
    w.add(camera("camera"));
    let a = w.client();
    let (b, c) = (w.beside(a), w.beside(a));
    w.setup_udp(a, "/film", 1);
    w.setup_udp(b, "/film", 1);
    w.setup(c, "/film", 1, UDP).expect(503).header("Retry-After");
    w.setup(c, "/camera", 1, UDP).expect(503);
    let (d, e) = (w.client(), w.client());
    w.setup_udp(d, "/film", 1);
    w.setup(e, "/film", 1, UDP).expect(503).header("Retry-After");
    w.setup_udp(e, "/camera", 1);
    w.teardown(a, "/film");
    w.setup_udp(c, "/camera", 1);
    w.expect_nothing_left();
}

#[test]
fn a_session_that_has_expired_makes_room_in_the_same_turn() {
    // The SETUP arrives in the very turn in which the session expires, before the timers.
    for offset in 0..40 {
        let mut w = World::configured(|c| c.pool.max_sessions = 1);
        w.add(film("film"));
        let (a, b) = (w.client(), w.client());
        w.setup_udp(a, "/film", 1);
        w.options(b);
        let expires = w.server().pool().iter().next().unwrap().1.expires_at().unwrap();
        let early = std::time::Duration::from_micros(1000 + 20 - offset);
        w.leave(a);
        w.run(expires - w.now() - early);
        w.ask(b, "SETUP", "/film/track1", &[("Transport", UDP)]);
        w.tick = std::time::Duration::from_micros(1);
        w.run(std::time::Duration::from_micros(1));
        w.tick = std::time::Duration::from_millis(1);
        let answer = w.answer(b);
        w.check();
        if answer.status() == 200 {
            assert_eq!(w.census().0, 1);
        }
        w.expect_nothing_left();
    }
}

#[test]
fn one_session_may_have_several_media() {
    let mut w = World::configured(|c| c.pool.max_media_per_session = 2);
    for name in ["a", "b", "c"] {
        w.add(film(name));
    }
    let c = w.client();
    w.setup_udp(c, "/a", 1);
    w.setup_udp(c, "/b", 1);
    w.setup(c, "/c", 1, UDP).expect(453);
    w.check();
    w.play(c, "/b");
    w.run_secs(0.1);
    w.request(c, "TEARDOWN", "/b", &[]).expect(200);
    w.check();
    w.setup_udp(c, "/c", 2);
    w.request(c, "PLAY", "/b", &[]).expect(404);
    w.play(c, "/a");
    w.teardown(c, "/a");
    w.setup(c, "/a", 1, UDP).expect(200);
    w.expect_nothing_left();
}

#[test]
fn clients_may_come_over_ipv6() {
    let mut w = world();
    w.add(camera("camera"));
    let old = w.playing("/camera", 1, false);
    for (i, tcp) in [false, true].into_iter().enumerate() {
        let c = w.client_at(&format!("[fd00::{}]:0", i + 7));
        let sdp = w.describe(c, "/camera").expect(200).body();
        assert!(sdp.contains(" IN IP6 fd00::1\r\n") && sdp.contains("c=IN IP6 ::\r\n"), "{sdp}");
        let spec = w.setup_over(c, "/camera", 1, tcp).transport();
        assert_eq!(spec.source.as_deref(), (!tcp).then_some("fd00::1"));
        w.play(c, "/camera");
        w.run_secs(6.0);
        // One stream for all, whatever they come over.
        let (new, old) = (w[c].track(1), w[old].track(1));
        assert!(new.frames().len() >= 149 && new.rtcp.len() >= 2);
        assert_eq!(new.frames().last(), old.frames().last());
        assert_eq!(new.rtp[0].ssrc, old.rtp[0].ssrc);
        w.check();
    }
    assert_eq!(w.server().stream_count(), 1);
    w.expect_nothing_left();
}

/// The scope of a link-local address, without which its packets have no way to go (RFC 4007
/// section 6), is kept from the connection to the sockets of RTP and RTCP.
#[test]
fn clients_may_come_over_a_link_local_address() {
    for shared_ports in [false, true] {
        let mut w = World::configured(|config| {
            if shared_ports {
                config.udp_ports = UdpPorts::Shared { port: 0 };
            }
        });
        w.add(camera("camera"));
        let c = w.client_at("[fe80::7%2]:0");
        let sdp = w.describe(c, "/camera").expect(200).body();
        assert!(sdp.contains(" IN IP6 fe80::1\r\n"), "{sdp}");
        let spec = w.setup_udp(c, "/camera", 1).transport();
        assert_eq!(spec.source.as_deref(), Some("fe80::1"));
        w.play(c, "/camera");
        w.run_secs(6.0);
        let track = w[c].track(1);
        assert!(track.frames().len() >= 149 && track.rtcp.len() >= 2);
        if !shared_ports {
            w.expect_nothing_left();
        }
    }
}

#[test]
fn multicast_is_for_passive_tracks_alone() {
    let mut w = World::new();
    let group: IpAddr = "232.1.2.3".parse().unwrap();
    w.serve(|server, env| {
        let any = MulticastInterface::Any;
        let mut open = |port| Groupsock::open(env, (group, port).into(), 7, any, None).unwrap();
        let (rtp, rtcp) = (open(5004), open(5005));
        let track = MulticastTrack { factory: Box::new(TestTrack::video().endless()), rtp, rtcp };
        let mut passive = server.add_multicast_streams(env, vec![track]).unwrap();
        let session = session("group").with_subsession(passive.remove(0));
        server.add_server_media_session(env, session).unwrap();
    });
    let c = w.client();
    let sdp = w.describe(c, "/group").expect(200).body();
    assert!(sdp.contains("c=IN IP4 232.1.2.3/7\r\n") && sdp.contains("m=video 5004 RTP/AVP 96"));
    w.setup(c, "/group", 1, UDP).expect(461);
    // Another group is not to be had; the answer names the one that is.
    let offer = "RTP/AVP;multicast;destination=232.9.9.9;port=5004-5005";
    let any = MulticastInterface::Any;
    let spec = w.setup(c, "/group", 1, offer).expect(200).transport();
    assert_eq!(spec.destination.as_deref(), Some("232.1.2.3"));
    assert_eq!((spec.port, spec.ttl), (Some((5004, 5005)), Some(7)));
    let mut listen = |port: u16| {
        let at = std::net::SocketAddr::new(w[c].address.ip(), port);
        let mut socket = crate::net::UdpSocket::bind_shared(&mut w.env, at).unwrap();
        socket.join_multicast(&mut w.env, group, any, None).unwrap();
        socket
    };
    let (rtp, rtcp) = (listen(5004), listen(5005));
    w.add_track(c, 1, Way::Udp { rtp, rtcp, server: None });
    w.play(c, "/group");
    w.run_secs(3.0);
    assert!(w[c].track(1).rtp.len() >= 74, "{}", w[c].track(1).rtp.len());
    // A member that reports is alive.
    let at = (w[c].address.ip(), 6001).into();
    let mut member = crate::net::UdpSocket::bind(&mut w.env, at).unwrap();
    let mut report = Vec::new();
    crate::wire::rtcp::write_rr(&mut report, 1, &[]);
    for _ in 0..8 {
        w.run_secs(15.0);
        member.send_to(&mut w.env, &report, "10.0.0.1:5005".parse().unwrap()).unwrap();
    }
    assert_eq!(w.census().0, 1);
    // The stream is nobody's: neither PAUSE nor TEARDOWN stops it.
    w.pause(c, "/group");
    w.teardown(c, "/group");
    w[c].forget_media();
    w.run_secs(1.0);
    assert!(w[c].track(1).rtp.len() >= 24, "{:?}", w[c].track(1).frames());
    assert_eq!(w.census(), (0, 1, 1));
    let server = w.server;
    w.env.close(server);
    w.run_secs(0.1);
    assert_eq!(w[c].track(1).byes(), 1);
    assert_eq!(w.env.delayed_tasks(), 0);
}

/// The payload types that a description announces, which are those of its `rtpmap`s too.
fn announced(sdp: &str) -> Vec<u8> {
    let sdp = crate::wire::sdp::SessionDescription::parse(sdp.as_bytes()).unwrap();
    let of = |m: &crate::wire::sdp::MediaDescription| {
        let number = m.payload_type().unwrap();
        assert!(m.attribute("rtpmap").unwrap().starts_with(&format!("{number} ")));
        number
    };
    sdp.media.iter().map(of).collect()
}

#[test]
fn each_track_has_a_payload_type_of_its_own_which_its_packets_have() {
    let mut w = World::new();
    // All of them say 96: in their formats, and in the sinks that they make.
    w.add(
        session("own")
            .with_subsession(TestTrack::video().alone())
            .with_subsession(TestTrack::aac().alone())
            .with_subsession(TestTrack::audio().shared()),
    );
    let group: IpAddr = "232.1.2.3".parse().unwrap();
    w.serve(|server, env| {
        let any = MulticastInterface::Any;
        let mut open = |port| Groupsock::open(env, (group, port).into(), 7, any, None).unwrap();
        let mut track = |track: TestTrack, port| {
            let (rtp, rtcp) = (open(port), open(port + 1));
            MulticastTrack { factory: Box::new(track.endless()), rtp, rtcp }
        };
        let tracks = vec![track(TestTrack::video(), 5004), track(TestTrack::aac(), 5006)];
        let passive = server.add_multicast_streams(env, tracks).unwrap();
        let tracks = session("group").with_subsession(TestTrack::video().alone());
        let session = passive.into_iter().fold(tracks, |s, track| s.with_subsession(track));
        server.add_server_media_session(env, session).unwrap();
    });
    for tcp in [false, true] {
        let c = w.client();
        let sdp = w.describe(c, "/own").expect(200).body();
        assert_eq!(announced(&sdp), [96, 97, 98]);
        assert!(sdp.contains("\r\na=fmtp:97 streamtype=5"), "{sdp}");
        for track in 1..=3 {
            w.setup_over(c, "/own", track, tcp);
        }
        w.play(c, "/own");
        w.run_secs(0.5);
        for (track, number) in [(1, 96), (2, 97), (3, 98)] {
            let rtp = &w[c].track(track).rtp;
            assert!(!rtp.is_empty() && rtp.iter().all(|p| p.payload_type == number), "{track}");
        }
        w.teardown(c, "/own");
    }
    // What runs already has 96 and 97.
    let c = w.client();
    let sdp = w.describe(c, "/group").expect(200).body();
    assert_eq!(announced(&sdp), [98, 96, 97]);
    w.setup_tcp(c, "/group", 1);
    let mut listen = |port: u16| {
        let at = std::net::SocketAddr::new(w[c].address.ip(), port);
        let mut socket = crate::net::UdpSocket::bind_shared(&mut w.env, at).unwrap();
        socket.join_multicast(&mut w.env, group, MulticastInterface::Any, None).unwrap();
        socket
    };
    let ways = [(2, 5004), (3, 5006)].map(|(track, port)| (track, listen(port), listen(port + 1)));
    for (track, rtp, rtcp) in ways {
        w.add_track(c, track, Way::Udp { rtp, rtcp, server: None });
    }
    w.play(c, "/group");
    w.run_secs(0.5);
    for (track, number) in [(1, 98), (2, 96), (3, 97)] {
        let rtp = &w[c].track(track).rtp;
        assert!(!rtp.is_empty() && rtp.iter().all(|p| p.payload_type == number), "{track}");
    }
}
