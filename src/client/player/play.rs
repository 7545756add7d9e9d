//! PLAY, PAUSE and TEARDOWN: for the whole presentation, or for each track where the server has no
//! aggregate control (RFC 2326 sections 10.5 to 10.7).

use crate::client::attempt::AttemptError;
use crate::client::back_channel::BACK_CHANNEL_TAG;
use crate::client::event::RequestId;
use crate::client::player::Player;
use crate::client::player::event::PlayerEvent;
use crate::client::player::phase::{Phase, Starting, Watch};
use crate::client::requests::{self, PlayParameters, position};
use crate::client::track::Track;
use crate::client::transport::MediaTransport;
use crate::description::{MediaSubsession, PlayStart};
use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::rtp::SessionClock;
use crate::wire::rtsp::date::UtcTime;
use crate::wire::rtsp::numbers::parse_scale;
use crate::wire::rtsp::{Method, Range, Request, Response};
use crate::wire::url::Redacted;
use std::time::Duration;

/// Where a player was paused.
#[derive(Clone, Copy, Debug)]
pub(super) struct PausedAt {
    position: Duration,
    /// The presentation has an end, and so places at which another session can go on.
    has_end: bool,
}

impl Player {
    /// Pauses (RFC 2326 section 10.6). [`PlayerEvent::Paused`] tells when it has; the session is
    /// kept alive until [`play`](Self::play).
    ///
    /// A player that does not play yet pauses before it does. If the server cannot pause, the player
    /// ends the session, and [`play`](Self::play) begins another one. It also does so if the session
    /// is lost in the meantime.
    pub fn pause(&mut self, env: &mut UsageEnvironment) {
        if self.is_paused {
            return;
        }
        match &mut self.phase {
            Phase::Over | Phase::Stopping { .. } => return,
            Phase::Waiting { until } => {
                *until = None;
                self.is_paused = true;
                self.tell(env, PlayerEvent::Paused);
            }
            Phase::Playing(_) => {
                self.is_paused = true;
                self.send_pause(env, None);
            }
            Phase::Pausing { then, .. } => {
                *then = None;
                self.is_paused = true;
            }
            _ => self.is_paused = true,
        }
        self.arm(env);
    }

    /// Plays on after [`pause`](Self::pause), or something else: from another place, at another
    /// scale. A range of `None` is where it was paused, or where it is.
    ///
    /// The frames stay on the [time line](PlayerEvent::Frame) of the player, which goes on by the
    /// clock; [`position`](Self::position) tells the place in the presentation. What is asked for
    /// here takes the place of [`PlayerConfig::play`](super::PlayerConfig::play) when the player
    /// connects anew.
    ///
    /// # Errors
    /// As [`PlayParameters::check`].
    pub fn play(
        &mut self,
        env: &mut UsageEnvironment,
        parameters: &PlayParameters,
    ) -> Result<(), Error> {
        parameters.check()?;
        let parameters = *parameters;
        let range = parameters.range.or(self.config.play.range);
        self.config.play = PlayParameters { range, ..parameters };
        if parameters.range.is_some() {
            self.paused_at = None;
        }
        let was_paused = std::mem::take(&mut self.is_paused);
        match &mut self.phase {
            Phase::Paused { has_played: true } => self.send_play(env, parameters, true),
            Phase::Paused { has_played: false } => self.start(env),
            // A server takes another range for one to be played afterwards (RFC 2326 section 10.5).
            Phase::Playing(_) if parameters != PlayParameters::default() => {
                self.send_pause(env, Some(parameters));
            }
            Phase::Pausing { then, .. } => *then = Some(parameters),
            Phase::Starting(starting) if parameters != PlayParameters::default() => {
                starting.then = Some(parameters);
            }
            Phase::Waiting { until } if was_paused => *until = Some(env.now()),
            _ => {}
        }
        self.arm(env);
        Ok(())
    }

    /// The place in the presentation of the latest frame: its normal play time where the server
    /// tells that, or the time since the start of a range in universal time.
    pub fn position(&self) -> Duration {
        match (&self.phase, self.paused_at) {
            (Phase::Playing(watch), _) => watch.position(self.time_line.position()),
            (_, Some(paused)) => paused.position,
            _ => Duration::ZERO,
        }
    }

