//! Headers of responses, as they arrive.

use super::*;
use crate::rtsp::config::ConnectionConfig;
use crate::rtsp::machine::{MessageMachine, Received};
use crate::rtsp::testing::Pipe;
use crate::wire::rtsp::{Method, Request, Response, SessionHeader, TransportSpec};
use std::time::Instant;

/// The response to a request of `CSeq` 1, after what comes before it, and the bytes skipped.
fn answered(bytes: impl AsRef<[u8]>) -> (Response<'static>, u64) {
    let now = Instant::now();
    let config = ConnectionConfig { resynchronizes: true, ..ConnectionConfig::of_tests() };
    let mut machine = MessageMachine::new(config, now);
    let mut pipe = Pipe { room: usize::MAX, got: Vec::new() };
    let mut request = Request::new(Method::Describe, URL);
    assert_eq!(machine.send_request(&mut request, Duration::MAX, now, &mut pipe).unwrap(), 1);
    let mut input = machine.begin_input(bytes.as_ref());
    let mut found = None;
    while let Some(received) = machine.poll_message(&mut input, now).unwrap() {
        match received {
            Received::Response(1, response) => found = Some(response.into_owned()),
            Received::Interleaved { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    machine.end_input(input, now);
    (found.unwrap(), machine.skipped().bytes)
}

fn described(head: &str) -> (MediaSession, u64) {
    let (response, skipped) = answered(format!("{head}\r\n{PLAIN}"));
    let facts = ContentFacts::of_response(URL, &response);
    (MediaSession::new(&response.body, &facts, FormatRegistry::standard()).unwrap(), skipped)
}

#[test]
fn header_names_in_any_case_and_spaces_before_values() {
    let len = PLAIN.len();
    for head in [
        format!(
            "RTSP/1.0 200 OK\r\nCseq: 1\r\ncontent-type: application/sdp\r\nCONTENT-LENGTH: {len}\r\n"
        ),
        format!(
            "RTSP/1.0 200 OK\r\nCSEQ:1\r\nContent-type:    application/sdp\r\nContent-length:{len}\r\n"
        ),
        format!(
            "RTSP/1.0 200\r\nCSeq \t:\t1  \r\nContent-Type : application/SDP;x\r\nContent-Length: \t{len} \r\n"
        ),
        format!(
            "rtsp/1.0  200  OK\nCSeq: 1\nContent-Type: application/sdp\nContent-Length: {len}\n"
        ),
    ] {
        let (session, skipped) = described(&head);
        assert_plain(&session);
        assert!(session.odd.is_empty() && skipped == 0, "{head}");
    }
}

#[test]
fn lines_that_are_no_headers_among_them() {
    let len = PLAIN.len();
    let head = format!(
        "RTSP/1.0 200 OK\r\nCSeq: 1\r\nDate\r\nno header\r\nContent-Type: application/sdp\r\n\
         Content-Length: {len}\r\n"
    );
    assert_plain(&described(&head).0);
}

#[test]
fn content_base_of_the_response_is_used() {
    let len = PLAIN.len();
    let head = format!(
        "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-base: rtsp://10.0.0.9/x/ \r\nContent-Length: {len}\r\n"
    );
    let (session, _) = described(&head);
    assert_eq!(session.subsessions[0].control_url, "rtsp://10.0.0.9/x/track1");
    assert!(session.odd.iter().any(|line| line.contains("Content-Type")));
}

#[test]
fn a_body_longer_than_its_content_length_and_one_with_nul_at_its_end() {
    let whole = format!("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: {}\r\n\r\n", PLAIN.len());
    let next = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n";
    for (end, skipped) in [(&b""[..], 0), (b"\0", 1), (b"a=x:y\r\n\r\n", 9), (b"\r\n", 0)] {
        // The body is that of a response to nobody, and the next is found behind it.
        let first = whole.replace("CSeq: 1", "CSeq: 77").into_bytes();
        let now = Instant::now();
        let config = ConnectionConfig { resynchronizes: true, ..ConnectionConfig::of_tests() };
        let mut machine = MessageMachine::new(config, now);
        let bytes = [&first, PLAIN.as_bytes(), end, next].concat();
        let mut input = machine.begin_input(&bytes);
        let mut bodies = Vec::new();
        while let Some(received) = machine.poll_message(&mut input, now).unwrap() {
            let Received::Unexpected(response) = received else { panic!("{received:?}") };
            bodies.push(response.body.len());
        }
        assert_eq!((bodies, machine.skipped().bytes), (vec![PLAIN.len(), 0], skipped));
        machine.end_input(input, now);
        assert_eq!(machine.kept(), 0);
    }
}

#[test]
fn session_and_transport_of_a_response() {
    let (response, _) = answered(
        "RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession:   3F2a ; timeout=60 \r\n\
         Transport: RTP/AVP/TCP;ssrc= 0xab;interleaved=4;unicast\r\n\r\n",
    );
    let mut odd = Oddities::new();
    let header = |name| response.headers.value(name).unwrap();
    let session = SessionHeader::of_answer(header("session"), &mut odd);
    assert_eq!(session, Some(SessionHeader::new("3F2a", Some(60))));
    let transport = TransportSpec::of_answer(header("transport"), &mut odd).unwrap();
    assert_eq!((transport.interleaved, transport.ssrc), (Some((4, 5)), Some(0xab)));
}
