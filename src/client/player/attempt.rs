//! One attempt to play, from OPTIONS to PLAY, and its end.

use crate::client::attempt::AttemptError;
use crate::client::back_channel::{BACK_CHANNEL_TAG, BackChannel};
use crate::client::event::{ClientEvent, Disconnection, RequestFailure, RequestId};
use crate::client::keep_alive::{FailedRequest, KeepAlive};
use crate::client::player::Player;
use crate::client::player::event::{PlayerEnd, PlayerEvent};
use crate::client::player::phase::Phase;
use crate::client::player::server_facts::ServerFacts;
use crate::client::player::session::ServerSessions;
use crate::client::requests;
use crate::client::track::Track;
use crate::client::transport::MediaTransport;
use crate::description::{ContentFacts, MediaSession};
use crate::env::UsageEnvironment;
use crate::wire::rtsp::{Method, Response, StatusCode};
use crate::wire::url::{Redacted, RtspUrl};
use std::io;
use std::time::Duration;

impl Player {
    pub(super) fn connect(&mut self, env: &mut UsageEnvironment) {
        let Ok(url) = RtspUrl::parse(&self.url) else { return };
        self.described_url = url.to_string();
        self.has_changed_transport = false;
        self.refuses_get_parameter = false;
        self.server = ServerFacts::default();
        let Some(client) = &mut self.client else { return };
        if let Err(e) = client.set_server(env, &url) {
            let why = io::Error::new(io::ErrorKind::InvalidInput, e.to_string());
            return self.lose(env, AttemptError::Io(why));
        }
        if !self.config.options_first {
            return self.describe(env, true);
        }
        let options = requests::options(&self.described_url, None);
        if let Some(request) = self.send(env, options) {
            self.phase = Phase::Asking(request);
        }
    }

    /// The attempt has failed.
    pub(super) fn lose(&mut self, env: &mut UsageEnvironment, why: AttemptError) {
        self.hang_up(env);
        self.without_back_channel = false;
        if self.is_paused {
            // Until it is to play again.
            self.phase = Phase::Waiting { until: None };
            return self.tell(env, PlayerEvent::Lost(why));
        }
        self.failures = self.failures.saturating_add(1);
        let policy = self.config.reconnect;
        if policy.max_failures.is_some_and(|most| self.failures >= most) {
            return self.end(env, PlayerEnd::Failed(why));
        }
        let delay = policy.delay(self.failures, env.random_u32());
        self.wait(env, why, delay);
    }

    /// What was asked for does not work, and something else is to be tried at once.
    pub(super) fn try_otherwise(&mut self, env: &mut UsageEnvironment, why: AttemptError) {
        self.hang_up(env);
        self.wait(env, why, Duration::ZERO);
    }

    fn wait(&mut self, env: &mut UsageEnvironment, why: AttemptError, delay: Duration) {
        self.phase = Phase::Waiting { until: env.now().checked_add(delay) };
        let failures = self.failures;
        self.tell(env, PlayerEvent::Lost(why));
        self.tell(env, PlayerEvent::Reconnecting { delay, failures });
    }

    pub(super) fn end(&mut self, env: &mut UsageEnvironment, why: PlayerEnd) {
        self.hang_up(env);
        self.phase = Phase::Over;
        env.disarm_timer(&mut self.timer);
        self.tell(env, PlayerEvent::Ended(why));
    }

    /// Ends the server's session, if it can be reached, and all that belongs to the attempt.
    pub(super) fn hang_up(&mut self, env: &mut UsageEnvironment) {
        self.close_tracks(env);
        if !matches!(self.phase, Phase::Stopping { .. }) {
            self.send_teardown(env);
        }
        if let Some(client) = &mut self.client {
            client.close(env);
        }
        if let Phase::SettingUp(setup) = std::mem::replace(&mut self.phase, Phase::Over) {
            if let Some(sockets) = setup.sockets {
                sockets.close(env);
            }
        }
        self.sessions = ServerSessions::default();
        self.play_sent_at = None;
        self.media = None;
        self.keep_alive = KeepAlive::default();
        self.time_line.end_session();
    }

    pub(super) fn close_tracks(&mut self, env: &mut UsageEnvironment) {
        let Self { tracks, handler, client, .. } = self;
        for track in tracks.drain(..) {
            handler(env, PlayerEvent::TrackEnded(track.played()));
            track.close(env, client.as_mut());
        }
        if let Some(back_channel) = self.back_channel.take() {
            back_channel.close(env);
        }
    }

    // News of the client

    pub(super) fn handle_client_event(&mut self, env: &mut UsageEnvironment, event: ClientEvent) {
        match event {
            ClientEvent::Connected { peer } => self.tell(env, PlayerEvent::Connected { peer }),
            ClientEvent::Redirected { url, .. } => self.described_url = url,
            ClientEvent::Response { request, response } => {
                self.handle_response(env, request, &response);
            }
            ClientEvent::Failed { request, why } => self.handle_failure(env, request, why),
            ClientEvent::ServerRequest(request) => {
                if request.method == Method::Teardown && self.has_begun() {
                    self.lose(env, AttemptError::EndedByServer);
                }
            }
            ClientEvent::Disconnected(why) => self.handle_disconnection(env, why),
        }
    }