    /// Whether [`pause`](Self::pause) was called, and [`play`](Self::play) not since.
    pub const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Sends a request for everything that was set up.
    fn command(
        &mut self,
        env: &mut UsageEnvironment,
        make: impl Fn(&str, Option<&str>) -> Request<'static>,
    ) -> Vec<RequestId> {
        let Some(media) = &self.media else { return Vec::new() };
        let targets = self.sessions.targets(media);
        let made: Vec<_> = targets.into_iter().map(|(url, id)| make(url, Some(id))).collect();
        made.into_iter().filter_map(|request| self.send(env, request)).collect()
    }

    pub(super) fn send_teardown(&mut self, env: &mut UsageEnvironment) -> Vec<RequestId> {
        if self.client.as_ref().is_none_or(|client| client.ends().is_none()) {
            return Vec::new();
        }
        self.command(env, requests::teardown)
    }

    // PLAY

    /// The first PLAY of a session.
    pub(super) fn start(&mut self, env: &mut UsageEnvironment) {
        if self.is_paused {
            return self.rest(env, false);
        }
        self.session_clock = SessionClock::new(self.tracks.len());
        // Servers exist that play nothing without a range.
        let paused_at =
            self.paused_at.filter(|paused| paused.has_end).map(|paused| paused.position);
        let range = match (self.config.play.range, paused_at) {
            (Some(Range::Clock { start, end }), Some(at)) => {
                Range::Clock { start: UtcTime(start.0.saturating_add(at)), end }
            }
            (range, Some(at)) => {
                Range::npt(at, range.and_then(|r| r.as_npt()).unwrap_or_default().1)
            }
            (range, None) => range.unwrap_or(Range::npt(Duration::ZERO, None)),
        };
        let parameters = PlayParameters { range: Some(range), ..self.config.play };
        self.send_play(env, parameters, false);
    }

    fn send_play(
        &mut self,
        env: &mut UsageEnvironment,
        parameters: PlayParameters,
        is_again: bool,
    ) {
        for track in &mut self.tracks {
            track.begin(env);
        }
        let has_back_channel = self.back_channel.is_some();
        let pending = self.command(env, |url, session| {
            let mut play = requests::play(url, session, &parameters);
            if has_back_channel {
                play.headers.push("Require", BACK_CHANNEL_TAG);
            }
            play
        });
        if pending.is_empty() {
            return self.lose(env, AttemptError::NoTracks);
        }
        if !is_again {
            self.play_sent_at = Some(env.now());
        }
        self.phase = Phase::Starting(Starting { pending, parameters, is_again, then: None });
    }

