//! What publishers send, and what viewers get of it.

use super::publisher::{FRAME, GROUP, SDP, open_world, packet, picture};
use super::world::{C, World, secs};
use crate::server::pool::{RemovalReason, SessionInfo};
use crate::server::{FastStart, PublishPolicy, ServerHooks, UdpPorts};
use crate::wire::rtp::PacketKind;
use std::sync::{Arc, Mutex};

/// What the application was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn of(w: &mut World) -> Self {
        let told = Self::default();
        let hooks = told.clone();
        w.serve(|server, _| server.set_hooks(hooks));
        told
    }

    fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl ServerHooks for Told {
    fn session_created(&mut self, session: &SessionInfo) {
        self.note(format!("{} announced", session.stream));
    }

    fn recorded(&mut self, session: &SessionInfo) {
        self.note(format!("{} recorded", session.stream));
    }

    fn paused(&mut self, session: &SessionInfo) {
        self.note(format!("{} paused", session.stream));
    }

    fn publisher_lost(&mut self, session: &SessionInfo, reason: RemovalReason) {
        self.note(format!("{} lost: {reason}", session.stream));
    }

    fn session_removed(&mut self, session: &SessionInfo, reason: RemovalReason) {
        self.note(format!("{} ended: {reason}", session.stream));
    }
}

#[test]
fn viewers_get_what_is_published() {
    for ports in [UdpPorts::Pairs { base: 6970, tries: 100 }, UdpPorts::Shared { port: 0 }] {
        for tcp in [false, true] {
            let mut w = World::configured(|config| {
                config.publish.policy = PublishPolicy::Anybody;
                config.udp_ports = ports;
            });
            let publisher = w.publisher("/cam", tcp);
            w.publish(publisher, 0..3);
            let viewers = [w.viewer("/cam", false), w.viewer("/cam", true)];
            w.publish(publisher, 3..35);
            for viewer in viewers {
                let pictures = w.pictures(viewer);
                assert_eq!(pictures.first(), Some(&GROUP), "it begins with a key frame");
                assert_eq!(pictures, (GROUP..35).collect::<Vec<_>>(), "tcp {tcp}");
                let video = w[viewer].track(1);
                assert!(video.rtp.iter().all(|p| p.marker && p.len == 12 + 200));
                let steps =
                    video.rtp.windows(2).map(|p| p[1].timestamp.wrapping_sub(p[0].timestamp));
                assert!(steps.into_iter().all(|step| step == 3600));
                assert!(w[viewer].track(2).rtp.len() >= 20, "sound");
            }
            w.check();
            w.expect_nothing_left();
        }
    }
}

#[test]
fn the_application_is_told_of_the_life_of_a_publisher() {
    let mut w = open_world(|_| {});
    let told = Told::of(&mut w);
    let c = w.publisher("/hall/cam", true);
    assert_eq!(told.take(), ["hall/cam announced", "hall/cam recorded"]);
    w.publish(c, 0..5);
    w.request(c, "PAUSE", "/hall/cam", &[]).expect(200);
    w.request(c, "RECORD", "/hall/cam", &[]).expect(200);
    assert_eq!(told.take(), ["hall/cam paused", "hall/cam recorded"]);
    w.request(c, "TEARDOWN", "/hall/cam", &[]).expect(200);
    assert_eq!(told.take(), ["hall/cam lost: torn down", "hall/cam ended: torn down"]);
    // Announced only.
    let c = w.client();
    w.announce(c, "/other", SDP).expect(200);
    w.leave(c);
    w.run_secs(0.5);
    assert_eq!(told.take(), ["other announced", "other ended: connection lost"]);
    w.expect_nothing_left();
}

#[test]
fn a_silent_publisher_ends_after_its_time_and_a_paused_one_with_its_session() {
    for tcp in [false, true] {
        let mut w = open_world(|publish| publish.timeout = secs(7.0));
        let told = Told::of(&mut w);
        let c = w.publisher("/cam", tcp);
        w.publish(c, 0..5);
        w.run_secs(6.7);
        assert_eq!(w.census().0, 1);
        w.run_secs(0.5);
        assert_eq!(w.census().0, 0, "tcp {tcp}");
        assert!(told.take().contains(&"cam lost: expired".to_owned()));
        let c = w.publisher("/cam", tcp);
        w.publish(c, 0..5);
        w.request(c, "PAUSE", "/cam", &[]).expect(200);
        w.run_secs(50.0);
        assert_eq!(w.census().0, 1, "it has paused");
        w.request(c, "RECORD", "/cam", &[]).expect(200);
        w.publish(c, 5..8);
        w.run_secs(8.0);
        assert_eq!(w.census().0, 0);
        // What is announced and not recorded does not keep the name.
        let c = w.client();
        w.announce(c, "/cam", SDP).expect(200);
        w.setup_record(c, "/cam/streamid=0", 1, tcp);
        w.run_secs(7.5);
        assert_eq!(w.census().0, 0);
        w.expect_nothing_left();
    }
}

