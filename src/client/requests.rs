//! The requests of a client, ready to be sent (RFC 2326 section 10).
//!
//! Each function makes one request, for [`RtspClient::send`](super::RtspClient::send). Header
//! fields of the caller's own can be added before that:
//!
//! ```
//! use riverrun::client::requests::{self, PlayParameters};
//! use riverrun::wire::rtsp::Range;
//! use std::time::Duration;
//!
//! let parameters = PlayParameters::of_range(Range::npt(Duration::from_secs(30), None));
//! let mut play = requests::play("rtsp://192.0.2.9/film/", Some("4711"), &parameters);
//! play.headers.push("Blocksize", 1400);
//! assert_eq!(play.headers.value("Range"), Some("npt=30.000-"));
//! ```
//!
//! `url` is absolute and has no credentials, as in [`MediaSession::control_url`] and
//! [`MediaSubsession::control_url`]. `session` is the identifier from the `Session` header of the
//! response to SETUP, without its time-out
//! ([`SessionHeader::of_answer`](crate::wire::rtsp::SessionHeader::of_answer)).
//!
//! [`MediaSession::control_url`]: super::MediaSession::control_url
//! [`MediaSubsession::control_url`]: super::MediaSubsession::control_url

use crate::error::Error;
use crate::wire::rtsp::numbers::Scale;
use crate::wire::rtsp::{Method, Range, RangeHeader, Request, TransportSpec};
use std::fmt::Write as _;
use std::time::Duration;

/// Type of a session description (RFC 4566 section 8.1).
const SDP_TYPE: &str = "application/sdp";
/// Type of parameters (RFC 2326 section 10.8).
const PARAMETERS_TYPE: &str = "text/parameters";

/// What a PLAY request asks for. [`Default`] leaves everything to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PlayParameters {
    /// The range to play (RFC 2326 section 12.29): in normal play time, in SMPTE time codes, or in
    /// universal time for what is recorded.
    pub range: Option<Range>,
    /// `Scale` (RFC 2326 section 12.34): the speed of the presentation; negative to play backwards.
    pub scale: Option<f32>,
    /// `Speed` (RFC 2326 section 12.35): the speed of delivery.
    pub speed: Option<f32>,
    /// `Rate-Control` (ONVIF Streaming Specification, "Rate-Control header field"): `false` asks a
    /// recording device to send as fast as the client receives.
    pub rate_control: Option<bool>,
}

impl PlayParameters {
    /// Creates parameters that ask for a range.
    pub fn of_range(range: Range) -> Self {
        Self { range: Some(range), ..Self::default() }
    }

    /// Checks that a server could do what they ask for.
    ///
    /// # Errors
    /// [`Error::Usage`]: the range ends before its start, though nothing is to be played backwards;
    /// or a factor is not a finite number.
    pub fn check(&self) -> Result<(), Error> {
        let is_finite = |factor: Option<f32>| factor.is_none_or(|factor| factor.is_finite());
        let is_backwards = self.scale.is_some_and(|scale| scale < 0.0);
        let ends_before_start = match self.range {
            Some(Range::Clock { start, end }) => end.is_some_and(|end| end < start),
            Some(range) => {
                let (start, end) = range.as_npt().unwrap_or_default();
                end.zip(start).is_some_and(|(end, start)| end < start)
            }
            None => false,
        };
        Err(Error::Usage(match () {
            () if ends_before_start && !is_backwards => "a range ends before its start",
            () if !is_finite(self.scale) || !is_finite(self.speed) => {
                "Scale and Speed are finite numbers"
            }
            () => return Ok(()),
        }))
    }
}

/// A request without header fields, but `Session` if there is a session.
fn of(method: Method, url: &str, session: Option<&str>) -> Request<'static> {
    let mut request = Request::new(method, url.to_owned());
    if let Some(session) = session {
        request.headers.push("Session", session);
    }
    request
}

/// OPTIONS (RFC 2326 section 10.1).
pub fn options(url: &str, session: Option<&str>) -> Request<'static> {
    of(Method::Options, url, session)
}

/// DESCRIBE (RFC 2326 section 10.2), for a session description.
pub fn describe(url: &str) -> Request<'static> {
    let mut describe = of(Method::Describe, url, None);
    describe.headers.push("Accept", SDP_TYPE);
    describe
}

/// ANNOUNCE (RFC 2326 section 10.3): posts the description of what the client is about to record
/// to the server.
pub fn announce(url: &str, session: Option<&str>, sdp: impl Into<Vec<u8>>) -> Request<'static> {
    let mut announce = of(Method::Announce, url, session);
    announce.headers.push("Content-Type", SDP_TYPE);
    announce.body = sdp.into().into();
    announce
}

