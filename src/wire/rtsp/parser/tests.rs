use super::*;
use crate::wire::rtsp::{RangeHeader, SessionHeader, Transport};
use crate::wire::testing::Random;
use crate::wire::url::RequestTarget;

fn whole(input: &[u8]) -> (Incoming<'_>, usize) {
    parse(input, &Limits::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn request(text: &str) -> Request<'_> {
    match whole(text.as_bytes()) {
        (Incoming::Request(request), consumed) if consumed == text.len() => request,
        other => panic!("{other:?}"),
    }
}

fn refused(text: &str) -> HeadError {
    match parse(text.as_bytes(), &Limits::default()) {
        Err(e) => e,
        Ok(other) => panic!("{text:?} gave {other:?}"),
    }
}

/// All messages of `input`, shown to one decoder in pieces as `pieces` cuts them.
fn fed(input: &[u8], mut piece: impl FnMut() -> usize) -> (Vec<String>, Option<HeadErrorKind>) {
    let limits = Limits::default();
    let mut decoder = Decoder::new();
    let (mut buffer, mut rest, mut out) = (Vec::new(), input, Vec::new());
    loop {
        match decoder.decode(&buffer, &limits) {
            Ok((Incoming::NeedMore, consumed)) => {
                buffer.drain(..consumed);
                if rest.is_empty() {
                    return (out, None);
                }
                let (now, later) = rest.split_at(piece().clamp(1, rest.len()));
                buffer.extend_from_slice(now);
                rest = later;
            }
            Ok((incoming, consumed)) => {
                assert!(consumed > 0);
                out.push(format!("{incoming:?}"));
                buffer.drain(..consumed);
            }
            Err(e) => return (out, Some(e.kind)),
        }
    }
}

/// As FFmpeg 6 opens a stream over TCP and seeks in it.
const FFMPEG: &[&str] = &[
    "OPTIONS rtsp://127.0.0.1:8554/a%20file.mkv RTSP/1.0\r\nCSeq: 1\r\n\
     User-Agent: Lavf60.16.100\r\n\r\n",
    "DESCRIBE rtsp://127.0.0.1:8554/a%20file.mkv RTSP/1.0\r\nAccept: application/sdp\r\n\
     CSeq: 2\r\nUser-Agent: Lavf60.16.100\r\n\r\n",
    "SETUP rtsp://127.0.0.1:8554/a%20file.mkv/track1 RTSP/1.0\r\n\
     Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nCSeq: 3\r\n\
     User-Agent: Lavf60.16.100\r\n\r\n",
    "PLAY rtsp://127.0.0.1:8554/a%20file.mkv/ RTSP/1.0\r\nRange: npt=0.000-\r\nCSeq: 4\r\n\
     User-Agent: Lavf60.16.100\r\nSession: 0A1B2C3D4E5F\r\n\r\n",
    "PAUSE rtsp://127.0.0.1:8554/a%20file.mkv/ RTSP/1.0\r\nCSeq: 5\r\n\
     User-Agent: Lavf60.16.100\r\nSession: 0A1B2C3D4E5F\r\n\r\n",
    "TEARDOWN rtsp://127.0.0.1:8554/a%20file.mkv/ RTSP/1.0\r\nCSeq: 6\r\n\
     User-Agent: Lavf60.16.100\r\nSession: 0A1B2C3D4E5F\r\n\r\n",
];

/// As VLC 3, whose RTSP client is LIVE555's.
const VLC: &[&str] = &[
    "OPTIONS rtsp://192.168.1.2:8554/film.264 RTSP/1.0\r\nCSeq: 2\r\n\
     User-Agent: LibVLC/3.0.18 (LIVE555 Streaming Media v2016.11.28)\r\n\r\n",
    "SETUP rtsp://192.168.1.2:8554/film.264/track1 RTSP/1.0\r\nCSeq: 4\r\n\
     User-Agent: LibVLC/3.0.18 (LIVE555 Streaming Media v2016.11.28)\r\n\
     Transport: RTP/AVP;unicast;client_port=51410-51411\r\n\r\n",
    "PLAY rtsp://192.168.1.2:8554/film.264/ RTSP/1.0\r\nCSeq: 5\r\n\
     User-Agent: LibVLC/3.0.18 (LIVE555 Streaming Media v2016.11.28)\r\n\
     Session: 66334873\r\nRange: npt=12.345-\r\n\r\n",
    "GET_PARAMETER rtsp://192.168.1.2:8554/film.264/ RTSP/1.0\r\nCSeq: 6\r\n\
     User-Agent: LibVLC/3.0.18 (LIVE555 Streaming Media v2016.11.28)\r\n\
     Session: 66334873\r\n\r\n",
];

/// As GStreamer's rtspsrc.
const GSTREAMER: &[&str] = &[
    "OPTIONS rtsp://127.0.0.1:8554/test RTSP/1.0\r\nCSeq: 1\r\n\
     User-Agent: GStreamer/1.22.0\r\nDate: Sat, 11 Mar 2023 12:00:00 GMT\r\n\r\n",
    "SETUP rtsp://127.0.0.1:8554/test/stream=0 RTSP/1.0\r\nCSeq: 3\r\n\
     User-Agent: GStreamer/1.22.0\r\n\
     Transport: RTP/AVP;unicast;client_port=45678-45679,RTP/AVP;multicast,\
     RTP/AVP/TCP;unicast;interleaved=0-1\r\nDate: Sat, 11 Mar 2023 12:00:00 GMT\r\n\r\n",
    "PLAY rtsp://127.0.0.1:8554/test RTSP/1.0\r\nCSeq: 4\r\nUser-Agent: GStreamer/1.22.0\r\n\
     Range: npt=0-\r\nSession: TGlSRGKwIgfMEqYz\r\n\
     Date: Sat, 11 Mar 2023 12:00:00 GMT\r\n\r\n",
    "SET_PARAMETER rtsp://127.0.0.1:8554/test RTSP/1.0\r\nCSeq: 5\r\n\
     Session: TGlSRGKwIgfMEqYz\r\nContent-Type: text/parameters\r\nContent-Length: 10\r\n\r\n\
     volume: 1\n",
];

/// As recorders in front of ONVIF cameras write it.
const ONVIF: &[&str] = &[
    "SETUP rtsp://10.0.0.9/onvif1/track1 RTSP/1.0\r\nCSeq: 3\r\nRequire: onvif-replay\r\n\
     Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
    "PLAY rtsp://10.0.0.9/onvif1 RTSP/1.0\r\nCSeq: 4\r\nSession: 1234567890;timeout=60\r\n\
     Require: onvif-replay\r\nRange: clock=20230311T120000.000Z-\r\nRate-Control: no\r\n\
     Immediate: yes\r\n\r\n",
];

fn dialogues() -> impl Iterator<Item = &'static str> {
    [FFMPEG, VLC, GSTREAMER, ONVIF].into_iter().flatten().copied()
}

