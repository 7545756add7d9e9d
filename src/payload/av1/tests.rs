use super::sdp::payload_facts;
use super::{Av1Depacketizer, Av1Packetizer};
use crate::codec::av1::obu_type;
use crate::codec::av1::tests::{SEQUENCE, frame, obu};
use crate::codec::{CodecParameters, av1};
use crate::frame::Frame;
use crate::payload::testing::{
    Received, XorShift, outgoing, payloads_of, survives_garbage, timed, transmits,
};
use bytes::Bytes;

/// Temporal units of some OBUs each; every tenth is a key frame with its sequence header.
fn frames(n: u64, seed: u64) -> Vec<Frame> {
    let mut random = XorShift::new(seed);
    (0..n)
        .map(|i| {
            let mut data = if i % 10 == 0 { SEQUENCE.to_vec() } else { Vec::new() };
            if random.below(3) == 0 {
                data.extend(obu(obu_type::METADATA, &[4; 30]));
            }
            let len = 1 + random.below(4000) as usize;
            data.extend(frame(i % 10 == 0, len));
            for _ in 0..random.below(5) {
                let len = random.below(300) as usize;
                data.extend(obu(obu_type::TILE_GROUP, &random.bytes(len)));
            }
            let mut frame = timed(data, i, 3000, 90_000);
            frame.flags.key = i % 10 == 0;
            frame
        })
        .collect()
}

fn packetizer() -> Av1Packetizer {
    Av1Packetizer::new(Bytes::new())
}

#[test]
fn what_goes_in_comes_out_or_is_marked() {
    let parameters = CodecParameters::Av1 { sequence_header: Bytes::new() };
    for (max_payload, seeds) in
        [(64, 0..3), (100, 3..6), (500, 6..12), (1400, 12..20), (9000, 20..24)]
    {
        for seed in seeds {
            transmits(&parameters, &frames(12, seed), max_payload, 0);
        }
    }
}

#[test]
fn garbage_is_survived() {
    survives_garbage(Av1Depacketizer::new());
}

#[test]
fn obus_share_packets_without_their_lengths() {
    // A temporal delimiter, which is left out, a sequence header, metadata, and a frame of 24 bytes.
    let unit =
        [&[0x12, 0][..], &SEQUENCE, &obu(obu_type::METADATA, &[4, 5]), &frame(true, 24)].concat();
    let packets = payloads_of(&mut packetizer(), &timed(unit, 0, 1, 90_000), 64);
    // Section 4.4: W 3 and N; section 4.5: each but the last with its length.
    let mut expected = vec![0x38, 12, 0x08];
    expected.extend(&SEQUENCE[2..]);
    expected.extend([3, 0x28, 4, 5, 0x30, 0x10]);
    expected.extend([0x5a; 23]);
    assert_eq!(packets, [(expected, true)]);
}

#[test]
fn large_obus_are_cut() {
    let packets = payloads_of(&mut packetizer(), &timed(frame(false, 100), 0, 1, 90_000), 64);
    // W 1 and Y, then W 1 and Z.
    let first = [&[0x50, 0x30, 0x30][..], &[0x5a; 61]].concat();
    let second = [&[0x90][..], &[0x5a; 38]].concat();
    assert_eq!(packets, [(first, false), (second, true)]);
    // What follows shares the last packet: W 2 and Z.
    let unit = [frame(false, 100), obu(obu_type::TILE_GROUP, &[1, 2])].concat();
    let packets = payloads_of(&mut packetizer(), &timed(unit, 0, 1, 90_000), 64);
    let second = [&[0xa0, 38][..], &[0x5a; 38], &[0x20, 1, 2]].concat();
    assert_eq!(packets[1], (second, true));
}

