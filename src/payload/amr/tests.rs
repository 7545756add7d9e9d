use super::*;
use crate::codec::CodecParameters;
use crate::codec::amr::{NO_DATA, frame_len, frame_samples, sampling_rate};
use crate::frame::Frame;
use crate::payload::testing::{
    Received, XorShift, frames_of, outgoing, packets_of, round_trip, timed, transmits,
};
use crate::payload::{FormatError, FormatRegistry, PayloadFormat};
use std::time::Duration;

/// A frame in storage form with random speech.
fn storage(kind: u8, wideband: bool, random: &mut XorShift) -> Vec<u8> {
    let header = kind << 3 | (random.below(2) as u8) << 2;
    let bits = crate::codec::amr::speech_bits(kind, wideband).unwrap();
    let mut speech = random.bytes(bits.div_ceil(8));
    if let Some(last) = speech.last_mut().filter(|_| bits % 8 > 0) {
        *last &= !(0xff >> (bits % 8));
    }
    [vec![header], speech].concat()
}

/// Frames of every type, one for each channel.
fn frames(wideband: bool, channels: u8, count: u64) -> Vec<Frame> {
    let mut random = XorShift::new(count);
    let types: Vec<u8> = (0..16).filter(|kind| frame_len(kind << 3, wideband).is_some()).collect();
    let mut block = || -> Vec<u8> {
        let kinds = (0..channels).map(|_| types[random.below(types.len() as u64) as usize]);
        let mut kinds: Vec<u8> = kinds.collect();
        if kinds.iter().all(|kind| *kind == NO_DATA) {
            // Such frames are not sent.
            kinds[0] = 0;
        }
        kinds.iter().flat_map(|kind| storage(*kind, wideband, &mut random)).collect()
    };
    let (samples, rate) = (frame_samples(wideband), sampling_rate(wideband));
    (0..count).map(|n| timed(block(), n, samples, rate)).collect()
}

fn modes() -> Vec<AmrMode> {
    let octet_aligned = [false, true]
        .map(|wideband| [1, 2, 6].map(|channels| AmrMode::new(wideband).with_channels(channels)));
    let octet_aligned = octet_aligned.into_iter().flatten();
    octet_aligned.flat_map(|mode| [mode, mode.bandwidth_efficient()]).collect()
}

#[test]
fn what_goes_in_comes_out() {
    for mode in modes() {
        let AmrMode { wideband, channels, .. } = mode;
        let frames = frames(wideband, channels, 50);
        for (ptime, max_payload) in [(20, 370), (60, 1400), (100, 400)] {
            let ptime = Duration::from_millis(ptime);
            let mut packetizer = AmrPacketizer::with_ptime(mode, ptime);
            let depacketizer = AmrDepacketizer::new(mode);
            let rate = sampling_rate(wideband);
            round_trip(&mut packetizer, depacketizer, &frames, rate, max_payload);
        }
    }
}

#[test]
fn losses_are_seen() {
    for (wideband, channels) in [(false, 1), (true, 2)] {
        let parameters = CodecParameters::Amr { wideband, channels };
        transmits(&parameters, &frames(wideband, channels, 30), 1400, 0);
    }
}

#[test]
fn packets_have_as_many_frames_as_asked_for() {
    for mode in modes() {
        let AmrMode { wideband, channels, .. } = mode;
        let frames = frames(wideband, channels, 20);
        let rate = sampling_rate(wideband);
        for (ptime, expected) in [(20, 20), (40, 10), (100, 4)] {
            let mut packetizer = AmrPacketizer::with_ptime(mode, Duration::from_millis(ptime));
            let packets = packets_of(&mut packetizer, &frames, rate, 3000);
            assert_eq!(packets.len(), expected);
            assert!(packets.iter().skip(1).all(|packet| !packet.marker) && packets[0].marker);
        }
        let mut packetizer = AmrPacketizer::new(mode);
        let mut with_gap = frames;
        with_gap.drain(3..5);
        let packets = packets_of(&mut packetizer, &with_gap, rate, 3000);
        assert_eq!(packets.iter().filter(|packet| packet.marker).count(), 2);
        assert!(packets[3].marker);
    }
}