#[test]
fn ffmpeg() {
    let setup = request(FFMPEG[2]);
    assert_eq!(setup.method, Method::Setup);
    let Ok(RequestTarget::Url(url)) = setup.url.target() else { panic!() };
    assert_eq!(url.port(), 8554);
    assert_eq!(url.path.decoded_path().unwrap(), "a file.mkv/track1");
    let transport: Transport = setup.headers.value("transport").unwrap().parse().unwrap();
    assert_eq!(transport.specs[0].interleaved, Some((0, 1)));
    assert_eq!(setup.headers.cseq(), Some(3));
    let play = request(FFMPEG[3]);
    let session = SessionHeader::parse(play.headers.value("Session").unwrap()).unwrap();
    assert_eq!(session.id, "0A1B2C3D4E5F");
}

#[test]
fn vlc() {
    let play = request(VLC[2]);
    let range: RangeHeader = play.headers.value("Range").unwrap().parse().unwrap();
    assert_eq!(range.range.as_npt().unwrap().0.unwrap().as_millis(), 12_345);
    assert_eq!(request(VLC[3]).method, Method::GetParameter);
}

#[test]
fn gstreamer() {
    let setup = request(GSTREAMER[1]);
    let transport: Transport = setup.headers.value("Transport").unwrap().parse().unwrap();
    assert_eq!(transport.specs.len(), 3);
    assert_eq!(&request(GSTREAMER[3]).body[..], b"volume: 1\n");
}

