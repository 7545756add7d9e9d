use super::sdp::format;
use super::*;
use crate::payload::nal::testing;
use crate::payload::testing::{Received, XorShift};
use crate::payload::{DepacketizedFrames, Depacketizer, RtpPayload};
use bytes::Bytes;

fn nal(header: [u8; 2], len: usize) -> Vec<u8> {
    testing::nal(&header, len, &mut XorShift::new(len as u64))
}

fn packets(nals: &[Vec<u8>], max_payload: usize) -> Vec<(Vec<u8>, bool)> {
    let frame = testing::frame(nals, &mut XorShift::new(1));
    testing::packets(&mut H265Packetizer::new(), &frame, max_payload)
}

#[test]
fn what_is_packetized_comes_back() {
    let headers: [&[u8]; 6] =
        [&[0x40, 1], &[0x42, 1], &[0x44, 1], &[0x4e, 1], &[0x26, 1], &[0x03, 0xff]];
    testing::round_trips(&mut H265Packetizer::new(), H265Depacketizer::new(), &headers);
}

#[test]
fn loss_and_garbage_leave_whole_nal_units() {
    testing::survives_loss(&mut H265Packetizer::new(), H265Depacketizer::new(), &[2, 1]);
    testing::survives_garbage(H265Depacketizer::new());
}

#[test]
fn aggregates_take_the_lowest_layer_and_tid() {
    // Types 1 and 0, layers 33 and 2, TIDs 3 and 5, F in the second.
    let packets = packets(&[nal([0x03, 0x0b], 4), nal([0x80, 0x15], 3)], 100);
    assert_eq!(packets.len(), 1);
    assert_eq!(packets[0].0[..6], [0x80 | 96, 0x13, 0, 6, 0x03, 0x0b]);
}

#[test]
fn fragments_fill_the_packets_and_keep_layer_and_tid() {
    let packets = packets(&[nal([0x27, 0x0b], 200)], 100);
    let heads: Vec<_> = packets.iter().map(|(p, _)| (p.len(), [p[0], p[1], p[2]])).collect();
    assert_eq!(
        heads,
        [(100, [99, 0x0b, 0x80 | 19]), (100, [99, 0x0b, 19]), (9, [99, 0x0b, 0x40 | 19])]
    );
}

#[test]
fn irap_pictures_are_key() {
    for (header, len, key) in
        [([0x26, 1], 4, true), ([0x2a, 1], 400, true), ([2, 1], 400, false), ([0x42, 1], 4, false)]
    {
        let mut d = Received::new(H265Depacketizer::new());
        for (payload, marker) in packets(&[nal(header, len)], 100) {
            d.handle_payload(&payload, marker, 0, false).unwrap();
        }
        assert_eq!(d.poll_frame().unwrap().key, key);
    }
}

#[test]
fn malformed_packets_are_refused() {
    let mut d = Received::new(H265Depacketizer::new());
    for payload in [
        &[][..],
        &[0x40],
        &[100, 1, 0, 0],
        &[0x7e, 1, 0],
        &[98, 1],
        &[98, 1, 0x80 | 48, 1],
        &[96, 1, 0, 3, 1, 1],
        &[96, 1, 0, 1, 1],
        &[96, 1, 0, 0],
        &[96, 1, 0, 2, 2, 1, 0, 0, 1],
        &[96, 1, 0, 2, 96, 1],
    ] {
        assert!(d.handle_payload(payload, true, 0, false).is_err(), "{payload:?}");
    }
    assert_eq!(d.poll_frame(), None);
}

