//! Control URLs and what they are relative to.

use super::*;

/// The URLs of the session and of its tracks, for a session-level control and those of tracks.
fn urls(facts: &ContentFacts<'_>, controls: &[&str]) -> Vec<String> {
    let line = |control: &str| {
        if control.is_empty() { String::new() } else { format!("a=control:{control}\r\n") }
    };
    let mut sdp = String::from("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=x\r\nt=0 0\r\n");
    sdp += &line(controls[0]);
    for control in &controls[1..] {
        sdp += "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
        sdp += &line(control);
    }
    let session = MediaSession::new(sdp.as_bytes(), facts, FormatRegistry::standard()).unwrap();
    let tracks = session.subsessions.iter().map(|s| s.control_url.clone());
    std::iter::once(session.control_url.clone()).chain(tracks).collect()
}

fn with_base<'a>(base: &'a str) -> ContentFacts<'a> {
    ContentFacts { base: Some(base), ..facts("rtsp://user:pw@192.0.2.1:8554/live") }
}

/// The URL of the only track, `track1`, for a `Content-Base`.
fn track_of(base: &str) -> String {
    urls(&with_base(base), &["*", "track1"]).remove(1)
}

#[test]
fn absolute_and_relative_controls() {
    let facts = facts("rtsp://192.0.2.1/live");
    for (control, expected) in [
        ("track1", "rtsp://192.0.2.1/live/track1"),
        ("a/b=1;x", "rtsp://192.0.2.1/live/a/b=1;x"),
        (" track1\t", "rtsp://192.0.2.1/live/track1"),
        ("\"track1\"", "rtsp://192.0.2.1/live/track1"),
        ("/track1", "rtsp://192.0.2.1/live/track1"),
        ("/live/track1", "rtsp://192.0.2.1/live/track1"),
        ("/livex", "rtsp://192.0.2.1/live/livex"),
        ("?ctype=video", "rtsp://192.0.2.1/live?ctype=video"),
        ("rtsp://10.0.0.9:554/live/t", "rtsp://10.0.0.9:554/live/t"),
        ("RTSP://10.0.0.9/live/t", "rtsp://10.0.0.9/live/t"),
        ("rtsp://me:pw@10.0.0.9/t", "rtsp://10.0.0.9/t"),
        ("http://10.0.0.9/t", "rtsp://10.0.0.9/t"),
        ("192.0.2.1/live/t", "rtsp://192.0.2.1/live/t"),
        ("cam:554/live/t", "rtsp://cam:554/live/t"),
        ("*", "rtsp://192.0.2.1/live"),
    ] {
        assert_eq!(urls(&facts, &["*", control])[1], expected, "{control:?}");
    }
}

#[test]
fn control_in_capital_letters() {
    let session = session(PLAIN.replace("a=control", "a=CONTROL"));
    assert_plain(&session);
}

#[test]
fn base_without_a_trailing_slash_with_one_and_with_a_query() {
    assert_eq!(track_of("rtsp://192.0.2.1/live"), "rtsp://192.0.2.1/live/track1");
    assert_eq!(track_of("rtsp://192.0.2.1/live/"), "rtsp://192.0.2.1/live/track1");
    assert_eq!(track_of("rtsp://192.0.2.1"), "rtsp://192.0.2.1/track1");
    assert_eq!(
        track_of("rtsp://192.0.2.1/cam?channel=1&subtype=0"),
        "rtsp://192.0.2.1/cam?channel=1&subtype=0/track1"
    );
    assert_eq!(
        track_of("rtsp://192.0.2.1/cam?channel=1&subtype=0/"),
        "rtsp://192.0.2.1/cam?channel=1&subtype=0/track1"
    );
    let of_query = urls(&with_base("rtsp://192.0.2.1/cam?channel=1"), &["*", "?ctype=video"]);
    assert_eq!(of_query[1], "rtsp://192.0.2.1/cam?ctype=video");
}

#[test]
fn base_without_a_scheme() {
    assert_eq!(track_of("10.0.0.9/live/"), "rtsp://10.0.0.9/live/track1");
    assert_eq!(track_of("cam.local:554/live/"), "rtsp://cam.local:554/live/track1");
    assert_eq!(track_of("//10.0.0.9/live"), "rtsp://10.0.0.9/live/track1");
    assert_eq!(track_of("/live/"), "rtsp://192.0.2.1:8554/live/track1");
    assert_eq!(track_of("other"), "rtsp://192.0.2.1:8554/other/track1");
    assert_eq!(track_of("\"rtsp://10.0.0.9/live\" "), "rtsp://10.0.0.9/live/track1");
}

#[test]
fn content_base_then_content_location_then_the_request() {
    let request = "rtsp://user:pw@192.0.2.1/live";
    let both =
        ContentFacts { base: Some("rtsp://b/"), location: Some("rtsp://l/"), ..facts(request) };
    assert_eq!(urls(&both, &["*", "t"]), ["rtsp://b/", "rtsp://b/t"]);
    let location = ContentFacts { base: None, ..both };
    assert_eq!(urls(&location, &["*", "t"])[1], "rtsp://l/t");
    let unusable = ContentFacts { base: Some("rtsp:///"), location: Some("http://x/"), ..both };
    assert_eq!(urls(&unusable, &["*", "t"])[1], "rtsp://192.0.2.1/live/t");
}

#[test]
fn missing_content_base_and_content_type() {
    let facts = ContentFacts::new(URL);
    let session = MediaSession::new(PLAIN.as_bytes(), &facts, FormatRegistry::standard()).unwrap();
    assert_plain(&session);
    assert_eq!(session.odd.iter().collect::<Vec<_>>(), ["there is no Content-Type"]);
}

#[test]
fn session_level_control_that_differs_from_content_base() {
    let of = |control: &'static str| urls(&with_base("rtsp://b/x/"), &[control, "t", "rtsp://c/t"]);
    assert_eq!(
        of("rtsp://10.0.0.9/live"),
        ["rtsp://10.0.0.9/live", "rtsp://10.0.0.9/live/t", "rtsp://c/t"]
    );
    assert_eq!(of("sub"), ["rtsp://b/x/sub", "rtsp://b/x/sub/t", "rtsp://c/t"]);
    assert_eq!(of(""), ["rtsp://b/x/", "rtsp://b/x/t", "rtsp://c/t"]);
}

#[test]
fn two_media_with_the_same_control() {
    let sdp = media(
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:t\r\n\
         m=audio 0 RTP/AVP 0\r\na=control:t",
    );
    let session = odd(sdp, "several media have the control URL");
    assert_eq!(session.subsessions[0].control_url, session.subsessions[1].control_url);
}

#[test]
fn media_without_control() {
    let facts = facts(URL);
    assert_eq!(urls(&facts, &["*", ""])[1], URL, "a single one is the session");
    let sdp = media("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nm=audio 0 RTP/AVP 0");
    odd(sdp, "media without a=control");
}

#[test]
fn no_password_is_shown() {
    let request = "rtsp://user:secret@192.0.2.1/live";
    for base in ["rtsp://user:secret@192.0.2.1/", "user:secret@192.0.2.1:554/", "rtsp://u:secret@"]
    {
        let facts = ContentFacts { base: Some(base), ..facts(request) };
        let session =
            MediaSession::new(PLAIN.as_bytes(), &facts, FormatRegistry::standard()).unwrap();
        let shown = format!("{session:?} {facts:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