#[test]
fn packets_keep_the_session_of_a_publisher_alive() {
    for tcp in [false, true] {
        let mut w = open_world(|_| {});
        w.tick = FRAME;
        let c = w.publisher("/cam", tcp);
        w.publish(c, 0..(150.0 / FRAME.as_secs_f64()) as u32);
        assert_eq!(w.census().0, 1, "tcp {tcp}");
        w.expect_nothing_left();
    }
}

#[test]
fn what_a_publisher_sends_is_counted_for_its_session() {
    for tcp in [false, true] {
        let mut w = open_world(|_| {});
        let c = w.publisher("/cam", tcp);
        w.publish(c, 0..50);
        w.run_secs(0.1);
        let counters = w.session_of(c).1.counters();
        assert_eq!(counters.packets, 100);
        assert_eq!(counters.bytes, 50 * (12 + 200) + 50 * (12 + 320));
        // What is not its own is not counted.
        w.send_packet(c, 1, PacketKind::Rtp, &[0x80, 0]);
        w.request(c, "PAUSE", "/cam", &[]).expect(200);
        w.publish(c, 50..60);
        assert_eq!(w.session_of(c).1.counters(), counters);
        w.teardown(c, "/cam");
        w.expect_nothing_left();
    }
}

#[test]
fn what_a_publisher_says_of_its_tracks_is_told_to_viewers() {
    let mut w = open_world(|_| {});
    let c = w.client();
    let video = "a=framerate:25\r\na=framesize:96 640-480\r\na=x-onvif-track:VIDEO001\r\n\
                 a=range:npt=0-7\r\na=rtcp:9\r\na=extmap:1 x\r\nb=AS:4000\r\n";
    let sound = "a=ptime:40\r\na=label:\x01\r\na=key-mgmt:mikey AAAA\r\n";
    let sdp = SDP.replace("a=control:streamid=0\r\n", &format!("{video}a=control:streamid=0\r\n"));
    w.announce(c, "/cam", &format!("{sdp}{sound}")).expect(200);
    for number in [1, 2] {
        w.setup_record(c, &format!("/cam/streamid={}", number - 1), number, true);
    }
    w.request(c, "RECORD", "/cam", &[]).expect(200);
    let viewer = w.client();
    let told = w.describe(viewer, "/cam").expect(200).body();
    for line in ["framerate:25", "framesize:96 640-480", "x-onvif-track:VIDEO001", "ptime:40"] {
        assert!(told.contains(&format!("a={line}\r\n")), "{line}: {told}");
    }
    assert!(told.contains("b=AS:4000\r\n"), "{told}");
    for name in ["npt=0-7", "a=rtcp:", "extmap", "label", "key-mgmt"] {
        assert!(!told.contains(name), "{name}: {told}");
    }
    w.expect_nothing_left();
}

#[test]
fn the_first_viewer_of_what_is_published_may_begin_at_once() {
    for (fast_start, begins) in [(None, None), (Some(FastStart::KeyFrameCache), Some(GROUP))] {
        let mut w = open_world(|publish| publish.fast_start = fast_start);
        let c = w.publisher("/cam", true);
        w.publish(c, 0..GROUP + 3);
        let viewer = w.viewer("/cam", true);
        w.run_secs(0.03);
        assert_eq!(w.pictures(viewer).first().copied(), begins, "{fast_start:?}");
        w.publish(c, GROUP + 3..3 * GROUP);
        assert!(w.pictures(viewer).contains(&(3 * GROUP - 1)));
        w.expect_nothing_left();
    }
}

#[test]
fn a_publisher_is_sent_receiver_reports() {
    for tcp in [false, true] {
        let mut w = open_world(|_| {});
        let c = w.publisher("/cam", tcp);
        w.publish(c, 0..500);
        let reports = &w[c].track(1).rtcp;
        assert!((3..=10).contains(&reports.len()), "{} in 20 s", reports.len());
        assert!(reports.iter().all(|r| r.cname.as_deref() == Some("riverrun@10.0.0.1")));
        assert!(w[c].track(1).rtp.is_empty());
        w.expect_nothing_left();
    }
}