#[test]
fn layers_do_not_share_packets() {
    let layered = |spatial: u8| vec![0x36, spatial << 3, 2, 0x30, 9];
    let unit = [layered(0), obu(obu_type::METADATA, &[4]), layered(1), layered(1)].concat();
    let packets = payloads_of(&mut packetizer(), &timed(unit.clone(), 0, 1, 90_000), 1400);
    let first = vec![0x20, 4, 0x34, 0, 0x30, 9, 0x28, 4];
    let second = vec![0x20, 4, 0x34, 8, 0x30, 9, 0x34, 8, 0x30, 9];
    assert_eq!(packets, [(first, false), (second, true)]);
    let mut d = Received::new(Av1Depacketizer::new());
    for (data, marker) in packets {
        d.handle_payload(&data, marker, 0, false).unwrap();
    }
    assert_eq!(d.poll_frame().unwrap().data, unit);
}

#[test]
fn key_frames_get_the_sequence_header_that_is_known() {
    let sequence_header = Bytes::from_static(&SEQUENCE);
    let parameters = CodecParameters::Av1 { sequence_header };
    let (format, mut packetizer) = outgoing(&parameters);
    assert_eq!(format.fmtp.as_deref(), Some("profile=0;level-idx=0;tier=0"));
    for (unit, has) in [
        (frame(true, 9), true),
        (frame(false, 9), false),
        ([&SEQUENCE[..], &frame(true, 9)].concat(), true),
    ] {
        let packets = payloads_of(&mut *packetizer, &timed(unit, 0, 1, 90_000), 64);
        let mut d = Received::new(Av1Depacketizer::new());
        d.handle_payload(&packets[0].0, true, 0, false).unwrap();
        let back = d.poll_frame().unwrap().data;
        assert_eq!(av1::sequence_header(&back).is_some(), has);
        assert_eq!(packets[0].0[0] & 0x08 != 0, has, "N");
    }
    let (format, _) = outgoing(&CodecParameters::Av1 { sequence_header: Bytes::new() });
    assert_eq!(format.fmtp, None);
}

#[test]
fn what_is_no_temporal_unit_is_not_sent() {
    for unit in [&[0x32, 9, 1][..], &[0x80, 1], &[0x12, 0], &[]] {
        let frame = timed(unit.to_vec(), 0, 1, 90_000);
        assert!(payloads_of(&mut packetizer(), &frame, 64).is_empty(), "{unit:?}");
    }
}

#[test]
fn elements_are_read_in_every_form() {
    let whole = [&SEQUENCE[..], &frame(true, 2)].concat();
    let bare = [&[0x08][..], &SEQUENCE[2..]].concat();
    for payload in [
        // W 0: each element has a length; W 2.
        [&[0x08, 12][..], &bare, &[3, 0x30, 0x10, 0x5a]].concat(),
        [&[0x28, 12][..], &bare, &[0x30, 0x10, 0x5a]].concat(),
        // OBUs with obu_size, temporal delimiters and tile lists.
        [&[0x08, 13][..], &SEQUENCE, &[4, 0x32, 2, 0x10, 0x5a]].concat(),
        [&[0x08, 1, 0x10, 12][..], &bare, &[2, 0x40, 7, 3, 0x30, 0x10, 0x5a]].concat(),
        [&[0x08, 12][..], &bare, &[0, 3, 0x30, 0x10, 0x5a]].concat(),
    ] {
        let mut d = Received::new(Av1Depacketizer::new());
        d.handle_payload(&payload, true, 7, false).unwrap();
        let frame = d.poll_frame().unwrap();
        assert_eq!((frame.data, frame.timestamp), (whole.clone().into(), 7));
        assert!(frame.key && !frame.damaged && !frame.discontinuity);
    }
}

