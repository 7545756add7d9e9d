//! The text of a description.

use super::*;

#[test]
fn no_origin_no_time_no_name() {
    for (line, words) in
        [("o=- 1 1 IN IP4 192.0.2.1\r\n", "no o="), ("t=0 0\r\n", "no t="), ("v=0\r\n", "no v=")]
    {
        assert_plain(&odd(PLAIN.replace(line, ""), words));
    }
    let session = odd(PLAIN.replace("s=Hall\r\n", ""), "no s=");
    assert_eq!((&*session.name, session.subsessions.len()), ("", 1));
}

#[test]
fn a_uri_that_is_none() {
    assert_plain(&odd(PLAIN.replace("t=0 0", "u=not a uri\r\nt=0 0"), "u=not a uri"));
    assert_plain(&odd(PLAIN.replace("t=0 0", "u=\r\nt=0 0"), "u="));
}

#[test]
fn lines_in_the_wrong_order() {
    let session = odd(
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\na=range:npt=0-12.5\r\n\
         s=Hall\r\no=- 1 1 IN IP4 192.0.2.1\r\nt=0 0\r\nv=0\r\n",
        "s= stands behind an m= line",
    );
    assert_plain(&session);
}

#[test]
fn attributes_before_the_m_line_of_their_payload_type() {
    let session = odd(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=Hall\r\nt=0 0\r\na=range:npt=0-12.5\r\n\
         a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=rtpmap:97 H265/90000\r\n\
         m=video 0 RTP/AVP 96\r\na=control:track1\r\n",
        "a=rtpmap:96 H264/90000 stands before",
    );
    assert_plain(&session);
    assert_eq!(session.subsessions[0].format.fmtp.as_deref(), Some("packetization-mode=1"));
}

#[test]
fn no_final_line_end() {
    let session = session(PLAIN.trim_end());
    assert_plain(&session);
    assert!(session.odd.is_empty());
}

#[test]
fn trailing_blanks_and_tabs_after_values() {
    assert_plain(&session(PLAIN.replace("\r\n", " \t \r\n")));
}

#[test]
fn lines_that_end_with_lf_or_cr_alone() {
    for end in ["\n", "\r", "\r\r\n", "\n\n"] {
        assert_plain(&session(PLAIN.replace("\r\n", end)));
    }
}

#[test]
fn indented_lines_and_blanks_around_the_sign() {
    assert_plain(&odd(PLAIN.replace("\r\na=", "\r\n  a="), "indented"));
    assert_plain(&session(PLAIN.replace("a=", "a = ")));
}

#[test]
fn capital_letters_before_the_sign() {
    assert_plain(&odd(PLAIN.replace("a=", "A=").replace("m=", "M="), "capital letter M"));
}

#[test]
fn a_byte_order_mark() {
    assert_plain(&odd(format!("\u{feff}{PLAIN}"), "byte order mark"));
}

#[test]
fn text_in_latin_1() {
    let mut text = PLAIN.replace("Hall", "Halle f?r Kafe?").into_bytes();
    let mut special = [0xfc, 0xe9].iter();
    text.iter_mut().filter(|b| **b == b'?').for_each(|b| *b = *special.next().unwrap());
    let session = odd(text, "8859-1");
    assert_eq!((&*session.name, session.subsessions.len()), ("Halle für Kafeé", 1));
}

#[test]
fn nul_bytes_at_the_end() {
    assert_plain(&odd(format!("{PLAIN}\0\0\0"), "NUL"));
}

#[test]
fn a_body_cut_off_by_its_content_length() {
    let at = PLAIN.len() - "ck1\r\n".len();
    let session = session(&PLAIN[..at]);
    assert_eq!(session.subsessions[0].control_url, "rtsp://192.0.2.1/live/tra");
    let session = super::session(&PLAIN[..PLAIN.len() - 20]);
    assert_eq!(&*session.subsessions[0].format.encoding_name, "H264");
}

#[test]
fn hexadecimal_and_decimal_session_ids_in_the_origin() {
    for (id, is_odd) in
        [("0x1a2b", true), ("DEADBEEF", true), ("99999999999999999999", true), ("7", false)]
    {
        let session = session(PLAIN.replace("o=- 1 1", &format!("o=- {id} {id}")));
        assert_plain(&session);
        assert_eq!(session.odd.iter().any(|line| line.contains(id)), is_odd, "{id}");
    }
    assert_plain(&odd(PLAIN.replace("o=- 1 1 IN IP4 192.0.2.1", "o=- 1"), "malformed o="));
}

