//! [`ServerStatistics`]: what a server has accepted and refused.

use crate::server::access::AccessStatistics;

/// Counters of a server since it was made, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStatistics {
    /// Connections that were accepted.
    pub connections: u64,
    /// Connections that were refused because of
    /// [`max_connections`](super::ServerConfig::max_connections).
    pub connections_refused: u64,
    /// Connections that were refused because of
    /// [`max_connections_per_peer`](super::ServerConfig::max_connections_per_peer).
    pub connections_of_peer_refused: u64,
    /// Connections that were refused because few descriptors were left, and others of the same
    /// address were open, or it had ports and files.
    pub connections_refused_for_descriptors: u64,
    /// Requests that were refused because few descriptors were left, and their address had more than
    /// one client needs.
    pub requests_refused_for_descriptors: u64,
    /// Sessions that were refused because of a limit on all of them.
    pub sessions_refused: u64,
    /// Sessions that were refused because of the limit on those of an address.
    pub sessions_of_peer_refused: u64,
    /// Sessions that were refused because of the limit on those of a stream.
    pub sessions_of_stream_refused: u64,
    /// SETUPs that were refused because of [`max_streams`](super::ServerConfig::max_streams).
    pub streams_refused: u64,
    /// Bytes that all connections hold now, of [`max_buffered`](super::ServerConfig::max_buffered).
    pub buffered: usize,
    /// Frames that were dropped, and connections that were closed, because all connections together
    /// held too much.
    pub buffers_refused: u64,
    /// Counters of the authenticator; zeros without one.
    pub access: AccessStatistics,
}
