//! What is refused to publishers, and with which status.

use super::media::film;
use super::publisher::{SDP, open_world};
use super::world::{C, World, secs};
use crate::server::{PublishPolicy, ServerConfig};
use crate::wire::testing::Random;

const TCP: &str = "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record";

fn public(w: &mut World, c: C) -> String {
    w.options(c).expect(200).header("Public").to_owned()
}

#[test]
fn nobody_may_publish_unless_it_is_configured() {
    let mut w = World::new();
    let c = w.client();
    assert!(!public(&mut w, c).contains("ANNOUNCE"));
    let answer = w.announce(c, "/cam", SDP).expect(405);
    assert!(!answer.header("Allow").contains("ANNOUNCE"));
    w.request(c, "RECORD", "/cam", &[]).expect(405);
    w.request(c, "SETUP", "/cam", &[("Transport", TCP)]).expect(404);
    w.expect_nothing_left();
}

#[test]
fn the_policy_is_about_the_address_of_the_publisher() {
    let mut w = World::configured(|config| config.publish.policy = PublishPolicy::Loopback);
    let far = w.client();
    w.announce(far, "/cam", SDP).expect(405);
    for (policy, address, admitted) in [
        (PublishPolicy::Loopback, "127.0.0.1", true),
        (PublishPolicy::Loopback, "::ffff:127.0.0.1", true),
        (PublishPolicy::Loopback, "::1", true),
        (PublishPolicy::Loopback, "10.0.0.1", false),
        (PublishPolicy::Anybody, "10.0.0.1", true),
        (PublishPolicy::Nobody, "127.0.0.1", false),
    ] {
        assert_eq!(policy.admits(address.parse().unwrap()), admitted, "{policy:?} {address}");
    }
    let mut w = open_world(|_| {});
    let c = w.client();
    let public = public(&mut w, c);
    assert!(public.contains("ANNOUNCE") && public.contains("RECORD"), "{public}");
}

#[test]
fn what_is_not_published_is_not_replaced() {
    let mut w = open_world(|_| {});
    w.add(film("film"));
    let c = w.client();
    let answer = w.announce(c, "/film", SDP).expect(405);
    let allowed = answer.header("Allow");
    assert!(allowed.contains("PLAY") && !allowed.contains("ANNOUNCE"), "{allowed}");
    w.announce(c, "/", SDP).expect(405);
    w.announce(c, "/a/../b", SDP).expect(404);
    w.setup_tcp(c, "/film", 1);
    w.announce(c, "/cam", SDP).expect(455);
    w.expect_nothing_left();
}

#[test]
fn a_description_that_cannot_be_used_is_refused() {
    let mut w = open_world(|publish| {
        publish.max_tracks = 2;
        publish.max_description = 600;
    });
    let c = w.client();
    let url = "/cam";
    let plain = [("Content-Type", "text/plain")];
    w.request_with_body(c, "ANNOUNCE", url, &plain, SDP).expect(415);
    w.request(c, "ANNOUNCE", url, &[]).expect(400);
    for (sdp, status) in [
        ("v=0\r\ns=-\r\n".to_owned(), 400),
        ("hello".to_owned(), 400),
        (format!("{SDP}{}", "a=x:y\r\n".repeat(80)), 413),
        (format!("v=0\r\ns=-\r\n{}", "m=audio 0 RTP/AVP 0\r\n".repeat(3)), 453),
        ("v=0\r\ns=-\r\nm=video 0 RTP/AVP 73\r\na=rtpmap:73 X/90000\r\n".to_owned(), 415),
    ] {
        w.announce(c, url, &sdp).expect(status);
    }
    assert_eq!(w.census().0, 0);
    // A type with a parameter, or none, will do.
    let typed = [("Content-Type", "application/sdp; charset=utf-8")];
    w.request_with_body(c, "ANNOUNCE", url, &typed, SDP).expect(200);
    let other = w.client();
    w.request_with_body(other, "ANNOUNCE", "/cam2", &[], SDP).expect(200);
    w.leave(c);
    w.leave(other);
    w.expect_nothing_left();
}