#[test]
fn what_comes_twice_or_out_of_order_is_mended() {
    let mut w = open_world(|_| {});
    let c = w.publisher("/cam", false);
    w.publish(c, 0..1);
    let viewer = w.viewer("/cam", true);
    for number in [10, 12, 11, 11, 13, 12, 15, 14, 16] {
        w.send_picture(c, number);
        w.run_secs(0.01);
    }
    // One is lost: it is waited for as long as is configured.
    w.send_picture(c, 18);
    w.run_secs(0.05);
    assert_eq!(w.pictures(viewer), (10..=16).collect::<Vec<_>>());
    w.run_secs(0.2);
    let track = w[viewer].track(1);
    assert_eq!(track.frames().last(), Some(&18));
    let [.., before, last] = &track.rtp[..] else { panic!() };
    assert_eq!(last.sequence, before.sequence.wrapping_add(2), "the loss shows");
    w.expect_nothing_left();
}

#[test]
fn before_record_and_in_a_pause_nothing_is_passed_on() {
    let mut w = open_world(|_| {});
    let c = w.publisher("/cam", true);
    w.publish(c, 0..2);
    let viewer = w.viewer("/cam", true);
    w.publish(c, 10..15);
    w.request(c, "PAUSE", "/cam", &[]).expect(200);
    w.publish(c, 15..25);
    assert_eq!(w.pictures(viewer), (10..15).collect::<Vec<_>>());
    w.request(c, "RECORD", "/cam", &[]).expect(200);
    w.publish(c, 30..40);
    assert_eq!(w[viewer].track(1).frames().last(), Some(&39));
    w.expect_nothing_left();
}

#[test]
fn one_of_two_tracks_can_be_published_alone() {
    let mut w = open_world(|_| {});
    let c = w.client();
    w.announce(c, "/cam", SDP).expect(200);
    w.setup_record(c, "/cam/streamid=1", 2, true);
    w.request(c, "RECORD", "/cam", &[]).expect(200);
    w.publish(c, 0..3);
    let viewer = w.client();
    let sdp = w.describe(viewer, "/cam").expect(200).body();
    assert_eq!((sdp.matches("m=").count(), sdp.contains("m=audio")), (1, true), "{sdp}");
    w.setup_tcp(viewer, "/cam", 1);
    w.play(viewer, "/cam");
    w.publish(c, 3..20);
    assert!(w[viewer].track(1).rtp.len() >= 15);
    w.expect_nothing_left();
}

#[test]
fn a_publisher_behind_an_address_translator_is_heard() {
    let mut w = open_world(|_| {});
    let c = w.publisher("/cam", false);
    w.publish(c, 0..1);
    let viewer = w.viewer("/cam", true);
    // Its packets come from another port than it has announced.
    let (socket, spare, _) = w.udp_pair(c);
    let old = w[c].tracks.iter_mut().find(|t| t.number == 1).map(|t| &mut t.way);
    let Some(super::client::Way::Udp { rtp, .. }) = old else { panic!() };
    let before = std::mem::replace(rtp, socket);
    w.publish(c, 10..20);
    assert_eq!(w.pictures(viewer), (10..20).collect::<Vec<_>>());
    before.close(&mut w.env);
    spare.close(&mut w.env);
    // A stranger's are not.
    let stranger = w.client();
    let (mut socket, spare, _) = w.udp_pair(stranger);
    for port in 6970..7000 {
        let to = std::net::SocketAddr::new("10.0.0.1".parse().unwrap(), port);
        let unit = picture(77, true);
        let _ = socket.send_to(&mut w.env, &packet(96, 20, 3600, &unit), to);
    }
    w.run_secs(0.2);
    assert_eq!(w.pictures(viewer).last(), Some(&19));
    socket.close(&mut w.env);
    spare.close(&mut w.env);
    w.expect_nothing_left();
}