    pub(super) fn handle_play(
        &mut self,
        env: &mut UsageEnvironment,
        request: RequestId,
        response: &Response<'_>,
    ) {
        let Phase::Starting(starting) = &mut self.phase else { return };
        starting.pending.retain(|pending| *pending != request);
        let (parameters, is_again) = (starting.parameters, starting.is_again);
        if self.sessions.follow_refusal(response.status) {
            return self.send_play(env, parameters, is_again);
        }
        if !response.status.is_success() {
            return self.lose(env, AttemptError::Status(Method::Play, response.status));
        }
        let Some(media) = &self.media else { return };
        let range = response.headers.value("Range");
        let range = range.and_then(|value| Range::of_answer(value, &mut self.odd));
        let asked = parameters.range;
        let place = |range: &Range| position(range, asked.as_ref());
        let (asked_start, asked_end) = asked.as_ref().map(place).unwrap_or_default();
        let (told_start, told_end) = range.as_ref().map(place).unwrap_or_default();
        let start = told_start.or(asked_start);
        let start = start.or_else(|| self.paused_at.filter(|_| is_again).map(|p| p.position));
        // Whether it begins there even where the server does not tell the first packet.
        let begins_there = start.is_some_and(|at| is_again || !at.is_zero());
        let start = start.unwrap_or_default();
        let info = response.headers.joined("RTP-Info").unwrap_or_default();
        let tracks = &mut self.tracks;
        let is_set_up = |s: &MediaSubsession| tracks.iter().any(|t| t.number() == s.number);
        for announced in media.play_starts(&info, is_set_up, &mut self.odd) {
            let track = self.tracks.iter_mut().find(|t| t.number() == announced.number);
            if let Some(track) = track {
                track.announce(announced, start, begins_there);
            }
        }
        let scale = response.headers.value("Scale").and_then(|value| parse_scale(value).ok());
        let scale = scale.or(parameters.scale).filter(|scale| *scale != 0.0).unwrap_or(1.0);
        let Phase::Starting(starting) = &mut self.phase else { return };
        if !starting.pending.is_empty() {
            return;
        }
        let then = starting.then.take();
        if begins_there {
            for track in self.tracks.iter_mut().filter(|track| !track.is_announced()) {
                track.announce(PlayStart::unknown(track.number()), start, true);
            }
        }
        if is_again {
            self.time_line.end_session();
        }
        let end = told_end.or(asked_end).or_else(|| media.end());
        // In reverse the presentation goes on to its beginning.
        let end = if scale < 0.0 {
            Some(end.filter(|end| *end < start).unwrap_or_default())
        } else {
            end
        };
        let factor = f64::from(scale);
        let length = |end: Duration| {
            let seconds = end.abs_diff(start).as_secs_f64() / factor.abs();
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
        };
        // A device that sends as fast as it can keeps the timestamps of the recording.
        let end = match parameters.rate_control {
            Some(false) => end,
            _ => end.map(|end| start.saturating_add(length(end))),
        };
        let now = env.now();
        self.paused_at = None;
        self.phase = Phase::Playing(Watch { since: now, is_again, start, end, scale: factor });
        self.keep_alive.begin(now, self.sessions.keep_alive_interval());
        let numbers: Vec<_> = self.tracks.iter().map(Track::number).collect();
        let transport = self.tracks.first().map_or(MediaTransport::Tcp, Track::transport);
        self.tell(env, PlayerEvent::Playing { transport, tracks: &numbers, range });
        if self.is_paused || then.is_some() {
            self.send_pause(env, then);
        }
    }

    // PAUSE

    fn send_pause(&mut self, env: &mut UsageEnvironment, then: Option<PlayParameters>) {
        if let Phase::Playing(watch) = &self.phase {
            let (position, has_end) = (self.position(), watch.end.is_some());
            self.paused_at = Some(PausedAt { position, has_end });
        }
        let pending = self.command(env, requests::pause);
        if pending.is_empty() {
            return self.lose(env, AttemptError::NoTracks);
        }
        self.phase = Phase::Pausing { pending, then };
    }

    pub(super) fn handle_pause(
        &mut self,
        env: &mut UsageEnvironment,
        request: RequestId,
        response: &Response<'_>,
    ) {
        let Phase::Pausing { pending, then } = &mut self.phase else { return };
        pending.retain(|pending| *pending != request);
        let (is_last, then) = (pending.is_empty(), *then);
        if self.sessions.follow_refusal(response.status) {
            return self.send_pause(env, then);
        }
        match then {
            // What cannot be paused may take another range nevertheless.
            Some(parameters) if is_last => {
                self.paused_at = self.paused_at.filter(|_| parameters.range.is_none());
                self.send_play(env, parameters, true);
            }
            Some(_) => {}
            None if !response.status.is_success() => {
                log::debug!("{}: PAUSE: {}", Redacted(&self.described_url), response.status);
                self.hang_up(env);
                self.phase = Phase::Waiting { until: None };
                self.tell(env, PlayerEvent::Paused);
            }
            None if is_last => self.rest(env, true),
            None => {}
        }
    }

    /// Is paused from now on.
    fn rest(&mut self, env: &mut UsageEnvironment, has_played: bool) {
        self.phase = Phase::Paused { has_played };
        self.keep_alive.begin(env.now(), self.sessions.keep_alive_interval());
        self.tell(env, PlayerEvent::Paused);
    }
}
