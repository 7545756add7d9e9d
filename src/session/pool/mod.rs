//! The client sessions of a server: ids, limits and exact expiry (RFC 2326 sections 3.4, 12.37 and
//! A; RFC 7826 section 18.49 on time-outs).
//!
//! Start with [`SessionPool`]; a server's pool is configured by [`PoolConfig`]. The pool reads no
//! clock and draws no randomness: both are arguments. `now` is the monotonic time of the loop's
//! turn. If it goes back, the latest time passed to the pool counts, so that an expired session
//! stays expired.
//!
//! A change is complete before it is reported: hooks are called, and
//! [events](SessionPool::poll_event) are queued, when the tables are consistent again.

use crate::arena::{Arena, shrink_map};
use crate::ids::OfClientSession;
use crate::warned::{Breach, Warned};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod entitlement;
mod expiry;
mod id;
mod limits;
mod lines;
mod session;
#[cfg(test)]
mod tests;
mod types;
mod watch;

pub use entitlement::{Entitlement, Requester};
pub use id::{Random, draw_session_id};
use limits::Census;
pub use limits::{CreateError, Limit};
use lines::Lines;
use session::Birth;
pub use session::{Counters, ExpireGuard, ManageError, Match, NotManaged, Session, SessionInfo};
pub use types::{FilterResult, PoolConfig, PoolEvent, RemovalReason};
pub use watch::PoolWatch;

/// Expired sessions that are removed to make room for one more.
const EXPIRED_PER_ADMISSION: usize = 256;
/// Ids that are drawn for one session before the pool gives up.
const MAX_TRIES: usize = 101;

/// The id of a session in its [`SessionPool`]. It remains invalid once the session has left.
pub type SessionId = crate::ids::ClientSessionId;