#[test]
fn unknown_lines_and_html_among_them() {
    assert_plain(&odd(PLAIN.replace("t=0 0", "t=0 0\r\n<br>\r\nq=1\r\nx"), "<br>"));
}

#[test]
fn unknown_and_empty_media_kinds() {
    let known = |line: &str| odd(PLAIN.replace("m=video 0 RTP/AVP 96", line), "");
    for line in ["m= 0 RTP/AVP 96", "m=0 RTP/AVP 96", "m=vidio 0 RTP/AVP 96", "m=data 0 RTP/AVP 96"]
    {
        let session = known(line);
        assert_plain(&session);
        assert!(!session.odd.is_empty(), "{line}");
    }
    // What no registry knows keeps its name.
    let session = session(media("m=smell 0 RTP/AVP 96\r\na=rtpmap:96 ROSE/1000"));
    let smell = &session.subsessions[0];
    assert_eq!((smell.kind.as_str(), smell.is_raw), ("smell", true));
    assert_eq!(smell.format.clock_rate, 1000);
}

#[test]
fn an_m_line_of_which_words_lack() {
    for line in [
        "m=video RTP/AVP 96",
        "m=video zero RTP/AVP 96",
        "m=video 0 96",
        "m=video 70000 RTP/AVP 96",
    ] {
        assert_plain(&odd(PLAIN.replace("m=video 0 RTP/AVP 96", line), "malformed m="));
    }
    let session = odd(media("m=video"), "malformed m=");
    assert!(session.subsessions[0].is_raw);
}

#[test]
fn ranges_with_inner_spaces_and_of_other_units() {
    let range = |value: &str| {
        let session = session(PLAIN.replace("npt=0-12.5", value));
        (session.range, session.duration().map(|d| d.as_millis()))
    };
    let spaced = range(" npt = 0 - 12.5 ");
    assert_eq!((spaced.0.is_some(), spaced.1), (true, Some(12_500)));
    assert_eq!(range("npt=now-").1, None);
    assert_eq!(range("npt= 0-").1, None);
    assert!(matches!(range("clock=20240101T000000Z-").0, Some(Range::Clock { .. })));
    assert!(matches!(range("smpte-25=0:00:00-0:00:02").0, Some(Range::Smpte { .. })));
    assert_eq!(range("furlongs=1-2"), (None, None), "which is no error");
    assert_eq!(range("npt=0-0").1, None, "no duration");
    odd(PLAIN.replace("npt=0-12.5", "furlongs=1-2"), "furlongs");
}

#[test]
fn ranges_of_tracks() {
    let sdp =
        media("m=video 0 RTP/AVP 96\r\na=range:npt=0-5\r\nm=audio 0 RTP/AVP 0\r\na=range:npt=0-7");
    let session = session(sdp);
    assert_eq!(session.duration(), Some(Duration::from_secs(7)));
    assert_eq!(
        session.subsessions[0].range,
        Some(Range::npt(Duration::ZERO, Some(Duration::from_secs(5))))
    );
}

#[test]
fn what_describes_no_media_is_an_error_that_says_what_came() {
    let of = |sdp: &[u8], content_type| {
        let facts = ContentFacts { content_type, ..facts(URL) };
        MediaSession::new(sdp, &facts, FormatRegistry::standard()).unwrap_err().to_string()
    };
    assert_eq!(of(b"", None), "the server describes no media");
    assert_eq!(of(b"v=0\r\n", Some("application/sdp")), "the server describes no media");
    let html = of(b"<html>", Some("text/html; charset=x"));
    assert_eq!(html, "the server describes no media: it sent text/html");
    let e = MediaSession::new(PLAIN.as_bytes(), &facts("http://h/"), FormatRegistry::standard());
    assert!(matches!(e, Err(MediaSessionError::Url(_))));
}

#[test]
fn a_description_that_is_too_long_is_read_as_far_as_the_limits_go() {
    let many = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n".repeat(100);
    let session = odd(many, "only 32 media");
    assert_eq!(session.subsessions.len(), 32);
}
