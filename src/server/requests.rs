//! What each RTSP method does (RFC 2326 section 10), SETUP apart.

use super::ClientSessionId;
use super::answer::{Answer, METHODS, Refusal, Then};
use super::connection::ConnectionId;
use super::hooks::Admission;
use super::pool::{RemovalReason, Requester};
use super::rtsp_server::{RtspServer, plain_key};
use super::setup::TrackSetup;
use super::targets::{Scope, Target};
use crate::env::UsageEnvironment;
use crate::wire::rtsp::accept::{accepts, method_list, unsupported};
use crate::wire::rtsp::{
    HeadError, Method, Range, RangeHeader, Request, SessionHeader, StatusCode,
};
use std::time::Duration;

/// A request, and who makes it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) connection: ConnectionId,
    pub(super) request: &'a Request,
    pub(super) user: Option<&'a str>,
}

/// What handling a request led to.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Answer),
    /// A probe goes on; ask again.
    Wait,
}

/// Requests that wait for probes and are asked about again in one turn; each may cost some calls
/// of the file system.
const WAITING_PER_TURN: usize = 64;

impl RtspServer {
    pub(super) fn handle_request(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        request: Request,
    ) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        log::trace!("{}: {} {}", connection.peer, request.method, request.url);
        let peer = connection.peer;
        let answer = match self.hooks.admit(&request, peer) {
            Admission::Refuse(status) => status.into(),
            Admission::Allow(user) => match self
                .dispatch(env, &Call { connection: id, request: &request, user: user.as_deref() })
            {
                Ok(Outcome::Answer(answer)) => answer,
                Err(refusal) => *refusal,
                Ok(Outcome::Wait) => {
                    if let Some(connection) = self.connections.get_mut(id) {
                        connection.waiting = Some(Box::new(request));
                        self.waiting.push_back(id);
                    }
                    if let Some(me) = self.me {
                        let now = env.now();
                        env.arm_timer(&mut self.work_timer, me, plain_key(super::KEY_WORK), now);
                    }
                    return;
                }
            },
        };
        self.answer(env, id, request.headers.value("CSeq"), answer);
    }

    /// Asks again what waits for probes.
    pub(super) fn retry_waiting(&mut self, env: &mut UsageEnvironment) {
        self.probe_budget = self.config.probe_budget;
        for _ in 0..self.waiting.len().min(WAITING_PER_TURN) {
            let Some(id) = self.waiting.pop_front() else { break };
            let Some(connection) = self.connections.get_mut(id) else { continue };
            let Some(request) = connection.waiting.take() else { continue };
            self.handle_request(env, id, *request);
            let resumed = self.connections.get(id).is_some_and(|c| c.waiting.is_none());
            if resumed {
                self.process_input(env, id);
            }
            self.settle_connection(env, id);
        }
        if let (false, Some(me)) = (self.waiting.is_empty(), self.me) {
            let now = env.now();
            env.arm_timer(&mut self.work_timer, me, plain_key(super::KEY_WORK), now);
        }
        // What does not come from a timer of this kind has the next turn's budget.
        self.probe_budget = self.config.probe_budget;
    }

    fn answer(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        cseq: Option<&str>,
        mut answer: Answer,
    ) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let then = std::mem::take(&mut answer.then);
        log::trace!("{}: {}", connection.peer, answer.status);
        let seconds = env.wall_clock().as_secs();
        let bytes = answer.into_bytes(cseq, seconds, &self.config.server_name);
        if let Err(e) = connection.send_answer(env, bytes) {
            let why = e.to_string();
            return self.drop_connection(env, id, &why);
        }
        match then {
            Then::Nothing => {}
            Then::Close => connection.begin_close(env.now()),
            Then::Start { session, path, track, npt } => {
                self.start_tracks(env, session, &path, track, npt);
            }
        }
    }

    /// Answers what is no request, and closes: where the next one starts is not known.
    pub(super) fn refuse_malformed(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        error: &HeadError,
    ) {
        let cseq = error.cseq.map(|n| n.to_string());
        let answer = Answer::new(error.status()).header("Connection", "close").then(Then::Close);
        self.answer(env, id, cseq.as_deref(), answer);
    }

    fn dispatch(
        &mut self,
        env: &mut UsageEnvironment,
        call: &Call<'_>,
    ) -> Result<Outcome, Refusal> {
        if call.request.headers.cseq().is_none() {
            return Err(StatusCode::BAD_REQUEST.into());
        }
        let required: Vec<_> = ["Require", "Proxy-Require"]
            .into_iter()
            .filter_map(|name| call.request.headers.joined(name))
            .collect();
        let required = required.join(", ");
        let unknown: Vec<_> = unsupported(&required, &[]).collect();
        if !unknown.is_empty() {
            return Err(Answer::new(StatusCode::OPTION_NOT_SUPPORTED)
                .header("Unsupported", unknown.join(", "))
                .into());
        }
        let answer = match &call.request.method {
            Method::Options => self.options(env, call)?,
            Method::Describe => return self.describe(env, call),
            Method::Setup => return self.setup(env, call),
            Method::Play => self.play(env, call)?,
            Method::Pause => self.pause(env, call)?,
            Method::Teardown => self.teardown(env, call)?,
            Method::GetParameter => self.parameter(env, call, false)?,
            Method::SetParameter => self.parameter(env, call, true)?,
            Method::Announce | Method::Record | Method::Redirect => {
                Answer::new(StatusCode::METHOD_NOT_ALLOWED).header("Allow", method_list(&METHODS))
            }
            Method::Other(_) => {
                Answer::new(StatusCode::NOT_IMPLEMENTED).header("Public", method_list(&METHODS))
            }
        };
        Ok(Outcome::Answer(answer))
    }

    /// The session that a request names, if it names one; 454 if there is none such, or the
    /// requester has no right to it. Keeps the session alive.
    pub(super) fn session_of(
        &mut self,
        env: &UsageEnvironment,
        call: &Call<'_>,
    ) -> Result<Option<ClientSessionId>, Refusal> {
        let Some(header) = call.request.headers.value("Session") else { return Ok(None) };
        let unknown = || Refusal::from(StatusCode::SESSION_NOT_FOUND);
        let header: SessionHeader = header.parse().map_err(|_| unknown())?;
        let peer = self.connections.get(call.connection).ok_or_else(unknown)?.peer;
        let requester =
            Requester { peer, connection: Some(call.connection.raw()), user: call.user };
        let session = self.pool.find_entitled(&header.id, &requester, env.now());
        session.map(Some).ok_or_else(unknown)
    }

    pub(super) fn session_header(&self, session: ClientSessionId) -> String {
        self.pool.session(session).map(|s| s.header()).unwrap_or_default()
    }

    // OPTIONS, GET_PARAMETER, SET_PARAMETER

    fn options(&mut self, env: &UsageEnvironment, call: &Call<'_>) -> Result<Answer, Refusal> {
        let session = self.session_of(env, call)?;
        let answer = Answer::ok().header("Public", method_list(&METHODS));
        Ok(match session {
            Some(session) => answer.header("Session", self.session_header(session)),
            None => answer,
        })
    }

    /// Without a body both only keep the session alive.
    fn parameter(
        &mut self,
        env: &UsageEnvironment,
        call: &Call<'_>,
        set: bool,
    ) -> Result<Answer, Refusal> {
        let session = self.session_of(env, call)?;
        let mut answer = Answer::ok();
        if let Some(session) = session {
            answer = answer.header("Session", self.session_header(session));
        }
        let body = String::from_utf8_lossy(&call.request.body);
        if body.trim().is_empty() {
            return Ok(answer);
        }
        if set {
            let understood = self.hooks.set_parameter(&call.request.body);
            return if understood {
                Ok(answer)
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
                    return Err(Box::new(Answer {
                        body: Some(("text/parameters", format!("{name}\r\n").into_bytes())),
                        ..StatusCode::PARAMETER_NOT_UNDERSTOOD.into()
                    }));
                }
            }
        }
        answer.body = Some(("text/parameters", values.into_bytes()));
        Ok(answer)
    }

    fn position(&self, scope: &Scope) -> Duration {
        let of = |t: &TrackSetup| self.streams.get(t.stream).map(|s| s.npt());
        scope.tracks.iter().filter_map(|(_, t)| of(t)).min().unwrap_or_default()
    }

    // DESCRIBE

    fn describe(
        &mut self,
        env: &mut UsageEnvironment,
        call: &Call<'_>,
    ) -> Result<Outcome, Refusal> {
        self.session_of(env, call)?;
        if let Some(accept) = call.request.headers.joined("Accept") {
            if !accepts(&accept, "application/sdp") {
                return Err(StatusCode::NOT_ACCEPTABLE.into());
            }
        }
        let (media_session, track) = match self.find_target(env, call.request)? {
            Target::Pending => return Ok(Outcome::Wait),
            Target::Found { media_session, track, .. } => (media_session, track),
        };
        if track.is_some() {
            return Err(StatusCode::NOT_FOUND.into());
        }
        let local = self.connections.get(call.connection).ok_or(StatusCode::BAD_REQUEST)?.local;
        let session = self.media_sessions.get_mut(media_session).ok_or(StatusCode::NOT_FOUND)?;
        let sdp = session
            .describe(local.ip())
            .ok_or_else(|| Answer::new(StatusCode::SERVICE_UNAVAILABLE).header("Retry-After", 1))?;
        let base = format!("{}/", call.request.url.as_str().trim_end_matches('/'));
        Ok(Outcome::Answer(Answer {
            body: Some(("application/sdp", sdp.into_owned().into_bytes())),
            ..Answer::ok().header("Content-Base", base)
        }))
    }

    // PAUSE and TEARDOWN

    fn pause(&mut self, env: &mut UsageEnvironment, call: &Call<'_>) -> Result<Answer, Refusal> {
        let scope = self.scope(env, call)?;
        self.check_aggregate(&scope)?;
        if !scope.was_played {
            return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
        }
        for (_, track) in scope.tracks.iter().filter(|(_, t)| !t.is_multicast) {
            self.with_stream(env, track.stream, |s, env, w| {
                s.begin_packet(env, w);
                s.pause(env, track.destination);
            });
        }
        let npt = self.position(&scope);
        Ok(Answer::ok()
            .header("Range", RangeHeader::from(Range::npt(npt, None)))
            .header("Session", self.session_header(scope.session)))
    }

    fn teardown(&mut self, env: &mut UsageEnvironment, call: &Call<'_>) -> Result<Answer, Refusal> {
        let scope = self.scope(env, call)?;
        let state = self.pool.session_mut(scope.session).ok_or(StatusCode::SESSION_NOT_FOUND)?;
        let others = state.media_len() > 1;
        let (media, _) = state.lookup_mut(&scope.name).ok_or(StatusCode::NOT_FOUND)?;
        if let Some(track) = scope.track.filter(|_| media.tracks().count() > 1) {
            if let Some(setup) = media.take_track(track) {
                self.release_track(env, &setup, false);
            }
            return Ok(Answer::ok().header("Session", self.session_header(scope.session)));
        }
        if others {
            let media = state.take_media(&scope.name);
            if let Some(media) = media {
                self.release_media(env, media, false);
            }
        } else {
            self.end_session(env, scope.session, RemovalReason::TornDown);
        }
        Ok(Answer::ok())
    }
}
