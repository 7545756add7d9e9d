use super::{Ac3Depacketizer, Ac3Packetizer};
use crate::codec::CodecParameters;
use crate::codec::ac3::tests::{ac3, enhanced};
use crate::frame::Frame;
use crate::payload::testing::{
    Packet, Received, XorShift, frames_of, outgoing, packets_of, timed, transmits,
};
use crate::payload::{FormatRegistry, PayloadFormat};

const AC3: CodecParameters = CodecParameters::Ac3 { sampling_rate: 48_000, channels: 6 };
const EAC3: CodecParameters = CodecParameters::Eac3 { sampling_rate: 48_000, channels: 6 };

/// Puts random bytes behind the header of a frame.
fn filled(mut frame: Vec<u8>, random: &mut XorShift) -> Vec<u8> {
    let body = random.bytes(frame.len() - 7);
    frame[7..].copy_from_slice(&body);
    frame
}

fn ac3_frames(count: u64, seed: u64) -> Vec<Frame> {
    let mut random = XorShift::new(seed);
    let frame = |random: &mut XorShift| {
        let size = random.below(38) as u8;
        filled(ac3(0, size, 7, true), random)
    };
    (0..count).map(|n| timed(frame(&mut random), n, 1536, 48_000)).collect()
}

/// Access units of as many substreams.
fn units(count: u64, substreams: u8, seed: u64) -> Vec<Frame> {
    let mut random = XorShift::new(seed);
    let unit = |random: &mut XorShift| {
        let frames = (0..substreams).map(|i| {
            let len = 20 + 2 * random.below(1000) as usize;
            filled(enhanced(u8::from(i > 0), 0, len, 3), random)
        });
        frames.collect::<Vec<_>>().concat()
    };
    (0..count).map(|n| timed(unit(&mut random), n, 1536, 48_000)).collect()
}

#[test]
fn ac3_is_transmitted() {
    for max_payload in [100, 300, 1400, 9000] {
        transmits(&AC3, &ac3_frames(12, max_payload as u64), max_payload, 0);
    }
}

#[test]
fn enhanced_ac3_is_transmitted() {
    for (max_payload, substreams) in [(100, 1), (300, 3), (1400, 1), (1400, 2), (9000, 4)] {
        let frames = units(12, substreams, max_payload as u64);
        transmits(&EAC3, &frames, max_payload, 0);
    }
}

/// RFC 4184 section 4.1.1: six zero bits, FT, NF.
#[test]
fn payload_headers_of_ac3() {
    // 64 kbit/s: 256 bytes.
    let frames: Vec<_> = (0..3).map(|n| timed(ac3(0, 8, 2, false), n, 1536, 48_000)).collect();
    let packets = packets_of(&mut Ac3Packetizer::new(48_000), &frames, 48_000, 1400);
    assert_eq!((packets.len(), packets[0].payload.len(), packets[0].marker), (1, 770, true));
    assert_eq!(packets[0].payload[..4], [0, 3, 0x0b, 0x77]);
    let heads = |max_payload| {
        let packetizer = &mut Ac3Packetizer::new(48_000);
        let packets = packets_of(packetizer, &frames[..1], 48_000, max_payload);
        packets.iter().map(|p| (p.payload[0], p.payload[1], p.marker)).collect::<Vec<_>>()
    };
    // Five eighths are 160 bytes.
    assert_eq!(heads(162), [(1, 2, false), (3, 2, true)]);
    assert_eq!(heads(161), [(2, 2, false), (3, 2, true)]);
    assert_eq!(heads(102), [(2, 3, false), (3, 3, false), (3, 3, true)]);
    assert_eq!(heads(3), [], "more fragments than a byte can tell");
}

/// RFC 4598 section 4.1: seven zero bits, F, NF.
#[test]
fn payload_headers_of_enhanced_ac3() {
    let unit = [enhanced(0, 0, 300, 3), enhanced(1, 0, 90, 3)].concat();
    let frame = timed(unit, 0, 1536, 48_000);
    let heads = |max_payload| {
        let packetizer = &mut Ac3Packetizer::enhanced(48_000);
        let packets = packets_of(packetizer, std::slice::from_ref(&frame), 48_000, max_payload);
        packets.iter().map(|p| (p.payload[0], p.payload[1], p.marker)).collect::<Vec<_>>()
    };
    assert_eq!(heads(400), [(0, 2, true)]);
    assert_eq!(heads(302), [(0, 1, true), (0, 1, true)]);
    assert_eq!(heads(202), [(1, 2, false), (1, 2, true), (0, 1, true)]);
}

#[test]
fn a_stream_without_further_substreams_is_not_held_back() {
    let mut d = Received::new(Ac3Depacketizer::enhanced(48_000));
    let payload = |frame: Vec<u8>| [&[0, 1][..], &frame].concat();
    for n in 0..4 {
        d.handle_payload(&payload(enhanced(0, 0, 100, 3)), true, n * 1536, false).unwrap();
        let given = std::iter::from_fn(|| d.poll_frame()).count();
        assert_eq!(given, [0, 2, 1, 1][n as usize]);
    }
    // Now there is another: what was returned lacks it, and from then on is waited for.
    for n in 4..7 {
        d.handle_payload(&payload(enhanced(0, 0, 100, 3)), true, n * 1536, false).unwrap();
        d.handle_payload(&payload(enhanced(1, 0, 50, 3)), true, n * 1536, false).unwrap();
    }
    d.handle_end();
    let given: Vec<_> = std::iter::from_fn(|| d.poll_frame()).map(|f| f.data.len()).collect();
    assert_eq!(given, [100, 150, 150]);
}

