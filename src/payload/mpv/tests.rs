use super::{ENTRY, MpvDepacketizer, MpvPacketizer};
use crate::codec::CodecParameters;
use crate::frame::Frame;
use crate::payload::testing::{
    Packet, Received, XorShift, frames_of, packets_of, timed, transmits,
};
use crate::payload::{FormatRegistry, PayloadFacts};

/// 720x576, 25 frames a second, MPEG-2.
const SEQUENCE: &[u8] = &[
    0, 0, 1, 0xb3, 0x2d, 0x02, 0x40, 0x33, 0x24, 0x9f, 0x23, 0x80, 0, 0, 1, 0xb5, 0x14, 0x82, 0, 1,
    0, 0,
];
const GROUP: &[u8] = &[0, 0, 1, 0xb8, 0, 8, 0, 0x40];

/// The header of a picture; of type B with vectors of f_code 7.
fn picture(temporal_reference: u16, kind: u8) -> Vec<u8> {
    let [high, low] = (temporal_reference << 6 | u16::from(kind) << 3 | 7).to_be_bytes();
    let vectors: &[u8] = if kind == 3 { &[0xff, 0xfb, 0xb8] } else { &[0xff, 0xff, 0xff] };
    [&[0, 0, 1, 0, high, low], vectors].concat()
}

fn slice(row: u8, len: usize, random: &mut XorShift) -> Vec<u8> {
    let mut slice = vec![0, 0, 1, row];
    slice.extend(random.bytes(len.max(5) - 4).iter().map(|byte| byte | 0x10));
    slice
}

/// Pictures in decoding order, each twelfth with a sequence header, of slices of up to `max_len` bytes.
fn pictures(count: u64, max_len: u64, seed: u64) -> Vec<Frame> {
    let mut random = XorShift::new(seed);
    (0..count)
        .map(|n| {
            let is_first = n % 12 == 0;
            let mut data = if is_first { [SEQUENCE, GROUP].concat() } else { Vec::new() };
            let kind = if is_first { 1 } else { 2 + u8::from(n % 3 > 0) };
            data.extend(picture((n % 12) as u16, kind));
            for row in 1..=3 + random.below(4) as u8 {
                let len = random.below(max_len) as usize;
                data.extend(slice(row, len, &mut random));
            }
            let mut frame = timed(data, n, 3600, 90_000);
            frame.flags.key = is_first;
            frame
        })
        .collect()
}

#[test]
fn mpeg_video_is_transmitted() {
    for (max_payload, max_len) in [(30, 90), (100, 300), (1400, 500), (1400, 6000), (9000, 3000)] {
        transmits(&CodecParameters::MpegVideo, &pictures(13, max_len, 3), max_payload, 0);
    }
}

#[test]
fn static_payload_type() {
    let format = FormatRegistry::standard().format(&CodecParameters::MpegVideo, 96).unwrap();
    assert_eq!((format.payload_type, format.clock_rate, format.fmtp), (32, 90_000, None));
}

/// RFC 2250 section 3.4: MBZ 5, T, TR 10, AN, N, S, B, E, P 3, FBV, BFC 3, FFV, FFC 3.
#[test]
fn slices_are_not_split_where_they_fit() {
    let mut random = XorShift::new(1);
    let mut slice = |row, len| slice(row, len, &mut random);
    let data = [SEQUENCE, GROUP, &picture(5, 1), &slice(1, 40), &slice(2, 30), &slice(3, 70)];
    let data = [&data.concat()[..], &slice(4, 250), &slice(5, 20)].concat();
    let heads = |data: Vec<u8>| {
        let frames = [timed(data, 0, 3600, 90_000)];
        let packets = packets_of(&mut MpvPacketizer::new(), &frames, 90_000, 104);
        assert_eq!(packets.iter().filter(|packet| packet.marker).count(), 1);
        assert!(packets.last().is_some_and(|packet| packet.marker));
        let head = |p: &Packet| (p.payload[..4].try_into().unwrap(), p.payload.len() - 4);
        packets.iter().map(head).collect::<Vec<([u8; 4], usize)>>()
    };
    let expected = [
        ([0, 5, 0x39, 0], 79),  // headers of 39 bytes and the first slice: S, B, E
        ([0, 5, 0x19, 0], 100), // the second and the third: B, E
        ([0, 5, 0x11, 0], 100), // the fourth: B
        ([0, 5, 0x01, 0], 100),
        ([0, 5, 0x09, 0], 50), // its end: E
        ([0, 5, 0x19, 0], 20),
    ];
    assert_eq!(heads(data), expected);
    // A slice that would fit alone is not split behind headers; the vectors of a B picture.
    let data = [&picture(2, 3)[..], &slice(1, 95)].concat();
    assert_eq!(heads(data), [([0, 2, 0x03, 0x77], 9), ([0, 2, 0x1b, 0x77], 95)]);
}

