//! Serves requests: admission, the method, the answer, and the action after the answer.

use crate::env::UsageEnvironment;
use crate::ids::ConnectionId;
use crate::server::access::AccessContext;
use crate::server::hooks::{Admission, DecideLater, Decision, DecisionState};
use crate::server::method::announce::announce;
use crate::server::method::answer::{Answer, Echo};
use crate::server::method::context::{AdmittedRequest, Context, Methods, Serve, request_info};
use crate::server::method::describe::describe;
use crate::server::method::options::options;
use crate::server::method::outcome::{AfterAnswer, Awaited, Identity, NotServed, Served, Stage};
use crate::server::method::parameters::{get_parameter, set_parameter};
use crate::server::method::pause::pause;
use crate::server::method::play::play;
use crate::server::method::record::record;
use crate::server::method::refusal::{Refusal, Refused};
use crate::server::method::setup::setup;
use crate::server::method::teardown::teardown;
use crate::server::rtsp_server::RtspServer;
use crate::server::waiting::Progress;
use crate::wire::rtsp::accept::{BACK_CHANNEL, unsupported};
use crate::wire::rtsp::{HeadError, Method, Request, StatusCode};
use crate::wire::text::is_number;
use crate::wire::url::Redacted;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The implemented methods, in the order in which `Public` and `Allow` list them.
static METHODS: [(Method, Serve); 10] = [
    (Method::Options, options),
    (Method::Describe, describe),
    (Method::Setup, setup),
    (Method::Play, play),
    (Method::Announce, announce),
    (Method::Record, record),
    (Method::Pause, pause),
    (Method::Teardown, teardown),
    (Method::GetParameter, get_parameter),
    (Method::SetParameter, set_parameter),
];

impl RtspServer {
    /// Serves a request that has arrived on a connection, if it is found out on whose behalf it is
    /// made and the application admits it.
    pub(crate) fn handle_request(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        request: Request<'_>,
    ) {
        let Some(connection) = self.connections.get(id) else { return };
        log::trace!("{}: {} {}", connection.peer, request.method, Redacted(request.url.as_str()));
        let identity = Identity::default();
        let decision = self.authenticate(env, id, &request).0;
        let progress = Progress::default();
        let decision = (Stage::Authentication, decision);
        self.follow_decision(env, id, (request, identity), progress, decision);
    }

    /// Asks the authenticator, if there is one, on whose behalf a request is made.
    fn authenticate(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        request: &Request<'_>,
    ) -> Decision {
        let nobody = || Admission::Allow(None).into();
        let Some(authenticator) = &mut self.authenticator else { return nobody() };
        let Some(connection) = self.connections.get(id) else { return nobody() };
        let request = AdmittedRequest::of(request, id, connection);
        let sessions = (&self.pool, &self.publications);
        let mut info = request_info(&request, &self.media_sessions, sessions, env.now());
        info.user = info.session.and_then(|session| self.pool.session(session)?.user());
        let (now, wall_clock) = (env.now(), env.wall_clock());
        let later = &DecideLater { wake: self.waiting.trigger.as_ref() };
        let random = &mut |bytes: &mut [u8]| env.fill_random(bytes);
        authenticator.authenticate(&info, &mut AccessContext { now, wall_clock, random, later })
    }

    /// Asks the application about a request.
    fn admit(
        &mut self,
        env: &UsageEnvironment,
        id: ConnectionId,
        request: &Request<'_>,
        identity: &Identity,
    ) -> Decision {
        let Some(connection) = self.connections.get(id) else {
            return Admission::refuse(StatusCode::SERVICE_UNAVAILABLE).into();
        };
        let request = AdmittedRequest::of(request, id, connection);
        let sessions = (&self.pool, &self.publications);
        let mut info = request_info(&request, &self.media_sessions, sessions, env.now());
        info.user = match &self.authenticator {
            Some(_) => identity.user.as_deref(),
            None => info.session.and_then(|session| self.pool.session(session)?.user()),
        };
        self.hooks.admit(&info, &DecideLater { wake: self.waiting.trigger.as_ref() })
    }

