//! What each RTSP method does (RFC 2326 section 10), SETUP apart.

use crate::env::UsageEnvironment;
use crate::ids::{ClientSessionId, ConnectionId};
use crate::server::hooks::Admission;
use crate::server::method::answer::{Answer, Echo, PUBLIC, Refusal, Refused, Then};
use crate::server::method::targets::{ContentBase, Target, media_of_mut};
use crate::server::rtsp_server::RtspServer;
use crate::server::streams::Goodbye;
use crate::server::waiting::{Awaited, Resumed};
use crate::session::client_media::SessionMedia;
use crate::session::pool::{RemovalReason, Requester};
use crate::wire::rtsp::accept::{accepts, unsupported};
use crate::wire::rtsp::{HeadError, Method, Request, SessionHeader, StatusCode};
use crate::wire::text::is_number;
use std::time::{Duration, Instant};

/// A request, and who makes it.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) connection: ConnectionId,
    pub(crate) request: &'a Request<'a>,
    pub(crate) user: Option<&'a str>,
}

/// What handling a request led to.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answered,
    /// Not yet.
    Wait(Awaited),
}

impl RtspServer {
    pub(crate) fn handle_request(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        request: Request<'_>,
    ) {
        let Some(connection) = self.connections.table.get(id) else { return };
        let peer = connection.peer;
        log::trace!("{peer}: {} {}", request.method, request.url);
        match self.hooks.admit(&request, peer) {
            Admission::Allow(user) => {
                self.answer_request(env, id, request, user, &Resumed::default());
            }
            Admission::Refuse { status, headers } => {
                let refusal = Refused::new(status).fields(&headers).into();
                self.refuse_request(env, id, &request, &refusal, None);
            }
        }
    }

    /// Answers a request that was admitted, or lets it wait.
    pub(crate) fn answer_request(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        request: Request<'_>,
        user: Option<String>,
        resumed: &Resumed,
    ) {
        let mut bytes = std::mem::take(&mut self.answer);
        let second = env.wall_clock().as_secs();
        let echo = Echo::of(&request, waited(env, resumed.since));
        let standing = self.standing_fields.at(second);
        let mut answer = Answer::begin(&mut bytes, StatusCode::OK, &echo, standing);
        let call = Call { connection: id, request: &request, user: user.as_deref() };
        match self.dispatch(env, &call, &mut answer) {
            Ok(Outcome::Answered) => {
                let then = answer.end();
                let closes = echo.closes;
                self.send_answer(env, id, &bytes, then, closes);
            }
            Ok(Outcome::Wait(awaited)) => {
                self.let_wait(env, id, request, user, awaited, resumed);
            }
            Err(refusal) => {
                self.refuse(env, &echo, &refusal, &mut bytes);
                let closes = echo.closes || refusal.closes();
                self.send_answer(env, id, &bytes, Then::Nothing, closes);
            }
        }
        self.answer = bytes;
    }

    /// Refuses a request that was not looked at any closer.
    pub(crate) fn refuse_request(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        request: &Request<'_>,
        refusal: &Refusal,
        since: Option<Instant>,
    ) {
        let mut bytes = std::mem::take(&mut self.answer);
        let echo = Echo::of(request, waited(env, since));
        self.refuse(env, &echo, refusal, &mut bytes);
        let closes = echo.closes || refusal.closes();
        self.send_answer(env, id, &bytes, Then::Nothing, closes);
        self.answer = bytes;
    }

    /// Writes a refusal in the place of whatever was to be answered.
    fn refuse(
        &mut self,
        env: &UsageEnvironment,
        echo: &Echo<'_>,
        refusal: &Refused,
        bytes: &mut Vec<u8>,
    ) {
        let second = env.wall_clock().as_secs();
        let standing = self.standing_fields.at(second);
        let mut answer = Answer::begin(bytes, refusal.status, echo, standing);
        answer.refuse(refusal);
        answer.end();
    }

