//! Each oddity that devices are known for, in a test that is named after it.

use super::*;
use crate::wire::testing::Random;

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

/// Lines of which descriptions are put together, good and odd.
const LINES: &[&str] = &[
    "rtsp://user:pw@192.0.2.1:554/live?a=b",
    "192.0.2.1/live/",
    "url=track1;seq=5;rtptime=-1,url=rtsp://x/track2;seq=6;",
    "v=0",
    "o=- 0x1 1 IN IP4 192.0.2.1",
    "s=K\u{fc}che",
    "c=IN IP4 232.1.1.1/9",
    "b=AS:99999999999999999999",
    "a=range:npt= 0 - 12",
    "a=control:*",
    "A=CONTROL:/live/track1",
    "a=control:http://me:pw@h/a",
    "a=control:?x=@y",
    "m=video 0 RTP/AVP 96 97",
    "m= 0 RTP/AVPF smart/1",
    "m=audio RTP/SAVP 0",
    "m=audio 5000/2 RTP/AVP 97 8 72",
    "a=rtpmap:96 H264/90000",
    "a=rtpmap:97 L16/44100/0",
    "a=rtpmap:97 MPEG4-GENERIC",
    "a=fmtp:96 sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==;",
    "a=fmtp:97 config=1408;mode=AAC-hbr;SizeLength=13;",
    "a=rtcp-fb:* nack pli",
    "a=source-filter: incl IN IP4 * 1.2.3.4",
    "a=sendonly",
    "a=rtcp:53020 IN IP6 ::1",
    "a=crypto:1 x inline:y",
];

#[test]
fn whatever_is_described_is_no_panic() {
    let rounds = std::env::var("RIVERRUN_ROUNDS").ok().and_then(|n| n.parse().ok());
    let mut random = Random::new(51);
    for _ in 0..rounds.unwrap_or(1500) {
        let end = *random.pick(&["\n", "\r\n", "\r", "\n", " \n"]);
        let mut text: Vec<u8> = (0..random.below(40))
            .flat_map(|_| [*random.pick(LINES), end])
            .flat_map(str::bytes)
            .collect();
        if !random.chance(3) {
            random.mutate(&mut text);
        }
        crate::fuzzing::client::media_session(&text);
        crate::fuzzing::wire::sdp(&text);
    }
}
