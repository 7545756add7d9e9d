//! Feedback: key frames that viewers need, and what the server can tell of each of them.

use super::live::Encoder;
use super::world::{C, World};
use crate::ids::StreamId;
use crate::server::ServerHooks;
use crate::wire::rtcp::{ReportBlock, write_pli, write_rr, write_sdes_cname};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

struct CountRequests(Rc<Cell<usize>>);

impl ServerHooks for CountRequests {
    fn key_frame_wanted(&mut self, _: StreamId) {
        self.0.set(self.0.get() + 1);
    }
}

fn send_picture_loss(w: &mut World, c: C, media: u32) {
    let mut packet = Vec::new();
    write_rr(&mut packet, 7, &[]);
    write_sdes_cname(&mut packet, 7, "viewer");
    write_pli(&mut packet, 7, media);
    w.send_rtcp(c, 1, &packet);
}

#[test]
fn a_crowd_that_needs_a_key_frame_is_one_request() {
    let mut w = World::new();
    let told = Rc::new(Cell::new(0));
    let hooks = CountRequests(Rc::clone(&told));
    w.serve(|server, _| server.set_hooks(hooks));
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
