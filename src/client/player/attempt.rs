//! One attempt to play, from OPTIONS to PLAY, and its end.

use crate::client::event::{ClientEvent, Disconnection, RequestFailure, RequestId};
use crate::client::media_session::{ContentFacts, MediaSession, MediaSubsession};
use crate::client::player::Player;
use crate::client::player::event::{PlayerEnd, PlayerError, PlayerEvent};
use crate::client::player::phase::{KeepAlive, Phase, Watch};
use crate::client::requests::{self, PlayParameters, position};
use crate::client::track::Track;
use crate::client::transport::MediaTransport;
use crate::env::UsageEnvironment;
use crate::rtp::SessionClock;
use crate::wire::rtsp::{Method, Range, Response, StatusCode};
use crate::wire::url::RtspUrl;
use std::io;
use std::time::Duration;

impl Player {
    pub(super) fn connect(&mut self, env: &mut UsageEnvironment) {
        let Ok(url) = RtspUrl::parse(&self.url) else { return };
        self.described_url = url.to_string();
        self.has_changed_transport = false;
        let Some(client) = &mut self.client else { return };
        if let Err(e) = client.set_server(env, &url) {
            let why = io::Error::new(io::ErrorKind::InvalidInput, e.to_string());
            return self.lose(env, PlayerError::Io(why));
        }
        let options = requests::options(&self.described_url, None);
        if let Some(request) = self.send(env, options) {
            self.phase = Phase::Asking(request);
        }
    }

    /// The attempt has failed.
    pub(super) fn lose(&mut self, env: &mut UsageEnvironment, why: PlayerError) {
        self.hang_up(env);
        self.failures = self.failures.saturating_add(1);
        let policy = self.config.reconnect;
        if policy.max_failures.is_some_and(|most| self.failures >= most) {
            return self.end(env, PlayerEnd::Failed(why));
        }
        let delay = policy.delay(self.failures, env.random_u32());
        self.wait(env, why, delay);
    }

    /// The way of the media does not work, and another is to be tried at once.
    pub(super) fn change_transport(&mut self, env: &mut UsageEnvironment, why: PlayerError) {
        self.hang_up(env);
        self.wait(env, why, Duration::ZERO);
    }

    fn wait(&mut self, env: &mut UsageEnvironment, why: PlayerError, delay: Duration) {
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
        self.session = None;
        self.media = None;
        self.keep_alive = KeepAlive::default();
        self.time_line.end_session();
    }

    pub(super) fn close_tracks(&mut self, env: &mut UsageEnvironment) {
        for track in self.tracks.drain(..) {
            track.close(env, self.client.as_mut());
        }
    }