    /// Sends an answer, and closes the connection behind it if `closes`.
    fn send_answer(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        bytes: &[u8],
        then: Then,
        closes: bool,
    ) {
        let Some(connection) = self.connections.table.get_mut(id) else { return };
        let status = bytes.get(9..12).and_then(|code| std::str::from_utf8(code).ok());
        log::trace!("{}: {}", connection.peer, status.unwrap_or_default());
        if let Err(e) = connection.send_answer(env, bytes) {
            let why = e.to_string();
            return self.end_connection(env, id, &why);
        }
        if closes {
            connection.begin_close(env.now());
        }
        match then {
            Then::Nothing => {}
            Then::Start { tracks, due } => self.start_tracks(env, &tracks, due),
        }
    }

    /// Answers what is no request, and closes: where the next one starts is not known.
    pub(crate) fn refuse_malformed(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        error: &HeadError,
    ) {
        let echo = Echo::of_malformed(error);
        let refusal = Refused::new(error.status());
        let mut bytes = std::mem::take(&mut self.answer);
        self.refuse(env, &echo, &refusal, &mut bytes);
        self.send_answer(env, id, &bytes, Then::Nothing, true);
        self.answer = bytes;
    }

    fn dispatch(
        &mut self,
        env: &mut UsageEnvironment,
        call: &Call<'_>,
        answer: &mut Answer<'_>,
    ) -> Result<Outcome, Refusal> {
        let headers = &call.request.headers;
        // Of any number of digits (RFC 2326 section 15.1): nobody counts with it here.
        if !headers.value("CSeq").is_some_and(is_number) {
            return Err(StatusCode::BAD_REQUEST.into());
        }
        let required = headers.values("Require").chain(headers.values("Proxy-Require"));
        let unknown: Vec<_> = required.flat_map(|value| unsupported(value, &[])).collect();
        if !unknown.is_empty() {
            return Err(Box::new(
                Refused::new(StatusCode::OPTION_NOT_SUPPORTED)
                    .field("Unsupported", unknown.join(", ")),
            ));
        }
        match &call.request.method {
            Method::Options => self.options(env, call, answer)?,
            Method::Describe => return self.describe(env, call, answer),
            Method::Setup => return self.setup(env, call, answer),
            Method::Play => return self.play(env, call, answer),
            Method::Pause => self.pause(env, call, answer)?,
            Method::Teardown => self.teardown(env, call, answer)?,
            Method::GetParameter => self.parameter(env, call, answer, false)?,
            Method::SetParameter => self.parameter(env, call, answer, true)?,
            Method::Announce | Method::Record | Method::Redirect => {
                let refused = Refused::new(StatusCode::METHOD_NOT_ALLOWED);
                return Err(Box::new(refused.field("Allow", PUBLIC)));
            }
            Method::Other(_) => {
                let refused = Refused::new(StatusCode::NOT_IMPLEMENTED);
                return Err(Box::new(refused.field("Public", PUBLIC)));
            }
        }
        Ok(Outcome::Answered)
    }

    /// The session that a request names, if it names one; 454 if there is none such, or the
    /// requester has no right to it. Keeps the session alive.
    pub(crate) fn session_of(
        &mut self,
        env: &UsageEnvironment,
        call: &Call<'_>,
    ) -> Result<Option<ClientSessionId>, Refusal> {
        let Some(header) = call.request.headers.value("Session") else { return Ok(None) };
        let unknown = || Refusal::from(StatusCode::SESSION_NOT_FOUND);
        let header = SessionHeader::parse(header).map_err(|_| unknown())?;
        let peer = self.connections.table.get(call.connection).ok_or_else(unknown)?.peer;
        let requester =
            Requester { peer, connection: Some(call.connection.raw()), user: call.user };
        let session = self.pool.find_entitled(header.id, &requester, env.now());
        session.map(Some).ok_or_else(unknown)
    }

    /// Adds the `Session` field.
    pub(crate) fn name_session(&self, answer: &mut Answer<'_>, session: ClientSessionId) {
        if let Some(session) = self.pool.session(session) {
            answer.field("Session", session.header());
        }
    }

    // OPTIONS, GET_PARAMETER, SET_PARAMETER

    fn options(
        &mut self,
        env: &UsageEnvironment,
        call: &Call<'_>,
        answer: &mut Answer<'_>,
    ) -> Result<(), Refusal> {
        let session = self.session_of(env, call)?;
        answer.text("Public", PUBLIC);
        if let Some(session) = session {
            self.name_session(answer, session);
        }
        Ok(())
    }