#[test]
fn units_of_a_packet_follow_each_other_in_time() {
    // Two units of two blocks, and the dependent substream of the second in the next packet.
    let main = || enhanced(0, 0, 100, 1);
    let first = [&[0, 3][..], &main(), &enhanced(1, 0, 40, 1), &main()].concat();
    let second = [&[0, 1][..], &enhanced(1, 0, 60, 1)].concat();
    let packet = |payload, timestamp| Packet { payload, marker: true, timestamp };
    let packets = [packet(first, 1000), packet(second, 1512)];
    let back = frames_of(Ac3Depacketizer::enhanced(48_000), &packets, None);
    let back: Vec<_> = back.iter().map(|f| (f.data.len(), f.timestamp, f.damaged)).collect();
    assert_eq!(back, [(140, 1000, false), (160, 1512, false)]);
}

#[test]
fn garbage_is_an_error() {
    let mut d = Received::new(Ac3Depacketizer::new(48_000));
    let frame = ac3(0, 8, 2, false);
    let cut = [&[0, 1][..], &frame[..200]].concat();
    let later = [&[3, 2][..], &frame[..100]].concat();
    for payload in [&[][..], &[0], &[0, 1], &[0, 1, 0x0b, 0x77], &[1, 2, 7, 7, 7, 7, 7, 7, 7], &cut]
    {
        assert!(d.handle_payload(payload, true, 0, false).is_err(), "{payload:?}");
    }
    assert!(d.handle_payload(&later, true, 0, false).is_err(), "without a first fragment");
    // More than the frame has.
    let first = [&[2, 2][..], &frame[..200]].concat();
    d.handle_payload(&first, false, 0, false).unwrap();
    assert!(d.handle_payload(&later, true, 0, false).is_err());
    assert_eq!(d.poll_frame(), None);
    d.handle_payload(&[&[0, 1][..], &frame].concat(), true, 0, false).unwrap();
    assert!(d.poll_frame().is_some_and(|frame| frame.discontinuity && !frame.damaged));
}

#[test]
fn a_unit_with_a_malformed_packet_or_too_many_frames_is_damaged() {
    let payload = |frame: Vec<u8>| [&[0, 1][..], &frame].concat();
    // A header alone, half of one, a cut frame, and the end of a frame that has no beginning.
    let cut = payload(enhanced(1, 0, 90, 3)[..50].to_vec());
    for bad in [&[0, 1][..], &[0], &[], &cut, &[1, 2, 9, 9]] {
        let mut d = Received::new(Ac3Depacketizer::enhanced(48_000));
        d.handle_payload(&payload(enhanced(0, 0, 100, 3)), true, 0, false).unwrap();
        assert!(d.handle_payload(bad, true, 0, false).is_err());
        d.handle_end();
        assert!(d.poll_frame().unwrap().damaged, "{bad:?}");
    }
    // More dependent substreams than there can be, of the greatest length.
    let mut d = Received::new(Ac3Depacketizer::enhanced(48_000));
    d.handle_payload(&payload(enhanced(0, 0, 4096, 3)), true, 0, false).unwrap();
    for _ in 0..8 * 9 {
        d.handle_payload(&payload(enhanced(1, 0, 4096, 3)), true, 0, false).unwrap();
    }
    d.handle_end();
    assert!(d.poll_frame().unwrap().damaged);
}

/// RFC 4598 section 5.2, and RFC 4184 section 5.2.
#[test]
fn descriptions() {
    let (format, _) = outgoing(&EAC3);
    assert_eq!((format.channels, format.fmtp.as_deref()), (None, Some("bitStreamConfig=i6")));
    let (format, _) = outgoing(&CodecParameters::Eac3 { sampling_rate: 48_000, channels: 8 });
    assert_eq!(format.fmtp.as_deref(), Some("bitStreamConfig=i6d8"));
    assert_eq!(outgoing(&AC3).0.channels, Some(6));
    let read = |name: &'static str, channels, fmtp: &str| {
        let format = PayloadFormat::new("audio", name, 48_000, 100).with_fmtp(fmtp);
        match FormatRegistry::standard().parameters(&PayloadFormat { channels, ..format }) {
            Ok(CodecParameters::Ac3 { channels, .. } | CodecParameters::Eac3 { channels, .. }) => {
                channels
            }
            other => panic!("{other:?}"),
        }
    };
    for (channels, fmtp, expected) in [
        (None, "bitStreamConfig i6d8d14i6d8", 14),
        (None, "bitstreamconfig=i2", 2),
        (Some(6), "bitStreamConfig=i6d8", 8),
        (Some(2), "", 2),
        (None, "", 6),
        (None, "bitStreamConfig=", 6),
        (None, "bitStreamConfig=i0d0", 6),
        (None, "bitStreamConfig=d6", 6),
        (None, "bitStreamConfig=i6d999", 6),
    ] {
        assert_eq!(read("eac3", channels, fmtp), expected, "{fmtp}");
    }
    assert_eq!((read("AC3", None, ""), read("ac3", Some(2), "")), (6, 2));
}
