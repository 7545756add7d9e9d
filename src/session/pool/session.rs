//! [`Session`]: the state that the server keeps between the requests of a client (RFC 2326 sections
//! 3.4 and 12.37). A session knows nothing of sockets and reads no clock.

use super::entitlement::Requester;
use crate::arena::RawId;
use crate::ids::ClientSessionId as SessionId;
use crate::wire::rtsp::SessionHeader;
use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Keeps a session from expiring while the guard exists, on any thread.
///
/// Each guard is returned once, by being dropped, so their count cannot underflow. After the last
/// guard of a session is dropped, the session's time-out starts again when the pool next examines
/// it; [`SessionPool::allow_expire`](super::SessionPool::allow_expire) starts it at an exact time.
#[derive(Debug)]
#[must_use = "the session may expire as soon as the guard is dropped"]
pub struct ExpireGuard {
    session: SessionId,
    /// Held for its reference count only.
    _hold: Arc<()>,
}

impl ExpireGuard {
    /// Returns the session that the guard keeps.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Lets the session expire again, like dropping the guard.
    pub fn allow_expire(self) {
        drop(self);
    }
}

/// Counters of what the server has sent to the client of a session or, if the client publishes, of
/// what it has sent to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// RTP and RTCP packets sent.
    pub packets: u64,
    /// Bytes of these packets, without UDP and TCP headers.
    pub bytes: u64,
    /// Frames dropped because the client did not read fast enough.
    pub dropped_frames: u64,
}

/// A snapshot of a session, passed to the application's hooks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The id of the session in the pool.
    pub session: SessionId,
    /// The session id as the client knows it. Keep it secret: [`Entitlement`](super::Entitlement)
    /// may let anyone who knows it use the session.
    pub id: Arc<str>,
    /// The address from which the session was made.
    pub peer: SocketAddr,
    /// The name of the stream that the session was made for.
    pub stream: Arc<str>,
    /// The user who made the session, if the application asked for credentials.
    pub user: Option<Arc<str>>,
    /// When the session was made, on the monotonic clock.
    pub created_at: Instant,
    /// The time-out that the client was told; zero: the session never expires.
    pub timeout: Duration,
    /// Counters of what the client has been sent.
    pub counters: Counters,
}

/// The reason for which a session did not take over a media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManageError {
    /// The session has another media at this path.
    AlreadyManaged,
    /// The session has as many media as
    /// [`PoolConfig::max_media_per_session`](super::PoolConfig::max_media_per_session) allows.
    AtLimit {
        /// The value of the limit.
        limit: usize,
    },
}

impl fmt::Display for ManageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyManaged => f.write_str("the session already has media at this path"),
            Self::AtLimit { limit } => write!(f, "the session has {limit} media and takes no more"),
        }
    }
}

impl std::error::Error for ManageError {}

/// A media that a session did not take over, with the reason.
#[derive(Debug)]
#[non_exhaustive]
pub struct NotManaged<M> {
    /// The media, unchanged.
    pub media: M,
    /// The reason.
    pub reason: ManageError,
}

/// The result of [`Session::lookup`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Match<'a, M> {
    /// The media.
    pub media: &'a M,
    /// The path of the media.
    pub path: &'a str,
    /// Number of bytes of the requested path that this path covers; the rest names a track.
    pub matched: usize,
}

/// A client session of a [`SessionPool`](super::SessionPool), with media of type `M`.
///
/// Time-out and grace period are changed through the pool, which keeps the sessions ordered by
/// expiry.
pub struct Session<M> {
    key: SessionId,
    id: Arc<str>,
    peer: SocketAddr,
    stream: Arc<str>,
    created_at: Instant,
    touched_at: Instant,
    timeout: Duration,
    grace: Duration,
    /// `Some` while guards exist, and afterwards until the pool has noticed that they are gone.
    hold: Option<Arc<()>>,
    counters: Counters,
    connection: Option<RawId>,
    user: Option<Arc<str>>,
    user_data: Option<Box<dyn Any>>,
    media: Vec<(Box<str>, M)>,
    max_media: usize,
}

/// The properties that the pool gives to a new session.
pub(crate) struct Birth {
    pub(crate) key: SessionId,
    pub(crate) id: Arc<str>,
    pub(crate) peer: SocketAddr,
    pub(crate) stream: Arc<str>,
    pub(crate) now: Instant,
    pub(crate) timeout: Duration,
    pub(crate) grace: Duration,
    pub(crate) max_media: usize,
}

impl<M> Session<M> {
    pub(crate) fn new(birth: Birth) -> Self {
        Self {
            key: birth.key,
            id: birth.id,
            peer: birth.peer,
            stream: birth.stream,
            created_at: birth.now,
            touched_at: birth.now,
            timeout: birth.timeout,
            grace: birth.grace,
            hold: None,
            counters: Counters::default(),
            connection: None,
            user: None,
            user_data: None,
            media: Vec::new(),
            max_media: birth.max_media,
        }
    }

