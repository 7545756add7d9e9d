//! What each RTSP method does (RFC 2326 section 10), SETUP apart.

use super::ClientSessionId;
use super::answer::{Answer, METHODS, Refusal, Then};
use super::connection::ConnectionId;
use super::hooks::Admission;
use super::media_session::MediaSessionId;
use super::pool::{RemovalReason, Requester};
use super::provider::SessionPoll;
use super::rtsp_server::{RtspServer, plain_key};
use super::setup::TrackSetup;
use crate::env::UsageEnvironment;
use crate::media::SeekError;
use crate::wire::rtsp::accept::{accepts, method_list, unsupported};
use crate::wire::rtsp::numbers::{Scale, parse_scale};
use crate::wire::rtsp::{
    HeadError, Method, NptTime, Range, RangeError, RangeHeader, Request, RtpInfo, RtpInfoEntry,
    SessionHeader, StatusCode,
};
use crate::wire::url::RequestTarget;
use std::time::Duration;

/// What handling a request led to.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Answer),
    /// A probe goes on; ask again.
    Wait,
}

/// What a URL names.
#[derive(Debug)]
pub(super) enum Target {
    Found { media_session: MediaSessionId, name: String, track: Option<usize> },
    Pending,
}

enum Lookup {
    Found(MediaSessionId),
    NotFound,
    Unusable,
    Pending,
}