#[test]
fn garbage_on_the_way_in_is_dropped() {
    let mut w = open_world(|_| {});
    let c = w.publisher("/cam", true);
    w.publish(c, 0..1);
    let viewer = w.viewer("/cam", true);
    let unit = picture(70, true);
    for garbage in [vec![], vec![0x80], vec![0xff; 200], packet(97, 5, 3600, &unit)] {
        for kind in [PacketKind::Rtp, PacketKind::Rtcp] {
            w.send_packet(c, 1, kind, &garbage);
        }
    }
    w.publish(c, 10..20);
    assert_eq!(w.pictures(viewer), (10..20).collect::<Vec<_>>());
    w.expect_nothing_left();
}

#[test]
fn a_datagram_that_is_not_read_whole_is_dropped() {
    let mut w = open_world(|_| {});
    let c = w.publisher("/cam", false);
    w.publish(c, 0..1);
    let viewer = w.viewer("/cam", true);
    w.publish(c, 10..12);
    let mut long = picture(12, false);
    long.resize(3000, 0x55);
    w.send_packet(c, 1, PacketKind::Rtp, &packet(96, 12, 3600, &long));
    w.publish(c, 13..20);
    w.run_secs(0.3);
    let expected: Vec<_> = [10, 11].into_iter().chain(13..20).collect();
    assert_eq!(w[viewer].track(1).frames(), expected);
    w.expect_nothing_left();
}

#[test]
fn a_session_may_be_found_by_the_connection_of_its_announce() {
    let mut w = open_world(|_| {});
    let c: C = w.client();
    w.announce(c, "/cam", SDP).expect(200);
    let session = w[c].session.take();
    let transport = [("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1;mode=\"RECORD\"")];
    let answer = w.request(c, "SETUP", "/cam/streamid=0", &transport).expect(200);
    assert_eq!(answer.header("Session").split(';').next(), session.as_deref());
    let spec = answer.transport();
    assert!(spec.is_record() && !spec.is_play(), "{spec}");
    // Another connection has to name it.
    let other = w.beside(c);
    w.request(other, "SETUP", "/cam/streamid=1", &transport).expect(404);
    w.leave(c);
    w.expect_nothing_left();
}

/// The feedback that a publisher got about its video.
fn feedback(w: &World, c: C) -> Vec<(u8, u8)> {
    w[c].track(1).rtcp.iter().flat_map(|rtcp| rtcp.feedback.clone()).collect()
}

#[test]
fn a_publisher_whose_description_allows_it_is_asked_for_key_frames_and_lost_packets() {
    const NACK: (u8, u8) = (205, 1);
    const PLI: (u8, u8) = (206, 1);
    let offers = "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=control:streamid=0";
    for (offered, tcp) in [(true, true), (true, false), (false, true)] {
        let mut w = open_world(|_| {});
        let c = w.client();
        let sdp = if offered { SDP.replace("a=control:streamid=0", offers) } else { SDP.into() };
        w.announce(c, "/cam", &sdp).expect(200);
        w.setup_record(c, "/cam/streamid=0", 1, tcp);
        w.setup_record(c, "/cam/streamid=1", 2, tcp);
        w.request(c, "RECORD", "/cam", &[]).expect(200);
        w.publish(c, 0..3);
        w[c].forget_media();
        w.viewer("/cam", true);
        w.publish(c, 3..6);
        let asked = feedback(&w, c);
        assert_eq!(asked, if offered { vec![PLI] } else { vec![] }, "a newcomer waits");
        w.publish(c, 10..20);
        w[c].forget_media();
        // One is lost.
        w.publish(c, 21..24);
        let asked = feedback(&w, c);
        assert_eq!(asked.contains(&NACK), offered && !tcp, "{asked:?}");
        w.expect_nothing_left();
    }
}

#[test]
fn the_application_sees_what_a_publisher_sends_and_may_end_it() {
    let mut w = open_world(|_| {});
    let c = w.publisher("/cam", false);
    w.publish(c, 0..10);
    let (session, _) = w.session_of(c);
    let server = w.server();
    let stream = server.relayed_stream_by_name("cam").expect("it is relayed");
    assert_eq!(server.publisher_of(stream), Some(session));
    let counted: Vec<_> = server
        .published_tracks(session)
        .map(|(number, receiver)| (number, receiver.source().counters().packets))
        .collect();
    assert_eq!(counted, [(0, 10), (1, 10)]);
    w.serve(|server, env| {
        server.publish_config_mut().policy = PublishPolicy::Nobody;
        assert!(server.end_client_session(env, session));
        assert_eq!(server.publisher_of(stream), None);
    });
    w.announce(c, "/cam", SDP).expect(405);
    w.expect_nothing_left();
}
