use super::configuration::Configuration;
use super::*;
use crate::codec::CodecParameters;
use crate::codec::vorbis::{Headers, tests::headers};
use crate::frame::Frame;
use crate::payload::testing::{Received, XorShift, outgoing, packets_of, timed, transmits};
use crate::payload::{DepacketizedFrame, FormatRegistry, PayloadFormat};
use bytes::Bytes;

const RATE: u32 = 44_100;

fn vorbis() -> CodecParameters {
    CodecParameters::Vorbis { sampling_rate: RATE, channels: 2, headers: headers(RATE, 2) }
}

/// Packets of short and long blocks with their times.
fn frames(count: u64, max_len: u64) -> Vec<Frame> {
    let facts = Headers::parse(&headers(RATE, 2)).unwrap();
    let mut random = XorShift::new(max_len);
    let mut is_long = false;
    let mut at = 0;
    let mut packets: Vec<Frame> = (0..count)
        .map(|_| {
            let was_long = std::mem::replace(&mut is_long, random.below(3) > 0);
            let len = random.below(max_len) as usize;
            let first = u8::from(is_long) << 1 | u8::from(was_long && is_long) << 2;
            let packet = [vec![first], random.bytes(len)].concat();
            let size = |is_long| if is_long { 2048 } else { 256 };
            let samples = facts.packet_samples(Some(size(was_long)), &packet).unwrap();
            let mut frame = timed(packet, 1, at.max(1), RATE);
            if at == 0 {
                frame.pts = std::time::Duration::ZERO;
            }
            at += samples;
            frame
        })
        .collect();
    for i in 0..packets.len() {
        let next = packets.get(i + 1).map(|next| next.pts);
        packets[i].duration = next.map_or(packets[i].duration, |next| next - packets[i].pts);
        packets[i].dts = packets[i].pts;
    }
    packets
}

#[test]
fn what_goes_in_comes_out_and_losses_are_seen() {
    // After a loss the time of the second packet is a guess: a block of 2048 may have been one of 256.
    let slack = (2048 - 256) / 4;
    for (max_len, max_payload) in [(60, 1400), (60, 40), (400, 1400), (3000, 1400), (300, 100)] {
        transmits(&vorbis(), &frames(80, max_len), max_payload, slack);
    }
}

#[test]
fn packets_share_payloads_and_long_ones_are_cut() {
    let (_, mut packetizer) = outgoing(&vorbis());
    let packets = packets_of(&mut *packetizer, &frames(200, 30), RATE, 1400);
    assert!(packets.len() < 40 && packets.iter().all(|packet| !packet.marker));
    assert!(packets.iter().all(|packet| matches!(packet.payload[3], 1..=15)));
    let long = timed(vec![0b10; 250], 0, 1024, RATE);
    let packets = packets_of(&mut *packetizer, &[long], RATE, 106);
    let kinds: Vec<_> = packets.iter().map(|packet| packet.payload[3] >> 6).collect();
    assert_eq!(kinds, [FIRST, MIDDLE, LAST]);
    assert!(packets.iter().all(|packet| packet.timestamp == packets[0].timestamp));
}

/// A depacketizer for headers with the ident 0x123456.
fn receiver() -> Received<VorbisDepacketizer> {
    Received::new(VorbisDepacketizer::new(0x12_3456, headers(RATE, 2)).unwrap())
}

fn taken(d: &mut Received<VorbisDepacketizer>) -> Vec<DepacketizedFrame> {
    std::iter::from_fn(|| d.poll_frame()).collect()
}

#[test]
fn a_payload_by_hand() {
    // RFC 5215 section 2.2, figure 2: ident, F 0, VDT 0, 2 packets; lengths and packets.
    let payload = [0x12, 0x34, 0x56, 0x02, 0, 2, 0b110, 9, 0, 1, 0b10];
    let mut d = receiver();
    d.handle_payload(&payload, false, 1000, false).unwrap();
    let given = taken(&mut d);
    assert_eq!((&given[0].data[..], given[0].timestamp), (&[0b110, 9][..], 1000));
    // A long block after a long one.
    assert_eq!((&given[1].data[..], given[1].timestamp), (&[0b10][..], 1000 + 1024));
    for cut in 0..payload.len() {
        assert!(d.handle_payload(&payload[..cut], false, 0, false).is_err(), "{cut}");
    }
    taken(&mut d);
    // Fragments (section 5).
    d.handle_payload(&[0x12, 0x34, 0x56, 0x40, 0, 1, 0b10], false, 9, false).unwrap();
    d.handle_payload(&[0x12, 0x34, 0x56, 0x80, 0, 1, 7], false, 9, false).unwrap();
    d.handle_payload(&[0x12, 0x34, 0x56, 0xc0, 0, 1, 8], false, 9, false).unwrap();
    assert_eq!(&taken(&mut d)[0].data[..], [0b10, 7, 8]);
    for stray in [0x80, 0xc0, 0x00] {
        assert!(d.handle_payload(&[0x12, 0x34, 0x56, stray, 0, 1, 7], false, 9, false).is_err());
    }
    // Another ident, a header, an empty packet.
    for payload in [[0x12, 0x34, 0x57, 1, 0, 1, 0], [0x12, 0x34, 0x56, 1, 0, 1, 1]] {
        assert!(d.handle_payload(&payload, false, 9, false).is_err());
    }
    assert!(d.handle_payload(&[0x12, 0x34, 0x56, 1, 0, 0], false, 9, false).is_err());
    assert!(taken(&mut d).is_empty());
}

