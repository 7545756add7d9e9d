use super::sdp::format;
use super::*;
use crate::payload::nal::testing;
use crate::payload::testing::{Received, XorShift};
use crate::payload::{
    DepacketizedFrames, Depacketizer, FormatRegistry, Packetizer as _, PayloadFormat, RtpPayload,
};
use bytes::Bytes;

fn nal(header: u8, len: usize) -> Vec<u8> {
    testing::nal(&[header], len, &mut XorShift::new(len as u64))
}

fn packets(nals: &[Vec<u8>], max_payload: usize) -> Vec<(Vec<u8>, bool)> {
    let frame = testing::frame(nals, &mut XorShift::new(1));
    testing::packets(&mut H264Packetizer::new(), &frame, max_payload)
}

#[test]
fn what_is_packetized_comes_back() {
    let headers: [&[u8]; 7] = [&[0x67], &[0x68], &[0x06], &[0x09], &[0x65], &[0x41], &[0x01]];
    testing::round_trips(&mut H264Packetizer::new(), H264Depacketizer::new(), &headers);
}

#[test]
fn loss_and_garbage_leave_whole_nal_units() {
    testing::survives_loss(&mut H264Packetizer::new(), H264Depacketizer::new(), &[0x41]);
    testing::survives_garbage(H264Depacketizer::new());
}

#[test]
fn small_nal_units_share_a_packet_under_the_highest_nri() {
    let packets = packets(&[nal(0x67, 10), nal(0x28, 3), nal(0x06, 5), nal(0x65, 300)], 100);
    let (aggregate, _) = &packets[0];
    assert_eq!(aggregate[..4], [0x60 | 24, 0, 11, 0x67]);
    assert_eq!(aggregate.len(), 1 + 2 + 11 + 2 + 4 + 2 + 6);
    // 300 bytes after the header in fragments of 98.
    let sizes: Vec<_> = packets[1..].iter().map(|(payload, _)| payload.len()).collect();
    assert_eq!(sizes, [100, 100, 100, 8]);
    let headers: Vec<_> =
        packets[1..].iter().map(|(payload, _)| [payload[0], payload[1]]).collect();
    assert_eq!(headers, [[0x7c, 0x85], [0x7c, 5], [0x7c, 5], [0x7c, 0x45]]);
    let markers: Vec<_> = packets.iter().map(|(_, marker)| *marker).collect();
    assert_eq!(markers, [false, false, false, false, true]);
}

#[test]
fn marker_waits_for_the_end_of_the_access_unit() {
    let mut frame = testing::frame(&[nal(0x41, 5)], &mut XorShift::new(1));
    frame.flags.ends_access_unit = false;
    let packets = testing::packets(&mut H264Packetizer::new(), &frame, 100);
    assert_eq!(packets.len(), 1);
    assert!(!packets[0].1);
}

#[test]
fn types_that_rtp_uses_otherwise_are_not_sent() {
    let packets = packets(&[nal(0x78, 5), nal(0x60, 5), nal(0x41, 5)], 100);
    assert_eq!(packets.len(), 1);
    assert_eq!(packets[0].0, nal(0x41, 5));
}

#[test]
fn key_access_units_are_told_from_others() {
    let recovery_point = vec![0x06, 6, 1, 0x80, 0x80];
    for (nals, key) in [
        (vec![nal(0x65, 400)], true),
        (vec![nal(0x65, 4)], true),
        (vec![nal(0x67, 4), nal(0x68, 2), nal(0x65, 4)], true),
        (vec![recovery_point, nal(0x41, 400)], true),
        (vec![nal(0x41, 400)], false),
    ] {
        let mut d = Received::new(H264Depacketizer::new());
        for (payload, marker) in packets(&nals, 100) {
            d.handle_payload(&payload, marker, 0, false).unwrap();
        }
        assert_eq!(d.poll_frame().unwrap().key, key);
    }
}

#[test]
fn a_new_timestamp_ends_an_access_unit_without_marker() {
    let mut d = Received::new(H264Depacketizer::new());
    d.handle_payload(&[0x41, 1], false, 5, false).unwrap();
    assert_eq!(d.poll_frame(), None);
    d.handle_payload(&[0x41, 2], false, 6, false).unwrap();
    assert_eq!(d.poll_frame().unwrap().timestamp, 5);
    d.handle_end();
    let last = d.poll_frame().unwrap();
    assert_eq!(last.data, &[0, 0, 0, 1, 0x41, 2][..]);
    assert!(!last.discontinuity);
}

