//! [`LocalViewer`]: a pusher as a viewer of the server in its own process.
//!
//! It asks as a client does (RFC 2326), so that every stream that a client can watch can be pushed:
//! a live one, a file, a relayed one, which a viewer may have to be opened for.

use crate::arena::RawId;
use crate::env::{EventKey, MediumError, MediumHandle, MediumId, UsageEnvironment};
use crate::ids::ConnectionId;
use crate::server::{OutletState, RtspServer};
use crate::wire::rtsp::{Delivery, Method, Protocol, Request, Response, TransportSpec};
use crate::wire::url::encode_segment;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// What the server has sent is there, or the session has ended.
pub(super) const KEY_STREAM: u32 = 64;

/// A viewer of a stream of the server in the same environment.
#[derive(Debug)]
pub(super) struct LocalViewer {
    server: MediumId<RtspServer>,
    /// Name of the stream, and its URL.
    name: String,
    url: String,
    outlet: Option<ConnectionId>,
    session: Option<String>,
    requests: u32,
}

impl LocalViewer {
    pub(super) fn new(server: MediumId<RtspServer>, name: &str) -> Self {
        let segments: Vec<_> = name.split('/').filter(|segment| !segment.is_empty()).collect();
        let encoded: Vec<_> = segments.iter().map(|segment| encode_segment(segment)).collect();
        Self {
            server,
            name: segments.join("/"),
            url: format!("rtsp://localhost/{}", encoded.join("/")),
            outlet: None,
            session: None,
            requests: 0,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn is_open(&self) -> bool {
        self.outlet.is_some()
    }

    /// The channels of a track, by its index.
    pub(super) fn channels(track: usize) -> (u8, u8) {
        let rtp = u8::try_from(track * 2).unwrap_or(u8::MAX - 1);
        (rtp, rtp + 1)
    }

    /// Prepares to ask for the stream. `ends` are those of the connection to the other server, if
    /// there is one.
    ///
    /// # Errors
    /// The server cannot be called.
    pub(super) fn open(
        &mut self,
        env: &mut UsageEnvironment,
        me: MediumHandle,
        ends: Option<(SocketAddr, SocketAddr)>,
    ) -> Result<(), MediumError> {
        if self.outlet.is_some() {
            return Ok(());
        }
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let reader = (me, EventKey { kind: KEY_STREAM, id: RawId::default() });
        let ends = ends.unwrap_or((here, here));
        self.outlet = env.with(self.server, |server, env| server.open_outlet(env, reader, ends))?;
        self.session = None;
        Ok(())
    }

    /// Asks for the description.
    pub(super) fn describe(&mut self, env: &mut UsageEnvironment) -> Result<(), MediumError> {
        self.ask(env, Request::new(Method::Describe, self.url.clone()))
    }

    /// Asks for a track, by its index.
    pub(super) fn set_up(
        &mut self,
        env: &mut UsageEnvironment,
        track: usize,
    ) -> Result<(), MediumError> {
        let mut transport = TransportSpec::new(Protocol::RtpAvpTcp, Delivery::Unicast);
        transport.interleaved = Some(Self::channels(track));
        let url = format!("{}/track{}", self.url, track + 1);
        let mut setup = Request::new(Method::Setup, url);
        setup.headers.push("Transport", transport);
        self.ask(env, setup)
    }

    /// Asks for the packets of the tracks that were set up.
    pub(super) fn play(&mut self, env: &mut UsageEnvironment) -> Result<(), MediumError> {
        self.ask(env, Request::new(Method::Play, self.url.clone()))
    }

    fn ask(
        &mut self,
        env: &mut UsageEnvironment,
        mut request: Request<'_>,
    ) -> Result<(), MediumError> {
        let Some(outlet) = self.outlet else { return Ok(()) };
        self.requests = self.requests.wrapping_add(1);
        request.headers.push("CSeq", self.requests);
        if let Some(session) = &self.session {
            request.headers.push("Session", session);
        }
        env.with(self.server, |server, env| server.ask_outlet(env, outlet, &self.name, request))
    }

    /// Notes the session of a response. Returns false if it answers an earlier request.
    pub(super) fn note_response(&mut self, response: &Response<'_>) -> bool {
        if let Some(session) = response.headers.value("Session") {
            let id = session.split(';').next().unwrap_or_default().trim();
            self.session = Some(id.to_owned());
        }
        response.headers.value("CSeq").and_then(|n| n.trim().parse().ok()) == Some(self.requests)
    }

    /// Takes what the server has sent. Returns `None` if nothing was asked for.
    pub(super) fn read(
        &self,
        env: &mut UsageEnvironment,
        into: &mut Vec<u8>,
    ) -> Result<Option<OutletState>, MediumError> {
        let Some(outlet) = self.outlet else { return Ok(None) };
        env.with(self.server, |server, env| server.read_outlet(env, outlet, into)).map(Some)
    }

    /// Hands the server RTCP about a track.
    pub(super) fn report(&self, env: &mut UsageEnvironment, track: usize, packet: &[u8]) {
        let Some(outlet) = self.outlet else { return };
        let (_, channel) = Self::channels(track);
        // A server that has ended wants no reports.
        let _ = env.with(self.server, |server, env| {
            server.write_to_outlet(env, outlet, channel, packet);
        });
    }

    /// Watches no more.
    pub(super) fn close(&mut self, env: &mut UsageEnvironment) {
        let (server, outlet) = (self.server, self.outlet.take());
        self.session = None;
        let Some(outlet) = outlet else { return };
        let closed = env.with(server, |server, env| server.close_outlet(env, outlet));
        if closed == Err(MediumError::BeingCalled) {
            // The server is the one that has led here.
            env.schedule_delayed_task(Duration::ZERO, move |env| {
                let _ = env.with(server, |server, env| server.close_outlet(env, outlet));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ServerConfig;

    #[test]
    fn names_become_urls() {
        let mut env = UsageEnvironment::simulated(1);
        let server = RtspServer::new(&mut env, ServerConfig::default(), &[]).unwrap();
        for (name, clean, url) in [
            ("door", "door", "rtsp://localhost/door"),
            ("/a b//c.mkv/", "a b/c.mkv", "rtsp://localhost/a%20b/c.mkv"),
        ] {
            let viewer = LocalViewer::new(server, name);
            assert_eq!((viewer.name(), &*viewer.url), (clean, url));
        }
        assert_eq!(LocalViewer::channels(2), (4, 5));
        assert_eq!(LocalViewer::channels(999), (254, 255));
    }
}
