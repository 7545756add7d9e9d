//! Deadlines of a player that plays: the first packet, silence, the end, keep-alive.

use crate::arena::RawId;
use crate::client::attempt::AttemptError;
use crate::client::event::RequestFailure;
use crate::client::keys::KEY_PLAYER;
use crate::client::player::Player;
use crate::client::player::event::PlayerEnd;
use crate::client::player::phase::{Phase, Watch};
use crate::client::requests;
use crate::client::rtsp_client::RtspClient;
use crate::client::track::Track;
use crate::client::transport::{MediaTransport, TransportPolicy};
use crate::description::MediaKind;
use crate::env::{EventKey, UsageEnvironment};
use crate::wire::rtsp::Method;
use std::time::{Duration, Instant};

/// Silence at the end of a presentation after which it is taken for the end.
const END_SILENCE: Duration = Duration::from_secs(2);
/// How close to the end that is.
const END_MARGIN: Duration = Duration::from_secs(1);

impl Player {
    /// Does what is due.
    pub(super) fn handle_deadlines(&mut self, env: &mut UsageEnvironment) {
        let now = env.now();
        match &self.phase {
            Phase::Waiting { until: Some(until) } if now >= *until => self.connect(env),
            Phase::Stopping { until, .. } if now >= *until => self.end(env, PlayerEnd::Stopped),
            Phase::Playing(watch) => {
                let watch = *watch;
                self.watch(env, watch, now);
            }
            Phase::Paused { .. } => self.keep_alive(env, now),
            _ => {}
        }
    }

    fn watch(&mut self, env: &mut UsageEnvironment, watch: Watch, now: Instant) {
        if self.tracks.is_empty() {
            // There is a back channel alone.
            return self.keep_alive(env, now);
        }
        if self.tracks.iter().all(|track| has_ended(track, watch)) || self.is_at_end(watch, now) {
            return if watch.end.is_some() {
                self.end(env, PlayerEnd::EndOfStream)
            } else {
                self.lose(env, AttemptError::EndedByServer)
            };
        }
        if self.tracks.iter().all(|track| track.heard_at().is_none()) {
            let transport = self.tracks.first().map_or(MediaTransport::Tcp, Track::transport);
            if is_over(Some(watch.since), self.first_packet_limit(), now) {
                let why = AttemptError::NoPackets(transport);
                if self.may_try_tcp() {
                    self.over_tcp = Some(true);
                    return self.try_otherwise(env, why);
                }
                // What was found out about the way is of no use if nothing comes on it either.
                self.over_tcp = None;
                return self.lose(env, why);
            }
        } else if let Some(track) = self.stalled(watch, now) {
            return self.lose(env, AttemptError::Stalled { track });
        }
        self.keep_alive(env, now);
    }

    fn keep_alive(&mut self, env: &mut UsageEnvironment, now: Instant) {
        if self.keep_alive.poll(now) {
            self.send_keep_alive(env);
        }
    }

    fn may_try_tcp(&self) -> bool {
        self.config.transport == TransportPolicy::Auto && !self.is_over_tcp()
    }

    fn first_packet_limit(&self) -> Duration {
        if self.may_try_tcp() {
            self.config.first_packet_timeout
        } else {
            self.config.first_packet_timeout.max(self.config.stall_timeout)
        }
    }

    /// Since when a track is silent that should not be: one that has been heard, and any of video.
    /// A camera may have audio in its description and none to send. A goodbye ends a track only of a
    /// presentation that has an end; in others the sender may begin anew, and is missed if it does
    /// not.
    fn silent_since(&self, track: &Track, watch: Watch) -> Option<Instant> {
        if watch.end.is_some() && has_ended(track, watch) {
            return None;
        }
        let subsession = self.media.as_ref()?.subsession(track.number())?;
        match subsession.kind {
            MediaKind::Video => Some(track.heard_at().unwrap_or(watch.since).max(watch.since)),
            MediaKind::Audio => Some(track.heard_at()?.max(watch.since)),
            _ => None,
        }
    }

    fn stalled(&self, watch: Watch, now: Instant) -> Option<usize> {
        let is_stalled = |track: &&Track| {
            is_over(self.silent_since(track, watch), self.config.stall_timeout, now)
        };
        self.tracks.iter().find(is_stalled).map(Track::number)
    }

    /// Whether nothing comes any more, and nothing is to come: a server may stop at the end of a
    /// range without a BYE.
    fn is_at_end(&self, watch: Watch, now: Instant) -> bool {
        let Some(end) = watch.end else { return false };
        let heard = self.tracks.iter().filter_map(Track::heard_at).max();
        let heard = heard.map(|at| at.max(watch.since));
        let is_silent = heard.is_some_and(|at| now >= at + END_SILENCE);
        is_silent && self.time_line.position() + END_MARGIN >= end
    }

