//! [`ProxyConfig`]: how a source is pulled, and how its stream is served.

use crate::client::PlayerConfig;
use crate::error::Error;
use crate::payload::PayloadFormat;
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
    /// The back channel of the source, which viewers may talk to if they may
    /// [talk](crate::server::access::Action::Talk). Default: there is none.
    pub back_channel: Option<ProxyBackChannel>,
}

/// The back channel of a pulled source (ONVIF Streaming Specification section 5.3).
///
/// It is described to viewers before the source has been asked for it, so its format is configured.
/// When a viewer sets it up, a connection to the source is made for it, beside the one for the
/// pictures, which is left alone; the response to SETUP waits. If the source has no back channel the
/// viewer is answered 551, if it takes other audio 415, and 502 if it cannot be reached. A viewer who
/// talks is a viewer: the source is pulled meanwhile, whether or not anybody sets up its tracks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProxyBackChannel {
    /// What viewers send, and the source takes. Default: PCMU at 8 kHz, which ONVIF devices have.
    pub format: PayloadFormat,
    /// Time after the last viewer has talked until the connection is closed. Default: 10 s.
    pub close_after: Duration,
    /// Time after a failure in which the source is not asked again. Default: 10 s.
    pub retry_after: Duration,
}

impl Default for ProxyBackChannel {
    fn default() -> Self {
        Self {
            format: PayloadFormat::new("audio", "PCMU", 8000, 0),
            close_after: Duration::from_secs(10),
            retry_after: Duration::from_secs(10),
        }
    }
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