#[test]
fn the_last_access_unit_may_be_incomplete_without_the_marker_that_others_had() {
    let mut d = Received::new(H264Depacketizer::new());
    d.handle_payload(&[0x65, 1], true, 5, false).unwrap();
    d.handle_payload(&[0x67, 1, 2, 3], false, 6, false).unwrap();
    d.handle_end();
    assert!(!d.poll_frame().unwrap().damaged);
    assert!(d.poll_frame().unwrap().damaged, "the picture has not come");
    // A stream that begins after it has markers of its own.
    d.handle_payload(&[0x65, 1], true, 7, false).unwrap();
    d.handle_end();
    assert!(!d.poll_frame().unwrap().damaged);
    assert_eq!(d.poll_frame(), None);
}

#[test]
fn interleaved_mode_and_malformed_packets_are_refused() {
    let mut d = Received::new(H264Depacketizer::new());
    for payload in [
        &[25, 0, 0, 0, 1, 1][..],
        &[26],
        &[27],
        &[29, 0x85],
        &[0, 1],
        &[30],
        &[31],
        &[],
        &[28],
        &[28, 0x80, 1],
        &[0x3c, 0x80, 0, 0, 1, 0x65],
        &[0, 0, 2, 0x65],
        &[28, 0x9c, 1],
        &[24, 0, 2, 0x41],
        &[24, 0, 0],
        &[24, 0, 0, 0, 1, 0x41],
        &[24, 0, 1, 0x41, 0, 0, 1],
        &[24, 0, 1, 24],
    ] {
        assert!(d.handle_payload(payload, true, 0, false).is_err(), "{payload:?}");
    }
    assert_eq!(d.poll_frame(), None);
    d.handle_payload(&[0x41, 1], true, 0, false).unwrap();
    assert!(d.poll_frame().unwrap().discontinuity);
}

#[test]
fn fmtp_names_profile_and_parameter_sets() {
    let sps = [Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1e, 1])];
    let pps = [Bytes::from_static(&[0x68, 2]), Bytes::from_static(&[0x68, 3, 4])];
    let described = format(1, &sps, &pps, 96);
    let fmtp = described.fmtp.unwrap();
    assert_eq!(
        fmtp,
        "packetization-mode=1;profile-level-id=42C01E;sprop-parameter-sets=Z0LAHgE=,aAI=,aAME"
    );
    let read = parameters_from_fmtp(&fmtp);
    assert_eq!(read.profile_level_id, Some([0x42, 0xc0, 0x1e]));
    assert_eq!(read.packetization_mode, 1);
    assert_eq!((read.sps.as_slice(), read.pps.as_slice()), (&sps[..], &pps[..]));
    assert_eq!(format(1, &[], &[], 97).fmtp.unwrap(), "packetization-mode=1");
}

#[test]
fn fmtp_of_cameras_is_read_with_its_faults() {
    let read =
        parameters_from_fmtp(" Packetization-Mode=1 ; sprop-parameter-sets=Z0LAHgE,aAI=,,!!; x");
    assert_eq!((read.sps.len(), read.pps.len()), (1, 1));
    assert_eq!(read.profile_level_id, None);
    assert_eq!(parameters_from_fmtp("profile-level-id=42C0").profile_level_id, None);
    assert_eq!(parameters_from_fmtp(""), H264Parameters::default());
}

fn received(payloads: &[&[u8]]) -> (Vec<Vec<u8>>, u64) {
    testing::received(H264Depacketizer::new(), payloads, |nal| nal[0] & 0x1f == 5)
}

