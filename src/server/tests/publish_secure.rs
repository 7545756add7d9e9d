//! Publishers that protect what they send (SRTP).

use super::client::{Answer, Way};
use super::publisher::{FRAME, GROUP, SDP, packet, picture};
use super::world::{C, World, server_for};
use crate::net::with_port;
use crate::rtp::srtp::keys::{MAX_MATERIAL, MasterKey};
use crate::rtp::srtp::transform::DerivedKeys;
use crate::rtp::srtp::{CryptoSuite, SrtpKeys, SrtpTransform};
use crate::rtp::transform::PacketTransform;
use crate::server::{PublishPolicy, SrtpConfig};
use crate::wire::mikey::{KeyMgmt, to_attribute};
use crate::wire::rtp::PacketKind;
use std::ops::Range;

/// A server with SRTP, to which keys may be told over plain connections or not.
fn world(in_the_clear: bool) -> World {
    World::configured(|config| {
        config.publish.policy = PublishPolicy::Anybody;
        let srtp = SrtpConfig { allow_plain_connections: in_the_clear, ..SrtpConfig::default() };
        config.srtp = Some(srtp);
    })
}

fn keys(fill: u8) -> SrtpKeys {
    let master = MasterKey::from_random(CryptoSuite::default(), &[fill; MAX_MATERIAL]);
    SrtpKeys::new(master, &[]).with_session(0, 0)
}

/// Video, protected, with what describes its keys.
fn sdp(key_lines: &str) -> String {
    let video = SDP.split("m=audio").next().unwrap();
    format!("{}{key_lines}", video.replace("RTP/AVP 96", "RTP/SAVP 96"))
}

fn line(keys: &SrtpKeys) -> String {
    format!("a=key-mgmt:{}\r\n", to_attribute(&keys.to_message(&[7; 20], 1)))
}

fn header(keys: &SrtpKeys) -> String {
    KeyMgmt { url: None, message: keys.to_message(&[8; 20], 1) }.to_string()
}

/// SETUP of the track, with a `KeyMgmt` header if it is not empty.
fn set_up(w: &mut World, c: C, tcp: bool, key_mgmt: &str) -> Answer {
    let (rtp, rtcp, ports) = w.udp_pair(c);
    let transport = match tcp {
        true => "RTP/SAVP/TCP;unicast;interleaved=0-1;mode=record".to_owned(),
        false => format!("RTP/SAVP;unicast;client_port={ports};mode=record"),
    };
    let headers = [("Transport", &*transport), ("KeyMgmt", key_mgmt)];
    let count = if key_mgmt.is_empty() { 1 } else { 2 };
    let answer = w.request(c, "SETUP", "/cam/streamid=0", &headers[..count]);
    if answer.status() == 200 {
        let spec = answer.transport();
        assert_eq!((spec.protocol.is_secure(), spec.protocol.is_tcp()), (true, tcp));
        let host = server_for(w[c].address);
        let server = spec.server_port.map(|(a, b)| (with_port(host, a), with_port(host, b)));
        let way = if tcp { Way::Tcp { rtp: 0, rtcp: 1 } } else { Way::Udp { rtp, rtcp, server } };
        w.add_track(c, 1, way);
    }
    answer
}

fn send(w: &mut World, c: C, numbers: Range<u32>, protect: &mut dyn PacketTransform, times: usize) {
    let mut memory = Vec::new();
    for number in numbers {
        let plain = packet(96, number, 3600, &picture(number, number % GROUP == 0));
        let protected = protect.protect(PacketKind::Rtp, &plain, &mut memory).unwrap();
        assert_ne!(protected[12..plain.len()], plain[12..]);
        for _ in 0..times {
            w.send_packet(c, 1, PacketKind::Rtp, protected);
        }
        w.run(FRAME);
    }
}