    fn handle_disconnection(&mut self, env: &mut UsageEnvironment, why: Disconnection) {
        match &self.phase {
            Phase::Waiting { .. } | Phase::Over => {}
            Phase::Stopping { .. } => self.end(env, PlayerEnd::Stopped),
            Phase::Describing { with_back_channel: true, .. } => {
                self.without_back_channel = true;
                self.try_otherwise(env, AttemptError::Disconnected(why));
            }
            Phase::Playing(_) | Phase::Paused { .. } => {
                let needs = |track: &Track| track.transport() == MediaTransport::Tcp;
                // Who only talks has no other sign that nobody listens any more.
                let is_needed = |back: &BackChannel| back.is_tcp() || self.tracks.is_empty();
                let talks = self.back_channel.as_ref().is_some_and(is_needed);
                if !talks && !self.tracks.iter().any(needs) {
                    // Media go on without; the next request makes a connection.
                    log::debug!("{}: {why}", Redacted(&self.described_url));
                    self.keep_alive.note_disconnection(env.now());
                } else if self.has_all() {
                    self.end(env, PlayerEnd::EndOfStream);
                } else {
                    self.lose(env, AttemptError::Disconnected(why));
                }
            }
            _ => self.lose(env, AttemptError::Disconnected(why)),
        }
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
        let method = match &mut self.phase {
            Phase::Asking(id) if *id == request => Method::Options,
            Phase::Describing { request: id, with_back_channel } if *id == request => {
                if *with_back_channel && why == RequestFailure::Timeout {
                    return self.describe(env, false);
                }
                Method::Describe
            }
            Phase::SettingUp(setup) if setup.request == request => {
                if self.is_back_channel_in_setup() {
                    return self.skip_track(env, AttemptError::Request(Method::Setup, why));
                }
                Method::Setup
            }
            Phase::Starting(starting) if starting.pending.contains(&request) => Method::Play,
            Phase::Pausing { pending, .. } if pending.contains(&request) => Method::Pause,
            Phase::Stopping { pending, .. } if pending.contains(&request) => {
                return self.end(env, PlayerEnd::Stopped);
            }
            _ => return,
        };
        self.lose(env, AttemptError::Request(method, why));
    }

    fn handle_response(
        &mut self,
        env: &mut UsageEnvironment,
        request: RequestId,
        response: &Response<'_>,
    ) {
        self.server.note(response);
        self.keep_alive.note_response();
        if let Some(session) = response.headers.value("Session") {
            if self.sessions.note_response(session) && self.has_begun() {
                self.keep_alive.begin(env.now(), self.sessions.keep_alive_interval());
            }
        }
        if self.keep_alive.take_answer(request) {
            match response.status {
                StatusCode::SESSION_NOT_FOUND if self.has_begun() => {
                    self.lose(env, AttemptError::EndedByServer);
                }
                StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                    self.refuses_get_parameter = true;
                }
                _ => {}
            }
            return;
        }
        match &mut self.phase {
            Phase::Asking(id) if *id == request => {
                // That a server does not know OPTIONS says nothing of DESCRIBE.
                self.describe(env, true);
            }
            Phase::Describing { request: id, .. } if *id == request => {
                self.handle_description(env, response);
            }
            Phase::SettingUp(setup) if setup.request == request => {
                self.handle_setup(env, response);
            }
            Phase::Starting(starting) if starting.pending.contains(&request) => {
                self.handle_play(env, request, response);
            }
            Phase::Pausing { pending, .. } if pending.contains(&request) => {
                self.handle_pause(env, request, response);
            }
            Phase::Stopping { pending, .. } if pending.contains(&request) => {
                pending.retain(|pending| *pending != request);
                let is_last = pending.is_empty();
                if self.sessions.follow_refusal(response.status) {
                    self.send_farewell(env);
                } else if is_last {
                    self.end(env, PlayerEnd::Stopped);
                }
            }
            _ => {}
        }
    }

    /// Sends DESCRIBE. Where the back channel is wanted it is asked for, unless that has just been
    /// refused: `may_ask` is false then.
    fn describe(&mut self, env: &mut UsageEnvironment, may_ask: bool) {
        let with_back_channel =
            may_ask && self.config.tracks.wants_back_channel() && !self.without_back_channel;
        let mut describe = requests::describe(&self.described_url);
        let mut timeout = self.config.client.answer_timeout;
        if with_back_channel {
            describe.headers.push("Require", BACK_CHANNEL_TAG);
            timeout = timeout.min(self.config.back_channel_timeout);
        }
        if let Some(request) = self.send_within(env, describe, timeout) {
            self.phase = Phase::Describing { request, with_back_channel };
        }
    }

    fn handle_description(&mut self, env: &mut UsageEnvironment, response: &Response<'_>) {
        if !response.status.is_success() {
            if matches!(self.phase, Phase::Describing { with_back_channel: true, .. }) {
                log::debug!(
                    "{}: no back channel: {}",
                    Redacted(&self.described_url),
                    response.status
                );
                return self.describe(env, false);
            }
            return self.lose(env, AttemptError::Status(Method::Describe, response.status));
        }
        let facts = ContentFacts::of_response(&self.described_url, response);
        let media = MediaSession::new(&response.body, &facts, &self.config.formats);
        let media = match media {
            Ok(media) => media,
            Err(e) => {
                return self.lose(env, AttemptError::Response(Method::Describe, e.to_string()));
            }
        };
        (self.handler)(env, PlayerEvent::Described(&media));
        // What is heard comes first.
        let (sent, received): (Vec<_>, Vec<_>) =
            self.config.tracks.chosen(&media).partition(|track| track.is_back_channel);
        let chosen = received.into_iter().chain(sent.into_iter().take(1));
        let chosen = chosen.map(|track| track.number).collect();
        self.odd = media.odd.clone();
        self.media = Some(media);
        self.set_up_next(env, chosen, None);
    }
}