#[test]
fn a_bandwidth_efficient_payload_by_hand() {
    // RFC 4867 section 4.3.5.1: CMR 15, F 0, FT 4, Q 1, 148 bits of speech, two of padding.
    let payload = [&[0xf2, 0x7f][..], &[0xff; 17], &[0xfc]].concat();
    let speech = [&[0xff; 18][..], &[0xf0]].concat();
    let frame = [&[0x24], &speech[..]].concat();
    let mode = AmrMode::new(false).bandwidth_efficient();
    let sent = [timed(frame.clone(), 0, 160, 8_000)];
    let packets = packets_of(&mut AmrPacketizer::new(mode), &sent, 8_000, 1400);
    assert_eq!(packets[0].payload, payload);
    let mut d = Received::new(AmrDepacketizer::new(mode));
    d.handle_payload(&payload, true, 5, false).unwrap();
    assert_eq!(d.poll_frame().unwrap().data, frame);
    for cut in 0..payload.len() {
        assert!(d.handle_payload(&payload[..cut], false, 0, false).is_err(), "{cut}");
    }
    assert_eq!(d.poll_frame(), None);
    // As section 4.3.5.2: several frames, of which one was damaged and one is not there. CMR 1, then
    // FT 0 with F and Q, FT 15 with F and Q, FT 8 with F, FT 8 with Q: 4 + 4 × 6 bits, 95 + 39 + 39.
    let headers = [0b0001_1000, 0b0111_1111, 0b1100_0000, 0b1000_1000 | 1 << 2];
    assert_eq!(headers[3], 0b1000_1100);
    let fields: [(u32, u32); 6] =
        [(1, 4), (0b10_0001, 6), (0b11_1111, 6), (0b11_0000, 6), (0b01_0001, 6), (0, 4 + 95 + 78)];
    let mut bits: Vec<u8> = Vec::new();
    for (value, count) in fields {
        bits.extend((0..count).rev().map(|bit| (value.checked_shr(bit).unwrap_or(0) & 1) as u8));
    }
    let payload: Vec<u8> = bits
        .chunks(8)
        .map(|chunk| chunk.iter().enumerate().fold(0, |byte, (i, bit)| byte | bit << (7 - i)))
        .collect();
    d.handle_payload(&payload, false, 1000, false).unwrap();
    let given: Vec<_> = std::iter::from_fn(|| d.poll_frame()).collect();
    let seen: Vec<_> = given.iter().map(|f| (f.data[0], f.data.len(), f.timestamp)).collect();
    assert_eq!(seen, [(0x04, 13, 1000), (0x7c, 1, 1160), (0x40, 6, 1320), (0x44, 6, 1480)]);
}

#[test]
fn an_octet_aligned_payload_by_hand() {
    // RFC 4867 section 4.4.5.2: CMR and its padding; a table of two entries, each F, FT, Q and two
    // bits of padding; the speech of both frames. AMR-WB at 6.6 kbit/s and comfort noise.
    let (first, second) = ([&[0xaa; 16][..], &[0xa0]].concat(), [0xbb; 5]);
    let payload = [&[0xf0, 0x84, 0x4c][..], &first, &second].concat();
    let frames = [
        timed([&[0x04], &first[..]].concat(), 0, 320, 16_000),
        timed([&[0x4c], &second[..]].concat(), 1, 320, 16_000),
    ];
    let mode = AmrMode::new(true);
    let mut packetizer = AmrPacketizer::with_ptime(mode, Duration::from_millis(40));
    let mut packets = packets_of(&mut packetizer, &frames, 16_000, 1400);
    assert_eq!((packets.len(), &packets[0].payload), (1, &payload));
    // Another request, and bits that are to be ignored.
    packets[0].payload[0] = 0x8f;
    packets[0].payload[1] |= 3;
    let back = frames_of(AmrDepacketizer::new(mode), &packets, None);
    assert!(back.iter().map(|frame| &frame.data).eq(frames.iter().map(|frame| &frame.data)));
    let mut d = Received::new(AmrDepacketizer::new(mode));
    // A reserved frame type, a table without end, speech that is not there.
    for bad in [&[0xf0, 0x54][..], &[0xf0, 0xfc, 0xfc], &payload[..payload.len() - 1], &[0xf0], &[]]
    {
        assert!(d.handle_payload(bad, false, 0, false).is_err(), "{bad:x?}");
    }
    // One frame of two channels.
    let mut d = Received::new(AmrDepacketizer::new(mode.with_channels(2)));
    assert!(d.handle_payload(&[0xf0, 0x7c], false, 0, false).is_err());
    d.handle_payload(&[0xf0, 0xfc, 0x7c], false, 0, false).unwrap();
    assert_eq!(d.poll_frame().unwrap().data[..], [0x7c, 0x7c]);
}

