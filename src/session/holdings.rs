//! The descriptors that the clients at one address have caused to be opened.

use crate::net::site;
use crate::session::client_media::TrackSetup;
use crate::session::release::SessionTables;
use crate::stream::destination::DestinationTransport;
use crate::stream::sockets::SocketsOwner;
use std::net::IpAddr;

/// Descriptors that any address may have, however few are left: a connection, a file, and the ports
/// of two tracks.
pub(crate) const MODEST: usize = 6;

impl SessionTables<'_> {
    /// The descriptors that the clients at an address have: their connections, the files that they
    /// are sent, and the ports of their streams. What is shared counts for each.
    ///
    /// Looks at every client session.
    pub(crate) fn descriptors_of(&self, peer: IpAddr) -> usize {
        let of_peer =
            self.pool.iter().filter(|(_, session)| site(session.peer().ip()) == site(peer));
        let of_media = of_peer.flat_map(|(_, session)| session.media()).map(|(_, media)| {
            let of = self.media_sessions.get(media.media_session());
            let is_file = of.is_some_and(|media_session| media_session.provided.is_some());
            let pairs = media.tracks().filter(|track| self.has_ports(track)).count();
            let talks = usize::from(media.talk.is_some_and(|talk| talk.has_ports));
            usize::from(is_file) + 2 * (pairs + talks)
        });
        self.connections.count_of(peer) + of_media.sum::<usize>()
    }

    /// Whether a track is sent from ports that its stream has for itself.
    fn has_ports(&self, track: &TrackSetup) -> bool {
        match self.streams.transport_of(track.stream, track.destination) {
            Some(DestinationTransport::Udp { sockets, .. }) => self
                .streams
                .sockets(sockets)
                .is_some_and(|sockets| matches!(sockets.owner, SocketsOwner::Stream(_))),
            _ => false,
        }
    }
}
