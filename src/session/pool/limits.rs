//! Limits on the number of sessions, and the numbers by peer address and by stream.

use crate::arena::shrink_map;
use crate::net::site;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// A limit on the number of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// The limit on all sessions ([`PoolConfig::max_sessions`](super::PoolConfig::max_sessions)).
    Sessions,
    /// The limit on the sessions of one address
    /// ([`PoolConfig::max_sessions_per_peer`](super::PoolConfig::max_sessions_per_peer)).
    SessionsOfPeer,
    /// The limit on the sessions of one stream
    /// ([`PoolConfig::max_sessions_per_stream`](super::PoolConfig::max_sessions_per_stream)).
    SessionsOfStream,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sessions => "sessions",
            Self::SessionsOfPeer => "sessions of this address",
            Self::SessionsOfStream => "sessions of this stream",
        })
    }
}

/// The reason for which a session was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateError {
    /// A limit is reached; the server answers 503 with `Retry-After`.
    AtLimit {
        /// The limit that is reached.
        which: Limit,
        /// The value of the limit.
        limit: usize,
        /// How long the client should wait before it tries again, in whole seconds, at least one.
        retry_after: Duration,
    },
    /// No unused session id was found; the server answers 500.
    NoUniqueId,
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLimit { which, limit, .. } => {
                write!(f, "limit reached: {which} (limit {limit})")
            }
            Self::NoUniqueId => f.write_str("no unique session id"),
        }
    }
}

impl std::error::Error for CreateError {}

/// Exact numbers of the present sessions, by address and stream. A number of zero takes no memory.
#[derive(Debug, Default)]
pub(crate) struct Census {
    peers: HashMap<IpAddr, usize>,
    streams: HashMap<Arc<str>, usize>,
}

impl Census {
    pub(crate) fn of_peer(&self, peer: SocketAddr) -> usize {
        self.peers.get(&peer_key(peer)).copied().unwrap_or(0)
    }

    pub(crate) fn of_stream(&self, stream: &str) -> usize {
        self.streams.get(stream).copied().unwrap_or(0)
    }

    /// Returns the name under which sessions of `stream` are counted, shared among them.
    pub(crate) fn stream_name(&self, stream: &str) -> Arc<str> {
        self.streams.get_key_value(stream).map_or_else(|| stream.into(), |(name, _)| name.clone())
    }

    pub(crate) fn add(&mut self, peer: SocketAddr, stream: &Arc<str>) {
        *self.peers.entry(peer_key(peer)).or_default() += 1;
        *self.streams.entry(Arc::clone(stream)).or_default() += 1;
    }

    pub(crate) fn subtract(&mut self, peer: SocketAddr, stream: &Arc<str>) {
        decrement(&mut self.peers, &peer_key(peer));
        decrement(&mut self.streams, stream);
    }

    #[cfg(test)]
    pub(crate) fn keys(&self) -> usize {
        self.peers.len() + self.streams.len()
    }
}

/// The key of a peer: all that one host can easily have counts as one address.
const fn peer_key(peer: SocketAddr) -> IpAddr {
    site(peer.ip())
}

fn decrement<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
            shrink_map(counts);
        }
    }
}