#[test]
fn what_devices_send_against_the_rfc_is_understood_and_counted() {
    let one = |nal: &[u8], count: u64| (vec![nal.to_vec()], count);
    // A fragment that is start and end.
    assert_eq!(received(&[&[0x7c, 0xc5, 7, 8]]), one(&[0x65, 7, 8], 1));
    // Start codes of either length in front, whole and in fragments.
    assert_eq!(received(&[&[0, 0, 0, 1, 0x65, 7]]), one(&[0x65, 7], 1));
    assert_eq!(received(&[&[0, 0, 1, 0x41, 7]]), one(&[0x41, 7], 1));
    assert_eq!(received(&[&[28, 0x80, 0, 0, 1, 0x65], &[28, 0x40, 8, 9]]), one(&[0x65, 8, 9], 1));
    assert_eq!(
        received(&[&[28, 0x80, 0, 1, 0x65], &[28, 0, 8], &[28, 0x40, 9]]),
        one(&[0x65, 8, 9], 1)
    );
    // The header in the fragment's own fields, and again behind the start code.
    assert_eq!(
        received(&[&[0x7c, 0x85, 0, 0, 0, 1, 0x65, 7], &[0x7c, 0x45, 8]]),
        one(&[0x65, 7, 8], 1)
    );
    // The start code cut in two.
    assert_eq!(
        received(&[&[0x7c, 0x85, 7, 0, 0], &[0x7c, 0x45, 1, 0x65, 8]]).0,
        [[0x65, 7], [0x65, 8]]
    );
    // Zeros behind the last of an aggregate.
    for zeros in 1..9 {
        let payload = [&[0x78, 0, 2, 0x67, 1, 0, 2, 0x65, 2][..], &[0; 9][..zeros]].concat();
        assert_eq!(received(&[&payload]), (vec![vec![0x67, 1], vec![0x65, 2]], 1));
    }
    // Several in one, and in one of an aggregate.
    let several = [0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 3];
    let nals = vec![vec![0x67, 1], vec![0x68, 2], vec![0x65, 3]];
    assert_eq!(received(&[&several]), (nals.clone(), 1));
    let aggregate = [&[0x78, 0, 13][..], &several].concat();
    assert_eq!(received(&[&aggregate]), (nals, 1));
    // What obeys is not counted.
    assert_eq!(received(&[&[0x7c, 0x85, 7], &[0x7c, 0x45, 8]]), one(&[0x65, 7, 8], 0));
}

#[test]
fn a_frame_that_is_not_whole_is_marked() {
    let mut d = Received::new(H264Depacketizer::new());
    let mut given = |packets: &[(&[u8], bool, u32, bool)]| {
        for (payload, marker, timestamp, lost) in packets {
            let _ = d.handle_payload(payload, *marker, *timestamp, *lost);
        }
        let frames: Vec<_> = std::iter::from_fn(|| d.poll_frame()).collect();
        frames.iter().map(|f| (f.damaged, f.discontinuity)).collect::<Vec<_>>()
    };
    assert_eq!(given(&[(&[0x41, 1], true, 1, false)]), [(false, false)]);
    assert_eq!(
        given(&[(&[0x41, 1], false, 2, false), (&[0x41, 2], true, 2, true)]),
        [(true, true)]
    );
    // Lost between two: either may lack it.
    let between: &[(&[u8], bool, u32, bool)] =
        &[(&[0x41, 1], false, 3, false), (&[0x41, 2], true, 4, true)];
    assert_eq!(given(between), [(true, true), (true, true)]);
    // A fragment without end, without beginning, and something malformed.
    assert_eq!(
        given(&[(&[0x41, 1], false, 5, false), (&[0x5c, 0x81, 1], true, 5, false)]),
        [(true, true)]
    );
    assert_eq!(
        given(&[(&[0x41, 1], false, 6, false), (&[0x5c, 0x41, 1], true, 6, false)]),
        [(true, true)]
    );
    assert_eq!(given(&[(&[0x41, 1], false, 7, false), (&[31], true, 7, false)]), [(true, true)]);
    assert_eq!(given(&[(&[0x41, 1, 0, 0, 1, 0x58], true, 8, false)]), [(true, true)]);
    // All of one was malformed: the next is whole, but something is missing before it.
    assert_eq!(given(&[(&[31], true, 9, false), (&[0x41, 1], true, 10, false)]), [(false, true)]);
    assert_eq!(given(&[(&[0x41, 1], true, 11, false)]), [(false, false)]);
}

