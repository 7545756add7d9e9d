//! A request's way through the server: admission, the method that serves it, the answer, and what
//! follows the answer.

use crate::env::UsageEnvironment;
use crate::ids::ConnectionId;
use crate::server::hooks::Admission;
use crate::server::method::address::ContentBase;
use crate::server::method::answer::{Answer, Echo, PUBLIC};
use crate::server::method::context::{AdmittedRequest, Context};
use crate::server::method::options::options;
use crate::server::method::outcome::{AfterAnswer, Awaited, NotServed, Served};
use crate::server::method::parameters::{get_parameter, set_parameter};
use crate::server::method::pause::pause;
use crate::server::method::play::play;
use crate::server::method::refusal::{Refusal, Refused};
use crate::server::method::selection::Selection;
use crate::server::rtsp_server::RtspServer;
use crate::server::waiting::Resumed;
use crate::session::client_media::{SessionMedia, TrackSetup, media_of_mut};
use crate::session::pool::RemovalReason;
use crate::session::release::Goodbye;
use crate::wire::rtsp::accept::{accepts, unsupported};
use crate::wire::rtsp::{HeadError, Method, Request, StatusCode};
use crate::wire::text::is_number;
use std::time::{Duration, Instant};

impl RtspServer {
    pub(crate) fn handle_request(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        request: Request<'_>,
    ) {
        let Some(connection) = self.connections.get(id) else { return };
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
        let Some(connection) = self.connections.get(id) else { return };
        let admitted = AdmittedRequest {
            request: &request,
            connection: id,
            peer: connection.peer,
            local: connection.local,
            user: user.as_deref(),
        };
        let mut bytes = std::mem::take(&mut self.answer);
        let second = env.wall_clock().as_secs();
        let echo = Echo::of(&request, waited(env, resumed.since));
        let standing = self.standing_fields.at(second);
        let mut answer = Answer::begin(&mut bytes, StatusCode::OK, &echo, standing);
        let served = self.serve(env, &admitted, &mut answer);
        self.note_sent(env);
        match served {
            Ok(after) => {
                answer.end();
                let closes = echo.closes;
                self.send_answer(env, id, &bytes, after, closes);
            }
            Err(NotServed::MustWait(awaited)) => {
                self.let_wait(env, id, request, user, awaited, resumed);
            }
            Err(NotServed::Refused(refusal)) => {
                self.refuse(env, &echo, &refusal, &mut bytes);
                let closes = echo.closes || refusal.closes();
                self.send_answer(env, id, &bytes, AfterAnswer::Nothing, closes);
            }
        }
        self.answer = bytes;
    }

    fn start_tracks(&mut self, env: &mut UsageEnvironment, tracks: &[TrackSetup], due: Duration) {
        for track in tracks.iter().filter(|t| !t.is_multicast) {
            self.start_destination(env, track.stream, track.destination, due);
        }
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
        self.send_answer(env, id, &bytes, AfterAnswer::Nothing, closes);
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
            AfterAnswer::Nothing => {}
            AfterAnswer::StartTracks { tracks, due } => self.start_tracks(env, &tracks, due),
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
        self.send_answer(env, id, &bytes, AfterAnswer::Nothing, true);
        self.answer = bytes;
    }

