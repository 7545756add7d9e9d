//! Feedback: key frames that viewers need, and what the server can tell of each of them.

use super::live::Encoder;
use super::world::{C, World};
use crate::ids::StreamId;
use crate::net::{MulticastInterface, UdpSocket};
use crate::server::ServerHooks;
use crate::wire::rtcp::{Fir, ReportBlock, write_fir, write_pli, write_rr, write_sdes_cname};
use crate::wire::rtp::RtpPacket;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

struct CountRequests(Rc<Cell<usize>>);

impl ServerHooks for CountRequests {
    fn key_frame_wanted(&mut self, _: StreamId) {
        self.0.set(self.0.get() + 1);
    }
}

/// The server tells the counter of key frames that are wanted.
fn count_requests(w: &mut World) -> Rc<Cell<usize>> {
    let told = Rc::new(Cell::new(0));
    let hooks = CountRequests(Rc::clone(&told));
    w.serve(|server, _| server.set_hooks(hooks));
    told
}

/// A compound packet of a viewer that ends with the feedback that `put` appends.
fn feedback(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut packet = Vec::new();
    write_rr(&mut packet, 7, &[]);
    write_sdes_cname(&mut packet, 7, "viewer");
    put(&mut packet);
    packet
}

fn send_picture_loss(w: &mut World, c: C, media: u32) {
    w.send_rtcp(c, 1, &feedback(|packet| write_pli(packet, 7, media)));
}

#[test]
fn a_crowd_that_needs_a_key_frame_is_one_request() {
    let mut w = World::new();
    let told = count_requests(&mut w);
    let mut encoder = Encoder::new(&mut w, true);
    encoder.run(&mut w, 0.04);
    assert!(!encoder.sender.key_frame_wanted(), "nobody watches");
    let first = w.playing("/live", 1, false);
    assert!(encoder.sender.key_frame_wanted(), "the first viewer waits for one");
    encoder.run(&mut w, 0.52);
    let ssrc = w[first].track(1).rtp[0].ssrc;
    assert_eq!((encoder.sender.key_frame_wanted(), told.get()), (false, 0));
    // They join in the middle of a group of pictures.
    let crowd: Vec<_> = (0..6).map(|n| w.playing("/live", 1, n % 2 == 0)).collect();
    assert!(encoder.sender.key_frame_wanted());
    assert!(!encoder.sender.key_frame_wanted(), "a request is taken once");
    assert_eq!(told.get(), 1);
    encoder.run(&mut w, 0.8);
    assert_eq!((encoder.sender.key_frame_wanted(), told.get()), (false, 1));
    // Some lose the same packet, over UDP and over TCP.
    crowd.iter().for_each(|&c| send_picture_loss(&mut w, c, ssrc));
    w.run_secs(0.05);
    assert_eq!((encoder.sender.key_frame_wanted(), told.get()), (true, 2));
    // Who asks again at once is asked for later, if no key frame comes in the meantime.
    send_picture_loss(&mut w, first, ssrc);
    w.run_secs(0.05);
    assert_eq!((encoder.sender.key_frame_wanted(), told.get()), (false, 2));
    // What is asked of another stream is not for this one.
    w.run_secs(1.0);
    let before = told.get();
    send_picture_loss(&mut w, first, ssrc ^ 1);
    w.run_secs(1.0);
    assert!(told.get() <= before + 1);
    drop(encoder);
    w.expect_nothing_left();
}

#[test]
fn each_client_can_be_asked_for_what_it_was_sent_and_how_it_arrives() {
    let mut w = World::new();
    let mut encoder = Encoder::new(&mut w, true);
    encoder.run(&mut w, 0.04);
    let (over_udp, over_tcp) = (w.playing("/live", 1, false), w.playing("/live", 1, true));
    encoder.run(&mut w, 2.0);
    for c in [over_udp, over_tcp] {
        let (session, _) = w.session_of(c);
        let first = w.server().client_statistics(session).next().expect("a track");
        assert_eq!(first.delivery.packets, w[c].track(1).rtp.len() as u64);
        assert!(first.delivery.octets > first.delivery.packets * 12);
        assert_eq!((first.track, first.delivery.reception), (0, None));
        let block = ReportBlock {
            ssrc: w[c].track(1).rtp[0].ssrc,
            fraction_lost: 64,
            cumulative_lost: 3,
            highest_sequence: 9,
            jitter: 900,
            last_sr: 0,
            delay_since_last_sr: 0,
        };
        let mut report = Vec::new();
        write_rr(&mut report, 7, &[block]);
        w.send_rtcp(c, 1, &report);
        // Across reports of the server, at which the session's counters take over.
        encoder.run(&mut w, 10.0);
        let later = w.server().client_statistics(session).next().expect("a track");
        assert_eq!(later.delivery.packets, w[c].track(1).rtp.len() as u64);
        let reception = later.delivery.reception.expect("a report");
        assert_eq!((reception.fraction_lost, reception.cumulative_lost), (64, 3));
        assert_eq!(reception.jitter, Duration::from_millis(10));
    }
    let (gone, _) = w.session_of(over_udp);
    w.teardown(over_udp, "/live");
    assert_eq!(w.server().client_statistics(gone).count(), 0);
    drop(encoder);
    w.expect_nothing_left();
}

