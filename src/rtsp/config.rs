//! [`ConnectionConfig`]: limits and time-outs of RTSP connections.

use crate::wire::rtsp::Limits;
use std::time::Duration;

/// Requests to one peer that may be unanswered at a time, as a rule.
pub(crate) const MAX_UNANSWERED: usize = 16;

/// Limits and time-outs of an RTSP connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionConfig {
    /// Limits on one message from the peer.
    pub(crate) limits: Limits,
    /// Messages and interleaved packets that are handled in one turn of the loop.
    pub(crate) messages_per_turn: usize,
    /// How long a message may take to arrive, from its first byte.
    pub(crate) message_timeout: Duration,
    /// How long a connection that nobody uses may be silent.
    pub(crate) idle_timeout: Duration,
    /// How long the peer may take nothing of what waits for it.
    pub(crate) write_timeout: Duration,
    /// Bytes of interleaved packets that wait before more are dropped.
    pub(crate) max_queued_media: usize,
    /// Bytes of requests and responses that wait before the connection is given up.
    pub(crate) max_queued_messages: usize,
    /// Requests to the peer that may be unanswered at a time.
    pub(crate) max_unanswered: usize,
}

#[cfg(test)]
impl ConnectionConfig {
    /// Small limits, and time-outs that differ from each other.
    pub(crate) fn of_tests() -> Self {
        Self {
            limits: Limits::default(),
            messages_per_turn: 16,
            message_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(65),
            write_timeout: Duration::from_secs(7),
            max_queued_media: 1000,
            max_queued_messages: 100,
            max_unanswered: 3,
        }
    }
}