#[test]
fn what_is_published_protected_is_what_viewers_get() {
    let (media, reports) = (keys(1), keys(2));
    for (tcp, key_lines, key_mgmt, of_reports) in [
        (true, line(&media), String::new(), &media),
        (false, line(&media), String::new(), &media),
        (true, String::new(), header(&media), &media),
        (false, line(&media), header(&reports), &reports),
    ] {
        let mut w = world(true);
        let c = w.client();
        w.announce(c, "/cam", &sdp(&key_lines)).expect(200);
        assert!(set_up(&mut w, c, tcp, &key_mgmt).expect(200).value("KeyMgmt").is_none());
        w.request(c, "RECORD", "/cam", &[]).expect(200);
        let [media, of_reports] = [&media, of_reports].map(|keys| DerivedKeys::new(keys.clone()));
        let unprotect = SrtpTransform::incoming(&of_reports);
        w[c].tracks.last_mut().unwrap().security.transform = Some(Box::new(unprotect));
        let viewer = w.client();
        let described = w.describe(viewer, "/cam").expect(200).body();
        assert!(!described.contains(key_lines.trim_end()) || key_lines.is_empty(), "{described}");
        w.setup_over(viewer, "/cam", 1, tcp);
        w.play(viewer, "/cam");
        let mut protect = SrtpTransform::new(&media, &media);
        // Copies, and what others send, are nothing.
        send(&mut w, c, 0..20, &mut protect, 2);
        let other = DerivedKeys::new(keys(3));
        send(&mut w, c, 20..30, &mut SrtpTransform::new(&other, &other), 1);
        w.send_packet(c, 1, PacketKind::Rtp, &packet(96, 30, 3600, &picture(30, true)));
        send(&mut w, c, 20..300, &mut protect, 1);
        assert_eq!(w.pictures(viewer), (0..300).collect::<Vec<_>>(), "tcp {tcp}");
        assert!(!w[c].track(1).rtcp.is_empty(), "reports, which are protected, too");
        let (session, state) = w.session_of(c);
        let counters = state.counters();
        assert_eq!(counters.packets, 300);
        assert!(counters.bytes > 300 * 200, "{counters:?}");
        let publication = w.server().publications.of_session(session).unwrap();
        let publication = w.server().publications.get(publication).unwrap();
        assert_eq!(publication.tracks[0].as_ref().unwrap().refused, 20 + 10 + 1);
        w.expect_nothing_left();
    }
}

#[test]
fn a_publisher_that_sends_nothing_authentic_is_silent() {
    let mut w = world(true);
    let c = w.client();
    w.announce(c, "/cam", &sdp(&line(&keys(1)))).expect(200);
    set_up(&mut w, c, false, "").expect(200);
    let reports = SrtpTransform::incoming(&DerivedKeys::new(keys(1)));
    w[c].tracks.last_mut().unwrap().security.transform = Some(Box::new(reports));
    w.request(c, "RECORD", "/cam", &[]).expect(200);
    let other = DerivedKeys::new(keys(3));
    send(&mut w, c, 0..300, &mut SrtpTransform::new(&other, &other), 1);
    assert_eq!(w.census().0, 0, "its session has expired");
    w.expect_nothing_left();
}

#[test]
fn keys_are_taken_where_nobody_listens_in_and_only_such_as_can_be_used() {
    let mut w = world(false);
    let c = w.client();
    w.announce(c, "/cam", &sdp(&line(&keys(1)))).expect(403);
    w.announce(c, "/cam", &sdp("")).expect(403);
    // In a plain description there are none, and a request with some is not for this server.
    w.announce(c, "/cam", SDP).expect(200);
    assert_eq!(set_up(&mut w, c, true, &header(&keys(1))).status(), 461);
    let mut w = world(true);
    for (key_lines, key_mgmt, announced, set_up_with) in [
        ("a=key-mgmt:mikey AAAA\r\n", "", 463, 0),
        ("", "", 200, 463),
        ("", "prot=mikey;data=\"AAAA\"", 200, 463),
    ] {
        let c = w.client();
        assert_eq!(w.announce(c, "/cam", &sdp(key_lines)).status(), announced);
        if announced == 200 {
            assert_eq!(set_up(&mut w, c, true, key_mgmt).status(), set_up_with);
            w.teardown(c, "/cam");
        }
    }
    // What is described as protected is not sent without protection.
    let c = w.client();
    w.announce(c, "/cam", &sdp(&line(&keys(1)))).expect(200);
    let plain = "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record";
    w.request(c, "SETUP", "/cam/streamid=0", &[("Transport", plain)]).expect(461);
    w.expect_nothing_left();
    // A server without SRTP.
    let mut w = super::publisher::open_world(|_| {});
    let c = w.client();
    w.announce(c, "/cam", &sdp(&line(&keys(1)))).expect(200);
    assert_eq!(set_up(&mut w, c, true, "").status(), 461);
    w.expect_nothing_left();
}
