//! [`ProxyConfig`]: how a source is pulled, and how its stream is served.

use crate::client::PlayerConfig;
use crate::error::Error;
use std::time::Duration;

/// Configuration of a [`ProxyServerMediaSession`](super::ProxyServerMediaSession). [`Default`] gives
/// the defaults, and each field can then be set.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ProxyConfig {
    /// How the source is played: credentials, transport, time limits, delays between attempts. The
    /// [output](PlayerConfig::output) is packets in any case.
    pub player: PlayerConfig,
    /// When the source is pulled. Default: while there are viewers.
    pub pull: Pull,
}

/// When a source is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pull {
    /// Always, with or without viewers.
    Always,
    /// From the first viewer on. The response to its DESCRIBE waits until the source has been set up,
    /// for [`describe_timeout`](crate::server::ServerConfig::describe_timeout) at most.
    OnDemand {
        /// Time after the last viewer has left until the source is closed. `None`: it stays open
        /// from the first viewer on.
        close_after: Option<Duration>,
    },
}

impl Default for Pull {
    /// Returns [`OnDemand`](Self::OnDemand) with ten seconds until the source is closed.
    fn default() -> Self {
        Self::OnDemand { close_after: Some(Duration::from_secs(10)) }
    }
}

impl ProxyConfig {
    /// Checks that a source can be pulled with this configuration.
    ///
    /// # Errors
    /// [`Error::Usage`]: as [`PlayerConfig::check`].
    pub fn check(&self) -> Result<(), Error> {
        self.player.check()
    }
}