    pub(super) fn send_teardown(&mut self, env: &mut UsageEnvironment) -> Option<RequestId> {
        let session = self.session_id()?;
        let teardown = requests::teardown(&self.media.as_ref()?.control_url, Some(session));
        self.client.as_ref().filter(|client| client.ends().is_some())?;
        self.send(env, teardown)
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
                if request.method == Method::Teardown && self.is_playing() {
                    self.lose(env, PlayerError::EndedByServer);
                }
            }
            ClientEvent::Disconnected(why) => self.handle_disconnection(env, why),
        }
    }

    fn handle_disconnection(&mut self, env: &mut UsageEnvironment, why: Disconnection) {
        match &self.phase {
            Phase::Waiting { .. } | Phase::Over => {}
            Phase::Stopping { .. } => self.end(env, PlayerEnd::Stopped),
            Phase::Playing(_) => {
                let needs = |track: &Track| track.transport() == MediaTransport::Tcp;
                if !self.tracks.iter().any(needs) {
                    // Media go on without; the next request makes a connection.
                    log::debug!("{}: {why}", self.described_url);
                } else if self.has_all() {
                    self.end(env, PlayerEnd::EndOfStream);
                } else {
                    self.lose(env, PlayerError::Disconnected(why));
                }
            }
            _ => self.lose(env, PlayerError::Disconnected(why)),
        }
    }

    fn handle_failure(
        &mut self,
        env: &mut UsageEnvironment,
        request: RequestId,
        why: RequestFailure,
    ) {
        if self.keep_alive.take_answer(request) || why == RequestFailure::Disconnected {
            // Of the end of the connection there is news of its own.
            return;
        }
        let method = match &self.phase {
            Phase::Asking(id) if *id == request => Method::Options,
            Phase::Describing(id) if *id == request => Method::Describe,
            Phase::SettingUp(setup) if setup.request == request => Method::Setup,
            Phase::Starting(id) if *id == request => Method::Play,
            Phase::Stopping { request: id, .. } if *id == request => {
                return self.end(env, PlayerEnd::Stopped);
            }
            _ => return,
        };
        self.lose(env, PlayerError::Request(method, why));
    }

    fn handle_response(
        &mut self,
        env: &mut UsageEnvironment,
        request: RequestId,
        response: &Response<'_>,
    ) {
        if self.keep_alive.take_answer(request) {
            if response.status == StatusCode::SESSION_NOT_FOUND && self.is_playing() {
                self.lose(env, PlayerError::EndedByServer);
            }
            return;
        }
        match &self.phase {
            Phase::Asking(id) if *id == request => self.describe(env, response),
            Phase::Describing(id) if *id == request => self.handle_description(env, response),
            Phase::SettingUp(setup) if setup.request == request => {
                self.handle_setup(env, response);
            }
            Phase::Starting(id) if *id == request => self.handle_play(env, response),
            Phase::Stopping { request: id, .. } if *id == request => {
                self.end(env, PlayerEnd::Stopped);
            }
            _ => {}
        }
    }

    /// OPTIONS is answered; that a server does not know it says nothing of DESCRIBE.
    fn describe(&mut self, env: &mut UsageEnvironment, response: &Response<'_>) {
        self.has_get_parameter = response.headers.lists("Public", "GET_PARAMETER");
        let describe = requests::describe(&self.described_url);
        if let Some(request) = self.send(env, describe) {
            self.phase = Phase::Describing(request);
        }
    }

    fn handle_description(&mut self, env: &mut UsageEnvironment, response: &Response<'_>) {
        if !response.status.is_success() {
            return self.lose(env, PlayerError::Status(Method::Describe, response.status));
        }
        let facts = ContentFacts::of_response(&self.described_url, response);
        let media = MediaSession::new(&response.body, &facts, &self.config.formats);
        let media = match media {
            Ok(media) => media,
            Err(e) => {
                return self.lose(env, PlayerError::Response(Method::Describe, e.to_string()));
            }
        };
        (self.handler)(env, PlayerEvent::Described(&media));
        let chosen = self.config.tracks.chosen(&media).map(|track| track.number).collect();
        self.odd = media.odd.clone();
        self.media = Some(media);
        self.set_up_next(env, chosen, None);
    }

    // PLAY

    pub(super) fn start(&mut self, env: &mut UsageEnvironment) {
        let Some(media) = &self.media else { return };
        self.session_clock = SessionClock::new(self.tracks.len());
        // Servers exist that play nothing without a range.
        let range = self.config.play.range.unwrap_or(Range::npt(Duration::ZERO, None));
        let parameters = PlayParameters { range: Some(range), ..self.config.play };
        let play = requests::play(&media.control_url, self.session_id(), &parameters);
        if let Some(request) = self.send(env, play) {
            self.phase = Phase::Starting(request);
        }
    }

    fn handle_play(&mut self, env: &mut UsageEnvironment, response: &Response<'_>) {
        if !response.status.is_success() {
            return self.lose(env, PlayerError::Status(Method::Play, response.status));
        }
        let Some(media) = &self.media else { return };
        let range = response.headers.value("Range");
        let range = range.and_then(|value| Range::of_answer(value, &mut self.odd));
        let asked = self.config.play.range;
        let of = |range: &Range| position(range, asked.as_ref());
        let (asked_start, asked_end) = asked.as_ref().map(of).unwrap_or_default();
        let (start, end) = range.as_ref().map(of).unwrap_or_default();
        let start = start.or(asked_start).unwrap_or_default();
        let end = end.or(asked_end).or_else(|| media.duration());
        let info = response.headers.joined("RTP-Info").unwrap_or_default();
        let tracks = &mut self.tracks;
        let is_set_up = |s: &MediaSubsession| tracks.iter().any(|t| t.number() == s.number);
        for announced in media.play_starts(&info, is_set_up, &mut self.odd) {
            let track = self.tracks.iter_mut().find(|t| t.number() == announced.number);
            if let Some(track) = track {
                track.announce(announced, start);
            }
        }
        let now = env.now();
        self.phase = Phase::Playing(Watch { since: now, end });
        if let Some(session) = &self.session {
            self.keep_alive.begin(now, session.keep_alive_interval());
        }
        let numbers: Vec<_> = self.tracks.iter().map(Track::number).collect();
        let transport = self.tracks.first().map_or(MediaTransport::Tcp, Track::transport);
        self.tell(env, PlayerEvent::Playing { transport, tracks: &numbers, range });
    }
}
