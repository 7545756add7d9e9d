use super::*;
use crate::codec::CodecParameters;
use crate::frame::Frame;
use crate::payload::testing::{Packet, Received, XorShift, outgoing, packets_of};
use crate::payload::{
    DepacketizedFrames, Depacketizer, FormatRegistry, PacketBuffer, Packetizer, RtpPayload,
};

fn text(text: &str, ms: u64) -> Frame {
    Frame::new(text.to_owned(), Duration::from_millis(ms), Duration::ZERO)
}

fn packets(frame: &Frame, max_payload: usize) -> Vec<(Vec<u8>, bool)> {
    let mut out = PacketBuffer::new(max_payload);
    TextPacketizer::new().packetize(frame, &mut out);
    let spans = out.spans().iter().enumerate();
    spans.map(|(i, span)| (out.payload(i).unwrap().to_vec(), span.marker)).collect()
}

/// A payload of `red` (RFC 2198 section 3): texts with the times by which they are older, and the
/// primary one. 98 is the payload type of `t140`.
fn red(redundant: &[(u32, &str)], primary: &str) -> Vec<u8> {
    let mut payload = Vec::new();
    for (offset, text) in redundant {
        let fields = offset << 10 | text.len() as u32;
        payload.extend([&[0x80 | 98][..], &fields.to_be_bytes()[1..]].concat());
    }
    payload.push(98);
    redundant.iter().for_each(|(_, text)| payload.extend_from_slice(text.as_bytes()));
    payload.extend_from_slice(primary.as_bytes());
    payload
}

/// What comes out: text, timestamp, damaged.
fn taken(d: &mut Received<TextDepacketizer>) -> Vec<(String, u32, bool)> {
    std::iter::from_fn(|| d.poll_frame())
        .map(|f| {
            assert_eq!(f.damaged, f.discontinuity);
            (String::from_utf8(f.data.to_vec()).unwrap(), f.timestamp, f.damaged)
        })
        .collect()
}

#[test]
fn characters_are_never_cut() {
    let mut random = XorShift::new(5);
    for max_payload in [4, 5, 7, 64, 1400] {
        for _ in 0..50 {
            let count = 1 + random.below(300);
            let chars = (0..count).map(|_| ['a', 'é', '€', '𝄞'][random.below(4) as usize]);
            let sent: String = chars.collect();
            let mut d = Received::new(TextDepacketizer::new());
            for (i, (payload, marker)) in packets(&text(&sent, 0), max_payload).iter().enumerate() {
                assert!(payload.len() <= max_payload && std::str::from_utf8(payload).is_ok());
                assert_eq!(*marker, i == 0);
                d.handle_payload(payload, *marker, 9, false).unwrap();
            }
            let back: String = taken(&mut d).into_iter().map(|(text, _, _)| text).collect();
            assert_eq!(back, sent);
            assert_eq!(d.deviations(), 0);
        }
    }
}

#[test]
fn the_first_packet_after_a_pause_is_marked() {
    let mut p = TextPacketizer::new();
    let mut out = PacketBuffer::new(100);
    for at in [0, 200, 500, 900, 1000] {
        p.packetize(&text("a", at), &mut out);
    }
    // A pause begins: an empty packet tells of the loss of the last one.
    p.packetize(&text("", 1300), &mut out);
    p.packetize(&text("", 1600), &mut out);
    p.packetize(&text("b", 9000), &mut out);
    let markers: Vec<_> = out.spans().iter().map(|span| span.marker).collect();
    assert_eq!(markers, [true, false, false, true, false, false, true]);
    assert_eq!(out.payload(5), Some(&[][..]));
}

#[test]
fn lost_text_is_replaced_in_front_of_the_next() {
    let mut d = Received::new(TextDepacketizer::new());
    d.handle_payload(b"Hel", true, 100, false).unwrap();
    d.handle_payload(b"w\xc3\xb6rld", false, 700, true).unwrap();
    d.handle_payload(b"!", false, 900, false).unwrap();
    let expected = [("Hel", 100, false), ("\u{fffd}w\u{f6}rld", 700, true), ("!", 900, false)];
    assert_eq!(taken(&mut d), expected.map(|(text, at, lost)| (text.to_owned(), at, lost)));
    // Bytes that are no text.
    d.handle_payload(b"a\xff", false, 1000, false).unwrap();
    assert_eq!((taken(&mut d)[0].0.as_str(), d.deviations()), ("a\u{fffd}", 1));
}