#[test]
fn what_is_no_frame_is_not_sent() {
    for mode in modes() {
        let mut packetizer = AmrPacketizer::new(mode);
        let good = frames(mode.wideband, mode.channels, 1).remove(0).data;
        for bad in [vec![], vec![0x54], vec![0x04], [&good[..], &[0x7c]].concat()] {
            let frame = timed(bad, 0, 160, 8_000);
            assert!(packets_of(&mut packetizer, &[frame], 8_000, 1400).is_empty());
        }
    }
    let mut packetizer = AmrPacketizer::new(AmrMode::new(false));
    let frame = timed([&[0x3c][..], &[0; 31]].concat(), 0, 160, 8_000);
    assert!(packets_of(&mut packetizer, std::slice::from_ref(&frame), 8_000, 32).is_empty());
    assert_eq!(packets_of(&mut packetizer, &[frame], 8_000, 33).len(), 1);
}

#[test]
fn descriptions() {
    let read = |name: &'static str, channels, fmtp: &str| {
        let rate = if name.len() == 3 { 8_000 } else { 16_000 };
        let format = PayloadFormat::new("audio", name, rate, 97).with_fmtp(fmtp);
        let format = PayloadFormat { channels, ..format };
        let formats = FormatRegistry::standard();
        formats.depacketizer(&format)?;
        formats.parameters(&format)
    };
    let amr = |wideband, channels| CodecParameters::Amr { wideband, channels };
    let (format, _) = outgoing(&amr(true, 1));
    assert_eq!((&*format.encoding_name, format.clock_rate), ("AMR-WB", 16_000));
    assert_eq!(format.fmtp.as_deref(), Some("octet-align=1"));
    // Section 8.3: examples, and what some make of them.
    for fmtp in ["mode-set=0,2,5,7; octet-align=1", "octet-align", "octet-align=0;crc=0", ""] {
        assert_eq!(read("amr", None, fmtp), Ok(amr(false, 1)), "{fmtp}");
    }
    assert_eq!(read("AMR-WB", Some(2), "octet-align=1; mode-change-period=2"), Ok(amr(true, 2)));
    let refused = |fmtp, why: &str| {
        let said = read("AMR", Some(1), fmtp).unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    };
    refused("octet-align=2", "octet-align=2");
    refused("octet-align=1;crc=1", "CRCs (crc) is not supported");
    refused("octet-align=1;robust-sorting=1", "robust sorting");
    refused("octet-align=1;interleaving=4", "interleaving");
    let wrong_clock = PayloadFormat::new("audio", "AMR-WB", 8_000, 97);
    let unknown = FormatRegistry::standard().parameters(&wrong_clock);
    assert!(matches!(unknown, Err(FormatError::Unknown { .. })));
    // Bandwidth-efficient by choice.
    let formats = FormatRegistry::new().with(BandwidthEfficient);
    let (format, mut packetizer) = formats.sender(&amr(false, 1), 97).unwrap();
    assert_eq!((format.fmtp.as_deref(), formats.parameters(&format)), (None, Ok(amr(false, 1))));
    let depacketizer = formats.depacketizer(&format).unwrap();
    round_trip(&mut *packetizer, depacketizer, &frames(false, 1, 20), 8_000, 1400);
}

/// RFC 4867 section 4.3.2.
#[test]
fn frames_without_data_are_sent_between_others_only() {
    // By their types: 15 has no data.
    let sent = |kinds: &[u8], ptime| {
        let mut random = XorShift::new(2);
        let frames = kinds
            .iter()
            .zip(0..)
            .map(|(kind, n)| timed(storage(*kind, false, &mut random), n, 160, 8_000));
        let mut p = AmrPacketizer::with_ptime(AmrMode::new(false), Duration::from_millis(ptime));
        let packets = packets_of(&mut p, &frames.collect::<Vec<_>>(), 8_000, 1400);
        let start = packets[0].timestamp;
        let heads = packets.iter().map(|packet| {
            let types: Vec<u8> = packet.payload[1..]
                .iter()
                .scan(true, |more, entry| {
                    let is_entry = *more;
                    *more = entry & 0x80 != 0;
                    is_entry.then_some(entry >> 3 & 15)
                })
                .collect();
            (types, packet.timestamp.wrapping_sub(start) / 160, packet.marker)
        });
        heads.collect::<Vec<_>>()
    };
    let kinds = [0, 15, 15, 8, 15, 1, 15];
    let alone = [(vec![0], 0, true), (vec![8], 3, true), (vec![1], 5, true)];
    assert_eq!(sent(&kinds, 20), alone);
    assert_eq!(sent(&kinds, 60), [(vec![0], 0, true), (vec![8, 15, 1], 3, true)]);
}
