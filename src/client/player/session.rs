//! [`ServerSession`]: the server's side of an attempt to play.

use std::time::Duration;

/// The time-out of a session whose server names none (RFC 2326 section 12.37).
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// The shortest interval of keep-alive requests.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// A session of the server's (RFC 2326 section 12.37).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerSession {
    pub(super) id: String,
    pub(super) timeout: Duration,
}

impl ServerSession {
    /// When the session has to be kept alive, after something was heard of the server.
    pub(super) fn keep_alive_interval(&self) -> Duration {
        (self.timeout * 2 / 3).max(SHORTEST_INTERVAL)
    }
}
