//! [`Channels`]: the owners of the interleaved channels of a connection (RFC 2326 section 10.12).

use crate::wire::rtp::PacketKind;

/// The interleaved channels of a connection, each bound to an owner `O`: the destination of a
/// stream in a server, a subsession in a client.
#[derive(Debug)]
pub(crate) struct Channels<O> {
    bound: Vec<Channel<O>>,
}

#[derive(Clone, Copy, Debug)]
struct Channel<O> {
    number: u8,
    owner: O,
    kind: PacketKind,
}

/// The owner of incoming data, and what was agreed on for their channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route<O> {
    /// The owner of the channel.
    pub(crate) owner: O,
    /// What the channel carries.
    pub(crate) kind: PacketKind,
}

impl<O> Default for Channels<O> {
    fn default() -> Self {
        Self { bound: Vec::new() }
    }
}

impl<O: Copy + PartialEq> Channels<O> {
    /// Binds the channels for RTP and RTCP to `owner`.
    pub(crate) fn bind(&mut self, (rtp, rtcp): (u8, u8), owner: O) {
        self.bound.push(Channel { number: rtp, owner, kind: PacketKind::Rtp });
        self.bound.push(Channel { number: rtcp, owner, kind: PacketKind::Rtcp });
    }

    /// Frees the channels of `owner`. A channel that has been bound to another owner since keeps
    /// its new owner.
    pub(crate) fn unbind(&mut self, owner: O) {
        self.bound.retain(|channel| channel.owner != owner);
    }

    /// Returns the owner of a channel and what the channel carries; `None` if the channel is not
    /// bound.
    pub(crate) fn route(&self, number: u8) -> Option<Route<O>> {
        let channel = self.bound.iter().find(|channel| channel.number == number)?;
        Some(Route { owner: channel.owner, kind: channel.kind })
    }

    /// Iterates over the owners of all bound channels; an owner appears once for each of its
    /// channels.
    pub(crate) fn owners(&self) -> impl Iterator<Item = O> {
        self.bound.iter().map(|channel| channel.owner)
    }

    /// Chooses a pair of channels: the wanted pair if it is free, else the pair that the track
    /// already has (`own`), else the first free pair. `None` if no pair is free.
    pub(crate) fn allot(
        &self,
        wanted: Option<(u8, u8)>,
        own: Option<(u8, u8)>,
    ) -> Option<(u8, u8)> {
        let is_own = |number: u8| own.is_some_and(|(a, b)| number == a || number == b);
        let taken = |number| self.bound.iter().any(|c| c.number == number) && !is_own(number);
        let free = |pair: &(u8, u8)| !taken(pair.0) && !taken(pair.1);
        let pairs = (0..=u8::MAX).step_by(2).map(|rtp| (rtp, rtp + 1));
        wanted.filter(free).or(own).or_else(|| pairs.into_iter().find(free))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(pairs: &[((u8, u8), char)]) -> Channels<char> {
        let mut channels = Channels::default();
        pairs.iter().for_each(|(pair, owner)| channels.bind(*pair, *owner));
        channels
    }

    #[test]
    fn data_goes_to_the_owner_of_its_channel() {
        let mut channels = bound(&[((0, 1), 'a'), ((9, 4), 'b')]);
        let route = |channels: &Channels<char>, number| {
            channels.route(number).map(|route| (route.owner, route.kind))
        };
        assert_eq!(route(&channels, 0), Some(('a', PacketKind::Rtp)));
        assert_eq!(route(&channels, 1), Some(('a', PacketKind::Rtcp)));
        assert_eq!(route(&channels, 9), Some(('b', PacketKind::Rtp)));
        assert_eq!(route(&channels, 4), Some(('b', PacketKind::Rtcp)));
        assert_eq!(route(&channels, 2), None);
        channels.unbind('a');
        assert_eq!(route(&channels, 1), None);
        assert_eq!(channels.owners().collect::<String>(), "bb");
    }

    #[test]
    fn who_leaves_takes_nothing_from_who_was_given_the_same_channels() {
        let mut channels = bound(&[((0, 1), 'a'), ((0, 1), 'b')]);
        channels.unbind('a');
        assert_eq!(channels.route(1), Some(Route { owner: 'b', kind: PacketKind::Rtcp }));
    }

    #[test]
    fn the_wanted_pair_goes_before_the_own_and_that_before_a_free_one() {
        let channels = bound(&[((0, 1), 'a'), ((4, 5), 'b')]);
        assert_eq!(channels.allot(None, None), Some((2, 3)));
        assert_eq!(channels.allot(Some((8, 7)), None), Some((8, 7)));
        assert_eq!(channels.allot(Some((5, 6)), None), Some((2, 3)), "5 is taken");
        assert_eq!(channels.allot(Some((0, 1)), Some((4, 5))), Some((4, 5)));
        assert_eq!(channels.allot(Some((5, 6)), Some((4, 5))), Some((5, 6)), "5 is its own");
        let all: Vec<_> = (0..128).map(|n| ((2 * n, 2 * n + 1), 'x')).collect();
        assert_eq!(bound(&all).allot(Some((0, 1)), None), None);
    }
}
