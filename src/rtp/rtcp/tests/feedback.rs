//! Tests of the events: what receivers ask for and report of our stream (RFC 4585, RFC 5104).

use super::*;
use crate::wire::rtcp::{Fir, write_fir};

const fn wanted(from: u64, requester: u32, request: KeyFrameRequest) -> RtcpEvent {
    RtcpEvent::KeyFrameWanted { from, requester, request }
}

#[test]
fn feedback_about_us_is_read() {
    let now = some_instant();
    let mut rtcp = sender(now);
    let packet = words(&[
        0x80c9_0001,
        THEIRS, // RR without a block
        0x81ce_0002,
        THEIRS,
        OURS, // PLI
        0x81ce_0002,
        THEIRS,
        99, // PLI about another
        0x84ce_0006,
        THEIRS,
        0,
        OURS,
        0x0500_0000,
        99,
        0x0600_0000, // FIR, two entries
        0x81cd_0003,
        THEIRS,
        OURS,
        0x0010_8001, // NACK
        0x8fce_0002,
        THEIRS,
        OURS, // application layer feedback
    ]);
    let outcome = rtcp.handle_packet(&packet, 1, now, NTP);
    assert!(outcome.is_receiver_report);
    let nack = Nack { first: 0x10, following: 0x8001 };
    let expected = [
        wanted(1, THEIRS, KeyFrameRequest::PictureLoss),
        wanted(1, THEIRS, KeyFrameRequest::FullIntra { sequence: 5 }),
        RtcpEvent::PacketsLost { from: 1, requester: THEIRS, nack },
    ];
    assert_eq!(events(&mut rtcp), expected);
    assert_eq!(rtcp.counters().key_frame_requests, 2);
}

#[test]
fn repeated_full_intra_requests_are_told_once() {
    let now = some_instant();
    let mut rtcp = sender(now);
    let mut sequences = |requester, from, sequence, now| {
        let fir = [Fir { ssrc: OURS, sequence }];
        let mut packet = words(&[0x80c9_0001, requester]);
        write_fir(&mut packet, requester, &fir);
        rtcp.handle_packet(&packet, from, now, NTP);
        let events = events(&mut rtcp);
        let wanted = wanted(from, requester, KeyFrameRequest::FullIntra { sequence });
        assert!(events.iter().all(|e| *e == wanted));
        events.len()
    };
    assert_eq!(sequences(THEIRS, 1, 0, now), 1);
    assert_eq!(sequences(THEIRS, 1, 0, now), 0, "a repetition");
    assert_eq!(sequences(THEIRS, 1, 1, now), 1);
    assert_eq!(sequences(9, 1, 1, now), 1, "of another receiver");
    assert_eq!(sequences(THEIRS, 2, 1, now), 1, "of one elsewhere, of the same SSRC");
    assert_eq!(sequences(THEIRS, 1, 1, now), 0);
    assert_eq!(sequences(THEIRS, 1, 0, now), 1, "the number may be any other");
    rtcp.remove_destination(1);
    let mut fir = words(&[0x80c9_0001, THEIRS]);
    write_fir(&mut fir, THEIRS, &[Fir { ssrc: OURS, sequence: 0 }]);
    rtcp.handle_packet(&fir, 1, now, NTP);
    assert_eq!(events(&mut rtcp).len(), 1, "a newcomer in its place");
    rtcp.handle_timeout(now + ms(60_000), 1);
    rtcp.handle_packet(&fir, 1, now + ms(60_000), NTP);
    assert_eq!(events(&mut rtcp).len(), 1, "who was silent for long is forgotten");
}

#[test]
fn requests_of_more_receivers_than_are_remembered_are_told_all_the_same() {
    let now = some_instant();
    let config = RtcpConfig { max_destinations: 3, ..config() };
    let mut rtcp = RtcpInstance::new(config, OURS, now, 7);
    for round in 0..2 {
        for requester in 10..20 {
            let mut fir = words(&[0x80c9_0001, requester]);
            write_fir(&mut fir, requester, &[Fir { ssrc: OURS, sequence: 0 }]);
            rtcp.handle_packet(&fir, requester.into(), now, NTP);
            let is_told = round == 0 || requester >= 13;
            assert_eq!(events(&mut rtcp).len(), usize::from(is_told), "{requester}");
        }
    }
}

#[test]
fn events_are_of_the_last_packet() {
    let now = some_instant();
    let mut rtcp = sender(now);
    rtcp.handle_packet(&receiver_report(block(0, 0, 0, 0)), 1, now, NTP);
    rtcp.handle_packet(&receiver_report(block(0, 0, 0, 0)), 2, now, NTP);
    let froms: Vec<_> = events(&mut rtcp)
        .into_iter()
        .map(|event| match event {
            RtcpEvent::ReceptionReport { from, statistics } => (from, statistics.reports),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(froms, [(2, 1)]);
    rtcp.handle_packet(&receiver_report(block(0, 0, 0, 0)), 2, now, NTP);
    rtcp.handle_packet(b"garbage", 2, now, NTP);
    assert_eq!(events(&mut rtcp), []);
}

#[test]
fn feedback_is_bounded() {
    let now = some_instant();
    let mut rtcp = sender(now);
    let mut packet = words(&[0x80c9_0001, THEIRS, 0x81cd_0fa2, THEIRS, OURS]);
    packet.extend(vec![0; 4000 * 4]);
    let outcome = rtcp.handle_packet(&packet, 1, now, NTP);
    assert!(outcome.valid);
    assert_eq!(events(&mut rtcp).len(), 64);
    assert_eq!(rtcp.counters().dropped_events, 4000 - 64);
}

#[test]
fn feedback_alone_is_taken_only_on_request() {
    let now = some_instant();
    let pli = words(&[0x81ce_0002, THEIRS, OURS]);
    assert!(!sender(now).handle_packet(&pli, 1, now, NTP).valid);
    let config = RtcpConfig { reduced_size: true, ..config() };
    let mut rtcp = RtcpInstance::new(config, OURS, now, 7);
    assert!(rtcp.handle_packet(&pli, 1, now, NTP).valid);
    assert_eq!(events(&mut rtcp), [wanted(1, THEIRS, KeyFrameRequest::PictureLoss)]);
}