#[test]
fn a_frame_may_have_two_fields() {
    let mut random = XorShift::new(2);
    let mut slice = |row| slice(row, 300, &mut random);
    let first = [SEQUENCE, GROUP, &picture(5, 1), &slice(1), &slice(2)].concat();
    let data = [&first[..], &picture(5, 2), &slice(1), &slice(2)].concat();
    let frames = [timed(data, 0, 3600, 90_000)];
    let packets = packets_of(&mut MpvPacketizer::new(), &frames, 90_000, 1000);
    let types: Vec<_> = packets.iter().map(|packet| packet.payload[2] & 7).collect();
    assert_eq!(types, [1, 2]);
    let back = frames_of(MpvDepacketizer::new(), &packets, None);
    assert_eq!((back.len(), &back[0].data, back[0].key), (1, &frames[0].data, true));
}

/// Pictures one behind the other and cut anywhere, with a header of zeros: GStreamer's rtpmpvpay.
#[test]
fn a_header_of_zeros_is_accepted() {
    let pictures = pictures(15, 200, 7);
    for size in [50, 173, 1000, 5000] {
        let mut packets = Vec::new();
        for (n, group) in (0..).zip(pictures.chunks(3)) {
            let data: Vec<u8> = group.iter().flat_map(|frame| frame.data.to_vec()).collect();
            packets.extend(data.chunks(size).map(|piece| Packet {
                payload: [&[0; 4], piece].concat(),
                marker: false,
                timestamp: n * 10_800,
            }));
            packets.last_mut().unwrap().marker = true;
        }
        let back = frames_of(MpvDepacketizer::new(), &packets, None);
        assert!(back.iter().map(|f| &f.data).eq(pictures.iter().map(|f| &f.data)), "{size}");
        assert!(back.iter().zip(&pictures).all(|(b, f)| b.key == f.flags.key && !b.damaged));
        for lost in 0..packets.len() {
            for frame in frames_of(MpvDepacketizer::new(), &packets, Some(lost)) {
                assert!(frame.damaged || pictures.iter().any(|sent| sent.data == frame.data));
            }
        }
    }
}

#[test]
fn headers_may_have_a_packet_of_their_own() {
    let mut random = XorShift::new(3);
    let body = [&picture(0, 1)[..], &slice(1, 50, &mut random)].concat();
    let whole = [SEQUENCE, GROUP, &body].concat();
    // Even marked, and with another timestamp.
    for (marker, timestamp) in [(false, 100), (true, 100), (true, 90)] {
        let mut d = Received::new(MpvDepacketizer::new());
        let headers = [&[0, 0, 0x20, 0][..], SEQUENCE, GROUP].concat();
        d.handle_payload(&headers, marker, timestamp, false).unwrap();
        d.handle_payload(&[&[0, 0, 0x19, 0][..], &body].concat(), true, 100, false).unwrap();
        let frame = d.poll_frame().unwrap();
        assert_eq!((&frame.data[..], frame.timestamp, frame.key), (&whole[..], 100, true));
        assert!(!frame.damaged && !frame.discontinuity);
    }
}