#[test]
fn a_client_that_lost_frames_because_it_does_not_keep_up_needs_a_key_frame() {
    let mut w = World::configured(|config| config.max_queued_media = 16 << 10);
    w.set_profile(|profile| profile.tcp_window = 8 << 10);
    let told = count_requests(&mut w);
    let mut encoder = Encoder::new(&mut w, true);
    encoder.run(&mut w, 0.04);
    let c = w.playing("/live", 1, true);
    encoder.run(&mut w, 2.0);
    assert!(encoder.sender.key_frame_wanted(), "when it joined");
    let before = told.get();
    let (session, _) = w.session_of(c);
    let dropped = |w: &World| {
        let mut tracks = w.server().client_statistics(session);
        tracks.next().expect("a track").delivery.dropped_frames
    };
    assert_eq!(dropped(&w), 0);
    // It reads nothing while frames of 4 KB come, more than window and queue take.
    (w[c].stalled, encoder.size) = (true, 4096);
    encoder.run(&mut w, 0.16);
    assert_eq!((dropped(&w), told.get() - before), (0, 0), "they wait");
    assert!(!encoder.sender.key_frame_wanted());
    encoder.run(&mut w, 0.16);
    assert!(dropped(&w) > 0);
    assert_eq!(told.get() - before, 1);
    assert!(encoder.sender.key_frame_wanted(), "the encoder can mend it");
    // More that is lost until then is no other request.
    let lost = dropped(&w);
    encoder.run(&mut w, 1.0);
    assert!(dropped(&w) > lost);
    assert_eq!((encoder.sender.key_frame_wanted(), told.get() - before), (false, 1));
    // It reads again, and goes on with a key frame.
    w[c].stalled = false;
    encoder.size = 0;
    let had = w[c].track(1).frames().len();
    encoder.run(&mut w, 2.0);
    assert!(w[c].track(1).frames().len() > had + 25);
    assert_eq!((encoder.sender.key_frame_wanted(), told.get() - before), (false, 1));
    drop(encoder);
    w.expect_nothing_left();
}

#[test]
fn a_full_intra_request_asks_for_a_key_frame_once() {
    for tcp in [false, true] {
        let mut w = World::new();
        let told = count_requests(&mut w);
        let mut encoder = Encoder::new(&mut w, true);
        encoder.run(&mut w, 0.04);
        let c = w.playing("/live", 1, tcp);
        encoder.run(&mut w, 2.0);
        assert!(encoder.sender.key_frame_wanted(), "when it joined");
        let (ssrc, before) = (w[c].track(1).rtp[0].ssrc, told.get());
        let request = |w: &mut World, ssrc: u32, sequence: u8| {
            let fir = Fir { ssrc, sequence };
            w.send_rtcp(c, 1, &feedback(|packet| write_fir(packet, 7, &[fir])));
            w.run_secs(0.05);
            (encoder.sender.key_frame_wanted(), told.get() - before)
        };
        assert_eq!(request(&mut w, ssrc ^ 1, 4), (false, 0), "of another stream");
        assert_eq!(request(&mut w, ssrc, 5), (true, 1), "tcp {tcp}");
        w.run_secs(1.0);
        // RFC 5104 section 4.3.1.2: the same number is the same request.
        assert_eq!(request(&mut w, ssrc, 5), (false, 1), "a repetition");
        assert_eq!(request(&mut w, ssrc, 6), (true, 2), "the next one");
        drop(encoder);
        w.expect_nothing_left();
    }
}

#[test]
fn a_member_of_a_multicast_group_may_ask_for_a_key_frame() {
    let mut w = World::new();
    let told = count_requests(&mut w);
    let group = |port| SocketAddr::new("232.1.2.3".parse().unwrap(), port);
    let mut encoder = Encoder::to_group(&mut w, (group(5004), group(5005)));
    let mut listen = |host: &str, port| {
        let at = SocketAddr::new(host.parse().unwrap(), port);
        let mut socket = UdpSocket::bind_shared(&mut w.env, at).unwrap();
        let any = MulticastInterface::Any;
        socket.join_multicast(&mut w.env, group(port).ip(), any, None).unwrap();
        socket
    };
    let (mut rtp, mut rtcp) = (listen("10.0.1.7", 5004), listen("10.0.1.7", 5005));
    encoder.run(&mut w, 1.0);
    let mut packet = [0; 2048];
    let (len, _) = rtp.recv_from(&mut w.env, &mut packet).expect("the stream");
    let ssrc = RtpPacket::parse(&packet[..len]).unwrap().ssrc;
    assert!(encoder.sender.key_frame_wanted(), "when the stream began");
    let before = told.get();
    let to = "10.0.0.1:5005".parse().unwrap();
    let lose = |w: &mut World, socket: &mut UdpSocket, ssrc: u32| {
        let loss = feedback(|packet| write_pli(packet, 7, ssrc));
        socket.send_to(&mut w.env, &loss, to).unwrap();
        w.run_secs(0.05);
        (encoder.sender.key_frame_wanted(), told.get() - before)
    };
    assert_eq!(lose(&mut w, &mut rtcp, ssrc ^ 1), (false, 0), "of another stream");
    assert_eq!(lose(&mut w, &mut rtcp, ssrc), (true, 1));
    assert_eq!(lose(&mut w, &mut rtcp, ssrc), (false, 1), "not at once again");
    rtp.close(&mut w.env);
    rtcp.close(&mut w.env);
    let server = w.server;
    w.env.close(server);
    assert_eq!(w.env.delayed_tasks(), 0);
}