#[test]
fn onvif() {
    let play = request(ONVIF[1]);
    assert_eq!(play.headers.value("require"), Some("onvif-replay"));
    let range: RangeHeader = play.headers.value("Range").unwrap().parse().unwrap();
    assert_eq!(range.range.as_npt(), None);
}

#[test]
fn sloppy_heads_are_read() {
    let r = request(
        "\r\n\n\r\nOPTIONS  \t rtsp://h/a file.mkv   RTSP/1.0\nCSEQ :\t7  \nx-list: a,\n\t b\r\n\
         \x20 c\nEmpty:\n  after\nUser-Agent: caf\u{e9}\n\n",
    );
    assert_eq!(r.url.as_str(), "rtsp://h/a file.mkv");
    assert_eq!(r.headers.cseq(), Some(7));
    assert_eq!(r.headers.value("X-List"), Some("a, b c"));
    assert_eq!(r.headers.value("empty"), Some("after"));
    assert_eq!(r.headers.value("user-agent"), Some("caf\u{e9}"));
    assert_eq!(request("options * rtsp/1.0\r\n\r\n").method, Method::Other("options".into()));
    let (incoming, _) = whole(b"OPTIONS * RTSP/1.0\r\nUser-Agent: caf\xE9\r\n\r\n");
    assert!(matches!(incoming, Incoming::Request(r)
        if r.headers.value("User-Agent") == Some("caf\u{FFFD}")));
}

#[test]
fn interleaved_data_and_pipelined_requests_come_in_order() {
    let mut input = Vec::new();
    input.extend(FFMPEG[0].as_bytes());
    assert!(interleaved::write(1, b"GET \r\n\r\n$", &mut input));
    assert!(interleaved::write(0, b"", &mut input));
    input.extend(b"\r\n");
    input.extend(GSTREAMER[3].as_bytes());
    input.extend(VLC[0].as_bytes());
    input.extend(b"RTSP/1.0 200 OK\r\nCSeq: 9\r\n\r\n");
    let mut kinds = Vec::new();
    let mut rest = &input[..];
    let mut decoder = Decoder::new();
    while !rest.is_empty() {
        let (incoming, consumed) = decoder.decode(rest, &Limits::default()).unwrap();
        kinds.push(match incoming {
            Incoming::NeedMore => panic!("more is there"),
            Incoming::Interleaved { channel, data } => format!("{channel}:{}", data.len()),
            Incoming::Request(request) => request.method.to_string(),
            Incoming::Response(response) => response.status.to_string(),
        });
        rest = &rest[consumed..];
    }
    assert_eq!(kinds, ["OPTIONS", "1:9", "0:0", "SET_PARAMETER", "OPTIONS", "200 OK"]);
}

#[test]
fn responses() {
    let text = "RTSP/1.0 461\r\nCSeq: 3\r\nno colon here\r\nContent-Length: 2\r\n\r\nhi";
    let (Incoming::Response(r), _) = whole(text.as_bytes()) else { panic!() };
    assert_eq!((r.status, &*r.reason), (StatusCode::UNSUPPORTED_TRANSPORT, ""));
    assert_eq!((r.headers.len(), &r.body[..]), (2, &b"hi"[..]));
    assert_eq!(refused("RTSP/1.0 OK\r\n\r\n").kind, HeadErrorKind::BadRequest);
}