    /// Does what has been decided about a request: lets it wait, refuses it, asks for the next
    /// decision, or answers it after the last one.
    pub(crate) fn follow_decision(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        (request, mut identity): (Request<'_>, Identity),
        progress: Progress,
        (mut stage, mut decision): (Stage, DecisionState),
    ) {
        loop {
            let admission = match decision {
                DecisionState::Awaited(pending) => {
                    let awaited = Awaited::Decision(stage, pending);
                    return self.let_wait(env, id, (request, identity), awaited, progress);
                }
                DecisionState::Made { admission, delay } if !delay.is_zero() => {
                    let awaited = Awaited::Delay { stage, admission, delay };
                    return self.let_wait(env, id, (request, identity), awaited, progress);
                }
                DecisionState::Made { admission, .. } => admission,
            };
            match admission {
                Admission::Refuse { status, headers } => {
                    let refusal = Refused::new(status).fields(&headers).into();
                    return self.refuse_request(env, id, &request, &refusal, progress.since);
                }
                Admission::Allow(user) => identity.user = user.or(identity.user),
                Admission::AllowStream { user, stream } => {
                    identity = Identity { user: user.or(identity.user), granted: Some(stream) };
                }
            }
            match stage {
                Stage::Authentication => {
                    stage = Stage::Admission;
                    decision = self.admit(env, id, &request, &identity).0;
                }
                Stage::Admission => {
                    return self.answer_request(env, id, request, identity, progress);
                }
            }
        }
    }

    /// Answers an admitted request, or lets it wait.
    pub(crate) fn answer_request(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        request: Request<'_>,
        identity: Identity,
        progress: Progress,
    ) {
        let Some(connection) = self.connections.get(id) else { return };
        let admitted = AdmittedRequest {
            user: identity.user.as_deref(),
            granted: identity.granted.as_deref(),
            ..AdmittedRequest::of(&request, id, connection)
        };
        let mut bytes = std::mem::take(&mut self.answer);
        let second = env.wall_clock().as_secs();
        let echo = Echo::of(&request, waited(env, progress.since));
        let standing = self.standing_fields.at(second);
        let mut answer = Answer::begin(&mut bytes, StatusCode::OK, &echo, standing);
        let mut context = self.context(env, &progress, admitted.peer);
        let served = serve(&mut context, &admitted, &mut answer);
        let served = self.start_recording(env, served);
        self.follow_up(env);
        match served {
            Ok(after) => {
                answer.end();
                let closes = echo.closes;
                self.send_answer(env, id, &bytes, after, closes);
            }
            Err(NotServed::MustWait(awaited)) => {
                self.let_wait(env, id, (request, identity), awaited, progress);
            }
            Err(NotServed::Refused(refusal)) => {
                self.refuse(env, &echo, &refusal, &mut bytes);
                let closes = echo.closes || refusal.closes();
                self.send_answer(env, id, &bytes, AfterAnswer::Nothing, closes);
            }
        }
        self.answer = bytes;
    }

    /// Builds the context that methods work on.
    fn context<'a>(
        &'a mut self,
        env: &'a mut UsageEnvironment,
        progress: &'a Progress,
        peer: SocketAddr,
    ) -> Context<'a> {
        let publishing = self.config.publish.policy.admits(peer.ip());
        Context {
            env,
            connections: &mut self.connections,
            streams: &mut self.streams,
            media_sessions: &mut self.media_sessions,
            pool: &mut self.pool,
            publications: &mut self.publications,
            back_channels: &mut self.back_channels,
            hooks: &mut *self.hooks,
            authenticator: self.authenticator.as_deref_mut(),
            later: DecideLater { wake: self.waiting.trigger.as_ref() },
            config: &self.config,
            lookups: &mut self.lookups,
            known: &progress.known,
            has_queue: self.waiting.has_ready(),
            seeks: &mut self.seeks,
            warned: &mut self.warned,
            refused_for_descriptors: &mut self.counters.requests_refused_for_descriptors,
            methods: Methods { table: &METHODS, publishing },
            #[cfg(feature = "srtp")]
            stream_keys: &self.stream_keys,
        }
    }

    /// Refuses a request without serving it.
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
        self.send_answer(env, id, &bytes, AfterAnswer::Nothing, closes);
        self.answer = bytes;
    }

    /// Answers input that is not a request, and closes the connection, since the start of the next
    /// message is unknown.
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
        self.send_answer(env, id, &bytes, AfterAnswer::Nothing, true);
        self.answer = bytes;
    }

    /// Replaces a partly written answer by a refusal.
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

    /// Sends an answer, and carries out the action after it. With `closes`, the connection is
    /// closed after the answer.
    fn send_answer(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        bytes: &[u8],
        after: AfterAnswer,
        closes: bool,
    ) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let status = bytes.get(9..12).and_then(|code| std::str::from_utf8(code).ok());
        log::trace!("{}: {}", connection.peer, status.unwrap_or_default());
        if let Err(e) = connection.send_answer(env, bytes) {
            let why = e.to_string();
            return self.end_connection(env, id, &why);
        }
        if closes {
            connection.begin_close(env.now());
        }
        match after {
            AfterAnswer::Nothing | AfterAnswer::Record(_) => {}
            AfterAnswer::StartTracks { tracks, due } => {
                for track in tracks.iter().filter(|t| !t.is_multicast) {
                    let (stream, destination) = (track.stream, track.destination);
                    let to = (stream, destination);
                    self.streams.start(env, &mut self.connections, to, due);
                }
            }
        }
    }
}

/// Calls the function of the request's method. Refuses with 551 if the request requires an
/// unsupported feature.
fn serve(cx: &mut Context<'_>, request: &AdmittedRequest<'_>, answer: &mut Answer<'_>) -> Served {
    let headers = &request.request.headers;
    // Of any number of digits (RFC 2326 section 15.1): nobody counts with it here.
    if !headers.value("CSeq").is_some_and(is_number) {
        return Err(StatusCode::BAD_REQUEST.into());
    }
    let required = headers.values("Require").chain(headers.values("Proxy-Require"));
    // Where no stream has a back channel, the server does not know what that is.
    let known: &[&str] = if cx.back_channels.is_empty() { &[] } else { &[BACK_CHANNEL] };
    let unknown: Vec<_> = required.flat_map(|value| unsupported(value, known)).collect();
    if !unknown.is_empty() {
        let refused = Refused::new(StatusCode::OPTION_NOT_SUPPORTED);
        return Err(Refusal::from(refused.field("Unsupported", unknown.join(", "))).into());
    }
    let method = &request.request.method;
    if let Some(serve) = cx.methods.find(method) {
        return serve(cx, request, answer);
    }
    let (status, field) = match method {
        Method::Other(_) => (StatusCode::NOT_IMPLEMENTED, "Public"),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "Allow"),
    };
    Err(Refusal::from(Refused::new(status).field(field, cx.methods)).into())
}

/// The time for which a request has waited, if it has.
fn waited(env: &UsageEnvironment, since: Option<Instant>) -> Option<Duration> {
    since.map(|since| env.now().saturating_duration_since(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_that_is_offered_has_a_name_of_the_rfc_and_one_implementation() {
        for (n, (method, _)) in METHODS.iter().enumerate() {
            assert!(!matches!(method, Method::Other(_)), "{}", method.as_str());
            assert!(METHODS.iter().skip(n + 1).all(|(other, _)| other != method));
        }
    }
}
