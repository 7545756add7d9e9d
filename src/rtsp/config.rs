//! [`ConnectionConfig`]: limits and time-outs of RTSP connections.

use std::time::Duration;

/// Limits and time-outs of an RTSP connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionConfig {
    /// How long a message may take to arrive, from its first byte.
    pub(crate) message_timeout: Duration,
    /// How long a connection that nothing uses may be silent.
    pub(crate) idle_timeout: Duration,
    /// How long the peer may take nothing of what waits for it.
    pub(crate) write_timeout: Duration,
    /// Bytes of interleaved packets that wait before more are dropped.
    pub(crate) max_queued_media: usize,
}