#[test]
fn extensions_of_the_header_are_skipped() {
    let mut random = XorShift::new(4);
    let body = [&picture(0, 1)[..], &slice(1, 50, &mut random)].concat();
    let t = [4, 0, 0x19, 0];
    let more = [2, 1, 2, 3, 4, 5, 6, 7];
    for extensions in [
        &[0, 0, 0, 0][..],
        &[0, 0, 0, 1, 0, 0, 9, 9],               // composite display
        &[&[0x40, 0, 0, 0][..], &more].concat(), // two words of others
        &[&[0x40, 0, 0, 1, 0, 0, 9, 9][..], &more].concat(), // both
    ] {
        let payload = [&t[..], extensions, &body].concat();
        let mut d = Received::new(MpvDepacketizer::new());
        d.handle_payload(&payload, true, 0, false).unwrap();
        assert_eq!(d.poll_frame().unwrap().data, body);
        for cut in 0..t.len() + extensions.len() {
            assert!(d.handle_payload(&payload[..cut], true, 0, false).is_err(), "{cut}");
        }
    }
    let mut d = Received::new(MpvDepacketizer::new());
    assert!(d.handle_payload(&[4, 0, 0, 0, 0x40, 0, 0, 0, 0, 7], true, 0, false).is_err());
}

#[test]
fn a_slice_of_which_a_part_is_lost_is_cut_out() {
    let mut random = XorShift::new(5);
    let slices: Vec<_> = (1..=3).map(|row| slice(row, 150, &mut random)).collect();
    let head = [SEQUENCE, GROUP, &picture(0, 1)].concat();
    let frames = [timed([&head[..], &slices.concat()].concat(), 0, 3600, 90_000)];
    // Headers and a part of the first slice; each slice has two packets.
    let packets = packets_of(&mut MpvPacketizer::new(), &frames, 90_000, 114);
    assert_eq!(packets.len(), 6);
    for lost in 2..4 {
        let back = frames_of(MpvDepacketizer::new(), &packets, Some(lost));
        let expected = [&head[..], &slices[0], &slices[2]].concat();
        assert_eq!((back.len(), &back[0].data[..]), (1, &expected[..]), "{lost}");
        assert!(back[0].damaged && back[0].discontinuity);
    }
    // Without its header there is no picture.
    let mut rest = packets.clone();
    rest.remove(0);
    assert!(frames_of(MpvDepacketizer::new(), &rest, None).is_empty());
}

#[test]
fn facts_of_payloads() {
    let test = ENTRY.payload_test.unwrap();
    let facts = |header: u32, data: &[u8]| test(&[&header.to_be_bytes()[..], data].concat());
    let mut random = XorShift::new(6);
    let slice = slice(1, 50, &mut random);
    let all = PayloadFacts::default();
    let (i, b) = (1 << 8, 3 << 8);
    let key = PayloadFacts {
        can_start: true,
        is_intra: true,
        has_parameter_sets: true,
        has_picture: true,
    };
    assert_eq!(facts(i, &[SEQUENCE, GROUP, &picture(0, 1), &slice].concat()), key);
    assert_eq!(facts(0, &[SEQUENCE, GROUP, &picture(0, 1), &slice].concat()), key);
    let intra = PayloadFacts { is_intra: true, has_picture: true, ..all };
    assert_eq!(facts(i, &slice), intra);
    assert_eq!(facts(i, &slice[9..]), intra);
    assert_eq!(facts(0, &[&picture(0, 1)[..], &slice].concat()), intra);
    let headers = PayloadFacts { is_intra: true, has_parameter_sets: true, ..all };
    assert_eq!(facts(i, &[SEQUENCE, GROUP].concat()), headers);
    assert_eq!(facts(b, &slice), PayloadFacts { has_picture: true, ..all });
    assert_eq!(test(&[]), all);
    let frames = ENTRY.key_frame_test.unwrap();
    assert!(frames(&[&picture(0, 1)[..], &slice].concat()).can_start);
    assert!(!frames(&[&picture(0, 2)[..], &slice].concat()).can_start);
    assert!(frames(&slice).has_picture && !frames(SEQUENCE).has_picture);
}