/// By hand: RFC 4103 section 4.2 with two generations, 300 ms apart.
#[test]
fn a_payload_of_red_has_the_texts_before_it_in_front() {
    let payload = [
        0xe2, 0x09, 0x60, 0x01, // more, type 98, offset 600, one byte
        0xe2, 0x04, 0xb0, 0x02, // more, type 98, offset 300, two bytes
        0x62, // type 98
        b'a', b'b', b'c', b'd',
    ];
    assert_eq!(red(&[(600, "a"), (300, "bc")], "d"), payload);
    for (missing, expected) in [
        (0, &[("d", 1000)][..]),
        (1, &[("bc", 700), ("d", 1000)]),
        (2, &[("a", 400), ("bc", 700), ("d", 1000)]),
        (3, &[("\u{fffd}a", 400), ("bc", 700), ("d", 1000)]),
    ] {
        let mut d = TextDepacketizer::redundant();
        let mut out = DepacketizedFrames::new();
        d.handle_payload(&RtpPayload::new(&payload, 1000).after_missing(missing), &mut out)
            .unwrap();
        let back: Vec<_> = std::iter::from_fn(|| out.pop())
            .map(|f| (String::from_utf8(f.data.to_vec()).unwrap(), f.timestamp, f.damaged))
            .collect();
        let expected = expected.iter().map(|&(text, at)| (text.to_owned(), at, at < 1000));
        let expected =
            expected.map(|(text, at, _)| (text.clone(), at, text.starts_with('\u{fffd}')));
        assert_eq!(back, expected.collect::<Vec<_>>(), "{missing} missing");
    }
}

#[test]
fn each_packet_but_the_last_of_red_may_be_lost() {
    let mut random = XorShift::new(3);
    let words: Vec<String> = (0..30)
        .map(|n| if random.below(4) == 0 { String::new() } else { format!("word{n} ") })
        .collect();
    let payload = |n: usize| {
        let before: Vec<_> =
            (1..=2.min(n)).rev().map(|age| (age as u32 * 300, &*words[n - age])).collect();
        red(&before, &words[n])
    };
    for lost in 0..words.len() - 2 {
        for run in 1..=3.min(words.len() - 1 - lost) {
            let mut d = TextDepacketizer::redundant();
            let mut out = DepacketizedFrames::new();
            let (mut missing, mut back, mut damaged) = (0, String::new(), false);
            for n in 0..words.len() {
                if (lost..lost + run).contains(&n) {
                    missing += 1;
                    continue;
                }
                // What is lost before the first packet that comes was never announced.
                let gap = if lost == 0 { 0 } else { std::mem::take(&mut missing) };
                let (payload, at) = (payload(n), n as u32 * 300);
                d.handle_payload(&RtpPayload::new(&payload, at).after_missing(gap), &mut out)
                    .unwrap();
                while let Some(frame) = out.pop() {
                    damaged |= frame.damaged;
                    back += std::str::from_utf8(&frame.data).unwrap();
                }
            }
            let came: String = match (lost, run) {
                (0, _) => words[run..].concat(),
                (_, 3) => {
                    [&words[..lost], &["\u{fffd}".to_owned()], &words[lost + 1..]].concat().concat()
                }
                _ => words.concat(),
            };
            assert_eq!(back, came, "{run} from {lost}");
            assert_eq!(damaged, lost > 0 && run == 3);
        }
    }
}

#[test]
fn malformed_red_is_refused_and_counts_as_lost() {
    let mut d = Received::new(TextDepacketizer::redundant());
    for payload in [&[][..], &[0x80], &[0xe2, 0, 0], &[0xe2, 0, 0, 1], &[0xe2, 0, 0, 9, 0x62, b'a']]
    {
        assert!(d.handle_payload(payload, false, 0, false).is_err(), "{payload:?}");
    }
    assert_eq!(taken(&mut d), []);
    d.handle_payload(&red(&[], "x"), false, 0, false).unwrap();
    assert_eq!(taken(&mut d), [("\u{fffd}x".to_owned(), 0, true)]);
}

/// The packets of text at these times in milliseconds.
fn redundant_packets(texts: &[(&str, u64)], max_payload: usize) -> Vec<Packet> {
    let frames: Vec<_> = texts.iter().map(|(words, at)| text(words, *at)).collect();
    packets_of(&mut TextPacketizer::redundant(98), &frames, CLOCK_RATE, max_payload)
}

/// The text that comes of packets without those from `lost` on, and whether some of it is missing.
fn received(packets: &[Packet], lost: std::ops::Range<usize>) -> (String, bool) {
    let mut d = TextDepacketizer::redundant();
    let mut out = DepacketizedFrames::new();
    let (mut missing, mut back, mut damaged) = (0, String::new(), false);
    for (n, Packet { payload, timestamp, .. }) in packets.iter().enumerate() {
        if lost.contains(&n) {
            missing += 1;
            continue;
        }
        let payload = RtpPayload::new(payload, *timestamp).after_missing(missing);
        d.handle_payload(&payload, &mut out).unwrap();
        missing = 0;
        while let Some(frame) = out.pop() {
            damaged |= frame.damaged;
            back += std::str::from_utf8(&frame.data).unwrap();
        }
    }
    (back, damaged)
}

