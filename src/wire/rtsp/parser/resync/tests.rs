use super::*;
use crate::wire::rtsp::parse;
use crate::wire::testing::Random;

const OK: &[u8] = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n";
const DESCRIBED: &[u8] = b"RTSP/1.0 200 OK\r\nCseq: 2\r\nContent-Length: 5\r\n\r\nv=0\r\n";

fn rtp(channel: u8, len: usize) -> Vec<u8> {
    let mut packet = vec![0; len];
    packet[0] = 0x80;
    packet[1] = 96;
    let mut out = Vec::new();
    assert!(interleaved::write(channel, &packet, &mut out));
    out
}

fn receiver_report(channel: u8) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(interleaved::write(channel, &[0x80, 201, 0, 1, 0, 0, 0, 7], &mut out));
    out
}

fn word(incoming: &Incoming<'_>) -> String {
    match incoming {
        Incoming::Interleaved { channel, data } => format!("{}@{channel}", data.len()),
        Incoming::Response(r) => format!("{}+{}", r.status.code(), r.body.len()),
        Incoming::Request(r) => r.method.as_str().to_owned(),
        other => format!("{other:?}"),
    }
}

/// What a decoder that expects channels 0 and 1 finds in pieces of so many bytes, and what it
/// skips.
fn decoded(input: &[u8], mut piece: impl FnMut() -> usize) -> (Vec<String>, Skipped) {
    let mut decoder = ResyncDecoder::new();
    decoder.expect_channel(0);
    decoder.expect_channel(1);
    let (mut buffer, mut rest, mut words) = (Vec::new(), input, Vec::new());
    loop {
        let (incoming, n) = decoder.decode(&buffer, &Limits::default()).unwrap();
        if matches!(incoming, Incoming::NeedMore) {
            buffer.drain(..n);
            if rest.is_empty() {
                return (words, decoder.skipped());
            }
            let (now, later) = rest.split_at(piece().clamp(1, rest.len()));
            buffer.extend_from_slice(now);
            rest = later;
        } else {
            assert!(n > 0);
            words.push(word(&incoming));
            buffer.drain(..n);
        }
    }
}

/// As [`decoded`], at once and byte by byte.
fn found(parts: &[&[u8]]) -> (Vec<String>, u64, u64) {
    let input = parts.concat();
    let (words, skipped) = decoded(&input, || usize::MAX);
    assert_eq!((&words, skipped), (&decoded(&input, || 1).0, decoded(&input, || 1).1));
    (words, skipped.bytes, skipped.times)
}

fn of(words: &[&str], bytes: u64, times: u64) -> (Vec<String>, u64, u64) {
    (words.iter().map(|word| (*word).to_owned()).collect(), bytes, times)
}

#[test]
fn an_interleaved_stream_with_garbage_between_packets() {
    let (a, b) = (rtp(0, 20), receiver_report(1));
    assert_eq!(found(&[&a, b"garbage", &b, OK]), of(&["20@0", "8@1", "200+0"], 7, 1));
    assert_eq!(found(&[b"\0\x01\xff", &a, b"\r\r", OK]), of(&["20@0", "200+0"], 5, 2));
    // Dollar signs and the beginnings of responses among it.
    let garbage = b"$$$\x00\x00\x01$\x00\x10\x00\x00\x00RRTSPRTSP/1.0 RTSP/1.0 x$\x05";
    assert_eq!(found(&[&a, garbage, &a]), of(&["20@0", "20@0"], garbage.len() as u64, 1));
    assert_eq!(found(&[&a, b"garbage"]), of(&["20@0"], 7, 1));
}

#[test]
fn packets_that_are_longer_or_shorter_than_they_say() {
    let (a, mut long, mut short) = (rtp(0, 40), rtp(0, 40), rtp(0, 40));
    long[3] -= 10;
    assert_eq!(found(&[&a, &long, &a, OK]), of(&["40@0", "30@0", "40@0", "200+0"], 10, 1));
    // It takes the beginning of the next, whose rest is skipped.
    short[3] += 10;
    assert_eq!(found(&[&short, &a, &a]), of(&["50@0", "40@0"], 34, 1));
}

#[test]
fn a_body_longer_than_stated_or_with_nul_at_its_end() {
    let a = rtp(0, 20);
    assert_eq!(found(&[DESCRIBED, b"\0", OK]), of(&["200+5", "200+0"], 1, 1));
    assert_eq!(found(&[DESCRIBED, b"a=x\r\n\r\n", &a]), of(&["200+5", "20@0"], 7, 1));
    assert_eq!(found(&[DESCRIBED, b"\r\n\r\n", OK]), of(&["200+5", "200+0"], 0, 0));
}

#[test]
fn a_content_length_that_is_stated_twice() {
    let response = |second: &str| {
        let head = "RTSP/1.0 200 OK\r\nContent-Length: 2\r\nContent-Length: ";
        format!("{head}{second}\r\n\r\nab").into_bytes()
    };
    let (same, other) = (response("2"), response("3"));
    assert_eq!(found(&[&same, OK]), of(&["200+2", "200+0"], 0, 0));
    assert_eq!(found(&[&other, OK]), of(&["200+0"], other.len() as u64, 1));
}

