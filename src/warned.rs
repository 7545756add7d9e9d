//! [`Warned`]: of what the log has been warned. A peer that repeats its breach is not repeated at the
//! level of warnings: a client that comes back every second would fill the log of a device.

use log::Level;
use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;

/// Subjects that are remembered; the oldest is forgotten first, and warned of again.
const REMEMBERED: usize = 256;

/// What a peer did, or what could not be done for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Breach {
    /// A stream could not be made for it.
    NoStream,
    /// There were no UDP ports for it.
    NoPorts,
    /// It takes no answers to its requests.
    TakesNoAnswers,
    /// It names a session of another.
    ForeignSession,
}

/// The subjects, of type `K`, of which the log has been warned.
#[derive(Debug)]
pub(crate) struct Warned<K> {
    known: HashSet<K>,
    in_order: VecDeque<K>,
}

impl<K: Clone + Eq + Hash> Warned<K> {
    pub(crate) fn new() -> Self {
        Self { known: HashSet::new(), in_order: VecDeque::new() }
    }

    /// The level at which to log: a warning the first time, for debugging from then on.
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
    /// The level at which to log a breach of a peer.
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
