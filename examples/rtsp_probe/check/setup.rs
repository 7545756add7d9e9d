//! SETUP and its Transport (RFC 2326 sections 10.4, 10.12, 12.37 and 12.39).

use super::{Checker, Cut, code, first_track, request, seen};
use crate::check::Verdict;
use riverrun::client::MediaSession;
use riverrun::wire::Oddities;
use riverrun::wire::rtsp::{Delivery, Method, Protocol, Response, SessionHeader, TransportSpec};

/// A transport that no server has.
const NO_TRANSPORT: &str = "RTP/X-RIVERRUN-PROBE;unicast";
/// Fewest characters of a session id (RFC 2326 section 3.4).
const SHORTEST_ID: usize = 8;

/// A track that was set up.
pub(super) struct SetUp {
    /// SSRC that the server announces.
    pub(super) ssrc: Option<u32>,
    pub(super) session: String,
}

impl Checker {
    pub(super) fn unsupported_transport(&mut self, media: &MediaSession) -> Result<(), Cut> {
        let Some(url) = first_track(media) else { return Ok(()) };
        let answer = self.ask(request(Method::Setup, url, &[("Transport", NO_TRANSPORT)]))?;
        let check = ("an unknown Transport is answered 461", "RFC 2326 11.3.12");
        self.list.status(&answer, &[461], &[400], check);
        if let Ok(response) = &answer {
            self.tear_down_quietly(media, response)?;
        }
        Ok(())
    }

    /// Ends the session of a SETUP that was not expected to make one.
    fn tear_down_quietly(
        &mut self,
        media: &MediaSession,
        response: &Response<'_>,
    ) -> Result<(), Cut> {
        if let Some(session) = session_id(response).filter(|_| response.status.is_success()) {
            let session = [("Session", &*session)];
            self.ask(request(Method::Teardown, &media.control_url, &session))?.ok();
        }
        Ok(())
    }

    /// A SETUP over UDP, which is ended without PLAY.
    pub(super) fn setup_over_udp(&mut self, media: &MediaSession) -> Result<(), Cut> {
        let Some(url) = first_track(media) else { return Ok(()) };
        let ports = self.talk.open_ports(0)?;
        let asked = over_udp(ports);
        let answer = self.ask(request(Method::Setup, url, &[("Transport", &asked.to_string())]))?;
        let check = ("SETUP over UDP is answered 200", "RFC 2326 10.4");
        self.list.status(&answer, &[200], &[461], check);
        if let Ok(response) = answer.as_ref() {
            if response.status.is_success() {
                self.udp_transport(&asked, response);
            }
            self.tear_down_quietly(media, response)?;
        }
        self.talk.close_ports(0)?;
        Ok(())
    }

    /// What the answer to a SETUP over UDP says.
    fn udp_transport(&mut self, asked: &TransportSpec, response: &Response<'_>) {
        let (value, spec) = transport(response);
        let spec = spec.filter(|spec| spec.protocol.is_udp());
        let is_repeated = spec.as_ref().is_some_and(|spec| spec.client_port == asked.client_port);
        let check = ("Transport repeats client_port", "RFC 2326 12.39");
        self.list.must(is_repeated, check, value.clone());
        let server_port = spec.as_ref().and_then(|spec| spec.server_port);
        let told = match server_port {
            Some((rtp, rtcp)) => format!("{rtp}-{rtcp}"),
            None => value,
        };
        let check = ("Transport has server_port, an even one", "RFC 2326 12.39, RFC 3550 11");
        let verdict = match server_port {
            Some((rtp, rtcp)) if rtp % 2 == 0 && rtcp == rtp + 1 => Verdict::Ok,
            Some(_) => Verdict::Note,
            None => Verdict::Fail,
        };
        self.list.add(verdict, check, told);
    }

    /// Sets up a track for playing: over TCP or UDP, in the session if there is one. `None` if the
    /// server does not.
    pub(super) fn set_up(
        &mut self,
        (number, url): (u32, &str),
        is_tcp: bool,
        session: Option<&str>,
    ) -> Result<Option<SetUp>, Cut> {
        let asked = if is_tcp {
            let channel = u8::try_from(number.saturating_sub(1) * 2).unwrap_or(0) & 0xFE;
            let mut spec = TransportSpec::new(Protocol::RtpAvpTcp, Delivery::Unicast);
            spec.interleaved = Some((channel, channel + 1));
            spec
        } else {
            over_udp(self.talk.open_ports(number)?)
        };
        let text = asked.to_string();
        let mut headers = vec![("Transport", &*text)];
        headers.extend(session.map(|session| ("Session", session)));
        let answer = self.ask(request(Method::Setup, url, &headers))?;
        let is_first = session.is_none();
        if is_first && is_tcp {
            let check = ("SETUP over TCP is answered 200", "RFC 2326 10.12");
            self.list.status(&answer, &[200], &[461], check);
        }
        let Some(response) = answer.as_ref().ok().filter(|r| r.status.is_success()) else {
            if code(&answer) != Some(461) || !is_first {
                let check = ("SETUP of each track is answered 200", "RFC 2326 10.4");
                self.list.must(false, check, format!("track {number}: {}", seen(&answer)));
            }
            return Ok(None);
        };
        let (value, spec) = transport(response);
        if is_tcp {
            let channels = spec.as_ref().and_then(|spec| spec.interleaved);
            if is_first {
                let check = ("Transport repeats the channels", "RFC 2326 10.12, 12.39");
                self.list.must(channels.is_some() && channels == asked.interleaved, check, value);
            }
            self.talk.record(number)?;
            let channels = channels.or(asked.interleaved).unwrap_or((0, 1));
            self.talk.bind_channels(channels, number)?;
        } else {
            self.talk.record(number)?;
        }
        let own = session_id(response);
        if is_first {
            self.session_header(response);
        } else if let Some(session) = session {
            let is_same = own.as_deref().is_none_or(|own| own == session);
            let check = ("SETUP of a further track keeps the session", "RFC 2326 10.4");
            self.list.must(is_same, check, own.clone().unwrap_or_default());
        }
        let Some(session) = own.or_else(|| session.map(str::to_owned)) else { return Ok(None) };
        Ok(Some(SetUp { ssrc: spec.and_then(|spec| spec.ssrc), session }))
    }

    fn session_header(&mut self, response: &Response<'_>) {
        let value = response.headers.value("Session").unwrap_or_default();
        let header = SessionHeader::parse(value).ok();
        let verdict = match header {
            Some(header) if header.id.len() >= SHORTEST_ID => Verdict::Ok,
            // Many devices count their sessions.
            Some(_) => Verdict::Note,
            None => Verdict::Fail,
        };
        let told = if value.is_empty() { "no Session" } else { value };
        self.list.add(verdict, ("Session has an id of 8 characters", "RFC 2326 3.4, 12.37"), told);
    }
}

fn over_udp(ports: (u16, u16)) -> TransportSpec {
    let mut spec = TransportSpec::new(Protocol::RtpAvp, Delivery::Unicast);
    spec.client_port = Some(ports);
    spec
}

/// The Transport of a response, as text and read.
fn transport(response: &Response<'_>) -> (String, Option<TransportSpec>) {
    match response.headers.value("Transport") {
        None => ("no Transport".to_owned(), None),
        Some(value) => (value.to_owned(), TransportSpec::of_answer(value, &mut Oddities::new())),
    }
}

/// The id in the Session header of a response.
pub(super) fn session_id(response: &Response<'_>) -> Option<String> {
    let value = response.headers.value("Session")?;
    Some(SessionHeader::of_answer(value, &mut Oddities::new())?.id.to_owned())
}
