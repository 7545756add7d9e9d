//! The pool's configuration, its events, and the answers and reasons that it deals in.

use super::entitlement::Entitlement;
use super::session::Session;
use crate::ids::ClientSessionId as SessionId;
use std::fmt;
use std::time::Duration;

/// The configuration of a pool. All of it can be changed while the pool is in use.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolConfig {
    /// The most sessions at once. 0: no limit. Default: 1024.
    pub max_sessions: usize,
    /// The most sessions at once from one address. 0: no limit. Default: 256.
    pub max_sessions_per_peer: usize,
    /// The most sessions at once of one stream. 0: no limit. Default: 1024.
    pub max_sessions_per_stream: usize,
    /// The most media of one session.
    pub max_media_per_session: usize,
    /// The time-out of new sessions, which clients are told; zero for sessions that never expire.
    pub timeout: Duration,
    /// The time that new sessions live on after their time-out. Clients are not told.
    pub grace: Duration,
    /// Which requests that name a session may use it.
    pub entitlement: Entitlement,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max_sessions: 1024,
            max_sessions_per_peer: 256,
            max_sessions_per_stream: 1024,
            max_media_per_session: 16,
            timeout: Duration::from_secs(60),
            grace: Duration::from_secs(5),
            entitlement: Entitlement::default(),
        }
    }
}

impl PoolConfig {
    /// The default, with no limit on the number of sessions.
    pub fn unlimited() -> Self {
        Self {
            max_sessions: 0,
            max_sessions_per_peer: 0,
            max_sessions_per_stream: 0,
            ..Self::default()
        }
    }
}

/// Why a session left the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemovalReason {
    /// The client sent TEARDOWN.
    TornDown,
    /// The client gave no sign of life in time.
    Expired,
    /// The application ended it, or a rule of the server did.
    Removed,
    /// The connection that it streamed over is gone.
    ConnectionLost,
    /// The server is closed, or the pool is dropped.
    ServerClosing,
}

impl fmt::Display for RemovalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TornDown => "torn down",
            Self::Expired => "expired",
            Self::Removed => "removed",
            Self::ConnectionLost => "connection lost",
            Self::ServerClosing => "server closing",
        })
    }
}

/// A change of the pool; see [`SessionPool::poll_event`](super::SessionPool::poll_event).
#[derive(Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "events are taken as soon as they are queued")]
pub enum PoolEvent<M> {
    /// A session was made.
    Created(SessionId),
    /// A session has left in another way than by
    /// [`SessionPool::remove`](super::SessionPool::remove).
    Removed {
        /// The session, with the media that the caller has to release.
        session: Session<M>,
        /// Why it left.
        reason: RemovalReason,
    },
}

/// What a [filter](super::SessionPool::filter) does with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterResult {
    /// Keeps the session.
    Keep,
    /// Removes the session from the pool.
    Remove,
    /// Keeps the session, and lists it in the result.
    Reference,
}
