//! One client session: what the server keeps between the requests of a client (RFC 2326
//! sections 3.4 and 12.37). A session knows nothing of sockets and reads no clock.

use super::SessionId;
use super::entitlement::Requester;
use crate::arena::RawId;
use crate::wire::rtsp::SessionHeader;
use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Keeps a session from expiring for as long as it lives, on whatever thread it is.
///
/// Letting go of it any number of times is impossible, so the count cannot underflow. After the
/// last guard of a session is dropped, the session's time-out starts again from the pool's next
/// look at it; [`SessionPool::allow_expire`](super::SessionPool::allow_expire) starts it at an
/// exact moment.
#[derive(Debug)]
#[must_use = "the session may expire as soon as the guard is dropped"]
pub struct ExpireGuard {
    session: SessionId,
    /// Held for its reference count alone.
    _hold: Arc<()>,
}

impl ExpireGuard {
    /// The session that is kept.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Lets the session expire again, as dropping the guard does.
    pub fn allow_expire(self) {
        drop(self);
    }
}

/// What has been sent for a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// RTP and RTCP packets.
    pub packets: u64,
    /// Bytes of these packets, without the headers of UDP or TCP.
    pub bytes: u64,
    /// Frames that were left out because the client did not take in time what it was sent.
    pub dropped_frames: u64,
}

/// Facts about a session at one moment, as values: what hooks of the application are told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Names the session in the pool.
    pub session: SessionId,
    /// The id as clients know it. A secret: whoever knows it may be entitled to the session.
    pub id: Arc<str>,
    /// Who made the session.
    pub peer: SocketAddr,
    /// Name of the stream that it was made for.
    pub stream: Arc<str>,
    /// The user who made it, where users are asked for.
    pub user: Option<Arc<str>>,
    /// When it was made.
    pub created_at: Instant,
    /// Announced time-out; zero if it never expires.
    pub timeout: Duration,
    /// What has been sent for it.
    pub counters: Counters,
}

/// Why a session did not take another media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManageError {
    /// Another media of the session has this path.
    AlreadyManaged,
    /// The session has as many media as it may.
    AtLimit {
        /// The limit in force.
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

/// A media that a session did not take, and why.
#[derive(Debug)]
pub struct NotManaged<M> {
    /// The media, unchanged.
    pub media: M,
    /// Why.
    pub reason: ManageError,
}

/// What [`Session::lookup`] found.
#[derive(Debug)]
pub struct Match<'a, M> {
    /// The media.
    pub media: &'a M,
    /// Its path.
    pub path: &'a str,
    /// How many bytes of the requested path it covers; the rest names a track.
    pub matched: usize,
}

/// One client session of a [`SessionPool`](super::SessionPool), with media of type `M`.
///
/// Time-out and grace are changed through the pool, which keeps the sessions ordered by expiry.
pub struct Session<M> {
    key: SessionId,
    id: Arc<str>,
    peer: SocketAddr,
    stream: Arc<str>,
    created_at: Instant,
    touched_at: Instant,
    timeout: Duration,
    grace: Duration,
    /// `Some` while guards exist, and after the last has gone until the pool has noticed.
    hold: Option<Arc<()>>,
    counters: Counters,
    connection: Option<RawId>,
    user: Option<Arc<str>>,
    user_data: Option<Box<dyn Any>>,
    media: Vec<(Box<str>, M)>,
    max_media: usize,
}