#[test]
fn malformed_payloads_cost_their_unit_only() {
    for payload in [
        &[][..],
        &[0x10],
        // An element longer than the packet; fewer elements than W says; a forbidden bit; an
        // obu_size that is too large or too small; a length of nine bytes.
        &[0x00, 9, 0x30, 1],
        &[0x20, 2, 0x30, 1],
        &[0x10, 0xb0, 1],
        &[0x10, 0x32, 5, 1],
        &[0x10, 0x32, 1, 1, 2],
        &[0x00, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
    ] {
        let mut d = Received::new(Av1Depacketizer::new());
        d.handle_payload(&[&[0x18][..], &SEQUENCE].concat(), true, 0, false).unwrap();
        assert!(d.poll_frame().is_some());
        assert!(d.handle_payload(payload, false, 1, false).is_err(), "{payload:?}");
        d.handle_payload(&[0x10, 0x30, 0x30], true, 1, false).unwrap();
        assert!(d.poll_frame().is_none(), "it is the rest of a broken unit");
        d.handle_payload(&[0x10, 0x30, 0x30], true, 2, false).unwrap();
        let frame = d.poll_frame().unwrap();
        assert!(frame.discontinuity && !frame.damaged);
    }
}

#[test]
fn a_fragment_without_its_other_part_is_dropped() {
    let mut d = Received::new(Av1Depacketizer::new());
    // Z where nothing was cut.
    d.handle_payload(&[0x90, 1, 2], true, 0, false).unwrap();
    // Y with the marker.
    d.handle_payload(&[0x58, 0x30, 0x10], true, 1, false).unwrap();
    assert!(d.poll_frame().is_none());
    // Y, then no Z.
    d.handle_payload(&[0x58, 0x30, 0x10], false, 2, false).unwrap();
    assert!(d.handle_payload(&[0x10, 0x30, 0x10], true, 2, false).is_err());
    assert!(d.poll_frame().is_none());
}

#[test]
fn key_frames_are_damaged_until_a_sequence_header_comes() {
    let mut d = Received::new(Av1Depacketizer::new());
    let mut feed = |payload: &[u8], timestamp, lost| {
        d.handle_payload(payload, true, timestamp, lost).unwrap();
        let frame = d.poll_frame().unwrap();
        (frame.key, frame.damaged)
    };
    let key = &[0x10, 0x30, 0x10, 1][..];
    assert_eq!(feed(key, 0, false), (true, true));
    assert_eq!(feed(key, 1, false), (true, true));
    let with_header = [&[0x28, 13][..], &SEQUENCE, &key[1..]].concat();
    assert_eq!(feed(&with_header, 2, false), (true, false));
    assert_eq!(feed(key, 3, false), (true, false));
    assert_eq!(feed(&[0x10, 0x30, 0x30], 4, true), (false, true), "may lack its beginning");
    assert_eq!(feed(&with_header, 5, true), (true, false), "N tells that nothing is missing");
}

#[test]
fn a_unit_may_lack_the_marker() {
    let mut d = Received::new(Av1Depacketizer::new());
    d.handle_payload(&[&[0x18][..], &SEQUENCE].concat(), false, 0, false).unwrap();
    d.handle_payload(&[0x10, 0x30, 0x10], false, 0, false).unwrap();
    assert!(d.poll_frame().is_none());
    d.handle_payload(&[0x10, 0x30, 0x30], false, 1, false).unwrap();
    assert_eq!(d.poll_frame().unwrap().data, [&SEQUENCE[..], &[0x32, 1, 0x10]].concat());
    d.handle_end();
    assert!(d.poll_frame().is_none(), "nothing tells that it is whole");
}

#[test]
fn viewers_begin_with_the_sequence_header() {
    let facts = |payload: &[u8]| {
        let facts = payload_facts(payload);
        (facts.can_start, facts.has_picture, facts.has_parameter_sets, facts.is_intra)
    };
    let both = [&[0x20, 13][..], &SEQUENCE, &[0x30, 0x10]].concat();
    assert_eq!(facts(&both), (true, true, true, true));
    assert_eq!(facts(&[&[0x10][..], &SEQUENCE].concat()), (false, false, true, false));
    assert_eq!(facts(&[0x10, 0x30, 0x10]), (false, true, false, true));
    assert_eq!(facts(&[0x50, 0x30, 0x30]), (false, true, false, false));
    assert_eq!(facts(&[0x18, 0x28, 1]), (true, false, false, false), "N");
    assert_eq!(facts(&[0x90, 0x30, 0x10]), (false, true, false, false), "a later fragment");
    assert_eq!(facts(&[0x10, 0x20, 0x10]), (false, true, false, false), "a tile group");
    for nothing in [&[][..], &[0x10], &[0x10, 0xff], &[0x00, 9]] {
        assert_eq!(facts(nothing), (false, false, false, false), "{nothing:?}");
    }
}
