//! [`PublishConfig`]: whether clients may publish streams, and within which limits.

use crate::stream::fast_start::FastStart;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// From where streams may be published with ANNOUNCE and RECORD.
///
/// On a server with an [`Authenticator`](crate::server::access::Authenticator) the publisher needs
/// the right to [`Publish`](crate::server::access::Action::Publish) the stream besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishPolicy {
    /// From nowhere: the server does not offer ANNOUNCE and RECORD.
    #[default]
    Nobody,
    /// From the server's own host, over a loopback address.
    Loopback,
    /// From everywhere.
    Anybody,
}

impl PublishPolicy {
    /// Returns whether streams may be published from an address.
    pub fn admits(self, peer: IpAddr) -> bool {
        match self {
            Self::Nobody => false,
            Self::Loopback => peer.to_canonical().is_loopback(),
            Self::Anybody => true,
        }
    }
}

/// What becomes of a client that announces a stream which another client publishes.
///
/// A publisher over UDP whose RTSP connection has been closed always gives way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecondPublisher {
    /// It is refused with 455.
    #[default]
    Refuse,
    /// It takes over, and the session of the first ends. Viewers stay.
    TakeOver,
}

/// Streams that clients publish (RFC 2326 sections 10.3 and 10.11). By default they may not.
///
/// ```
/// use riverrun::server::{PublishPolicy, SecondPublisher, ServerConfig};
///
/// let mut config = ServerConfig::default();
/// config.publish.policy = PublishPolicy::Loopback;
/// config.publish.second = SecondPublisher::TakeOver;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PublishConfig {
    /// From where streams may be published. Default: from nowhere.
    pub policy: PublishPolicy,
    /// What becomes of a second publisher of a stream. Default: it is refused.
    pub second: SecondPublisher,
    /// The same for single streams, by their names, where it is not as `second` says. Default: for none.
    pub second_of: BTreeMap<String, SecondPublisher>,
    /// Streams that are announced or published at once; an ANNOUNCE of a further one is answered 503.
    /// 0: no limit. Default: 64.
    pub max_publishers: usize,
    /// Tracks of one published stream; an ANNOUNCE with more is answered 453. Default: 8.
    pub max_tracks: usize,
    /// Bytes of the description in an ANNOUNCE; a longer one is answered 413. Default: 32 KiB.
    pub max_description: usize,
    /// Time after which the session of a publisher ends that sends no packet, or that has announced a
    /// stream and does not record. A paused publisher has the time-out of its session. Default: 10 s.
    pub timeout: Duration,
    /// Time to wait for a packet that is missing over UDP, at most one minute. Default: 100 ms.
    pub max_delay: Duration,
    /// Time for which viewers stay when a publisher is gone. A publisher that returns in this time
    /// with the same codecs goes on with the stream; afterwards the stream ends. Default: 30 s.
    pub kept_for: Duration,
    /// How a newcomer to a published stream begins, unless the application has
    /// [added](crate::server::RtspServer::add_relayed_stream) the stream. Default: as for any
    /// [relayed stream](crate::server::RelayedStreamOptions::new).
    pub fast_start: Option<FastStart>,
}

impl Default for PublishConfig {
    fn default() -> Self {
        Self {
            policy: PublishPolicy::Nobody,
            second: SecondPublisher::Refuse,
            second_of: BTreeMap::new(),
            max_publishers: 64,
            max_tracks: 8,
            max_description: 32 << 10,
            timeout: Duration::from_secs(10),
            max_delay: Duration::from_millis(100),
            kept_for: Duration::from_secs(30),
            fast_start: None,
        }
    }
}

impl PublishConfig {
    /// Returns what becomes of a second publisher of the stream of a name.
    pub fn second_publisher_of(&self, name: &str) -> SecondPublisher {
        self.second_of.get(name).copied().unwrap_or(self.second)
    }

    /// Returns what a server could not work with, if there is such a thing.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let rules = [
            (self.max_tracks > 0, "publish.max_tracks is 0: nothing could be published"),
            (self.max_description > 0, "publish.max_description is 0: nothing could be published"),
            (!self.timeout.is_zero(), "publish.timeout is a time-out of 0"),
            (
                self.max_delay <= Duration::from_secs(60),
                "publish.max_delay is longer than one minute",
            ),
        ];
        rules.iter().find(|(kept, _)| !kept).map(|(_, broken)| *broken)
    }
}