#[test]
fn requests_at_the_wrong_time_or_for_the_wrong_thing_are_refused() {
    let mut w = open_world(|_| {});
    w.add(film("film"));
    let c = w.client();
    w.request(c, "RECORD", "/cam", &[]).expect(454);
    w.request(c, "SETUP", "/cam/streamid=0", &[("Transport", TCP)]).expect(404);
    w.announce(c, "/cam", SDP).expect(200);
    w.request(c, "RECORD", "/cam", &[]).expect(455);
    w.request(c, "PAUSE", "/cam", &[]).expect(455);
    w.request(c, "PLAY", "/cam", &[]).expect(455);
    w.request(c, "SETUP", "/cam", &[("Transport", TCP)]).expect(459);
    w.request(c, "SETUP", "/cam/streamid=7", &[("Transport", TCP)]).expect(404);
    w.request(c, "SETUP", "/cam/streamid=0", &[]).expect(400);
    for transport in [
        "RTP/AVP;multicast;mode=record",
        "RTP/AVP;unicast;client_port=5000-5001;mode=play",
        "RTP/SAVP;unicast;client_port=5000-5001;mode=record",
        "RTP/AVP;unicast;client_port=0-0;mode=record",
    ] {
        w.request(c, "SETUP", "/cam/streamid=0", &[("Transport", transport)]).expect(461);
    }
    w.setup_record(c, "/cam/streamid=0", 1, true);
    w.setup_record(c, "/cam/streamid=1", 2, true);
    w.request(c, "RECORD", "/cam/streamid=0", &[]).expect(460);
    w.request(c, "RECORD", "/film", &[]).expect(404);
    w.request(c, "RECORD", "/cam", &[]).expect(200);
    w.request(c, "RECORD", "/cam/", &[]).expect(200);
    w.request(c, "SETUP", "/cam/streamid=0", &[("Transport", TCP)]).expect(455);
    w.request(c, "PLAY", "/cam", &[]).expect(455);
    w.request(c, "TEARDOWN", "/film", &[]).expect(404);
    w.request(c, "TEARDOWN", "/cam/streamid=0", &[]).expect(200);
    w.request(c, "TEARDOWN", "/cam/streamid=1", &[]).expect(200);
    assert_eq!(w.census().0, 0, "the last track ends the session");
    // In a session that plays there is nothing to record.
    w[c].session = None;
    w[c].tracks.clear();
    w.setup_tcp(c, "/film", 1);
    w.request(c, "RECORD", "/film", &[]).expect(455);
    w.expect_nothing_left();
}

#[test]
fn there_are_so_many_publishers_and_no_more() {
    let mut w = open_world(|publish| publish.max_publishers = 2);
    let [a, b, c] = [(), (), ()].map(|()| w.client());
    w.announce(a, "/a", SDP).expect(200);
    w.announce(b, "/b", SDP).expect(200);
    let refused = w.announce(c, "/c", SDP).expect(503);
    assert!(refused.value("Retry-After").is_some());
    w.leave(a);
    w.run_secs(0.2);
    w.announce(c, "/c", SDP).expect(200);
    w.leave(b);
    w.leave(c);
    w.expect_nothing_left();
}

#[test]
fn hostile_descriptions_leave_nothing_behind() {
    let mut w = World::with(ServerConfig::default());
    w.serve(|server, _| server.config.publish.policy = PublishPolicy::Anybody);
    let mut random = Random::new(7);
    for round in 0..200 {
        let mut sdp = SDP.as_bytes().to_vec();
        for _ in 0..1 + round % 20 {
            let at = random.below(sdp.len());
            match random.below(4) {
                0 => sdp[at] = b"\r\n:=/0 9a%*-"[random.below(12)],
                1 if sdp.len() > 1 => drop(sdp.remove(at)),
                2 => sdp.truncate(at.max(1)),
                _ => {
                    let piece = sdp[at..(at + 20).min(sdp.len())].to_vec();
                    sdp.splice(at..at, piece);
                }
            }
        }
        let sdp = String::from_utf8_lossy(&sdp).into_owned();
        let c = w.client_at(&format!("10.0.2.{}:0", 1 + round % 250));
        let status = w.announce(c, "/cam", &sdp).status();
        assert!([200, 400, 415, 453].contains(&status), "{status}: {sdp}");
        if status == 200 {
            let transport = [("Transport", TCP)];
            for url in ["/cam", "/cam/streamid=0"] {
                let status = w.request(c, "SETUP", url, &transport).status();
                assert!([200, 404, 415, 459].contains(&status), "{status}: {sdp}");
            }
            let status = w.request(c, "RECORD", "/cam", &[]).status();
            assert!([200, 415, 455].contains(&status), "{status}: {sdp}");
        }
        w.leave(c);
        w.run_secs(0.1);
    }
    w.run(secs(1.0));
    w.check();
    w.expect_nothing_left();
}
