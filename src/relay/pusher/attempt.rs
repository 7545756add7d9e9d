//! One attempt to push, from OPTIONS to RECORD, and its end.

use super::Pusher;
use crate::client::AttemptError;
use crate::client::keep_alive::{FailedRequest, KeepAlive};
use crate::client::requests;
use crate::client::{ClientEvent, RequestFailure, RequestId, RtspClient};
use crate::env::UsageEnvironment;
use crate::relay::pusher::event::PushEvent;
use crate::relay::pusher::phase::{Phase, Step, Way};
use crate::wire::Oddities;
use crate::wire::rtsp::{Method, Range, Response, SessionHeader, StatusCode};
use crate::wire::url::RtspUrl;
use std::io;
use std::time::Duration;

/// A stream that was taken for so long was taken: the next failure is the first.
const SETTLED: Duration = Duration::from_secs(5);

impl Pusher {
    /// Begins an attempt.
    pub(super) fn begin(&mut self, env: &mut UsageEnvironment) {
        if self.stream_first {
            // Nobody is to wait for what may not come for hours.
            self.describe(env);
        } else {
            self.connect(env);
        }
    }

    pub(super) fn connect(&mut self, env: &mut UsageEnvironment) {
        self.tell(env, PushEvent::Connecting);
        let Ok(url) = RtspUrl::parse(&self.url) else { return };
        self.announced_url = url.to_string();
        let Some(client) = &mut self.client else { return };
        if let Err(e) = client.set_server(env, &url) {
            let why = io::Error::new(io::ErrorKind::InvalidInput, e.to_string());
            return self.lose(env, AttemptError::Io(why));
        }
        let options = requests::options(&self.announced_url, None);
        if let Some(request) = self.send(env, options) {
            self.phase = Phase::Asking(request);
        }
    }

    /// Goes on where there is something left to do.
    pub(super) fn go_on(&mut self, env: &mut UsageEnvironment) {
        if !self.has_asked {
            self.connect(env);
        } else if self.announced.is_empty() {
            self.describe(env);
        } else {
            self.announce(env);
        }
    }

    fn announce(&mut self, env: &mut UsageEnvironment) {
        let announce = requests::announce(&self.announced_url, None, self.announced.clone());
        if let Some(request) = self.send(env, announce) {
            self.phase = Phase::Announcing(request);
        }
    }

    pub(super) fn record(&mut self, env: &mut UsageEnvironment) {
        let range = Some(Range::npt(Duration::ZERO, None));
        let record = requests::record(&self.announced_url, self.session.as_deref(), range);
        if let Some(request) = self.send(env, record) {
            self.phase = Phase::Starting(request);
        }
    }

    // The end of an attempt

    /// The attempt has failed.
    pub(super) fn lose(&mut self, env: &mut UsageEnvironment, why: AttemptError) {
        let recorded_since = match self.phase {
            Phase::Recording { since } => Some(since),
            _ => None,
        };
        self.hang_up(env);
        let now = env.now();
        match recorded_since {
            Some(since) => {
                if now.saturating_duration_since(since) >= SETTLED {
                    self.failures = 0;
                }
                self.lost_at.get_or_insert(now);
                self.tell(env, PushEvent::Lost(&why));
            }
            None => {
                // What was found out about the way may be wrong.
                self.over_tcp = None;
                self.tell(env, PushEvent::Failed(&why));
            }
        }
        self.failures = self.failures.saturating_add(1);
        let policy = self.config.reconnect;
        if policy.max_failures.is_some_and(|most| self.failures >= most) {
            self.phase = Phase::Over;
            return self.tell(env, PushEvent::GaveUp);
        }
        let (failures, delay) = (self.failures, policy.delay(self.failures, env.random_u32()));
        self.phase = Phase::Waiting { until: now.checked_add(delay) };
        self.tell(env, PushEvent::Retrying { delay, failures });
    }

    /// The stream cannot be watched.
    pub(super) fn await_stream(&mut self, env: &mut UsageEnvironment, status: StatusCode) {
        self.hang_up(env);
        self.stream_first = true;
        self.absences = self.absences.saturating_add(1);
        let policy = self.config.reconnect;
        // One whose source is away is asked for again at once: the response waits for the source.
        let is_away = status == StatusCode::SERVICE_UNAVAILABLE;
        let failures = if is_away { 1 } else { self.absences };
        let delay = policy.delay(failures, env.random_u32());
        self.phase = Phase::Waiting { until: env.now().checked_add(delay) };
        if self.absences == 1 {
            self.tell(env, PushEvent::Unavailable(status));
        }
    }

    /// The stream has come to its end, or is another one now.
    pub(super) fn end_stream(&mut self, env: &mut UsageEnvironment) {
        let recorded_since = match self.phase {
            Phase::Recording { since } => Some(since),
            _ => None,
        };
        self.hang_up(env);
        self.stream_first = true;
        let now = env.now();
        // Not in a circle without a rest.
        let settled = recorded_since.and_then(|since| since.checked_add(SETTLED));
        let delay = match settled {
            Some(settled) if now >= settled => Duration::ZERO,
            _ => self.config.reconnect.delay(1, env.random_u32()),
        };
        self.phase = Phase::Waiting { until: now.checked_add(delay) };
        self.tell(env, PushEvent::Ended);
    }