    /// Has the method of a request serve it.
    fn serve(
        &mut self,
        env: &mut UsageEnvironment,
        request: &AdmittedRequest<'_>,
        answer: &mut Answer<'_>,
    ) -> Served {
        let headers = &request.request.headers;
        // Of any number of digits (RFC 2326 section 15.1): nobody counts with it here.
        if !headers.value("CSeq").is_some_and(is_number) {
            return Err(StatusCode::BAD_REQUEST.into());
        }
        let required = headers.values("Require").chain(headers.values("Proxy-Require"));
        let unknown: Vec<_> = required.flat_map(|value| unsupported(value, &[])).collect();
        if !unknown.is_empty() {
            let refused = Refused::new(StatusCode::OPTION_NOT_SUPPORTED);
            return Err(Refusal::from(refused.field("Unsupported", unknown.join(", "))).into());
        }
        match &request.request.method {
            Method::Options => options(&mut self.context(env), request, answer),
            Method::Describe => self.describe(env, request, answer),
            Method::Setup => self.setup(env, request, answer),
            Method::Play => play(&mut self.context(env), request, answer),
            Method::Pause => pause(&mut self.context(env), request, answer),
            Method::Teardown => self.teardown(env, request, answer),
            Method::GetParameter => get_parameter(&mut self.context(env), request, answer),
            Method::SetParameter => set_parameter(&mut self.context(env), request, answer),
            Method::Announce | Method::Record | Method::Redirect => {
                let refused = Refused::new(StatusCode::METHOD_NOT_ALLOWED);
                Err(Refusal::from(refused.field("Allow", PUBLIC)).into())
            }
            Method::Other(_) => {
                let refused = Refused::new(StatusCode::NOT_IMPLEMENTED);
                Err(Refusal::from(refused.field("Public", PUBLIC)).into())
            }
        }
    }

    /// What methods work on.
    pub(crate) fn context<'a>(&'a mut self, env: &'a mut UsageEnvironment) -> Context<'a> {
        Context {
            env,
            connections: &mut self.connections,
            streams: &mut self.streams,
            media_sessions: &mut self.media_sessions,
            pool: &mut self.pool,
            hooks: &mut *self.hooks,
            seeks: &mut self.seeks,
        }
    }

    // DESCRIBE

    fn describe(
        &mut self,
        env: &mut UsageEnvironment,
        request: &AdmittedRequest<'_>,
        answer: &mut Answer<'_>,
    ) -> Served {
        self.context(env).session_of(request)?;
        if let Some(accept) = request.request.headers.joined("Accept") {
            if !accepts(&accept, "application/sdp") {
                return Err(StatusCode::NOT_ACCEPTABLE.into());
            }
        }
        let url = request.request.url.as_str();
        let media_session = self.find_presentation(env, url)?;
        let session = self.media_sessions.get_mut(media_session).ok_or(StatusCode::NOT_FOUND)?;
        let Some(sdp) = session.describe(request.local.ip()) else {
            // It is refused when its time is over.
            return Err(NotServed::MustWait(Awaited::Description));
        };
        answer.field("Content-Base", ContentBase(url));
        answer.body("application/sdp", sdp.as_bytes());
        Ok(AfterAnswer::Nothing)
    }

    // TEARDOWN

    fn teardown(
        &mut self,
        env: &mut UsageEnvironment,
        request: &AdmittedRequest<'_>,
        answer: &mut Answer<'_>,
    ) -> Served {
        let selection = Selection::of(&mut self.context(env), request)?;
        let state = self.pool.session_mut(selection.session);
        let state = state.ok_or(StatusCode::SESSION_NOT_FOUND)?;
        let others = state.media_len() > 1;
        let media = media_of_mut(state, selection.media_session).ok_or(StatusCode::NOT_FOUND)?;
        if let Some(track) = selection.track.filter(|_| media.tracks().count() > 1) {
            if let Some(setup) = media.take_track(track) {
                self.session_tables().release_track(env, &setup, Goodbye::BeforeAnswer);
            }
            self.context(env).name_session(answer, selection.session);
            return Ok(AfterAnswer::Nothing);
        }
        if others {
            let of_others = |media: &SessionMedia| media.media_session() != selection.media_session;
            for media in state.retain_media(|_, media| of_others(media)) {
                self.session_tables().release_media(env, media, Goodbye::BeforeAnswer);
            }
        } else {
            self.end_session(env, selection.session, RemovalReason::TornDown);
        }
        Ok(AfterAnswer::Nothing)
    }
}

/// How long a request has waited, if it had to.
fn waited(env: &UsageEnvironment, since: Option<Instant>) -> Option<Duration> {
    since.map(|since| env.now().saturating_duration_since(since))
}
