//! [`KeepAlive`]: when a session is to be kept alive, and whether the server still answers.

use crate::client::event::{RequestFailure, RequestId};
use std::time::{Duration, Instant};

/// The time-out of a session whose server names none (RFC 2326 section 12.37).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// The shortest interval of keep-alive requests, and the delay of one that is sent because the
/// connection has ended.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// When a session with this time-out has to be kept alive, after something was heard of the server.
pub(crate) fn keep_alive_interval(timeout: Option<Duration>) -> Duration {
    (timeout.unwrap_or(DEFAULT_TIMEOUT) * 2 / 3).max(SHORTEST_INTERVAL)
}

/// The requests that keep a session alive.
#[derive(Debug, Default)]
pub(crate) struct KeepAlive {
    pub(crate) at: Option<Instant>,
    interval: Duration,
    /// When the connection has ended because of which one was sent early.
    hastened_at: Option<Instant>,
    /// Those that were sent and may be answered yet.
    pending: Vec<RequestId>,
    /// When the first was sent of those since the last response of the server, and how many of them
    /// have failed.
    unanswered_since: Option<Instant>,
    failures: usize,
}

/// Which request has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailedRequest {
    /// One that keeps the session alive.
    KeepAlive,
    /// One that has failed with the connection, of whose end there is news of its own.
    WithConnection,
    /// One that the attempt waits for.
    OfAttempt,
}

/// Keep-alive requests that may be unanswered at a time.
const MAX_PENDING: usize = 4;
/// Keep-alive requests in succession without an answer, after which a server that sends nothing is
/// taken for dead.
const MAX_FAILURES: usize = 3;

impl KeepAlive {
    pub(crate) fn begin(&mut self, now: Instant, interval: Duration) {
        self.interval = interval;
        self.at = now.checked_add(interval);
    }

    pub(crate) fn note_sent(&mut self, request: RequestId, now: Instant) {
        self.pending.push(request);
        self.unanswered_since.get_or_insert(now);
    }

    /// The server has answered something.
    pub(crate) const fn note_response(&mut self) {
        (self.unanswered_since, self.failures) = (None, 0);
    }

    /// The connection has ended, and perhaps the server and the session with it: one is sent soon,
    /// but once in an interval, since some servers close each connection that is idle, or each after
    /// a response.
    pub(crate) fn note_disconnection(&mut self, now: Instant) {
        let has_passed = |at| now.saturating_duration_since(at) > self.interval;
        if self.hastened_at.is_none_or(has_passed) {
            self.hastened_at = Some(now);
            self.hasten(now);
        }
    }

    /// Sends the next one soon: one could not be sent, or its connection has ended before the response.
    pub(crate) fn hasten(&mut self, now: Instant) {
        let soon = now + SHORTEST_INTERVAL;
        self.at = self.at.map(|at| at.min(soon));
    }

    /// One was not answered; there are as many at a time as sessions. Returns since when none was, if
    /// that were several.
    pub(crate) const fn note_failure(&mut self, sessions: usize) -> Option<Instant> {
        self.failures = self.failures.saturating_add(1);
        if self.failures < MAX_FAILURES.saturating_mul(sessions) {
            return None;
        }
        self.unanswered_since
    }

    /// Whether `request` was one of these; it is answered now, or will not be.
    pub(crate) fn take_answer(&mut self, request: RequestId) -> bool {
        let before = self.pending.len();
        self.pending.retain(|pending| *pending != request);
        self.pending.len() < before
    }

    /// Which request has failed, and will not be answered.
    pub(crate) fn failed(&mut self, request: RequestId, why: &RequestFailure) -> FailedRequest {
        match why {
            _ if self.take_answer(request) => FailedRequest::KeepAlive,
            RequestFailure::Disconnected => FailedRequest::WithConnection,
            _ => FailedRequest::OfAttempt,
        }
    }

    /// Whether one is to be sent.
    pub(crate) fn poll(&mut self, now: Instant) -> bool {
        if self.at.is_none_or(|at| now < at) {
            return false;
        }
        self.at = now.checked_add(self.interval);
        self.pending.len() < MAX_PENDING
    }
}