#[test]
fn a_key_frame_whose_parameter_sets_were_lost_is_damaged() {
    const NALS: [&[u8]; 3] = [&[0x67, 0x42, 0xc0, 0x1e, 1], &[0x68, 2], &[0x65, 3]];
    let damaged = |fmtp: &str, missing: usize| {
        let format = PayloadFormat::new("video", "H264", 90_000, 96).with_fmtp(fmtp);
        let mut d = FormatRegistry::standard().depacketizer(&format).unwrap();
        let mut out = DepacketizedFrames::new();
        // The first packets do not come, and no sequence number tells.
        for (at, nal) in NALS.iter().enumerate().skip(missing) {
            let payload = RtpPayload::new(nal, 1).with_marker(at == 2);
            d.handle_payload(&payload, &mut out).unwrap();
        }
        let payload = RtpPayload::new(&[0x41, 4], 2).with_marker(true);
        d.handle_payload(&payload, &mut out).unwrap();
        // The next key frame, in an aggregate, has them in any case.
        let all = [&[0x78, 0, 5][..], NALS[0], &[0, 2], NALS[1], &[0, 2], NALS[2]].concat();
        let payload = RtpPayload::new(&all, 3).with_marker(true);
        d.handle_payload(&payload, &mut out).unwrap();
        let payload = RtpPayload::new(NALS[2], 4).with_marker(true);
        d.handle_payload(&payload, &mut out).unwrap();
        let frames = std::iter::from_fn(|| out.pop());
        frames.map(|frame| (frame.key, frame.damaged)).collect::<Vec<_>>()
    };
    let whole = [(true, false), (false, false), (true, false), (true, false)];
    let lost = [(true, true), (false, false), (true, false), (true, false)];
    let mode = "packetization-mode=1";
    assert_eq!(damaged(mode, 0), whole);
    assert_eq!(damaged(mode, 1), lost, "no SPS");
    assert_eq!(damaged(mode, 2), lost, "neither SPS nor PPS");
    // The description has them, or one of them, or something that is none.
    assert_eq!(damaged("sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==", 2), whole);
    assert_eq!(damaged("sprop-parameter-sets=Z0IACpZTBYmI", 2), lost);
    assert_eq!(damaged("sprop-parameter-sets=????", 2), lost);
    // Without a description nobody knows.
    let mut d = H264Depacketizer::new();
    let mut out = DepacketizedFrames::new();
    d.handle_payload(&RtpPayload::new(NALS[2], 1).with_marker(true), &mut out).unwrap();
    assert!(!out.pop().unwrap().damaged, "it is not said that there should be any");
}

#[test]
fn parameter_sets_with_start_codes_are_read_without() {
    // SPS with a start code behind it, PPS with one in front, both in one item, zeros behind.
    for list in ["Z0LAHgEAAAAB,AAAAAWgC", "Z0LAHgEAAAABaAI=", "Z0LAHgEAAA==,aAIA"] {
        let read = parameters_from_fmtp(&format!("sprop-parameter-sets={list}"));
        assert_eq!(read.sps, [&[0x67, 0x42, 0xc0, 0x1e, 1][..]], "{list}");
        assert_eq!(read.pps, [&[0x68, 2][..]], "{list}");
    }
}

#[test]
fn single_nal_unit_mode_sends_what_fits_and_counts_the_rest() {
    let nals = [nal(0x67, 10), nal(0x68, 3), nal(0x65, 99), nal(0x41, 100), nal(0x41, 20)];
    let frame = testing::frame(&nals, &mut XorShift::new(1));
    let mut packetizer = H264Packetizer::single_nal_units();
    let packets = testing::packets(&mut packetizer, &frame, 100);
    let payloads: Vec<_> = packets.iter().map(|(payload, _)| payload.clone()).collect();
    assert_eq!(payloads, [&nals[..3], &nals[4..]].concat());
    let markers: Vec<_> = packets.iter().map(|(_, marker)| *marker).collect();
    assert_eq!(markers, [false, false, false, true]);
    assert_eq!(packetizer.unsent().too_large, 1);
    // With the mode absent, which means 0, and stated, it is received as ever.
    for fmtp in [None, Some("packetization-mode=0")] {
        let mut format = PayloadFormat::new("video", "H264", 90_000, 96);
        format.fmtp = fmtp.map(str::to_owned);
        let formats = FormatRegistry::new().with(SingleNalUnitMode::new());
        for formats in [FormatRegistry::standard(), &formats] {
            let mut d = formats.depacketizer(&format).unwrap();
            let mut out = DepacketizedFrames::new();
            for (payload, marker) in &packets {
                let payload = RtpPayload::new(payload, 7).with_marker(*marker);
                d.handle_payload(&payload, &mut out).unwrap();
            }
            let frame = out.pop().unwrap();
            assert!(frame.key && !frame.damaged);
            assert_eq!(crate::framer::annexb::nal_units(&frame.data).count(), 4);
        }
    }
}