    /// Without a body both only keep the session alive.
    fn parameter(
        &mut self,
        env: &UsageEnvironment,
        call: &Call<'_>,
        answer: &mut Answer<'_>,
        set: bool,
    ) -> Result<(), Refusal> {
        let session = self.session_of(env, call)?;
        if let Some(session) = session {
            self.name_session(answer, session);
        }
        let body = String::from_utf8_lossy(&call.request.body);
        if body.trim().is_empty() {
            return Ok(());
        }
        if set {
            let understood = self.hooks.set_parameter(&call.request.body);
            return if understood {
                Ok(())
            } else {
                Err(StatusCode::PARAMETER_NOT_UNDERSTOOD.into())
            };
        }
        let scope = self.scope(env, call)?;
        let mut values = String::new();
        for name in body.lines().map(|l| l.trim().trim_end_matches(':')).filter(|l| !l.is_empty()) {
            match name.to_ascii_lowercase().as_str() {
                "position" => {
                    let npt = self.position(&scope);
                    values.push_str(&format!("{name}: {:.3}\r\n", npt.as_secs_f64()));
                }
                _ => {
                    let refused = Refused::new(StatusCode::PARAMETER_NOT_UNDERSTOOD);
                    return Err(Box::new(refused.parameters(format!("{name}\r\n"))));
                }
            }
        }
        answer.body("text/parameters", values.as_bytes());
        Ok(())
    }

    // DESCRIBE

    fn describe(
        &mut self,
        env: &mut UsageEnvironment,
        call: &Call<'_>,
        answer: &mut Answer<'_>,
    ) -> Result<Outcome, Refusal> {
        self.session_of(env, call)?;
        if let Some(accept) = call.request.headers.joined("Accept") {
            if !accepts(&accept, "application/sdp") {
                return Err(StatusCode::NOT_ACCEPTABLE.into());
            }
        }
        let url = call.request.url.as_str();
        let media_session = match self.find_presentation(env, url)? {
            Target::Pending(awaited) => return Ok(Outcome::Wait(awaited)),
            Target::Found(media_session) => media_session,
        };
        let local =
            self.connections.table.get(call.connection).ok_or(StatusCode::BAD_REQUEST)?.local;
        let session =
            self.media_sessions.table.get_mut(media_session).ok_or(StatusCode::NOT_FOUND)?;
        let Some(sdp) = session.describe(local.ip()) else {
            // It is refused when its time is over.
            return Ok(Outcome::Wait(Awaited::Description));
        };
        answer.field("Content-Base", ContentBase(url));
        answer.body("application/sdp", sdp.as_bytes());
        Ok(Outcome::Answered)
    }

    // TEARDOWN

    fn teardown(
        &mut self,
        env: &mut UsageEnvironment,
        call: &Call<'_>,
        answer: &mut Answer<'_>,
    ) -> Result<(), Refusal> {
        let scope = self.scope(env, call)?;
        let state = self.pool.session_mut(scope.session).ok_or(StatusCode::SESSION_NOT_FOUND)?;
        let others = state.media_len() > 1;
        let media = media_of_mut(state, scope.media_session).ok_or(StatusCode::NOT_FOUND)?;
        if let Some(track) = scope.track.filter(|_| media.tracks().count() > 1) {
            if let Some(setup) = media.take_track(track) {
                self.release_track(env, &setup, Goodbye::BeforeAnswer);
            }
            self.name_session(answer, scope.session);
            return Ok(());
        }
        if others {
            let of_others = |media: &SessionMedia| media.media_session() != scope.media_session;
            for media in state.retain_media(|_, media| of_others(media)) {
                self.release_media(env, media, Goodbye::BeforeAnswer);
            }
        } else {
            self.end_session(env, scope.session, RemovalReason::TornDown);
        }
        Ok(())
    }
}

/// How long a request has waited, if it had to.
fn waited(env: &UsageEnvironment, since: Option<Instant>) -> Option<Duration> {
    since.map(|since| env.now().saturating_duration_since(since))
}