/// What the pool decides about a session that it makes.
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

    /// Names the session in its pool.
    pub const fn key(&self) -> SessionId {
        self.key
    }

    /// The id as the client knows it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The `Session` header (RFC 2326 section 12.37): `id;timeout=60`, in whole seconds
    /// and without the space that some clients take for a part of the id.
    ///
    /// A session that never expires is announced by its id alone. A client then assumes 60 s,
    /// which does no harm; `timeout=0` makes some ask again without a pause.
    pub fn header(&self) -> SessionHeader<'_> {
        // Clients keep the number in 32 bits with a sign.
        let seconds = self.timeout.as_secs().clamp(1, i32::MAX as u64) as u32;
        SessionHeader::new(&self.id, (!self.timeout.is_zero()).then_some(seconds))
    }

    /// Announced time-out; zero if the session never expires.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Time that the session lives on after its time-out; not announced.
    pub const fn grace(&self) -> Duration {
        self.grace
    }

    pub(crate) const fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    pub(crate) const fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }

    /// When the session was made.
    pub const fn created_at(&self) -> Instant {
        self.created_at
    }

    /// When the client last gave a sign of life.
    pub const fn touched_at(&self) -> Instant {
        self.touched_at
    }

    /// The client gave a sign of life. O(1): the pool notices when the old deadline comes. False,
    /// and nothing changes, if it comes too late.
    pub fn touch(&mut self, now: Instant) -> bool {
        let expired = self.is_expired(now);
        if !expired {
            self.touched_at = self.touched_at.max(now);
        }
        !expired
    }

    /// The moment of expiry, guards aside; `None` if there is none, or none that time can reach.
    pub fn expires_at(&self) -> Option<Instant> {
        if self.timeout.is_zero() {
            return None;
        }
        self.touched_at.checked_add(self.timeout.checked_add(self.grace)?)
    }

    /// Whether the session has expired, even if the pool has not been cleaned up since.
    pub fn is_expired(&self, now: Instant) -> bool {
        self.hold.is_none() && self.expires_at().is_some_and(|at| at <= now)
    }

    pub(crate) fn prevent_expire(&mut self) -> ExpireGuard {
        let hold = Arc::clone(self.hold.get_or_insert_default());
        ExpireGuard { session: self.key, _hold: hold }
    }

    /// Whether a guard keeps the session from expiring.
    pub fn is_expiry_prevented(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| Arc::strong_count(hold) > 1)
    }

    /// A held session counts as touched whenever it is looked at; when it turns out that the last
    /// guard has gone, for the last time.
    pub(crate) fn renew_if_held(&mut self, now: Instant) {
        if self.hold.is_some() {
            self.touch(now);
            if !self.is_expiry_prevented() {
                self.hold = None;
            }
        }
    }

    /// Who made the session.
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Name of the stream that the session was made for.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    pub(crate) const fn shared_stream(&self) -> &Arc<str> {
        &self.stream
    }

    /// The connection that the session belongs to.
    pub const fn connection(&self) -> Option<RawId> {
        self.connection
    }

    /// Says which connection the session belongs to.
    pub const fn set_connection(&mut self, connection: Option<RawId>) {
        self.connection = connection;
    }

    /// The user who made the session, where users are asked for.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Says which user made the session.
    pub fn set_user(&mut self, user: Option<String>) {
        self.user = user.map(Arc::from);
    }

    /// Binds the session to the connection and the user of the request that made it.
    pub fn bind(&mut self, requester: &Requester<'_>) {
        self.connection = requester.connection;
        self.user = requester.user.map(Arc::from);
    }

    /// The application's own data, if it is a `T`.
    pub fn user_data<T: Any>(&self) -> Option<&T> {
        self.user_data.as_ref()?.downcast_ref()
    }

    /// The application's own data, if it is a `T`.
    pub fn user_data_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.user_data.as_mut()?.downcast_mut()
    }

    /// Sets or takes away the application's own data, and returns what was there.
    pub fn set_user_data(&mut self, data: Option<Box<dyn Any>>) -> Option<Box<dyn Any>> {
        std::mem::replace(&mut self.user_data, data)
    }

    /// What has been sent for the session.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Counts what was sent.
    pub const fn count_sent(&mut self, packets: u64, bytes: u64) {
        self.counters.packets = self.counters.packets.wrapping_add(packets);
        self.counters.bytes = self.counters.bytes.wrapping_add(bytes);
    }

    /// Counts frames that were left out.
    pub const fn count_dropped(&mut self, frames: u64) {
        self.counters.dropped_frames = self.counters.dropped_frames.wrapping_add(frames);
    }

    /// The facts that hooks are told.
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

    /// Takes over `media` at `path`, the path of its aggregate control URL.
    ///
    /// # Errors
    /// Gives the media back if the path is managed already or the session has its fill.
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

    /// The media with the longest path that `path` equals or continues after a `/`.
    pub fn lookup(&self, path: &str) -> Option<Match<'_, M>> {
        let index = self.best_match(path)?;
        let (managed, media) = self.media.get(index)?;
        Some(Match { media, path: managed, matched: managed.len() })
    }

    /// As [`lookup`](Self::lookup), for a change: the media and how many bytes of `path` its own
    /// path covers.
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

    /// The media at exactly `path`.
    pub fn media_at(&self, path: &str) -> Option<&M> {
        self.media.iter().find(|(managed, _)| **managed == *path).map(|(_, media)| media)
    }

    /// Drops the media at exactly `path`; returns whether others remain.
    pub fn release_media(&mut self, path: &str) -> bool {
        self.take_media(path);
        !self.media.is_empty()
    }

    /// Takes the media at exactly `path` out of the session.
    pub fn take_media(&mut self, path: &str) -> Option<M> {
        let index = self.media.iter().position(|(managed, _)| **managed == *path)?;
        Some(self.media.remove(index).1)
    }

    /// Keeps the media for which `keep` answers true and returns the others.
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

    /// Paths and media, in the order in which they were taken over.
    pub fn media(&self) -> impl ExactSizeIterator<Item = (&str, &M)> {
        self.media.iter().map(|(path, media)| (&**path, media))
    }

    /// Paths and media, in the order in which they were taken over.
    pub fn media_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut M)> {
        self.media.iter_mut().map(|(path, media)| (&**path, media))
    }

    /// Number of media.
    pub fn media_len(&self) -> usize {
        self.media.len()
    }

    /// Ends the session as a value and leaves its media.
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

/// Whether `path` is `managed` or lies below it.
fn covers(managed: &str, path: &str) -> bool {
    path.strip_prefix(managed)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || managed.ends_with('/'))
}