/// SETUP (RFC 2326 section 10.4) of one track. For a track that the client sends, `transport` has
/// the [`mode`](TransportSpec::mode) `RECORD`.
pub fn setup(url: &str, session: Option<&str>, transport: &TransportSpec) -> Request<'static> {
    let mut setup = of(Method::Setup, url, session);
    setup.headers.push("Transport", transport);
    setup
}

/// PLAY (RFC 2326 section 10.5). Without a range the server plays from where it was paused, or from
/// the start; some play nothing if the first PLAY has no range.
pub fn play(url: &str, session: Option<&str>, parameters: &PlayParameters) -> Request<'static> {
    let mut play = of(Method::Play, url, session);
    let PlayParameters { range, scale, speed, rate_control } = *parameters;
    if let Some(range) = range {
        play.headers.push("Range", RangeHeader::from(range));
    }
    if let Some(scale) = scale {
        play.headers.push("Scale", Scale(scale));
    }
    if let Some(speed) = speed {
        play.headers.push("Speed", Scale(speed));
    }
    if let Some(rate_control) = rate_control {
        play.headers.push("Rate-Control", if rate_control { "yes" } else { "no" });
    }
    play
}

/// PAUSE (RFC 2326 section 10.6), at once.
pub fn pause(url: &str, session: Option<&str>) -> Request<'static> {
    of(Method::Pause, url, session)
}

/// RECORD (RFC 2326 section 10.11): the server is to take what the client sends from now on.
pub fn record(url: &str, session: Option<&str>, range: Option<Range>) -> Request<'static> {
    let mut record = of(Method::Record, url, session);
    if let Some(range) = range {
        record.headers.push("Range", RangeHeader::from(range));
    }
    record
}

/// TEARDOWN (RFC 2326 section 10.7).
pub fn teardown(url: &str, session: Option<&str>) -> Request<'static> {
    of(Method::Teardown, url, session)
}

/// GET_PARAMETER (RFC 2326 section 10.8) for the parameters of these names. Without names it asks
/// for nothing, and tells the server that the client is there.
pub fn get_parameter(url: &str, session: Option<&str>, names: &[&str]) -> Request<'static> {
    let mut get = of(Method::GetParameter, url, session);
    let lines: String = names.iter().flat_map(|name| [one_line(name), "\r\n".into()]).collect();
    set_parameters(&mut get, lines);
    get
}

/// SET_PARAMETER (RFC 2326 section 10.9) with these names and values.
pub fn set_parameter(
    url: &str,
    session: Option<&str>,
    parameters: &[(&str, &str)],
) -> Request<'static> {
    let mut set = of(Method::SetParameter, url, session);
    let mut lines = String::new();
    for (name, value) in parameters {
        // Writing to a String cannot fail.
        let _ = write!(lines, "{}: {}\r\n", one_line(name), one_line(value));
    }
    set_parameters(&mut set, lines);
    set
}

fn set_parameters(request: &mut Request<'static>, lines: String) {
    if !lines.is_empty() {
        request.headers.push("Content-Type", PARAMETERS_TYPE);
        request.body = lines.into_bytes().into();
    }
}

/// A name or value without what would end its line.
fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