    /// Ends the session of the other server, if it can be reached, and all that belongs to the
    /// attempt.
    pub(super) fn hang_up(&mut self, env: &mut UsageEnvironment) {
        self.viewer.close(env);
        if let Some(session) = self.session.take() {
            let teardown = requests::teardown(&self.announced_url, Some(&session));
            self.send(env, teardown);
        }
        if let Some(client) = &mut self.client {
            client.close(env);
        }
        for track in self.tracks.drain(..) {
            if let Some(Way::Udp { sockets, .. }) = track.way {
                sockets.close(env);
            }
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        if let Phase::SettingUp(setup) = phase {
            if let Some(sockets) = setup.sockets {
                sockets.close(env);
            }
        }
        (self.has_asked, self.takes_get_parameter) = (false, false);
        (self.described, self.announced) = (Vec::new(), String::new());
        self.session_timeout = None;
        self.keep_alive = KeepAlive::default();
        self.answers_keep_alive = false;
        self.heard_at = None;
    }

    // News of the client

    pub(super) fn handle_client_event(&mut self, env: &mut UsageEnvironment, event: ClientEvent) {
        match event {
            ClientEvent::Connected { peer } => self.tell(env, PushEvent::Connected { peer }),
            ClientEvent::Redirected { request, url } => {
                if matches!(self.phase, Phase::Asking(id) | Phase::Announcing(id) if id == request)
                {
                    self.announced_url = url;
                }
            }
            ClientEvent::Response { request, response } => {
                self.handle_response(env, request, &response);
            }
            ClientEvent::Failed { request, why } => self.handle_failure(env, request, why),
            ClientEvent::ServerRequest(request) => {
                if request.method == Method::Teardown && self.session.is_some() {
                    self.lose(env, AttemptError::EndedByServer);
                }
            }
            ClientEvent::Disconnected(why) => match self.phase {
                Phase::Waiting { .. } | Phase::Over => {}
                _ => self.lose(env, AttemptError::Disconnected(why)),
            },
        }
    }

    /// The method of a request that the attempt waits for.
    fn method_of(&self, request: RequestId) -> Option<Method> {
        let (of_phase, method) = match &self.phase {
            Phase::Asking(id) => (*id, Method::Options),
            Phase::Announcing(id) => (*id, Method::Announce),
            Phase::SettingUp(setup) => (setup.request, Method::Setup),
            Phase::Starting(id) => (*id, Method::Record),
            _ => return None,
        };
        (of_phase == request).then_some(method)
    }

    fn handle_failure(
        &mut self,
        env: &mut UsageEnvironment,
        request: RequestId,
        why: RequestFailure,
    ) {
        match self.keep_alive.failed(request, &why) {
            FailedRequest::KeepAlive => return self.handle_silence(env, why),
            FailedRequest::WithConnection => return,
            FailedRequest::OfAttempt => {}
        }
        if let Some(method) = self.method_of(request) {
            self.lose(env, AttemptError::Request(method, why));
        }
    }

    fn handle_response(
        &mut self,
        env: &mut UsageEnvironment,
        request: RequestId,
        response: &Response<'_>,
    ) {
        self.keep_alive.note_response();
        if self.keep_alive.take_answer(request) {
            self.answers_keep_alive = true;
            if response.status == StatusCode::SESSION_NOT_FOUND && self.is_recording() {
                self.lose(env, AttemptError::EndedByServer);
            }
            return;
        }
        let Some(method) = self.method_of(request) else { return };
        if method == Method::Options {
            // That a server does not know OPTIONS says nothing of ANNOUNCE.
            let public = response.headers.joined("Public").unwrap_or_default();
            self.takes_get_parameter =
                public.split(',').any(|m| m.trim() == Method::GetParameter.as_str());
            self.has_asked = true;
            return self.go_on(env);
        }
        if !response.status.is_success() {
            if method == Method::Setup && self.try_tcp(env) {
                return;
            }
            return self.lose(env, AttemptError::Status(method, response.status));
        }
        if let Some(session) = response.headers.value("Session") {
            if let Some(session) = SessionHeader::of_answer(session, &mut Oddities::new()) {
                self.session = Some(session.id.to_owned());
                let seconds = session.timeout.map(|seconds| Duration::from_secs(seconds.into()));
                self.session_timeout = seconds.or(self.session_timeout);
            }
        }
        match method {
            // The controls belong to the URL where the announcement was taken.
            Method::Announce => match self.read_tracks() {
                Ok(()) => self.set_up(env, 0),
                Err(why) => self.lose(env, AttemptError::Description(why)),
            },
            Method::Setup => self.handle_setup(env, response),
            _ if self.client.as_ref().and_then(RtspClient::ends).is_some() => {
                self.ask_stream(env, Step::Playing);
            }
            _ => {}
        }
    }
}
