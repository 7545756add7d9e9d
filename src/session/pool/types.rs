//! What a pool is told, and what it tells.

use super::SessionId;
use super::entitlement::Entitlement;
use super::session::Session;
use std::fmt;
use std::time::Duration;

/// What a pool is told when it is made. All of it can be changed later.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolConfig {
    /// Sessions at once. 0: no limit. Default: 1024.
    pub max_sessions: usize,
    /// Sessions at once from one address. 0: no limit. Default: 256.
    pub max_sessions_per_peer: usize,
    /// Sessions at once for one stream. 0: no limit. Default: 1024.
    pub max_sessions_per_stream: usize,
    /// Media of one session.
    pub max_media_per_session: usize,
    /// Time-out of new sessions, announced to clients; zero for sessions that never expire.
    pub timeout: Duration,
    /// Time that a new session lives on after its time-out. Clients are not told.
    pub grace: Duration,
    /// Who may use a session whose id it names.
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
    /// The client said TEARDOWN.
    TornDown,
    /// The client gave no sign of life in time.
    Expired,
    /// The application or the server's own rules took it away.
    Removed,
    /// The connection that it streamed over is gone.
    ConnectionLost,
    /// The server, or the pool, ends.
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

/// What has happened to the table; see [`SessionPool::poll_event`](super::SessionPool::poll_event).
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "events are taken as soon as they are queued")]
pub enum PoolEvent<M> {
    /// A session was made.
    Created(SessionId),
    /// A session has left otherwise than by [`SessionPool::remove`](super::SessionPool::remove).
    Removed {
        /// The session, with the media that are to be released.
        session: Session<M>,
        /// Why.
        reason: RemovalReason,
    },
}

/// Answer of a [filter](super::SessionPool::filter)'s callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterResult {
    /// Leave the session as it is.
    Keep,
    /// Take it out of the pool.
    Remove,
    /// Leave it, and name it in the result.
    Reference,
}