/// Tracks of one media session that a request is about.
struct Scope {
    session: ClientSessionId,
    name: String,
    media_session: MediaSessionId,
    track: Option<usize>,
    tracks: Vec<(usize, TrackSetup)>,
    was_played: bool,
}

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
            Admission::Allow(user) => match self.dispatch(env, id, &request, user.as_deref()) {
                Ok(Outcome::Answer(answer)) => answer,
                Err(refusal) => *refusal,
                Ok(Outcome::Wait) => {
                    if let Some(connection) = self.connections.get_mut(id) {
                        connection.waiting = Some(Box::new(request));
                        self.waiting.push(id);
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
        for id in std::mem::take(&mut self.waiting) {
            let Some(connection) = self.connections.get_mut(id) else { continue };
            let Some(request) = connection.waiting.take() else { continue };
            self.handle_request(env, id, *request);
            let resumed = self.connections.get(id).is_some_and(|c| c.waiting.is_none());
            if resumed {
                self.process_input(env, id);
            }
            self.settle_connection(env, id);
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
        id: ConnectionId,
        request: &Request,
        user: Option<&str>,
    ) -> Result<Outcome, Refusal> {
        if request.headers.cseq().is_none() {
            return Err(StatusCode::BAD_REQUEST.into());
        }
        let required: Vec<_> = ["Require", "Proxy-Require"]
            .into_iter()
            .filter_map(|name| request.headers.joined(name))
            .collect();
        let required = required.join(", ");
        let unknown: Vec<_> = unsupported(&required, &[]).collect();
        if !unknown.is_empty() {
            return Err(Answer::new(StatusCode::OPTION_NOT_SUPPORTED)
                .header("Unsupported", unknown.join(", "))
                .into());
        }
        let answer = match &request.method {
            Method::Options => self.options(env, id, request, user)?,
            Method::Describe => return self.describe(env, id, request, user),
            Method::Setup => return self.setup(env, id, request, user),
            Method::Play => self.play(env, id, request, user)?,
            Method::Pause => self.pause(env, id, request, user)?,
            Method::Teardown => self.teardown(env, id, request, user)?,
            Method::GetParameter => self.parameter(env, id, request, user, false)?,
            Method::SetParameter => self.parameter(env, id, request, user, true)?,
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
        id: ConnectionId,
        request: &Request,
        user: Option<&str>,
    ) -> Result<Option<ClientSessionId>, Refusal> {
        let Some(header) = request.headers.value("Session") else { return Ok(None) };
        let unknown = || Refusal::from(StatusCode::SESSION_NOT_FOUND);
        let header: SessionHeader = header.parse().map_err(|_| unknown())?;
        let peer = self.connections.get(id).ok_or_else(unknown)?.peer;
        let requester = Requester { peer, connection: Some(id.raw()), user };
        let session = self.pool.find_entitled(&header.id, &requester, env.now());
        session.map(Some).ok_or_else(unknown)
    }

    /// What a request's URL names, for requests that need no session.
    pub(super) fn find_target(
        &mut self,
        env: &mut UsageEnvironment,
        request: &Request,
    ) -> Result<Target, Refusal> {
        let (base, control) = split_control(request.url.as_str());
        let name = stream_name(base)?;
        match self.look_up(env, &name) {
            Lookup::Pending => return Ok(Target::Pending),
            Lookup::Found(media_session) => {
                let track = match control {
                    None => None,
                    Some(control) => {
                        let index = self
                            .media_sessions
                            .get(media_session)
                            .and_then(|s| s.track_index(control));
                        Some(index.ok_or(StatusCode::NOT_FOUND)?)
                    }
                };
                return Ok(Target::Found { media_session, name, track });
            }
            Lookup::Unusable => return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into()),
            Lookup::NotFound => {}
        }
        // A stream may itself be called "track1".
        let Some(control) = control else { return Err(StatusCode::NOT_FOUND.into()) };
        let name = format!("{name}/{control}");
        match self.look_up(env, name.trim_start_matches('/')) {
            Lookup::Found(media_session) => Ok(Target::Found { media_session, name, track: None }),
            Lookup::Pending => Ok(Target::Pending),
            Lookup::Unusable => Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into()),
            Lookup::NotFound => Err(StatusCode::NOT_FOUND.into()),
        }
    }

    /// By name in the table, then through the application's provider.
    fn look_up(&mut self, env: &mut UsageEnvironment, name: &str) -> Lookup {
        if let Some(&id) = self.names.get(name) {
            let made_from = self.media_sessions.get(id).and_then(|s| s.provided);
            let now = made_from.and_then(|_| self.provider.as_mut()?.identity(name));
            if made_from == now {
                self.note_use(env, id);
                return Lookup::Found(id);
            }
            // What stands behind the name has changed: who watches the old one streams on.
            self.remove_server_media_session(env, id);
        }
        let Some(provider) = &mut self.provider else { return Lookup::NotFound };
        if name.is_empty() {
            return Lookup::NotFound;
        }
        match provider.poll_session(name, &mut self.probe_budget) {
            SessionPoll::Found(mut session) => {
                session.provided = provider.identity(name);
                match self.add_server_media_session(env, *session) {
                    Ok(id) if self.names.get(name) == Some(&id) => {
                        self.note_use(env, id);
                        Lookup::Found(id)
                    }
                    Ok(_) => Lookup::NotFound,
                    Err(e) => {
                        log::error!("{name:?}: {e}");
                        Lookup::Unusable
                    }
                }
            }
            SessionPoll::NotFound => Lookup::NotFound,
            SessionPoll::Unusable(why) => {
                log::warn!("{name:?} cannot be streamed: {why}");
                Lookup::Unusable
            }
            SessionPoll::Pending => Lookup::Pending,
        }
    }

    /// What a request with a session is about.
    fn scope(
        &mut self,
        env: &UsageEnvironment,
        id: ConnectionId,
        request: &Request,
        user: Option<&str>,
    ) -> Result<Scope, Refusal> {
        let session =
            self.session_of(env, id, request, user)?.ok_or(StatusCode::SESSION_NOT_FOUND)?;
        let state = self.pool.session(session).ok_or(StatusCode::SESSION_NOT_FOUND)?;
        let (base, control) = split_control(request.url.as_str());
        let (name, media) = if base == "*" {
            state.media().next().ok_or(StatusCode::NOT_FOUND)?
        } else {
            let path = stream_name(base)?;
            let found = state.media().find(|(name, _)| *name == path);
            let with_control = || {
                let path = format!("{path}/{}", control?);
                state.media().find(|(name, _)| *name == path.trim_start_matches('/'))
            };
            found.or_else(with_control).ok_or(StatusCode::NOT_FOUND)?
        };
        let media_state =
            self.media_sessions.get(media.media_session).ok_or(StatusCode::NOT_FOUND)?;
        let track = match control {
            Some(control) if !name.ends_with(control) => {
                Some(media_state.track_index(control).ok_or(StatusCode::NOT_FOUND)?)
            }
            _ => None,
        };
        let tracks: Vec<_> = media.selected(track).map(|(i, t)| (i, t.clone())).collect();
        if tracks.is_empty() {
            // The track was not set up.
            return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
        }
        Ok(Scope {
            session,
            name: name.to_owned(),
            media_session: media.media_session,
            track,
            tracks,
            was_played: media.was_played,
        })
    }

    /// 460 where a track would be controlled without the others that come from the same
    /// demultiplexer.
    fn check_aggregate(&self, scope: &Scope) -> Result<(), Refusal> {
        let only = self
            .media_sessions
            .get(scope.media_session)
            .is_some_and(|s| s.aggregate_control_only());
        let set_up = self
            .pool
            .session(scope.session)
            .and_then(|s| s.lookup(&scope.name))
            .map_or(0, |found| found.media.tracks().count());
        if only && scope.track.is_some() && set_up > 1 {
            return Err(StatusCode::ONLY_AGGREGATE_OPERATION_ALLOWED.into());
        }
        Ok(())
    }

    fn session_header(&self, session: ClientSessionId) -> String {
        self.pool.session(session).map(|s| s.header()).unwrap_or_default()
    }

    // OPTIONS, GET_PARAMETER, SET_PARAMETER

    fn options(
        &mut self,
        env: &UsageEnvironment,
        id: ConnectionId,
        request: &Request,
        user: Option<&str>,
    ) -> Result<Answer, Refusal> {
        let session = self.session_of(env, id, request, user)?;
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
        id: ConnectionId,
        request: &Request,
        user: Option<&str>,
        set: bool,
    ) -> Result<Answer, Refusal> {
        let session = self.session_of(env, id, request, user)?;
        let mut answer = Answer::ok();
        if let Some(session) = session {
            answer = answer.header("Session", self.session_header(session));
        }
        let body = String::from_utf8_lossy(&request.body);
        if body.trim().is_empty() {
            return Ok(answer);
        }
        if set {
            let understood = self.hooks.set_parameter(&request.body);
            return if understood {
                Ok(answer)
            } else {
                Err(StatusCode::PARAMETER_NOT_UNDERSTOOD.into())
            };
        }
        let scope = self.scope(env, id, request, user)?;
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
        id: ConnectionId,
        request: &Request,
        user: Option<&str>,
    ) -> Result<Outcome, Refusal> {
        self.session_of(env, id, request, user)?;
        if let Some(accept) = request.headers.joined("Accept") {
            if !accepts(&accept, "application/sdp") {
                return Err(StatusCode::NOT_ACCEPTABLE.into());
            }
        }
        let (media_session, track) = match self.find_target(env, request)? {
            Target::Pending => return Ok(Outcome::Wait),
            Target::Found { media_session, track, .. } => (media_session, track),
        };
        if track.is_some() {
            return Err(StatusCode::NOT_FOUND.into());
        }
        let local = self.connections.get(id).ok_or(StatusCode::BAD_REQUEST)?.local;
        let session = self.media_sessions.get(media_session).ok_or(StatusCode::NOT_FOUND)?;
        let sdp = session
            .sdp(local.ip())
            .ok_or_else(|| Answer::new(StatusCode::SERVICE_UNAVAILABLE).header("Retry-After", 1))?;
        let base = format!("{}/", request.url.as_str().trim_end_matches('/'));
        Ok(Outcome::Answer(Answer {
            body: Some(("application/sdp", sdp.into_bytes())),
            ..Answer::ok().header("Content-Base", base)
        }))
    }

    // PLAY

    fn play(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        request: &Request,
        user: Option<&str>,
    ) -> Result<Answer, Refusal> {
        let scope = self.scope(env, id, request, user)?;
        self.check_aggregate(&scope)?;
        let scale = match request.headers.value("Scale") {
            None => None,
            Some(value) => {
                let wanted = parse_scale(value).map_err(|_| StatusCode::BAD_REQUEST)?;
                Some(self.set_scale(&scope, wanted))
            }
        };
        let range = match request.headers.value("Range") {
            None => None,
            Some(value) => Some(value.parse::<RangeHeader>().map_err(|e| match e {
                RangeError::Invalid => StatusCode::BAD_REQUEST,
                RangeError::Unsupported => StatusCode::INVALID_RANGE,
            })?),
        };
        let (start, stop) = self.asked_range(&scope, range.as_ref())?;
        let npt = self.position_tracks(env, &scope, start, stop)?;
        let now = env.now();
        let mut info = RtpInfo::default();
        for (_, track) in &scope.tracks {
            if let Some(stream) = self.streams.get(track.stream) {
                let (seq, rtptime) = stream.next_packet(now, npt);
                info.entries.push(RtpInfoEntry { url: track.url.clone(), seq: Some(seq), rtptime });
            }
        }
        if let Some(media) = self.pool.session_mut(scope.session) {
            if let Some((media, _)) = media.lookup_mut(&scope.name) {
                media.was_played = true;
            }
        }
        let duration = self.media_sessions.get(scope.media_session).and_then(|s| s.duration());
        let end = stop.or(duration);
        let mut answer = Answer::ok().header("Range", RangeHeader::from(Range::npt(npt, end)));
        if let Some(scale) = scale {
            answer = answer.header("Scale", Scale(scale));
        }
        Ok(answer
            .header("Session", self.session_header(scope.session))
            .header("RTP-Info", info)
            .then(Then::Start {
                session: scope.session,
                path: scope.name,
                track: scope.track,
                npt,
            }))
    }

    /// Start (`None`: where it stands) and end of a Range, or 457.
    fn asked_range(
        &self,
        scope: &Scope,
        range: Option<&RangeHeader>,
    ) -> Result<(Option<Duration>, Option<Duration>), Refusal> {
        let Some(RangeHeader { range, .. }) = range else { return Ok((None, None)) };
        let invalid = || Refusal::from(StatusCode::INVALID_RANGE);
        // Recorded media have no universal time here.
        let (mut start, stop) = range.as_npt().ok_or_else(invalid)?;
        let session = self.media_sessions.get(scope.media_session).ok_or_else(invalid)?;
        let length = session.longest_duration();
        match length {
            Some(length) if start.is_some_and(|s| s > length) => return Err(invalid()),
            // Live: only the beginning, which is now.
            None if start.is_some_and(|s| !s.is_zero()) => return Err(invalid()),
            None => start = None,
            Some(_) => {}
        }
        if stop.is_some_and(|stop| start.is_some_and(|start| stop < start)) {
            return Err(invalid());
        }
        if matches!(range, Range::Npt { start: Some(NptTime::Now), .. }) {
            start = None;
        }
        Ok((start, stop))
    }

    fn set_scale(&mut self, scope: &Scope, wanted: f32) -> f32 {
        let mut used = 1.0;
        for (index, track) in &scope.tracks {
            let Some(stream) = self.streams.get_mut(track.stream).filter(|s| !s.shared) else {
                continue;
            };
            let factory = self
                .media_sessions
                .get_mut(scope.media_session)
                .and_then(|s| s.subsession_mut(*index)?.factory());
            if let Some(factory) = factory {
                used = factory.set_stream_source_scale(stream.source_mut(), wanted);
            }
        }
        used
    }

    /// Brings the tracks to where they are to start, and tells where that is.
    fn position_tracks(
        &mut self,
        env: &mut UsageEnvironment,
        scope: &Scope,
        start: Option<Duration>,
        stop: Option<Duration>,
    ) -> Result<Duration, Refusal> {
        let now = env.now();
        // Where one has ended, all begin anew.
        let over = |s: &Self| {
            scope.tracks.iter().all(|(_, t)| s.streams.get(t.stream).is_none_or(|s| s.has_ended()))
        };
        let start = start.or_else(|| over(self).then_some(Duration::ZERO));
        let mut npt = None;
        for (index, track) in &scope.tracks {
            let Some(stream) = self.streams.get(track.stream) else { continue };
            if stream.shared || track.is_multicast {
                self.with_stream(env, track.stream, |s, _, w| s.prepare(w, now));
                let at = self.streams.get(track.stream).map(|s| s.npt());
                npt = npt.into_iter().chain(at).min();
                continue;
            }
            if let Some(start) = start {
                self.seek_track(env, scope.media_session, *index, track, start)?;
            }
            let at = self.with_stream(env, track.stream, |s, _, w| {
                s.set_stop(stop);
                s.prepare(w, now);
                s.npt()
            });
            npt = npt.into_iter().chain(at).min();
        }
        Ok(npt.unwrap_or_default())
    }

    fn seek_track(
        &mut self,
        env: &mut UsageEnvironment,
        media_session: MediaSessionId,
        index: usize,
        track: &TrackSetup,
        npt: Duration,
    ) -> Result<(), Refusal> {
        let fresh = self.streams.get(track.stream).is_some_and(|s| s.is_fresh());
        if npt.is_zero() && fresh {
            return Ok(());
        }
        let now = env.now();
        let Some(stream) = self.streams.get_mut(track.stream) else { return Ok(()) };
        stream.pause(env, track.destination);
        let session = self.media_sessions.get_mut(media_session);
        let factory = session.and_then(|s| s.subsession_mut(index)?.factory());
        let sought = stream.seek_with(&mut self.demuxers, now, |source, cx| match factory {
            Some(factory) => factory.seek_stream_source(source, npt, cx),
            None => source.seek(npt, cx),
        });
        match sought {
            Ok(_) => Ok(()),
            Err(SeekError::NotSeekable) if npt.is_zero() => Ok(()),
            Err(SeekError::NotSeekable | SeekError::OutOfRange) => {
                Err(StatusCode::INVALID_RANGE.into())
            }
            Err(SeekError::Failed(why)) => {
                log::warn!("seek to {npt:?}: {why}");
                Err(StatusCode::INTERNAL_SERVER_ERROR.into())
            }
        }
    }

    fn start_tracks(
        &mut self,
        env: &mut UsageEnvironment,
        session: ClientSessionId,
        path: &str,
        track: Option<usize>,
        npt: Duration,
    ) {
        let Some(found) = self.pool.session(session).and_then(|s| s.lookup(path)) else { return };
        let tracks: Vec<_> = found.media.selected(track).map(|(_, t)| t.clone()).collect();
        for track in tracks.iter().filter(|t| !t.is_multicast) {
            self.start_destination(env, track.stream, track.destination, npt);
        }
    }

    // PAUSE and TEARDOWN

    fn pause(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        request: &Request,
        user: Option<&str>,
    ) -> Result<Answer, Refusal> {
        let scope = self.scope(env, id, request, user)?;
        self.check_aggregate(&scope)?;
        if !scope.was_played {
            return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
        }
        for (_, track) in scope.tracks.iter().filter(|(_, t)| !t.is_multicast) {
            self.with_stream(env, track.stream, |s, env, _| s.pause(env, track.destination));
        }
        let npt = self.position(&scope);
        Ok(Answer::ok()
            .header("Range", RangeHeader::from(Range::npt(npt, None)))
            .header("Session", self.session_header(scope.session)))
    }

    fn teardown(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        request: &Request,
        user: Option<&str>,
    ) -> Result<Answer, Refusal> {
        let scope = self.scope(env, id, request, user)?;
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

/// Splits the control of a track off a URL: a last segment `track` and a number. Players append
/// it to the aggregate URL, query and all, so it is looked for in the raw text.
pub(super) fn split_control(url: &str) -> (&str, Option<&str>) {
    let url = url.trim_end_matches('/');
    if let Some((base, last)) = url.rsplit_once('/') {
        let number = last.strip_prefix("track").unwrap_or_default();
        if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
            return (base, Some(last));
        }
    }
    (url, None)
}

/// The stream name in a URL: its path, decoded, without the outer slashes. 404 where a segment
/// could be taken for more than one, 400 where there is none.
fn stream_name(url: &str) -> Result<String, Refusal> {
    let target: RequestTarget = url.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    let path = target.path().ok_or(StatusCode::BAD_REQUEST)?;
    let segments = path.decoded_segments().map_err(|_| StatusCode::NOT_FOUND)?;
    let odd = |s: &String| s.contains(['/', '\\', '\0']) || s == ".." || s == ".";
    if segments.iter().any(odd) {
        return Err(StatusCode::NOT_FOUND.into());
    }
    Ok(segments.join("/").trim_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_is_split_off_behind_a_query_too() {
        assert_eq!(split_control("rtsp://h/a.mkv/track2"), ("rtsp://h/a.mkv", Some("track2")));
        assert_eq!(split_control("rtsp://h/a?x=1/track1/"), ("rtsp://h/a?x=1", Some("track1")));
        assert_eq!(split_control("rtsp://h/tracks"), ("rtsp://h/tracks", None));
        assert_eq!(split_control("rtsp://h/track"), ("rtsp://h/track", None));
        assert_eq!(split_control("*"), ("*", None));
    }

    #[test]
    fn names_do_not_smuggle_separators() {
        assert_eq!(stream_name("rtsp://h/a%20file.mkv").unwrap(), "a file.mkv");
        assert_eq!(stream_name("rtsp://h/dir/x.ts?q").unwrap(), "dir/x.ts");
        for bad in ["rtsp://h/..%2fx", "rtsp://h/a%00", "rtsp://h/%2e%2e/x", "rtsp://h/a/../b"] {
            let status = stream_name(bad).unwrap_err().status;
            assert_eq!(status, StatusCode::NOT_FOUND, "{bad}");
        }
    }
}