#[test]
fn channels_that_are_not_expected() {
    let (a, b) = (rtp(6, 20), receiver_report(7));
    assert_eq!(found(&[&a, &b, OK]), of(&["20@6", "8@7", "200+0"], 0, 0));
    // On these a packet must begin like one, and in a search they do not count at all.
    assert_eq!(found(&[b"$\x06\x00\x02ab", OK]), of(&["200+0"], 6, 1));
    assert_eq!(found(&[b"x", &a, OK]), of(&["200+0"], 25, 1));
    assert_eq!(found(&[b"$\x01\x00\x00$\x00\x00\x02ab", OK]), of(&["0@1", "2@0", "200+0"], 0, 0));
    let mut decoder = ResyncDecoder::new();
    let input = [b"x", &a[..]].concat();
    let found = decoder.decode(&input, &Limits::default()).unwrap();
    assert_eq!((word(&found.0), found.1), ("20@6".to_owned(), 25));
    decoder.expect_channel(0);
    decoder.forget_channel(0);
    let found = decoder.decode(&input, &Limits::default()).unwrap();
    assert_eq!(word(&found.0), "20@6", "as before any was expected");
}

#[test]
fn requests_of_the_server() {
    let request = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
    assert_eq!(found(&[OK, request, OK]), of(&["200+0", "OPTIONS", "200+0"], 0, 0));
    let half = b"OPTIONS * RTS";
    let (words, ..) = found(&[half, &rtp(0, 20), OK]);
    assert_eq!(words, ["20@0", "200+0"], "media show that the rest does not come");
    let missing = found(&[b"x", request, OK]);
    assert_eq!(missing, of(&["200+0"], 1 + request.len() as u64, 1));
}

#[test]
fn heads_that_are_none() {
    let a = rtp(0, 20);
    for bad in [
        &b"RTSP/1.0 2x OK\r\nCSeq: 1\r\n\r\n"[..],
        b"RTSP/1.0 200\0\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: many\r\n\r\n",
        b"OPTIONS *\r\n\r\n",
        b"options * RTSP/1.0\r\n\r\n",
        b": x\r\n",
    ] {
        let text = String::from_utf8_lossy(bad);
        assert_eq!(found(&[bad, &a]), of(&["20@0"], bad.len() as u64, 1), "{text:?}");
    }
}

#[test]
fn what_no_search_helps_against_is_an_error() {
    for (input, kind) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], HeadErrorKind::BadRequest),
        (b"RTSP/2.0 200 OK\r\n\r\n", HeadErrorKind::VersionNotSupported),
        (b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n", HeadErrorKind::EntityTooLarge),
    ] {
        let e = ResyncDecoder::new().decode(input, &Limits::default()).unwrap_err();
        assert_eq!(e.kind, kind);
    }
}

#[test]
fn a_clean_stream_is_read_as_by_a_server() {
    let stream = [
        OK,
        &rtp(0, 100),
        b"\r\n",
        DESCRIBED,
        &receiver_report(1),
        b"SET_PARAMETER rtsp://h/a b RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\na:b",
        &rtp(0, 0x2000),
    ]
    .concat();
    let (words, skipped) = decoded(&stream, || 1000);
    assert_eq!(skipped, Skipped::default());
    let mut rest = &stream[..];
    for expected in words {
        let (incoming, n) = parse(rest, &Limits::default()).unwrap();
        assert_eq!(word(&incoming), expected);
        rest = &rest[n..];
    }
    assert!(rest.is_empty());
}

#[test]
fn how_bytes_arrive_makes_no_difference() {
    let mut random = Random::new(17);
    for _ in 0..400 {
        let mut input = Vec::new();
        for _ in 0..random.below(8) {
            let len = 12 + random.below(60);
            match random.below(6) {
                0 => input.extend(rtp(0, len)),
                1 => input.extend(rtp(9, len)),
                2 => input.extend(receiver_report(1)),
                3 => input.extend_from_slice(DESCRIBED),
                4 => input.extend_from_slice(b"$R\r\nRTSP/1.0 \0OPTIONS "),
                _ => input.extend(random.bytes(30)),
            }
        }
        if random.chance(2) {
            random.mutate(&mut input);
        }
        crate::fuzzing::wire::resync(&input);
    }
}

/// Each byte is looked at a bounded number of times, whatever is sent.
#[test]
fn hostile_garbage_ends() {
    for piece in [&b"RTSP/1.0 200 "[..], b"RTSP/1.0 200 \n", b"$\x00\xff\xff", b"R$", b"OPTIONS "] {
        let input = piece.repeat(40_000 / piece.len());
        let mut decoder = ResyncDecoder::new();
        decoder.expect_channel(0);
        let (incoming, n) = decoder.decode(&input, &Limits::default()).unwrap();
        assert!(!matches!(incoming, Incoming::Request(_)) && n <= input.len());
        assert!(input.len() - n < Limits::default().buffer_bound());
    }
}