/// RFC 4103 section 4.2: as many blocks as packets before it, with their ages, the oldest first.
#[test]
fn packets_repeat_the_text_of_the_two_before() {
    let texts = [("a", 0), ("bc", 300), ("d", 600), ("", 900), ("", 1200), ("", 1500), ("e", 9000)];
    let packets = redundant_packets(&texts, 1400);
    let expected = [
        red(&[], "a"),
        red(&[(300, "a")], "bc"),
        red(&[(600, "a"), (300, "bc")], "d"),
        red(&[(600, "bc"), (300, "d")], ""),
        red(&[(600, "d"), (300, "")], ""),
        red(&[(8100, ""), (7800, "")], "e"),
    ];
    assert!(packets.iter().map(|packet| &packet.payload).eq(&expected));
    let marked = packets.iter().map(|packet| packet.marker);
    assert!(marked.eq([true, false, false, false, false, true]));
    // An age has 14 bits: what is older is left out, and was empty.
    let late = redundant_packets(&[("a", 0), ("", 300), ("", 600), ("b", 16_683)], 1400);
    assert_eq!(late[3].payload, red(&[(16_383, ""), (16_083, "")], "b"));
    let late = redundant_packets(&[("a", 0), ("", 300), ("", 600), ("b", 16_984)], 1400);
    assert_eq!(late[3].payload, red(&[], "b"));
}

#[test]
fn any_two_packets_in_a_row_may_be_lost() {
    let mut random = XorShift::new(7);
    for max_payload in [21, 30, 60, 500, 1400, 9000] {
        let mut at = 0;
        let mut texts = Vec::new();
        for _ in 0..30 {
            let most = [3, 40, max_payload as u64][random.below(3) as usize];
            let count = 1 + random.below(most);
            let chars = (0..count).map(|_| ['a', 'é', '€', '𝄞'][random.below(4) as usize]);
            texts.push((chars.collect::<String>(), at));
            at += [0, 1, 100, 300][random.below(4) as usize];
            if random.below(4) == 0 {
                // A pause, sometimes a long one.
                for _ in 0..2 {
                    at += 300;
                    texts.push((String::new(), at));
                }
                at += [300, 20_000][random.below(2) as usize];
            }
        }
        texts.extend([300, 600].map(|later| (String::new(), at + later)));
        let texts: Vec<_> = texts.iter().map(|(text, at)| (&**text, *at)).collect();
        let packets = redundant_packets(&texts, max_payload);
        assert!(packets.iter().all(|packet| packet.payload.len() <= max_payload));
        let times =
            packets.windows(2).map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp));
        assert!(times.into_iter().all(|step| step > 0 && step < 1 << 31));
        let sent: String = texts.iter().map(|(text, _)| *text).collect();
        // Before the first packet that comes nothing is known to be missing.
        for _ in 0..100 {
            let lost = 3 + random.below(packets.len() as u64 - 3) as usize;
            for run in 1..=2 {
                let (back, damaged) = received(&packets, lost..lost + run);
                assert!(back == sent && !damaged, "{run} from {lost} with {max_payload}");
            }
        }
    }
}

#[test]
fn what_was_not_repeated_after_a_pause_was_empty() {
    // RFC 4103 section 5.3.
    let texts = ["a", "b", "c", "d", "", ""].into_iter().zip((0..).step_by(300));
    let texts: Vec<_> = texts.chain([("e", 40_000)]).collect();
    let packets = redundant_packets(&texts, 1400);
    assert_eq!(packets[6].payload, red(&[], "e"));
    assert_eq!(received(&packets, 4..6), ("abcde".to_owned(), false));
    assert_eq!(received(&packets, 3..6), ("abc\u{fffd}e".to_owned(), true));
}

#[test]
fn text_is_described_with_redundancy_unless_an_application_wants_it_plain() {
    let (format, _) = outgoing(&CodecParameters::Text);
    let mut media = crate::wire::sdp::MediaDescription::new("text", 0, "RTP/AVP", 96);
    format.write_to(&mut media);
    let lines = "m=text 0 RTP/AVP 96 127\r\na=rtpmap:96 red/1000\r\na=fmtp:96 127/127/127\r\n\
                 a=rtpmap:127 t140/1000\r\n";
    assert_eq!(media.to_string(), lines);
    assert_eq!(FormatRegistry::standard().format_in(&media), Ok(format));
    let plain = FormatRegistry::new().with(PlainText);
    assert_eq!(plain.format(&CodecParameters::Text, 96).unwrap().encoding_name, "t140");
    // The text has that payload type.
    let last = FormatRegistry::standard().format(&CodecParameters::Text, 127).unwrap();
    assert_eq!(last.encoding_name, "t140");
}
