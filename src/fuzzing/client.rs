//! Bodies for the `client` layer.

use crate::client::{ContentFacts, MediaSession, TrackChoice};
use crate::payload::FormatRegistry;
use crate::wire::Oddities;
use crate::wire::rtsp::TransportSpec;
use crate::wire::url::RtspUrl;

/// What a server describes. The first four lines are the URL of the request, `Content-Base`,
/// `Content-Location` and `RTP-Info`; the description follows.
pub fn media_session(data: &[u8]) {
    let mut parts = data.splitn(5, |&b| b == b'\n');
    let mut line = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (url, base, location, rtp_info) = (line(), line(), line(), line());
    let sdp = parts.next().unwrap_or_default();
    let url = if RtspUrl::parse(&url).is_ok() { url } else { "rtsp://u:p@h/a?b".to_owned() };
    let mut facts = ContentFacts::new(&url);
    facts.base = Some(&base);
    facts.location = Some(&location);
    let unknown = FormatRegistry::new().pass_unknown();
    for formats in [FormatRegistry::standard(), &FormatRegistry::opaque(), &unknown] {
        let Ok(session) = MediaSession::new(sdp, &facts, formats) else { continue };
        is_absolute(&session.control_url);
        assert!(session.odd.iter().len() <= 32);
        assert!(session.odd.iter().all(|line| !line.contains(char::is_control)));
        for (number, subsession) in (1..).zip(&session.subsessions) {
            assert_eq!(subsession.number, number);
            is_absolute(&subsession.control_url);
            assert!(subsession.payload_type() < 128 && subsession.format.clock_rate > 0);
            if !subsession.is_raw {
                assert!(subsession.format.check().is_ok());
                assert!(subsession.parameters.check().is_ok());
            }
            let _ = subsession.depacketizer(formats);
        }
        let everything = TrackChoice::all().back_channel();
        assert_eq!(everything.chosen(&session).count(), session.subsessions.len());
        let mut odd = Oddities::new();
        let starts = session.play_starts(&rtp_info, |s| s.number != 2, &mut odd);
        let pairs = starts.iter().zip(starts.iter().skip(1));
        assert!(pairs.into_iter().all(|(a, b)| a.number < b.number));
        assert!(starts.iter().all(|start| session.subsession(start.number).is_some()));
        let _ = (session.duration(), TransportSpec::of_answer(&rtp_info, &mut odd));
    }
}

/// What is sent requests is an absolute URL, and names no user.
fn is_absolute(url: &str) {
    let parsed = RtspUrl::parse(url).unwrap_or_else(|e| panic!("{e}: {url:?}"));
    assert!(parsed.user.is_none() && parsed.password.is_none());
}