    /// Returns the id of the session in its pool.
    pub const fn key(&self) -> SessionId {
        self.key
    }

    /// Returns the session id as the client knows it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the value of the `Session` header (RFC 2326 section 12.37): `id;timeout=60`, in
    /// whole seconds and without the space that some clients take for a part of the id.
    ///
    /// For a session that never expires, the header has the id only. The client then assumes 60 s,
    /// which does no harm; `timeout=0` makes some clients send requests without a pause.
    pub fn header(&self) -> SessionHeader<'_> {
        // Clients keep the number in 32 bits with a sign.
        let seconds = self.timeout.as_secs().clamp(1, i32::MAX as u64) as u32;
        SessionHeader::new(&self.id, (!self.timeout.is_zero()).then_some(seconds))
    }

    /// Returns the time-out that the client is told; zero: the session never expires.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns the grace period, for which the session outlives its time-out. Clients do not learn
    /// it.
    pub const fn grace(&self) -> Duration {
        self.grace
    }

    pub(crate) const fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    pub(crate) const fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }

    /// Returns when the session was made.
    pub const fn created_at(&self) -> Instant {
        self.created_at
    }

    /// Returns when the client last gave a sign of life.
    pub const fn touched_at(&self) -> Instant {
        self.touched_at
    }

    /// Records a sign of life of the client, in O(1). Returns false, and changes nothing, if the
    /// session has expired.
    pub fn touch(&mut self, now: Instant) -> bool {
        let expired = self.is_expired(now);
        if !expired {
            self.touched_at = self.touched_at.max(now);
        }
        !expired
    }

    /// Returns when the session expires if no guard keeps it; `None` if it never does, or at a time
    /// beyond the range of [`Instant`].
    pub fn expires_at(&self) -> Option<Instant> {
        if self.timeout.is_zero() {
            return None;
        }
        self.touched_at.checked_add(self.timeout.checked_add(self.grace)?)
    }

    /// Returns whether the session has expired at `now`, even if the pool has not removed it yet.
    pub fn is_expired(&self, now: Instant) -> bool {
        self.hold.is_none() && self.expires_at().is_some_and(|at| at <= now)
    }

    pub(crate) fn prevent_expire(&mut self) -> ExpireGuard {
        let hold = Arc::clone(self.hold.get_or_insert_default());
        ExpireGuard { session: self.key, _hold: hold }
    }

    /// Returns whether a guard keeps the session from expiring.
    pub fn is_expiry_prevented(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| Arc::strong_count(hold) > 1)
    }

    /// A session with guards counts as touched whenever it is examined, the last time when the last
    /// guard is found gone.
    pub(crate) fn renew_if_held(&mut self, now: Instant) {
        if self.hold.is_some() {
            self.touch(now);
            if !self.is_expiry_prevented() {
                self.hold = None;
            }
        }
    }

    /// Returns the address from which the session was made.
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Returns the name of the stream that the session was made for.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    pub(crate) const fn shared_stream(&self) -> &Arc<str> {
        &self.stream
    }

    /// Returns the connection that the session belongs to.
    pub const fn connection(&self) -> Option<RawId> {
        self.connection
    }

    /// Changes the connection that the session belongs to.
    pub const fn set_connection(&mut self, connection: Option<RawId>) {
        self.connection = connection;
    }

    /// Returns the user to whom the session belongs, if the application asked for credentials.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Changes the user to whom the session belongs.
    pub fn set_user(&mut self, user: Option<String>) {
        self.user = user.map(Arc::from);
    }

    /// Assigns the session to the connection and the user of the request that made it.
    pub fn bind(&mut self, requester: &Requester<'_>) {
        self.connection = requester.connection;
        self.user = requester.user.map(Arc::from);
    }

    /// Returns the application's own data, if it is of type `T`.
    pub fn user_data<T: Any>(&self) -> Option<&T> {
        self.user_data.as_ref()?.downcast_ref()
    }

    /// Like [`user_data`](Self::user_data), mutable.
    pub fn user_data_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.user_data.as_mut()?.downcast_mut()
    }

    /// Replaces the application's own data and returns the previous data; `None` removes it. The
    /// data is dropped with the session.
    pub fn set_user_data(&mut self, data: Option<Box<dyn Any>>) -> Option<Box<dyn Any>> {
        std::mem::replace(&mut self.user_data, data)
    }

    /// Returns the counters of what the client has been sent.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Adds packets and their bytes to the counters.
    pub const fn count_sent(&mut self, packets: u64, bytes: u64) {
        self.counters.packets = self.counters.packets.wrapping_add(packets);
        self.counters.bytes = self.counters.bytes.wrapping_add(bytes);
    }

    /// Adds a packet that the client has published.
    pub(crate) const fn count_packet(&mut self, len: usize) {
        self.count_sent(1, len as u64);
    }

    /// Adds dropped frames to the counters.
    pub const fn count_dropped(&mut self, frames: u64) {
        self.counters.dropped_frames = self.counters.dropped_frames.wrapping_add(frames);
    }

    /// Returns a snapshot of the session.
    pub fn info(&self) -> SessionInfo {
        SessionInfo {
            session: self.key,
            id: Arc::clone(&self.id),
            peer: self.peer,
            stream: Arc::clone(&self.stream),
            user: self.user.clone(),
            created_at: self.created_at,
            timeout: self.timeout,
            counters: self.counters,
        }
    }

    /// Adds `media` at `path`, the path of its aggregate control URL.
    ///
    /// # Errors
    /// The session has a media at `path`, or as many media as it may have. The error returns the
    /// media.
    pub fn manage_media(&mut self, path: &str, media: M) -> Result<&mut M, NotManaged<M>> {
        let reason = if self.media.iter().any(|(managed, _)| **managed == *path) {
            ManageError::AlreadyManaged
        } else if self.media.len() >= self.max_media {
            ManageError::AtLimit { limit: self.max_media }
        } else {
            let index = self.media.len();
            self.media.push((path.into(), media));
            return Ok(&mut self.media[index].1);
        };
        Err(NotManaged { media, reason })
    }

    /// Returns the media with the longest path that equals `path` or is followed by `/` in it.
    pub fn lookup(&self, path: &str) -> Option<Match<'_, M>> {
        let index = self.best_match(path)?;
        let (managed, media) = self.media.get(index)?;
        Some(Match { media, path: managed, matched: managed.len() })
    }

    /// Like [`lookup`](Self::lookup), mutable: returns the media and the number of bytes of `path`
    /// that its own path covers.
    pub fn lookup_mut(&mut self, path: &str) -> Option<(&mut M, usize)> {
        let index = self.best_match(path)?;
        let (managed, media) = self.media.get_mut(index)?;
        Some((media, managed.len()))
    }

    fn best_match(&self, path: &str) -> Option<usize> {
        self.media
            .iter()
            .enumerate()
            .filter(|(_, (managed, _))| covers(managed, path))
            .max_by_key(|(_, (managed, _))| managed.len())
            .map(|(index, _)| index)
    }

    /// Returns the media at exactly `path`.
    pub fn media_at(&self, path: &str) -> Option<&M> {
        self.media.iter().find(|(managed, _)| **managed == *path).map(|(_, media)| media)
    }

    /// Drops the media at exactly `path`; returns whether the session has others.
    pub fn release_media(&mut self, path: &str) -> bool {
        self.take_media(path);
        !self.media.is_empty()
    }

    /// Removes the media at exactly `path` from the session and returns it.
    pub fn take_media(&mut self, path: &str) -> Option<M> {
        let index = self.media.iter().position(|(managed, _)| **managed == *path)?;
        Some(self.media.remove(index).1)
    }

    /// Keeps the media for which `keep` returns true, and returns the others.
    pub fn retain_media(&mut self, mut keep: impl FnMut(&str, &mut M) -> bool) -> Vec<M> {
        let mut released = Vec::new();
        for (path, mut media) in std::mem::take(&mut self.media) {
            if keep(&path, &mut media) {
                self.media.push((path, media));
            } else {
                released.push(media);
            }
        }
        released
    }

    /// Iterates over paths and media, in the order in which they were added.
    pub fn media(&self) -> impl ExactSizeIterator<Item = (&str, &M)> {
        self.media.iter().map(|(path, media)| (&**path, media))
    }

    /// Like [`media`](Self::media), mutable.
    pub fn media_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut M)> {
        self.media.iter_mut().map(|(path, media)| (&**path, media))
    }

    /// Returns the number of media.
    pub fn media_len(&self) -> usize {
        self.media.len()
    }

    /// Consumes the session and returns its media.
    pub fn into_media(self) -> impl Iterator<Item = M> {
        self.media.into_iter().map(|(_, media)| media)
    }
}

impl<M: fmt::Debug> fmt::Debug for Session<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The id is a bearer token and stays out of logs.
        f.debug_struct("Session")
            .field("key", &self.key)
            .field("peer", &self.peer)
            .field("stream", &self.stream)
            .field("timeout", &self.timeout)
            .field("grace", &self.grace)
            .field("counters", &self.counters)
            .field("media", &self.media)
            .finish_non_exhaustive()
    }
}

/// Returns whether `path` is `managed` or lies below it.
fn covers(managed: &str, path: &str) -> bool {
    path.strip_prefix(managed)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || managed.ends_with('/'))
}