/// A generator of session ids; see [`SessionPool::set_create_session_id`].
pub type CreateSessionId = Box<dyn FnMut(&mut Random<'_>) -> Option<String>>;
/// A hook for new sessions; see [`SessionPool::set_session_created`].
pub type SessionCreated = Box<dyn FnMut(&SessionInfo)>;
/// A hook for sessions that have left; see [`SessionPool::set_session_removed`].
pub type SessionRemoved = Box<dyn FnMut(&SessionInfo, RemovalReason)>;

#[derive(Debug)]
struct Slot<M> {
    session: Session<M>,
    /// The time of the session's entry in `deadlines`: never later than its expiry.
    armed_at: Option<Instant>,
}

/// The client sessions of a server, with media of type `M`.
///
/// A session that has expired is no longer found, but counts against the limits until
/// [`cleanup`](Self::cleanup) removes it; [`create`](Self::create) removes expired sessions before
/// it fails with a limit. Look-ups, touching and counting are O(1), changes O(log n).
///
/// ```
/// use riverrun::server::pool::{PoolConfig, PoolEvent, RemovalReason, SessionPool};
/// use std::time::{Duration, Instant};
///
/// let mut pool: SessionPool<String> = SessionPool::new(PoolConfig::default());
/// let (now, peer) = (Instant::now(), "10.0.0.7:40000".parse().unwrap());
/// let mut random = |buf: &mut [u8]| getrandom::fill(buf).unwrap();
/// let session = pool.create(now, peer, "film.mkv", &mut random)?;
/// pool.session_mut(session).unwrap().manage_media("/film.mkv", "media".to_owned()).unwrap();
///
/// // The client is silent for its 60 seconds and the 5 of grace.
/// let later = pool.next_timeout(now).unwrap();
/// assert_eq!(later, now + Duration::from_secs(65));
/// assert_eq!(pool.cleanup(later), 1);
/// assert!(matches!(pool.poll_event(), Some(PoolEvent::Created(made)) if made == session));
/// let Some(PoolEvent::Removed { session, reason }) = pool.poll_event() else { panic!() };
/// assert_eq!(reason, RemovalReason::Expired);
/// assert!(session.into_media().eq(["media"]));
/// # Ok::<(), riverrun::server::pool::CreateError>(())
/// ```
pub struct SessionPool<M> {
    config: PoolConfig,
    slots: Arena<Slot<M>, OfClientSession>,
    by_id: HashMap<Arc<str>, SessionId>,
    census: Census,
    /// One entry for each session that can expire. Touching leaves it where it is; it is moved when
    /// its time comes.
    deadlines: BTreeSet<(Instant, SessionId)>,
    latest: Option<Instant>,
    events: VecDeque<PoolEvent<M>>,
    create_session_id: Option<CreateSessionId>,
    session_created: Option<SessionCreated>,
    session_removed: Option<SessionRemoved>,
    warned: Warned<(IpAddr, Breach)>,
    lines: Lines,
    /// How often each limit has refused a session, in the order of [`Limit`].
    refused: [u64; 3],
}

impl<M> Default for SessionPool<M> {
    fn default() -> Self {
        Self::new(PoolConfig::default())
    }
}

impl<M> SessionPool<M> {
    /// Creates an empty pool.
    pub fn new(config: PoolConfig) -> Self {
        Self {
            config,
            slots: Arena::new(),
            by_id: HashMap::new(),
            census: Census::default(),
            deadlines: BTreeSet::new(),
            latest: None,
            events: VecDeque::new(),
            create_session_id: None,
            session_created: None,
            session_removed: None,
            warned: Warned::new(),
            lines: Lines::default(),
            refused: [0; 3],
        }
    }

    /// Returns the configuration.
    pub const fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// Returns the configuration for changes. Existing sessions keep their time-outs. A limit below
    /// their number removes none of them; it only prevents new ones.
    pub const fn config_mut(&mut self) -> &mut PoolConfig {
        &mut self.config
    }

    /// Returns the limit on sessions; 0: no limit.
    pub const fn max_sessions(&self) -> usize {
        self.config.max_sessions
    }

    /// Changes the limit on sessions; 0: no limit.
    pub const fn set_max_sessions(&mut self, limit: usize) {
        self.config.max_sessions = limit;
    }

    /// Replaces the generator of session ids; `None` restores the default, [`draw_session_id`]. If
    /// the generator returns an id that is in use or invalid in a header, it is called again, a
    /// bounded number of times; if it returns `None`, no session is made.
    pub fn set_create_session_id(&mut self, create: Option<CreateSessionId>) {
        self.create_session_id = create;
    }

    /// Replaces the hook that is called for each new session, after it is in the table.
    pub fn set_session_created(&mut self, hook: Option<SessionCreated>) {
        self.session_created = hook;
    }

    /// Replaces the hook that is called once for each session that has left the table, for whatever
    /// reason. If several leave together, the calls follow after all have left.
    pub fn set_session_removed(&mut self, hook: Option<SessionRemoved>) {
        self.session_removed = hook;
    }

    /// Creates a session for a client at `peer` that sets up a track of `stream`.
    ///
    /// # Errors
    /// A limit is reached, or no unique session id was found.
    pub fn create(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        stream: &str,
        random: &mut Random<'_>,
    ) -> Result<SessionId, CreateError> {
        let now = self.advance(now);
        self.admit(now, peer, stream)?;
        let id = self.unique_id(random)?;
        let stream = self.census.stream_name(stream);
        self.census.add(peer, &stream);
        let (timeout, grace) = (self.config.timeout, self.config.grace);
        let max_media = self.config.max_media_per_session;
        let key = self.slots.insert_with(|key| {
            let id = Arc::clone(&id);
            let birth = Birth { key, id, peer, stream, now, timeout, grace, max_media };
            Slot { session: Session::new(birth), armed_at: None }
        });
        self.by_id.insert(id, key);
        self.arm(key);
        log::debug!("{key} made for {peer}, {} now", self.len());
        self.events.push_back(PoolEvent::Created(key));
        if let Some(hook) = &mut self.session_created {
            if let Some(slot) = self.slots.get(key) {
                hook(&slot.session.info());
            }
        }
        Ok(key)
    }

    /// Checks whether [`create`](Self::create) would find room now. If a limit is reached, expired
    /// sessions are removed first, at most 256 in one call.
    ///
    /// # Errors
    /// A limit is reached.
    pub fn admit(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        stream: &str,
    ) -> Result<(), CreateError> {
        let now = self.advance(now);
        let Some(_) = self.limit_reached(peer, stream) else { return Ok(()) };
        self.cleanup_at_most(now, EXPIRED_PER_ADMISSION);
        let Some((which, limit)) = self.limit_reached(peer, stream) else { return Ok(()) };
        if let Some(refused) = self.refused.get_mut(which as usize) {
            *refused += 1;
        }
        // The soonest that any session can go by expiry, or that any abandoned one must have gone.
        // One that has expired and is still here may be what is in the way.
        let next = self.next_timeout(now);
        let wait = match which {
            Limit::Sessions => next.map(|at| at.saturating_duration_since(now)),
            Limit::SessionsOfPeer | Limit::SessionsOfStream => {
                next.filter(|at| *at <= now).map(|_| Duration::ZERO)
            }
        };
        let longest = self.config.timeout.saturating_add(self.config.grace);
        let longest = longest.as_secs().clamp(1, 3_600);
        let seconds = wait.map_or(longest, |wait| {
            wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).clamp(1, longest)
        });
        Err(CreateError::AtLimit { which, limit, retry_after: Duration::from_secs(seconds) })
    }

    fn limit_reached(&self, peer: SocketAddr, stream: &str) -> Option<(Limit, usize)> {
        let config = &self.config;
        [
            (Limit::Sessions, self.len(), config.max_sessions),
            (Limit::SessionsOfPeer, self.census.of_peer(peer), config.max_sessions_per_peer),
            (
                Limit::SessionsOfStream,
                self.census.of_stream(stream),
                config.max_sessions_per_stream,
            ),
        ]
        .into_iter()
        .find(|(_, present, limit)| *limit != 0 && present >= limit)
        .map(|(which, _, limit)| (which, limit))
    }

    fn unique_id(&mut self, random: &mut Random<'_>) -> Result<Arc<str>, CreateError> {
        for _ in 0..MAX_TRIES {
            let id = match &mut self.create_session_id {
                Some(create) => create(random),
                None => draw_session_id(random),
            };
            let id = id.ok_or(CreateError::NoUniqueId)?;
            if id::is_valid(&id) && !self.by_id.contains_key(&*id) {
                return Ok(id.into());
            }
        }
        Err(CreateError::NoUniqueId)
    }

    /// Finds a session by the id that a client sent (without parameters), and touches it.
    pub fn find(&mut self, id: &str, now: Instant) -> Option<SessionId> {
        let now = self.advance(now);
        let key = self.peek(id, now)?;
        self.touch(key, now);
        Some(key)
    }

    /// Finds a session by the id that a client sent (without parameters), without touching it.
    pub fn peek(&self, id: &str, now: Instant) -> Option<SessionId> {
        let key = *self.by_id.get(id)?;
        let now = self.latest.map_or(now, |latest| latest.max(now));
        (!self.session(key)?.is_expired(now)).then_some(key)
    }

    /// Finds a session by the id that a client sent, and touches it, if [`PoolConfig::entitlement`]
    /// permits its use by `requester`. To any other requester, the session does not exist.
    pub fn find_entitled(
        &mut self,
        id: &str,
        requester: &Requester<'_>,
        now: Instant,
    ) -> Option<SessionId> {
        let now = self.advance(now);
        let key = self.peek(id, now)?;
        if !self.config.entitlement.admits(self.session(key)?, requester) {
            let level = self.warned.level_for(requester.peer.ip(), Breach::ForeignSession);
            log::log!(level, "{} names {key} of another", requester.peer);
            return None;
        }
        self.touch(key, now);
        Some(key)
    }

    /// Returns a session, unless it has left.
    pub fn session(&self, key: SessionId) -> Option<&Session<M>> {
        self.slots.get(key).map(|slot| &slot.session)
    }

    /// Returns a session for changes, unless it has left.
    pub fn session_mut(&mut self, key: SessionId) -> Option<&mut Session<M>> {
        self.slots.get_mut(key).map(|slot| &mut slot.session)
    }

    /// Removes a session and returns it; the caller releases its media. The hook is called, but no
    /// event is queued. `None` if the session has left already.
    #[must_use = "the media of the session have to be released"]
    pub fn remove(&mut self, key: SessionId, reason: RemovalReason) -> Option<Session<M>> {
        let session = self.take(key, reason)?;
        if let Some(hook) = &mut self.session_removed {
            hook(&session.info(), reason);
        }
        Some(session)
    }

    /// Removes a session and queues an event. Returns false if it has left already.
    pub fn close(&mut self, key: SessionId, reason: RemovalReason) -> bool {
        let Some(session) = self.take(key, reason) else { return false };
        let from = self.events.len();
        self.events.push_back(PoolEvent::Removed { session, reason });
        self.tell_removed(from);
        true
    }

    /// Removes all sessions and queues their events; returns their number.
    pub fn close_all(&mut self, reason: RemovalReason) -> usize {
        self.close_each(self.keys(), reason)
    }

    fn close_each(&mut self, keys: Vec<SessionId>, reason: RemovalReason) -> usize {
        let from = self.events.len();
        for key in keys {
            if let Some(session) = self.take(key, reason) {
                self.events.push_back(PoolEvent::Removed { session, reason });
            }
        }
        self.tell_removed(from);
        self.events.len() - from
    }

    /// Calls the hook for the removals among the events from index `from` on.
    fn tell_removed(&mut self, from: usize) {
        let Some(hook) = &mut self.session_removed else { return };
        for event in self.events.iter().skip(from) {
            if let PoolEvent::Removed { session, reason } = event {
                hook(&session.info(), *reason);
            }
        }
    }

    fn take(&mut self, key: SessionId, reason: RemovalReason) -> Option<Session<M>> {
        let Slot { session, armed_at } = self.slots.remove(key)?;
        if let Some(at) = armed_at {
            self.deadlines.remove(&(at, key));
        }
        self.by_id.remove(session.id());
        shrink_map(&mut self.by_id);
        self.census.subtract(session.peer(), session.shared_stream());
        log::debug!("{key} of {} {reason}, {} left", session.peer(), self.len());
        Some(session)
    }

    /// Calls `decide` with each present session, and returns those for which it returned
    /// [`FilterResult::Reference`]. The callback may change the pool: a session that it removes is
    /// skipped, and one that it makes is not visited.
    pub fn filter(
        &mut self,
        mut decide: impl FnMut(&mut Self, SessionId) -> FilterResult,
    ) -> Vec<SessionId> {
        let mut referenced = Vec::new();
        for key in self.keys() {
            if self.session(key).is_none() {
                continue;
            }
            match decide(self, key) {
                FilterResult::Keep => {}
                FilterResult::Reference => referenced.push(key),
                FilterResult::Remove => {
                    self.close(key, RemovalReason::Removed);
                }
            }
        }
        referenced
    }

    /// Returns the next event, in order. Call it until it returns `None` after each call that
    /// changes the table: a session that has left is freed when its event is taken.
    pub fn poll_event(&mut self) -> Option<PoolEvent<M>> {
        self.events.pop_front()
    }

    /// Returns the number of sessions, including expired ones that are not removed yet.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns how often a limit has refused a session.
    pub fn refused(&self, limit: Limit) -> u64 {
        self.refused.get(limit as usize).copied().unwrap_or(0)
    }

    /// The level for a line about the sessions of `peer`.
    pub(crate) fn level_for_line(&mut self, peer: SocketAddr, now: Instant) -> log::Level {
        self.lines.level(self.config.log_lines_per_peer, peer.ip(), now)
    }

    /// Returns whether there are no sessions.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Returns the number of sessions made from the address of `peer`.
    pub fn len_of_peer(&self, peer: SocketAddr) -> usize {
        self.census.of_peer(peer)
    }

    /// Returns the number of sessions made for `stream`.
    pub fn len_of_stream(&self, stream: &str) -> usize {
        self.census.of_stream(stream)
    }

    /// Iterates over all sessions.
    pub fn iter(&self) -> impl Iterator<Item = (SessionId, &Session<M>)> {
        self.slots.iter().map(|(id, slot)| (id, &slot.session))
    }

    /// Returns the ids of all sessions.
    pub fn keys(&self) -> Vec<SessionId> {
        self.slots.ids().collect()
    }
}

impl<M> Drop for SessionPool<M> {
    /// Ends the remaining sessions, and calls the hook for each.
    fn drop(&mut self) {
        if self.session_removed.is_some() {
            self.close_all(RemovalReason::ServerClosing);
        }
    }
}

impl<M> fmt::Debug for SessionPool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionPool")
            .field("config", &self.config)
            .field("len", &self.len())
            .field("next_wakeup", &self.next_wakeup())
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}
