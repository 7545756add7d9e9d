//! Receivers that measure the round-trip time (RFC 3611 sections 4.4, 4.5 and 5).

use super::media::film;
use super::world::{C, World, secs};
use crate::rtp::rtcp::NtpTime;
use crate::wire::rtcp::{Dlrr, write_rr, write_sdes_cname, write_xr_rrtr};
use std::time::Duration;

const RECEIVER: u32 = 0x7171;

/// A report with a reference time.
fn stated(seconds: u64) -> Vec<u8> {
    let mut packet = Vec::new();
    write_rr(&mut packet, RECEIVER, &[]);
    write_sdes_cname(&mut packet, RECEIVER, "viewer");
    write_xr_rrtr(&mut packet, RECEIVER, NtpTime(seconds << 32));
    packet
}

/// What the answers say that a viewer has got since it was asked last.
fn answers(w: &mut World, c: C) -> Vec<Dlrr> {
    let delays = w[c].track(1).rtcp.iter().flat_map(|rtcp| rtcp.delays.clone()).collect();
    w[c].forget_media();
    delays
}

#[test]
fn a_description_lets_receivers_measure() {
    let mut w = World::with_film_and_camera();
    let c = w.client();
    let sdp = w.describe(c, "/film").expect(200).body();
    assert_eq!(sdp.matches("a=rtcp-xr:rcvr-rtt=all\r\n").count(), sdp.matches("m=").count());
}

#[test]
fn a_reference_time_is_answered_with_the_time_that_it_has_waited() {
    for tcp in [false, true] {
        let mut w = World::new();
        w.add(film("film"));
        let c = w.playing("/film", 1, tcp);
        let other = w.playing("/film", 1, tcp);
        w.run_secs(1.0);
        assert_eq!(answers(&mut w, c), [], "nobody has asked");
        w.send_rtcp(c, 1, &stated(5));
        w.run_secs(0.5);
        let delays = answers(&mut w, c);
        let [Dlrr { ssrc: RECEIVER, last_rr: 0x5_0000, delay_since_last_rr }] = delays[..] else {
            panic!("tcp {tcp}: {delays:?}");
        };
        let delay = NtpTime::short_to_duration(delay_since_last_rr);
        assert!(delay < Duration::from_millis(100), "with the next frame: {delay:?}");
        assert_eq!(answers(&mut w, other), [], "it is for the one who asked");
    }
}

#[test]
fn who_asks_all_the_time_is_answered_once_a_second() {
    for tcp in [false, true] {
        let mut w = World::new();
        w.add(film("film"));
        let c = w.playing("/film", 1, tcp);
        w.run_secs(1.0);
        for n in 1..=300 {
            w.send_rtcp(c, 1, &stated(n));
            w.run_secs(0.01);
        }
        w.run_secs(0.5);
        let count = answers(&mut w, c).len();
        assert!((3..=4).contains(&count), "tcp {tcp}: {count}");
    }
}

#[test]
fn who_is_paused_or_gone_is_not_answered() {
    let mut w = World::new();
    w.add(film("film"));
    let c = w.playing("/film", 1, false);
    w.run_secs(1.0);
    w.pause(c, "/film").expect(200);
    w[c].forget_media();
    w.send_rtcp(c, 1, &stated(1));
    w.run_secs(10.0);
    assert_eq!(answers(&mut w, c), [], "nothing is sent in a pause");
    w.play(c, "/film").expect(200);
    w.run_secs(0.5);
    w.send_rtcp(c, 1, &stated(2));
    w.run_secs(0.5);
    assert_eq!(answers(&mut w, c).len(), 1);
    w.run(secs(2.0));
    w.send_rtcp(c, 1, &stated(3));
    w.teardown(c, "/film").expect(200);
    w.run_secs(1.0);
    w.expect_nothing_left();
}
