//! Each oddity that devices are known for, in a test that is named after it.

use super::*;

mod controls;
mod descriptions;
mod formats;
mod headers;
mod starts;
mod tracks;

const URL: &str = "rtsp://192.0.2.1/live";

/// A description of one track, as it should be.
const PLAIN: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=Hall\r\nt=0 0\r\na=control:*\r\n\
    a=range:npt=0-12.5\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n";

fn facts(url: &str) -> ContentFacts<'_> {
    ContentFacts { content_type: Some("application/sdp"), ..ContentFacts::new(url) }
}

fn session(sdp: impl AsRef<[u8]>) -> MediaSession {
    MediaSession::new(sdp.as_ref(), &facts(URL), FormatRegistry::standard()).unwrap()
}

/// Reads a description that is odd, of which what is odd is told with these words.
fn odd(sdp: impl AsRef<[u8]>, words: &str) -> MediaSession {
    let session = session(sdp);
    let told: Vec<_> = session.odd.iter().collect();
    assert!(told.iter().any(|line| line.contains(words)), "{told:?} lacks {words:?}");
    session
}

/// A description of one track with this `m=` line and what follows it.
fn media(lines: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=Hall\r\nt=0 0\r\na=control:*\r\n{lines}\r\n")
}

/// As [`PLAIN`] in all that a client needs.
fn assert_plain(session: &MediaSession) {
    assert_eq!(session.control_url, URL);
    assert_eq!(session.name, "Hall");
    assert_eq!(session.duration(), Some(Duration::from_millis(12_500)));
    let [video] = &session.subsessions[..] else { panic!("{session:?}") };
    assert_eq!((video.kind.as_str(), video.payload_type(), video.is_raw), ("video", 96, false));
    assert_eq!((&*video.format.encoding_name, video.format.clock_rate), ("H264", 90_000));
    assert_eq!(video.control_url, "rtsp://192.0.2.1/live/track1");
}

#[test]
fn nothing_is_odd_about_what_follows_the_rfcs() {
    let session = session(PLAIN);
    assert_plain(&session);
    assert_eq!(session.odd, Oddities::new());
}
