//! The sockets and channels of tracks that clients publish.

use super::Streams;
use crate::env::UsageEnvironment;
use crate::ids::PacketOwner;
use crate::net::{PortPair, with_port};
use crate::rtsp::connections::Connections;
use crate::stream::destination::DestinationTransport;
use crate::stream::sockets::{SocketsId, SocketsOwner, UdpPorts, UdpSockets};
use crate::wire::interleaved;
use std::io;
use std::net::SocketAddr;

/// Bytes that the system is asked to keep for a publisher between two turns: a key frame arrives in
/// one burst.
const RECEIVE_BUFFER: usize = 1 << 20;

impl Streams {
    /// The sockets for a track that is published to the local address `local`: the pair of all
    /// streams, or a new pair.
    ///
    /// # Errors
    /// No pair can be opened or watched.
    pub(crate) fn sockets_for_publisher(
        &mut self,
        env: &mut UsageEnvironment,
        local: SocketAddr,
    ) -> io::Result<SocketsId> {
        let local = with_port(local, 0);
        let (base, tries) = match self.config.udp_ports {
            UdpPorts::Shared { port } => return self.shared_sockets(env, local, port),
            UdpPorts::Pairs { base, tries } => (base, tries),
        };
        let mut pair = PortPair::open(env, local, base, tries)?;
        if let Err(e) = pair.rtp.set_receive_buffer_size(RECEIVE_BUFFER) {
            log::debug!("the receive buffer stays as it is: {e}");
        }
        // Where the system does not, packets arrive one by one.
        pair.rtp.set_gro(true);
        self.add_sockets(env, UdpSockets::new(local, pair, SocketsOwner::Published))
    }

    /// Takes what arrives over a transport to be of a published track.
    pub(crate) fn bind_publisher(
        &mut self,
        connections: &mut Connections,
        transport: DestinationTransport,
        owner: PacketOwner,
    ) {
        match transport {
            DestinationTransport::Udp { sockets, rtp, rtcp } => {
                if let Some(sockets) = self.sockets.get_mut(sockets) {
                    sockets.add_routes((rtp, rtcp), owner);
                }
            }
            DestinationTransport::Tcp { connection, rtp_channel, rtcp_channel } => {
                if let Some(connection) = connections.get_mut(connection) {
                    connection.channels.bind((rtp_channel, rtcp_channel), owner);
                }
            }
        }
    }

    /// Undoes [`bind_publisher`](Self::bind_publisher), and closes the track's own sockets.
    pub(crate) fn unbind_publisher(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        transport: DestinationTransport,
        owner: PacketOwner,
    ) {
        match transport {
            DestinationTransport::Udp { sockets, rtp, rtcp } => {
                if let Some(pair) = self.sockets.get_mut(sockets) {
                    pair.remove_routes((rtp, rtcp), owner);
                }
                self.close_sockets_of_publisher(env, sockets);
            }
            DestinationTransport::Tcp { connection, rtp_channel, rtcp_channel } => {
                if let Some(connection) = connections.get_mut(connection) {
                    connection.forget_channels((rtp_channel, rtcp_channel), owner, true);
                }
            }
        }
    }

    /// Closes a pair that one published track has for itself.
    pub(crate) fn close_sockets_of_publisher(
        &mut self,
        env: &mut UsageEnvironment,
        sockets: SocketsId,
    ) {
        if self.sockets.get(sockets).is_some_and(|s| s.owner == SocketsOwner::Published) {
            self.sockets.remove(env, sockets);
        }
    }

    /// Sends an RTCP packet to the publisher of a track.
    pub(crate) fn send_rtcp_to_publisher(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        transport: DestinationTransport,
        packet: &[u8],
    ) {
        match transport {
            DestinationTransport::Udp { sockets, rtp, rtcp } => {
                let Some(sockets) = self.sockets.get_mut(sockets) else { return };
                if let Err(e) = sockets.socket(rtp != rtcp).send_to(env, packet, rtcp) {
                    log::debug!("RTCP to {rtcp}: {e}");
                }
            }
            DestinationTransport::Tcp { connection: id, rtcp_channel, .. } => {
                let Some(connection) = connections.get_mut(id) else { return };
                let memory = &mut self.unprotected;
                memory.clear();
                if interleaved::write(rtcp_channel, packet, memory)
                    && connection.send_media(env, memory, true).is_err()
                {
                    connections.note_broken(id);
                }
            }
        }
    }
}
