//! Deadlines of a pusher: the next attempt, keep-alive.

use super::{KEY_PUSHER, Pusher};
use crate::arena::RawId;
use crate::client::AttemptError;
use crate::client::keep_alive::keep_alive_interval;
use crate::client::requests;
use crate::client::{RequestFailure, RtspClient};
use crate::env::{EventKey, UsageEnvironment};
use crate::relay::pusher::phase::{Phase, Way};
use crate::wire::rtsp::Method;
use std::time::{Duration, Instant};

/// Longest interval of keep-alive requests. They are what tells that a server is still there which
/// sends no reports.
const LONGEST_INTERVAL: Duration = Duration::from_secs(15);

impl Pusher {
    /// Does what is due.
    pub(super) fn handle_deadlines(&mut self, env: &mut UsageEnvironment) {
        let now = env.now();
        match self.phase {
            Phase::Waiting { until: Some(until) } if now >= until => self.begin(env),
            Phase::Recording { .. } if self.keep_alive.poll(now) => self.send_keep_alive(env),
            _ => {}
        }
    }

    pub(super) fn begin_keep_alive(&mut self, now: Instant) {
        let interval = keep_alive_interval(self.session_timeout).min(LONGEST_INTERVAL);
        self.keep_alive.begin(now, interval);
    }

    fn keep_alive_method(&self) -> Method {
        if self.takes_get_parameter { Method::GetParameter } else { Method::Options }
    }

    fn send_keep_alive(&mut self, env: &mut UsageEnvironment) {
        let (url, session) = (&self.announced_url, self.session.as_deref());
        let request = match self.takes_get_parameter {
            true => requests::get_parameter(url, session, &[]),
            false => requests::options(url, session),
        };
        if let Some(id) = self.send(env, request) {
            self.keep_alive.note_sent(id, env.now());
        }
    }

    /// A request that keeps the session alive was not answered. A server that has answered none of
    /// several, and reported nothing, is taken for dead; but over TCP not one that has never answered
    /// any, since its connection tells more.
    pub(super) fn handle_silence(&mut self, env: &mut UsageEnvironment, why: RequestFailure) {
        let Some(since) = self.keep_alive.note_failure(1) else { return };
        let is_udp = |way: &Option<Way>| matches!(way, Some(Way::Udp { .. }));
        let is_judged =
            self.answers_keep_alive || self.tracks.iter().any(|track| is_udp(&track.way));
        let reports = self.heard_at.is_some_and(|at| at >= since);
        if self.is_recording() && is_judged && !reports {
            self.lose(env, AttemptError::Request(self.keep_alive_method(), why));
        }
    }

    /// Arms the timer for the next deadline.
    pub(super) fn arm(&mut self, env: &mut UsageEnvironment) {
        let at = match self.phase {
            Phase::Waiting { until } => until,
            Phase::Recording { .. } => self.keep_alive.at,
            _ => None,
        };
        // What was begun may have failed at once: of that no further event comes.
        let has_failed = self.client.as_ref().is_some_and(RtspClient::has_events);
        let at = if has_failed { Some(env.now()) } else { at };
        let key = EventKey { kind: KEY_PUSHER, id: RawId::default() };
        match at {
            Some(at) => env.arm_timer(&mut self.timer, self.me, key, at),
            None => env.disarm_timer(&mut self.timer),
        }
    }
}
