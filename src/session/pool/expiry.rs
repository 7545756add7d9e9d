//! Signs of life, time-outs, and the order of expiry.
//!
//! Each session that can expire has one entry in an ordered set, never later than its expiry. A
//! sign of life costs nothing, because it leaves the entry where it is; the entry is moved when its
//! time comes and the session turns out to have been touched.

use super::SessionPool;
use super::session::{ExpireGuard, Session};
use super::types::{PoolEvent, RemovalReason};
use crate::ids::ClientSessionId as SessionId;
use std::time::{Duration, Instant};

impl<M> SessionPool<M> {
    /// Records a sign of life of a session's client. Returns false if the session has left or
    /// expired.
    pub fn touch(&mut self, key: SessionId, now: Instant) -> bool {
        let now = self.advance(now);
        self.session_mut(key).is_some_and(|session| session.touch(now))
    }

    /// Changes the time-out of a session, which counts from its last sign of life; zero: it never
    /// expires. Returns false if the session has left or expired.
    pub fn set_timeout(&mut self, key: SessionId, timeout: Duration) -> bool {
        let Some(session) = self.living_mut(key) else { return false };
        session.set_timeout(timeout);
        self.arm(key);
        true
    }

    /// Changes the grace period, for which a session outlives its time-out. Returns false if the
    /// session has left or expired.
    pub fn set_grace(&mut self, key: SessionId, grace: Duration) -> bool {
        let Some(session) = self.living_mut(key) else { return false };
        session.set_grace(grace);
        self.arm(key);
        true
    }

    /// Keeps a session from expiring until all its guards are dropped. `None` if the session has
    /// left or expired.
    pub fn prevent_expire(&mut self, key: SessionId, now: Instant) -> Option<ExpireGuard> {
        self.advance(now);
        self.living_mut(key).map(Session::prevent_expire)
    }

    /// Returns the session, unless it has left or had expired at the latest time known to the pool.
    fn living_mut(&mut self, key: SessionId) -> Option<&mut Session<M>> {
        let latest = self.latest;
        let session = self.session_mut(key)?;
        (!latest.is_some_and(|now| session.is_expired(now))).then_some(session)
    }

    /// Returns a guard. If it was the session's last, the full time-out of the session starts at
    /// `now`.
    pub fn allow_expire(&mut self, guard: ExpireGuard, now: Instant) {
        let now = self.advance(now);
        let key = guard.session();
        guard.allow_expire();
        if let Some(session) = self.session_mut(key) {
            session.renew_if_held(now);
        }
    }

    /// Removes all sessions that have expired, in the order of their expiry, and queues an event
    /// for each; returns their number.
    pub fn cleanup(&mut self, now: Instant) -> usize {
        self.cleanup_at_most(now, usize::MAX)
    }

    /// Like [`cleanup`](Self::cleanup), but removes at most `limit` sessions, for a loop that needs
    /// short turns. [`next_timeout`](Self::next_timeout) returns `now` while more have expired.
    pub fn cleanup_at_most(&mut self, now: Instant, limit: usize) -> usize {
        let now = self.advance(now);
        let from = self.events.len();
        let reason = RemovalReason::Expired;
        while self.events.len() - from < limit {
            let Some((_, key)) = self.settle(now).filter(|(at, _)| *at <= now) else { break };
            let Some(session) = self.take(key, reason) else { break };
            self.events.push_back(PoolEvent::Removed { session, reason });
        }
        self.tell_removed(from);
        self.events.len() - from
    }

    /// Returns when [`cleanup`](Self::cleanup) will next find an expired session if nothing changes
    /// until then: `now` if one has expired already. For a session that a guard keeps, this may be
    /// a time at which the session is only renewed. `None` if no session can expire.
    pub fn next_timeout(&mut self, now: Instant) -> Option<Instant> {
        let now = self.advance(now);
        self.settle(now).map(|(at, _)| at.max(now))
    }

    /// Returns, in O(1), a time before which no session expires, for a timer. `None` if no session
    /// can expire.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Moves the entries of sessions that were touched until the first entry is exact.
    fn settle(&mut self, now: Instant) -> Option<(Instant, SessionId)> {
        loop {
            let (at, key) = *self.deadlines.first()?;
            let Some(session) = self.session_mut(key) else {
                self.deadlines.remove(&(at, key));
                continue;
            };
            if at <= now {
                session.renew_if_held(now);
            }
            if session.expires_at() == Some(at) {
                return Some((at, key));
            }
            self.arm(key);
        }
    }

    /// Sets a session's entry to its expiry.
    pub(crate) fn arm(&mut self, key: SessionId) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        let expires_at = slot.session.expires_at();
        let armed_at = std::mem::replace(&mut slot.armed_at, expires_at);
        if armed_at == expires_at {
            return;
        }
        if let Some(at) = armed_at {
            self.deadlines.remove(&(at, key));
        }
        if let Some(at) = expires_at {
            self.deadlines.insert((at, key));
        }
    }

    pub(crate) fn advance(&mut self, now: Instant) -> Instant {
        let latest = self.latest.map_or(now, |latest| latest.max(now));
        self.latest = Some(latest);
        latest
    }
}