/// Where a range begins and ends on the time line of a session: in normal play time, or since the
/// start of `asked` for ranges in universal time. A start of `None` is the present position, or now.
pub(crate) fn position(
    range: &Range,
    asked: Option<&Range>,
) -> (Option<Duration>, Option<Duration>) {
    let Range::Clock { start, end } = range else { return range.as_npt().unwrap_or_default() };
    let origin = match asked {
        Some(Range::Clock { start, .. }) => start,
        _ => start,
    };
    let since = |time: Duration| time.saturating_sub(origin.0);
    (Some(since(start.0)), end.map(|end| since(end.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rtsp::{Delivery, Protocol};

    const URL: &str = "rtsp://h/x";

    fn text(request: &Request<'_>) -> String {
        String::from_utf8(request.to_bytes()).unwrap()
    }

    #[test]
    fn requests_are_written_as_servers_expect() {
        let some = Some("47");
        let mut transport = TransportSpec::new(Protocol::RtpAvpTcp, Delivery::Unicast);
        transport.interleaved = Some((0, 1));
        transport.mode = Some("RECORD".into());
        let mut parameters = PlayParameters::of_range("clock=20240101T120000Z-".parse().unwrap());
        (parameters.scale, parameters.speed) = (Some(-2.0), Some(1.5));
        parameters.rate_control = Some(false);
        let sdp = "v=0\r\n";
        for (request, expected) in [
            (options("*", None), "OPTIONS * RTSP/1.0\r\n\r\n"),
            (describe(URL), "DESCRIBE rtsp://h/x RTSP/1.0\r\nAccept: application/sdp\r\n\r\n"),
            (
                announce(URL, None, sdp),
                "ANNOUNCE rtsp://h/x RTSP/1.0\r\nContent-Type: application/sdp\r\n\
                 Content-Length: 5\r\n\r\nv=0\r\n",
            ),
            (
                setup(URL, some, &transport),
                "SETUP rtsp://h/x RTSP/1.0\r\nSession: 47\r\n\
                 Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=\"RECORD\"\r\n\r\n",
            ),
            (
                play(URL, some, &parameters),
                "PLAY rtsp://h/x RTSP/1.0\r\nSession: 47\r\nRange: clock=20240101T120000Z-\r\n\
                 Scale: -2.0\r\nSpeed: 1.5\r\nRate-Control: no\r\n\r\n",
            ),
            (
                play(URL, some, &PlayParameters::of_range("smpte-25=0:10:20:05-".parse().unwrap())),
                "PLAY rtsp://h/x RTSP/1.0\r\nSession: 47\r\nRange: smpte-25=00:10:20:05-\r\n\r\n",
            ),
            (
                play(URL, some, &PlayParameters::default()),
                "PLAY rtsp://h/x RTSP/1.0\r\nSession: 47\r\n\r\n",
            ),
            (pause(URL, some), "PAUSE rtsp://h/x RTSP/1.0\r\nSession: 47\r\n\r\n"),
            (
                record(URL, some, Some(Range::npt(Duration::ZERO, None))),
                "RECORD rtsp://h/x RTSP/1.0\r\nSession: 47\r\nRange: npt=0.000-\r\n\r\n",
            ),
            (teardown(URL, some), "TEARDOWN rtsp://h/x RTSP/1.0\r\nSession: 47\r\n\r\n"),
            (
                get_parameter(URL, some, &[]),
                "GET_PARAMETER rtsp://h/x RTSP/1.0\r\nSession: 47\r\n\r\n",
            ),
            (
                get_parameter(URL, some, &["jitter", "a\r\nb"]),
                "GET_PARAMETER rtsp://h/x RTSP/1.0\r\nSession: 47\r\n\
                 Content-Type: text/parameters\r\nContent-Length: 14\r\n\r\njitter\r\na  b\r\n",
            ),
            (
                set_parameter(URL, some, &[("pan", "5")]),
                "SET_PARAMETER rtsp://h/x RTSP/1.0\r\nSession: 47\r\n\
                 Content-Type: text/parameters\r\nContent-Length: 8\r\n\r\npan: 5\r\n",
            ),
        ] {
            assert_eq!(text(&request), expected);
        }
    }

    #[test]
    fn what_no_server_could_do_is_refused() {
        let of = |range: &str, scale| {
            let mut parameters = PlayParameters::of_range(range.parse().unwrap());
            parameters.scale = scale;
            parameters.check().is_ok()
        };
        assert!(of("npt=1-2", None) && of("npt=now-", None) && of("npt=-5", None));
        assert!(!of("npt=2-1", None) && of("npt=2-1", Some(-1.0)));
        assert!(!of("smpte=0:00:02-0:00:01", Some(1.0)));
        assert!(!of("clock=20240101T120000Z-20240101T110000Z", None));
        assert!(of("clock=20240101T120000Z-20240101T120001Z", None));
        assert!(!of("npt=0-", Some(f32::NAN)));
    }

    #[test]
    fn positions_of_ranges() {
        let of = |range: &str, from: Option<&str>| {
            let from = from.map(|from| from.parse().unwrap());
            let (start, end) = position(&range.parse().unwrap(), from.as_ref());
            (start.map(|start| start.as_secs()), end.map(|end| end.as_secs()))
        };
        assert_eq!(of("npt=3-5", None), (Some(3), Some(5)));
        assert_eq!(of("npt=now-", None), (None, None));
        assert_eq!(of("smpte-25=0:00:04-", None), (Some(4), None));
        let (day, later) = ("clock=20240101T120000Z-20240101T120030Z", "clock=20240101T120010Z-");
        assert_eq!(of(day, None), (Some(0), Some(30)));
        assert_eq!(of(later, Some(day)), (Some(10), None));
        assert_eq!(of(day, Some("npt=5-")), (Some(0), Some(30)));
    }
}
