use super::*;
use crate::payload::testing::{Received, XorShift};

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
    p.packetize(&text("", 9000), &mut out);
    let markers: Vec<_> = out.spans().iter().map(|span| span.marker).collect();
    assert_eq!(markers, [true, false, false, true, false]);
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
