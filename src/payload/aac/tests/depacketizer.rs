//! What devices send, and what RFC 3640 allows and few send.

use crate::payload::DepacketizedFrame;
use crate::payload::aac::{AacDepacketizer, AacParameters, AuHeaderLayout, parameters_from_fmtp};
use crate::payload::testing::{Received, XorShift};

fn frames(d: &mut Received<AacDepacketizer>) -> Vec<DepacketizedFrame> {
    std::iter::from_fn(|| d.poll_frame()).collect()
}

fn hbr(size: usize, data: &[u8]) -> Vec<u8> {
    [&[0, 16][..], &((size as u16) << 3).to_be_bytes(), data].concat()
}

#[test]
fn fragments_may_state_their_own_size() {
    let unit = XorShift::new(1).bytes(900);
    let mut d = Received::new(AacDepacketizer::new(1024));
    for (round, at) in [(0, 0u32), (1, 1024), (2, 2048)] {
        for (i, part) in unit.chunks(300).enumerate() {
            d.handle_payload(&hbr(300, part), i == 2, at, false).unwrap();
            assert_eq!(frames(&mut d).len(), usize::from(i == 2));
        }
        d.handle_payload(&hbr(900, &unit), true, at + 1, false).unwrap();
        let whole = frames(&mut d);
        assert_eq!((&whole[0].data[..], whole[0].discontinuity), (&unit[..], false));
        assert_eq!(d.deviations(), 3 * (round + 1));
    }
    // As section 3.2.3 has it.
    for (i, part) in unit.chunks(300).enumerate() {
        d.handle_payload(&hbr(900, part), i == 2, 9000, false).unwrap();
    }
    let whole = frames(&mut d);
    assert_eq!((whole.len(), &whole[0].data[..]), (1, &unit[..]));
    assert_eq!(d.deviations(), 9);
}

#[test]
fn of_fragments_with_a_gap_nothing_is_given_out() {
    let unit = XorShift::new(2).bytes(900);
    for lost in 0..3 {
        let mut d = Received::new(AacDepacketizer::new(1024));
        let mut gap = false;
        for (i, part) in unit.chunks(300).enumerate() {
            if i == lost {
                gap = true;
                continue;
            }
            let _ = d.handle_payload(&hbr(300, part), i == 2, 0, std::mem::take(&mut gap));
        }
        d.handle_payload(&hbr(9, &unit[..9]), true, 1024, gap).unwrap();
        let given = frames(&mut d);
        assert_eq!(given.last().map(|f| &f.data[..]), Some(&unit[..9]));
        assert!(given.iter().all(|f| f.data.len() < 900));
        assert!(given[0].discontinuity, "{lost}");
        assert!(given.iter().all(|f| f.damaged == (f.data.len() == 600)), "{lost}");
    }
}

#[test]
fn a_sender_that_marks_nothing_is_understood() {
    let mut d = Received::new(AacDepacketizer::new(1024));
    let mut given = Vec::new();
    for i in 0..10u32 {
        d.handle_payload(&hbr(3, &[7, 8, i as u8]), false, i * 1024, false).unwrap();
        given.extend(frames(&mut d));
        // It is known from the second packet on.
        assert_eq!(given.len() as u32, if i == 0 { 0 } else { i + 1 });
    }
    let expected =
        given.iter().zip(0..).all(|(f, i)| f.data[2] == i && f.timestamp == u32::from(i) * 1024);
    assert!(expected && given.iter().all(|f| !f.discontinuity));
    // The last of a stream that ends at once is not lost.
    let mut d = Received::new(AacDepacketizer::new(1024));
    d.handle_payload(&hbr(3, &[1, 2, 3]), false, 0, false).unwrap();
    d.handle_end();
    assert_eq!(frames(&mut d).len(), 1);
}

/// Bits, most significant first.
fn bits(fields: &[(u32, u32)]) -> Vec<u8> {
    let all: Vec<u8> = fields
        .iter()
        .flat_map(|(value, n)| (0..*n).rev().map(move |bit| (value >> bit & 1) as u8))
        .collect();
    all.chunks(8).map(|c| c.iter().enumerate().fold(0, |n, (i, b)| n | b << (7 - i))).collect()
}

#[test]
fn low_bit_rate_headers_have_a_byte_each() {
    let parameters = parameters_from_fmtp("streamtype=5; mode=AAC-lbr; config=1210");
    assert_eq!(parameters.layout, AuHeaderLayout::AAC_LBR);
    let mut d = Received::new(AacDepacketizer::with_parameters(&parameters, 44_100));
    let headers = bits(&[(24, 16), (3, 6), (0, 2), (2, 6), (0, 2), (1, 6), (0, 2)]);
    d.handle_payload(&[&headers[..], b"abcdef"].concat(), true, 10, false).unwrap();
    let given: Vec<_> = frames(&mut d).into_iter().map(|f| (f.data, f.timestamp)).collect();
    let expected = [(&b"abc"[..], 10), (b"de", 1034), (b"f", 2058)];
    assert!(given.iter().map(|(data, at)| (&data[..], *at)).eq(expected));
}