#[test]
fn fmtp_holds_the_parameter_sets() {
    let vps = [Bytes::from_static(&[0x40, 1, 1])];
    let sps = [Bytes::from_static(&[0x42, 1, 2])];
    let pps = [Bytes::from_static(&[0x44, 1, 3]), Bytes::from_static(&[0x44, 1, 4])];
    let fmtp = format(&vps, &sps, &pps, 96).fmtp.unwrap();
    assert_eq!(fmtp, "sprop-vps=QAEB;sprop-sps=QgEC;sprop-pps=RAED,RAEE");
    let read = parameters_from_fmtp(&fmtp);
    assert_eq!(read.vps, vps);
    assert_eq!(read.sps, sps);
    assert_eq!(read.pps, pps);
    assert_eq!(parameters_from_fmtp("sprop-max-don-diff=2").max_don_diff, 2);
    assert_eq!(format(&[], &[], &[], 96).fmtp, None);
}

fn received(payloads: &[&[u8]]) -> (Vec<Vec<u8>>, u64) {
    testing::received(H265Depacketizer::new(), payloads, |nal| nal[0] == 0x26)
}

#[test]
fn what_devices_send_against_the_rfc_is_understood_and_counted() {
    let one = |nal: &[u8], count: u64| (vec![nal.to_vec()], count);
    assert_eq!(received(&[&[98, 1, 0xc0 | 19, 7, 8]]), one(&[0x26, 1, 7, 8], 1));
    assert_eq!(received(&[&[0, 0, 0, 1, 0x26, 1, 7]]), one(&[0x26, 1, 7], 1));
    assert_eq!(received(&[&[0, 0, 1, 2, 1, 7]]), one(&[2, 1, 7], 1));
    assert_eq!(
        received(&[&[98, 0, 0x80, 0, 1, 0x26, 1, 7], &[98, 0, 0x40, 8]]),
        one(&[0x26, 1, 7, 8], 1)
    );
    let again = [98, 1, 0x80 | 19, 0, 0, 0, 1, 0x26, 1, 7];
    assert_eq!(received(&[&again, &[98, 1, 0x40 | 19, 8]]), one(&[0x26, 1, 7, 8], 1));
    for zeros in 1..9 {
        let payload = [&[96, 1, 0, 3, 0x42, 1, 1, 0, 3, 0x26, 1, 2][..], &[0; 9][..zeros]].concat();
        assert_eq!(received(&[&payload]), (vec![vec![0x42, 1, 1], vec![0x26, 1, 2]], 1));
    }
    let several = [0x42, 1, 1, 0, 0, 0, 1, 0x44, 1, 2, 0, 0, 1, 0x26, 1, 3];
    let nals = vec![vec![0x42, 1, 1], vec![0x44, 1, 2], vec![0x26, 1, 3]];
    assert_eq!(received(&[&several]), (nals.clone(), 1));
    let aggregate = [&[96, 1, 0, 16][..], &several].concat();
    assert_eq!(received(&[&aggregate]), (nals, 1));
    let read =
        parameters_from_fmtp("sprop-vps=AAAAAUABAQ==;sprop-sps=QgECAAAAAQ==;sprop-pps=RAEDAAAA");
    assert_eq!(
        (read.vps, read.sps),
        (vec![vec![0x40, 1, 1].into()], vec![vec![0x42, 1, 2].into()])
    );
    assert_eq!(read.pps, [&[0x44, 1, 3][..]]);
}

#[test]
fn a_key_frame_whose_parameter_sets_were_lost_is_damaged() {
    const NALS: [&[u8]; 4] = [&[0x40, 1, 1], &[0x42, 1, 2], &[0x44, 1, 3], &[0x26, 1, 4]];
    for missing in 0..=3 {
        let mut d = H265Depacketizer::new().expecting_parameter_sets();
        let mut out = DepacketizedFrames::new();
        for timestamp in [1, 2] {
            let first = if timestamp == 1 { missing } else { 0 };
            for (at, nal) in NALS.iter().enumerate().skip(first) {
                let payload = RtpPayload::new(nal, timestamp).with_marker(at == 3);
                d.handle_payload(&payload, &mut out).unwrap();
            }
        }
        let frames: Vec<_> = std::iter::from_fn(|| out.pop()).map(|f| (f.key, f.damaged)).collect();
        assert_eq!(frames, [(true, missing > 0), (true, false)], "{missing}");
    }
}
