//! [`PushConfig`]: how a stream is pushed.

use crate::client::{ReconnectPolicy, RtspClientConfig, TransportPolicy};
use crate::error::Error;

/// Configuration of a [`Pusher`](super::Pusher). [`Default`] gives the defaults, and each field can
/// then be set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PushConfig {
    /// The RTSP client: credentials, trust, time-outs, header fields.
    pub client: RtspClientConfig,
    /// How media go to the server: interleaved in the RTSP connection, over UDP, or
    /// ([`Auto`](TransportPolicy::Auto)) over UDP and, where the server refuses that, in the
    /// connection. Default: in the connection, which every router and firewall lets through.
    pub transport: TransportPolicy,
    /// When to connect anew after a failure. Default: always.
    pub reconnect: ReconnectPolicy,
}

impl Default for PushConfig {
    fn default() -> Self {
        Self {
            client: RtspClientConfig::default(),
            transport: TransportPolicy::Tcp,
            reconnect: ReconnectPolicy::default(),
        }
    }
}

impl PushConfig {
    /// Checks that a stream can be pushed with this configuration.
    ///
    /// # Errors
    /// [`Error::Usage`]: as [`RtspClientConfig::check`]; the transport is multicast; the first delay
    /// is longer than the longest.
    pub fn check(&self) -> Result<(), Error> {
        self.client.check()?;
        Err(Error::Usage(match () {
            () if self.transport == TransportPolicy::Multicast => {
                "a stream is pushed to one server, not to a group"
            }
            () if self.reconnect.first_delay > self.reconnect.longest_delay => {
                "the first delay is no longer than the longest"
            }
            () => return Ok(()),
        }))
    }
}