#[test]
fn refusals_have_a_status_and_echo_the_sequence_number() {
    use HeadErrorKind::*;
    for (head, kind) in [
        ("OPTIONS * RTSP/2.0\r\ncseq: 5\r\n\r\n", VersionNotSupported),
        ("OPTIONS * RTSP/1.1\r\nCSeq:5\r\n\r\n", VersionNotSupported),
        ("OPTIONS * RTSP/x\r\nCSeq: 5\r\n\r\n", BadRequest),
        ("GET / HTTP/1.1\r\nHost: x\r\nCSeq: 5\r\n\r\n", BadRequest),
        ("OPTIONS *\r\nCSeq: 5\r\n\r\n", BadRequest),
        ("OPTIONS\r\nCSeq: 5\r\n\r\n", BadRequest),
        ("OPT(IONS * RTSP/1.0\r\nCSeq: 5\r\n\r\n", BadRequest),
        ("OPTIONS * RTSP/1.0\r\nCSeq: 5\r\nno colon\r\n\r\n", BadRequest),
        ("OPTIONS * RTSP/1.0\r\n: no name\r\nCSeq: 5\r\n\r\n", BadRequest),
        ("OPTIONS * RTSP/1.0\r\n folded\r\nCSeq: 5\r\n\r\n", BadRequest),
        ("OPTIONS * RTSP/1.0\r\nCSeq: 5\r\nX: a\0b\r\n\r\n", BadRequest),
        ("OPTIONS * RTSP/1.0\r\nCSeq: 5\r\nX: a\rb: c\r\n\r\n", BadRequest),
        ("A * RTSP/1.0\r\nCSeq: 5\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", BadRequest),
        ("A * RTSP/1.0\r\nCSeq: 5\r\nContent-Length: -1\r\n\r\n", BadRequest),
        ("A * RTSP/1.0\r\nCSeq: 5\r\nContent-Length: 1, 1\r\n\r\n", BadRequest),
        ("A * RTSP/1.0\r\nCSeq: 5\r\nContent-Length: 99999999999999999999\r\n\r\n", BadRequest),
        ("A * RTSP/1.0\r\nCSeq: 5\r\nContent-Length: 65537\r\n\r\n", EntityTooLarge),
    ] {
        let e = refused(head);
        assert_eq!((e.kind, e.cseq.as_deref()), (kind, Some("5")), "{head:?}: {e}");
    }
    let e = refused(&format!("OPTIONS rtsp://h/{} RTSP/1.0", "a".repeat(4096)));
    assert_eq!((e.status(), e.cseq), (StatusCode::REQUEST_URI_TOO_LONG, None));
    assert_eq!(refused("\x16\x03\x01 a TLS hello").kind, BadRequest);
    assert_eq!(refused(&"\r\n".repeat(600)).kind, BadRequest);
    assert_eq!(refused("\rOPTIONS").kind, BadRequest);
}

#[test]
fn limits_hold_to_the_byte() {
    let limits =
        Limits { request_line: 20, header_count: 2, header_bytes: 30, ..Limits::default() };
    let ok = |text: &str| match parse(text.as_bytes(), &limits) {
        Ok((Incoming::Request(_), _)) => Ok(()),
        Ok(other) => panic!("{other:?}"),
        Err(e) => Err(e.kind),
    };
    assert_eq!(ok("OPTIONS *a RTSP/1.0\r\n\r\n"), Ok(()));
    assert_eq!(ok("OPTIONS *ab RTSP/1.0\r\n\r\n"), Err(HeadErrorKind::UriTooLong));
    assert_eq!(ok("A * RTSP/1.0\n123456789:1\n12345678901234:1\n\n"), Ok(()));
    assert_eq!(
        ok("A * RTSP/1.0\n123456789:1\n123456789012345:1\n\n"),
        Err(HeadErrorKind::BadRequest)
    );
    assert_eq!(ok("A * RTSP/1.0\na:1\nb:1\n\n"), Ok(()));
    assert_eq!(ok("A * RTSP/1.0\na:1\nb:1\nc:1\n\n"), Err(HeadErrorKind::BadRequest));
}

#[test]
fn every_prefix_needs_more() {
    for message in dialogues() {
        for end in 0..message.len() {
            let (incoming, consumed) = whole(&message.as_bytes()[..end]);
            assert_eq!((incoming, consumed), (Incoming::NeedMore, 0));
        }
        request(message);
    }
}

