//! The requests of a player.

use crate::client::player::config::PlayerConfig;
use crate::wire::rtsp::numbers::Scale;
use crate::wire::rtsp::{Method, Range, Request, TransportSpec};
use std::time::Duration;

/// A session of the server's (RFC 2326 section 12.37).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerSession {
    pub(super) id: String,
    pub(super) timeout: Duration,
}

/// The time-out of a session whose server names none (RFC 2326 section 12.37).
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// The shortest interval of keep-alive requests.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

impl ServerSession {
    /// When the session has to be kept alive, after something was heard of the server.
    pub(super) fn keep_alive_interval(&self) -> Duration {
        (self.timeout * 2 / 3).max(SHORTEST_INTERVAL)
    }
}

pub(super) fn request(
    method: Method,
    url: &str,
    session: Option<&ServerSession>,
) -> Request<'static> {
    let mut request = Request::new(method, url.to_owned());
    if let Some(session) = session {
        request.headers.push("Session", &session.id);
    }
    request
}

pub(super) fn describe(url: &str) -> Request<'static> {
    let mut describe = request(Method::Describe, url, None);
    describe.headers.push("Accept", "application/sdp");
    describe
}

pub(super) fn setup(
    url: &str,
    session: Option<&ServerSession>,
    transport: &TransportSpec,
) -> Request<'static> {
    let mut setup = request(Method::Setup, url, session);
    setup.headers.push("Transport", transport);
    setup
}

/// PLAY. Without a start the `Range` is `npt=now-` for a stream without an end and `npt=0-` for
/// others, since servers exist that play nothing without.
pub(super) fn play(
    url: &str,
    session: Option<&ServerSession>,
    config: &PlayerConfig,
) -> Request<'static> {
    let mut play = request(Method::Play, url, session);
    let range = Range::npt(config.start.unwrap_or_default(), config.end);
    play.headers.push("Range", crate::wire::rtsp::RangeHeader { range, time: None });
    if let Some(scale) = config.scale {
        play.headers.push("Scale", Scale(scale));
    }
    if let Some(speed) = config.speed {
        play.headers.push("Speed", Scale(speed));
    }
    play
}