#[test]
fn every_field_of_an_au_header_may_be_there() {
    let fmtp = "mode=generic;sizeLength=12;indexLength=5;indexDeltaLength=4;CTSDeltaLength=16;\
                DTSDeltaLength=7;randomAccessIndication=1;streamStateIndication=3;\
                auxiliaryDataSizeLength=6;constantDuration=960";
    let parameters = parameters_from_fmtp(fmtp);
    assert_eq!(parameters.unit_duration(48_000), 960);
    let mut d = Received::new(AacDepacketizer::with_parameters(&parameters, 48_000));
    let first = [(3, 12), (9, 5), (0, 1), (1, 1), (5, 7), (1, 1), (6, 3)];
    let second = [(2, 12), (0, 4), (1, 1), (0xfff0, 16), (0, 1), (0, 1), (0, 3)];
    let third = [(1, 12), (0, 4), (0, 1), (0, 1), (0, 1), (0, 3)];
    let fields = [&first[..], &second, &third].concat();
    let len: u32 = fields.iter().map(|(_, n)| n).sum();
    let section = [bits(&[(len, 16)]), bits(&fields)].concat();
    // Ten bits of auxiliary data behind six of their number.
    let auxiliary = bits(&[(10, 6), (0x3ff, 10)]);
    let payload = [&section[..], &auxiliary, b"abcdef"].concat();
    d.handle_payload(&payload, true, 1000, false).unwrap();
    let given: Vec<_> = frames(&mut d).into_iter().map(|f| (f.data, f.timestamp)).collect();
    let expected = [(&b"abc"[..], 1000), (b"de", 1000 - 16), (b"f", 1000 - 16 + 960)];
    assert!(given.iter().map(|(data, at)| (&data[..], *at)).eq(expected), "{given:?}");
    for cut in 0..section.len() + auxiliary.len() {
        assert!(d.handle_payload(&payload[..cut], true, 0, false).is_err(), "{cut}");
    }
}

#[test]
fn units_of_one_size_need_no_headers() {
    let parameters = parameters_from_fmtp("mode=generic;constantSize=4;constantDuration=100");
    let mut d = Received::new(AacDepacketizer::with_parameters(&parameters, 8000));
    d.handle_payload(b"abcdefgh", true, 7, false).unwrap();
    assert!(d.handle_payload(b"abcdefghi", true, 7, false).is_err());
    let given = frames(&mut d);
    assert_eq!((&given[0].data[..], given[0].timestamp), (&b"abcd"[..], 7));
    assert_eq!((&given[1].data[..], given[1].timestamp), (&b"efgh"[..], 107));
    // A single unit of any size, in two fragments.
    let layout = AuHeaderLayout { size_length: 0, ..AuHeaderLayout::default() };
    let mut d = Received::new(AacDepacketizer::with_layout(1024, layout));
    d.handle_payload(b"abc", false, 7, false).unwrap();
    d.handle_payload(b"defg", true, 7, false).unwrap();
    assert_eq!(frames(&mut d)[0].data, &b"abcdefg"[..]);
}

#[test]
fn fmtp_of_devices_is_read_with_its_faults() {
    let read = parameters_from_fmtp(
        "profile-level-id=15; Mode=AAC-HBR;config=1408;sizelength=13; IndexLength=3 ;\
         indexdeltalength=3;profile=1;bitrate=32000;",
    );
    assert_eq!(read.layout, AuHeaderLayout::AAC_HBR);
    assert_eq!(&read.config[..], [0x14, 0x08]);
    assert_eq!(read.unit_duration(16_000), 1024);
    assert_eq!(parameters_from_fmtp("config=12").layout, AuHeaderLayout::AAC_HBR);
    let odd = parameters_from_fmtp("sizeLength=99;indexLength=-1;config=121;constantDuration=0");
    assert_eq!(odd, AacParameters::default());
}

#[test]
fn a_malformed_payload_gives_no_access_unit_and_is_a_loss() {
    // Two units, of which the second lacks a byte; a header of nothing; an index.
    let two = [0, 32, 0, 2 << 3, 0, 3 << 3, 7, 7, 8, 8];
    let empty = [0, 32, 0, 2 << 3, 0, 0, 7, 7];
    let interleaved = [0, 32, 0, 2 << 3, 0, 2 << 3 | 1, 7, 7, 8, 8];
    let whole = [0, 16, 0, 2 << 3, 9, 9];
    for bad in [&two[..], &empty, &interleaved, &[], &[0]] {
        let mut d = Received::new(AacDepacketizer::new(1024));
        assert!(d.handle_payload(bad, true, 0, false).is_err());
        assert_eq!(d.poll_frame(), None, "{bad:?}");
        d.handle_payload(&whole, true, 1024, false).unwrap();
        assert!(d.poll_frame().unwrap().discontinuity, "{bad:?}");
        // Instead of a fragment of a sender that states the fragments' sizes.
        d.handle_payload(&whole, false, 2048, false).unwrap();
        assert!(d.handle_payload(bad, false, 2048, false).is_err());
        d.handle_payload(&whole, true, 2048, false).unwrap();
        assert!(d.poll_frame().unwrap().data.len() == 2, "{bad:?}");
    }
}