#[test]
fn how_bytes_arrive_makes_no_difference() {
    let mut random = Random::new(47);
    for round in 0..300 {
        let mut input = Vec::new();
        for _ in 0..random.below(6) {
            match random.below(4) {
                0 => assert!(interleaved::write(random.u8(), &random.bytes(200), &mut input)),
                1 => input.extend(b"\r\n"),
                _ => {
                    let all: Vec<_> = dialogues().collect();
                    let message = random.pick(&all);
                    let lf = random.chance(3);
                    let text =
                        if lf { message.replace("\r\n", "\n") } else { (*message).to_owned() };
                    input.extend(text.bytes());
                }
            }
        }
        if round % 2 == 0 {
            random.mutate(&mut input);
        }
        let at_once = fed(&input, || usize::MAX);
        assert_eq!(fed(&input, || 1), at_once);
        assert_eq!(fed(&input, || 1 + random.below(40)), at_once);
    }
}

#[test]
fn what_is_written_is_read() {
    let mut random = Random::new(53);
    for _ in 0..500 {
        let mut headers = Headers::new();
        // `CSeq` is written first, so it stands first here.
        headers.push("CSeq", random.u32());
        for _ in 0..random.below(8) {
            let value = random.option(|r| format!("{} {}", r.word(9), r.word(9)));
            headers.push(&format!("X-{}", random.word(6)), value.unwrap_or_default());
        }
        let body = Cow::from(random.bytes(100));
        if !body.is_empty() {
            headers.push("Content-Length", body.len());
        }
        if random.chance(2) {
            let method = Method::from(*random.pick(&["PLAY", "SET_PARAMETER", "FROB"]));
            let url = format!("rtsp://h/{}", random.word(30));
            let message = Request { headers, body, ..Request::new(method, url) };
            let bytes = message.to_bytes();
            assert_eq!(whole(&bytes), (Incoming::Request(message), bytes.len()));
        } else {
            let status = StatusCode::new(100 + random.u16() % 900).unwrap();
            let message = Response { headers, body, ..Response::new(status) };
            let bytes = message.to_bytes();
            assert_eq!(whole(&bytes), (Incoming::Response(message), bytes.len()));
        }
    }
}

#[test]
fn mutations_never_panic() {
    use crate::fuzzing::wire;
    let mut random = Random::new(59);
    let all: Vec<_> = dialogues().collect();
    let headers = [
        "RTP/AVP/UDP;unicast;client_port=1-2;mode=\"PLAY\",RTP/AVP/TCP;interleaved=0-1;x=\"a;b\"",
        "npt=1:02:03.5-now;time=19970123T143720Z",
        "smpte-25=10:07:00-10:07:33:05.01",
        "clock=19961108T142300.5Z-",
        "0A1B;timeout=60",
        "url=rtsp://h/a;seq=1;rtptime=2,url=b",
        "-1.5",
        "rtsp://u:p@[::1]:554/a%20b/%2e?q=1",
        "application/sdp;q=0.5, */*",
    ];
    for _ in 0..5000 {
        let mut bytes = random.pick(&all).as_bytes().to_vec();
        random.mutate(&mut bytes);
        wire::request_head(&bytes);
        let mut bytes = random.pick(&headers).as_bytes().to_vec();
        random.mutate(&mut bytes);
        for body in [
            wire::transport,
            wire::range,
            wire::session,
            wire::rtp_info,
            wire::small_headers,
            wire::url,
            wire::interleaved,
            wire::rtp,
        ] {
            body(&bytes);
        }
    }
}

/// A head that comes byte by byte costs one look at each byte.
#[test]
fn a_dripping_head_is_not_searched_again() {
    let limits = Limits { request_line: 1 << 17, ..Limits::default() };
    let mut input = b"OPTIONS ".to_vec();
    input.resize(1 << 16, b'x');
    input.extend(b" RTSP/1.0\r\nA: b\r\nC: d");
    let mut decoder = Decoder::new();
    for end in 1..=input.len() {
        let (incoming, consumed) = decoder.decode(&input[..end], &limits).unwrap();
        assert_eq!((incoming, consumed), (Incoming::NeedMore, 0));
        assert_eq!(decoder.scanned, end);
    }
    assert!(decoder.is_inside_message());
}
