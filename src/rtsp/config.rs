//! [`ConnectionConfig`]: limits and time-outs of RTSP connections.

use crate::wire::rtsp::Limits;
use std::time::Duration;

/// The usual limit on unanswered requests to one peer.
pub(crate) const MAX_UNANSWERED: usize = 16;

/// Limits and time-outs of an RTSP connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionConfig {
    /// Limits on one message from the peer.
    pub(crate) limits: Limits,
    /// Messages and interleaved packets that are processed in one turn of the loop.
    pub(crate) messages_per_turn: usize,
    /// Time that a byte stream may take until it is established: a TLS handshake, the opening of an
    /// HTTP tunnel.
    pub(crate) handshake_timeout: Duration,
    /// Time that a message may take to arrive completely, from its first byte.
    pub(crate) message_timeout: Duration,
    /// Time without input after which an unused connection is closed.
    pub(crate) idle_timeout: Duration,
    /// Time after which a connection is closed whose peer accepts none of the queued output.
    pub(crate) write_timeout: Duration,
    /// Bytes of interleaved packets that are queued before further ones are dropped.
    pub(crate) max_queued_media: usize,
    /// Bytes of queued requests and responses above which the connection is closed.
    pub(crate) max_queued_messages: usize,
    /// Requests to the peer that may be unanswered at the same time.
    pub(crate) max_unanswered: usize,
    /// Whether input that is no message is skipped, as by a client, or ends the connection.
    pub(crate) resynchronizes: bool,
}

#[cfg(test)]
impl ConnectionConfig {
    /// A configuration for tests: small limits, and time-outs that differ from each other.
    pub(crate) fn of_tests() -> Self {
        Self {
            limits: Limits::default(),
            messages_per_turn: 16,
            handshake_timeout: Duration::from_secs(5),
            message_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(65),
            write_timeout: Duration::from_secs(7),
            max_queued_media: 1000,
            max_queued_messages: 100,
            max_unanswered: 3,
            resynchronizes: false,
        }
    }
}