#[test]
fn fragments_of_different_packets_are_not_joined() {
    let mut d = receiver();
    let part = |d: &mut Received<_>, flags, at| {
        d.handle_payload(&[0x12, 0x34, 0x56, flags, 0, 1, 0], false, at, false)
    };
    part(&mut d, 0x40, 5).unwrap();
    assert!(part(&mut d, 0xc0, 6).is_err(), "another time");
    part(&mut d, 0x40, 5).unwrap();
    assert!(part(&mut d, 0xd0, 5).is_err(), "another data type");
    part(&mut d, 0x40, 5).unwrap();
    part(&mut d, 0x40, 6).unwrap();
    part(&mut d, 0xc0, 6).unwrap();
    let given = taken(&mut d);
    assert_eq!((given.len(), given[0].timestamp, given[0].discontinuity), (1, 6, true));
    // What never ends is bounded.
    part(&mut d, 0x40, 7).unwrap();
    let long = [&[0x12, 0x34, 0x56, 0x80, 0xff, 0xff][..], &vec![0; 0xffff]].concat();
    let refused = (0..10).find(|_| d.handle_payload(&long, false, 7, false).is_err());
    assert_eq!(refused, Some(4));
}

/// A payload with a configuration (section 3.1.1), in fragments.
fn in_band(ident: u8, headers: &[Bytes; 3]) -> Vec<Vec<u8>> {
    let packed = Configuration::new(headers).to_bytes();
    let packed = &packed[4 + 3 + 2..];
    let parts: Vec<_> = packed.chunks(100).collect();
    let kind = |i| {
        if i == 0 {
            FIRST
        } else if i + 1 == parts.len() {
            LAST
        } else {
            MIDDLE
        }
    };
    let payload = |(i, part): (usize, &&[u8])| {
        let flags = kind(i) << 6 | CONFIGURATION << 4;
        [&[0x12, 0x34, ident, flags, 0, part.len() as u8][..], part].concat()
    };
    parts.iter().enumerate().map(payload).collect()
}

#[test]
fn configurations_in_the_stream_say_what_idents_mean() {
    let mut d = receiver();
    let audio = |ident| [0x12, 0x34, ident, 1, 0, 1, 0];
    assert!(d.handle_payload(&audio(0x99), false, 0, false).is_err());
    for payload in in_band(0x99, &headers(RATE, 2)) {
        d.handle_payload(&payload, false, 0, false).unwrap();
    }
    d.handle_payload(&audio(0x99), false, 0, false).unwrap();
    d.handle_payload(&audio(0x56), false, 0, false).unwrap();
    assert_eq!(taken(&mut d).len(), 2);
    // Others are not those of the description.
    for payload in in_band(0x99, &headers(48_000, 2)) {
        d.handle_payload(&payload, false, 0, false).unwrap();
    }
    assert!(d.handle_payload(&audio(0x99), false, 0, false).is_err());
    d.handle_payload(&audio(0x56), false, 0, false).unwrap();
    // Comments (section 3.1.2), and a data type that nobody has defined.
    for flags in [0x21, 0x31] {
        d.handle_payload(&[0x12, 0x34, 0x56, flags, 0, 1, 3], false, 0, false).unwrap();
    }
    assert_eq!(taken(&mut d).len(), 1);
}

#[test]
fn configurations_are_packed_as_the_rfc_has_it() {
    let stream = headers(RATE, 2);
    let packed = Configuration::new(&stream).to_bytes();
    let [first, comment, setup] = &stream;
    let total = first.len() + comment.len() + setup.len();
    // Section 3.2.1, figure 8: one configuration; ident; length; number of headers less one; lengths.
    assert_eq!(packed[..4], [0, 0, 0, 1]);
    assert_eq!(packed[7..9], (total as u16).to_be_bytes());
    assert_eq!(packed[9..12], [2, 30, comment.len() as u8]);
    assert_eq!(packed[12..42], first[..]);
    let read = |bytes: Vec<u8>| Configuration::parse(&bytes.into());
    let back = read(packed.clone()).unwrap();
    assert_eq!(back.headers, stream);
    for cut in 0..packed.len() - setup.len() {
        assert!(read(packed[..cut].to_vec()).is_err(), "{cut}");
    }
    // The first of two.
    let mut two = [&packed[..], &packed[4..]].concat();
    two[3] = 2;
    assert_eq!(read(two), Ok(back.clone()));
    // Lengths above 127, and long comments left out.
    let long = [vec![1; 130], vec![3; 1000], vec![5; 70_000]].map(Bytes::from);
    assert_eq!(read(Configuration::new(&long).to_bytes()).unwrap().headers, long);
    let [first, _, setup] = long;
    let pictures = Configuration::new(&[first, vec![3; 9000].into(), setup]);
    assert_eq!(pictures.headers[1].len(), 16);
    // Without a comment header.
    let [first, _, setup] = &stream;
    let bare = [&packed[..9], &[1, 30], first, setup].concat();
    assert_eq!(read(bare).unwrap().headers[2], *setup);
    assert_ne!(back.ident, Configuration::new(&headers(48_000, 2)).ident);
}

#[test]
fn descriptions_state_the_headers() {
    let (format, _) = outgoing(&vorbis());
    let read = |format: &PayloadFormat| FormatRegistry::standard().parameters(format);
    assert_eq!((&*format.encoding_name, format.channels), ("vorbis", Some(2)));
    let fmtp = format.fmtp.clone().unwrap();
    let told = format!("delivery-method=inline; {}", fmtp.trim_end_matches('='));
    assert_eq!(read(&format.clone().with_fmtp(told)), Ok(vorbis()));
    for (fmtp, why) in [
        ("", "needs the format parameter configuration"),
        ("configuration=AAAA", "configuration=AAAA"),
        ("configuration=!!", "configuration=!!"),
    ] {
        let said = read(&format.clone().with_fmtp(fmtp)).unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
}
