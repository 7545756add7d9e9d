//! [`PoolConfig`], and the events and reasons of a pool.

use super::entitlement::Entitlement;
use super::session::Session;
use crate::ids::ClientSessionId as SessionId;
use std::fmt;
use std::time::Duration;

/// The configuration of a pool. All of it can be changed while the pool is in use.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolConfig {
    /// Most sessions at once. 0: no limit. Default: 1024.
    pub max_sessions: usize,
    /// Most sessions at once from one address, or from one IPv6 network of 64 bits. 0: no limit.
    /// Default: 256.
    pub max_sessions_per_peer: usize,
    /// Most sessions at once of one stream. 0: no limit. Default: 1024.
    pub max_sessions_per_stream: usize,
    /// Most media of one session. Default: 16.
    pub max_media_per_session: usize,
    /// Time-out of new sessions, as stated to clients; zero: sessions never expire. Default: 60 s.
    pub timeout: Duration,
    /// Grace period, for which new sessions outlive their time-out. Clients do not learn it.
    /// Default: 5 s.
    pub grace: Duration,
    /// Lines about the sessions of one address that are logged at the level `info` in an hour;
    /// further ones are logged at the level `debug`. (Warnings about an address are logged once for
    /// each kind.) 0: no limit. Default: 60.
    pub log_lines_per_peer: u32,
    /// Rule for which requests may use the session that they name. Default: see [`Entitlement`].
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
            log_lines_per_peer: 60,
            entitlement: Entitlement::default(),
        }
    }
}

impl PoolConfig {
    /// The default configuration without limits on the number of sessions.
    pub fn unlimited() -> Self {
        Self {
            max_sessions: 0,
            max_sessions_per_peer: 0,
            max_sessions_per_stream: 0,
            ..Self::default()
        }
    }
}

/// The reason for which a session left the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemovalReason {
    /// The client sent TEARDOWN.
    TornDown,
    /// The client gave no sign of life in time.
    Expired,
    /// The application or a rule of the server ended the session.
    Removed,
    /// The authenticator no longer permits what the session plays.
    NotPermitted,
    /// The connection that the media were sent over has ended.
    ConnectionLost,
    /// Another client publishes the stream in the place of this one.
    TakenOver,
    /// The server was closed, or the pool dropped.
    ServerClosing,
}

impl fmt::Display for RemovalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TornDown => "torn down",
            Self::Expired => "expired",
            Self::Removed => "removed",
            Self::NotPermitted => "no longer permitted",
            Self::ConnectionLost => "connection lost",
            Self::TakenOver => "taken over",
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
    /// A session has left other than by [`SessionPool::remove`](super::SessionPool::remove).
    Removed {
        /// The session, with the media that the caller has to release.
        session: Session<M>,
        /// The reason.
        reason: RemovalReason,
    },
}

/// The return value of a [filter](super::SessionPool::filter) for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterResult {
    /// Keep the session.
    Keep,
    /// Remove the session from the pool.
    Remove,
    /// Keep the session, and include it in the result.
    Reference,
}