    /// Whether the end was reached, however that was told.
    pub(super) fn has_all(&self) -> bool {
        let Phase::Playing(watch @ Watch { end: Some(end), .. }) = &self.phase else {
            return false;
        };
        let has_ended = |track: &Track| has_ended(track, *watch);
        self.tracks.iter().all(has_ended) || self.time_line.position() + END_MARGIN >= *end
    }

    fn send_keep_alive(&mut self, env: &mut UsageEnvironment) {
        let Some(media) = &self.media else { return };
        let gets = self.keep_alive_method() == Method::GetParameter;
        let sessions = self.sessions.sessions(media).into_iter();
        let made: Vec<_> = sessions
            .map(|(url, id)| match gets {
                true => requests::get_parameter(url, Some(id), &[]),
                false => requests::options(url, Some(id)),
            })
            .collect();
        for request in made {
            if let Some(id) = self.send(env, request) {
                self.keep_alive.note_sent(id, env.now());
            }
        }
    }

    fn keep_alive_method(&self) -> Method {
        let gets = self.server.offers(&Method::GetParameter) && !self.refuses_get_parameter;
        if gets { Method::GetParameter } else { Method::Options }
    }

    /// A request that keeps the session alive was not answered. That does not matter while the
    /// server sends something. But where it may be silent (in a pause, without audio and video) it is
    /// taken for dead when it has answered none of several.
    pub(super) fn handle_silence(&mut self, env: &mut UsageEnvironment, why: RequestFailure) {
        let sessions = self.media.as_ref().map_or(1, |media| self.sessions.sessions(media).len());
        let Some(since) = self.keep_alive.note_failure(sessions) else {
            if why == RequestFailure::Disconnected {
                self.keep_alive.hasten(env.now());
            }
            return;
        };
        let sends = self.tracks.iter().any(|t| t.any_packet_at().is_some_and(|at| at >= since));
        if self.has_begun() && !sends {
            self.lose(env, AttemptError::Request(self.keep_alive_method(), why));
        }
    }

    /// Arms the timer for the next deadline.
    pub(super) fn arm(&mut self, env: &mut UsageEnvironment) {
        let at = match &self.phase {
            Phase::Waiting { until } => *until,
            Phase::Stopping { until, .. } => Some(*until),
            Phase::Playing(watch) => self.next_deadline(*watch),
            Phase::Paused { .. } => self.keep_alive.at,
            _ => None,
        };
        // What a caller has begun may have failed at once: of that no further event comes.
        let has_failed = self.client.as_ref().is_some_and(RtspClient::has_events);
        let at = if has_failed { Some(env.now()) } else { at };
        let key = EventKey { kind: KEY_PLAYER, id: RawId::default() };
        match at {
            Some(at) => env.arm_timer(&mut self.timer, self.me, key, at),
            None => env.disarm_timer(&mut self.timer),
        }
    }

    fn next_deadline(&self, watch: Watch) -> Option<Instant> {
        // Of a back channel alone nothing is heard.
        let is_heard = |track: &Track| track.heard_at().is_some();
        let is_silent = !self.tracks.is_empty() && !self.tracks.iter().any(is_heard);
        let first = is_silent.then(|| watch.since.checked_add(self.first_packet_limit()));
        let silent = self.tracks.iter().filter_map(|track| self.silent_since(track, watch)).min();
        let stall = silent.and_then(|since| since.checked_add(self.config.stall_timeout));
        let heard = self.tracks.iter().filter_map(Track::heard_at).max();
        let heard = heard.map(|at| at.max(watch.since));
        let end = heard.filter(|_| watch.end.is_some()).map(|at| at + END_SILENCE);
        // Long ago over, where the end is not near.
        let end =
            end.filter(|_| self.time_line.position() + END_MARGIN >= watch.end.unwrap_or_default());
        [first.flatten(), stall, end, self.keep_alive.at].into_iter().flatten().min()
    }
}

/// Whether the sender of a track has said BYE, and not before it began to play.
fn has_ended(track: &Track, watch: Watch) -> bool {
    let is_new = || !watch.is_again || track.heard_at().is_some_and(|at| at >= watch.since);
    track.receiver().is_ended() && is_new()
}

/// Whether more time than `limit` has passed since a moment, if there was one.
fn is_over(since: Option<Instant>, limit: Duration, now: Instant) -> bool {
    since.is_some_and(|since| now.saturating_duration_since(since) >= limit)
}
