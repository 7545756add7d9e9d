//! [`Warned`]: the subjects about which a warning was logged. A repeated violation by the same peer
//! is logged at debug level: a client that reconnects every second would fill the log of a device.

use log::Level;
use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;

/// Number of subjects that are remembered; the oldest is forgotten first, and then warned about
/// again.
const REMEMBERED: usize = 256;

/// A violation by a peer, or a failure to serve it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Breach {
    /// A stream could not be made for the peer.
    NoStream,
    /// No UDP ports were available for the peer.
    NoPorts,
    /// The peer does not read the answers to its requests.
    TakesNoAnswers,
    /// The peer would take the last descriptors.
    TooManyDescriptors,
    /// The peer names a session of another client.
    ForeignSession,
    /// The peer publishes packets that are too long to be read whole.
    LongPackets,
}

/// The subjects, of type `K`, about which a warning was logged.
#[derive(Debug)]
pub(crate) struct Warned<K> {
    known: HashSet<K>,
    in_order: VecDeque<K>,
}

impl<K: Clone + Eq + Hash> Warned<K> {
    pub(crate) fn new() -> Self {
        Self { known: HashSet::new(), in_order: VecDeque::new() }
    }

    /// Returns the log level for a subject: warning the first time, debug from then on.
    pub(crate) fn level(&mut self, subject: K) -> Level {
        if self.known.contains(&subject) {
            return Level::Debug;
        }
        if self.in_order.len() == REMEMBERED {
            if let Some(oldest) = self.in_order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(subject.clone());
        self.in_order.push_back(subject);
        Level::Warn
    }
}

impl Warned<(IpAddr, Breach)> {
    /// Returns the log level for a violation by a peer.
    pub(crate) fn level_for(&mut self, peer: IpAddr, breach: Breach) -> Level {
        self.level((peer.to_canonical(), breach))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn peer(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + n).into()
    }

    #[test]
    fn a_warning_is_for_the_first_of_each_peer_and_kind() {
        let mut warned = Warned::new();
        let levels = [
            (peer(1), Breach::NoPorts),
            (peer(1), Breach::NoPorts),
            (peer(1), Breach::NoStream),
            (peer(2), Breach::NoPorts),
            ("::ffff:10.0.0.1".parse().unwrap(), Breach::NoPorts),
        ]
        .map(|(peer, breach)| warned.level_for(peer, breach));
        assert_eq!(levels, [Level::Warn, Level::Debug, Level::Warn, Level::Warn, Level::Debug]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut warned = Warned::new();
        for n in 0..10_000 {
            assert_eq!(warned.level_for(peer(n), Breach::NoStream), Level::Warn);
        }
        assert_eq!((warned.known.len(), warned.in_order.len()), (REMEMBERED, REMEMBERED));
        assert_eq!(warned.level_for(peer(9_999), Breach::NoStream), Level::Debug);
        assert_eq!(warned.level_for(peer(0), Breach::NoStream), Level::Warn);
    }
}
