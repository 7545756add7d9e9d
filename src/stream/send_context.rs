//! [`SendContext`]: the tables that a stream is lent while it runs.

use crate::env::UsageEnvironment;
use crate::ids::ClientSessionId;
use crate::media::demux::DemuxTable;
use crate::rtsp::connections::Connections;
use crate::stream::destination::DestinationTransport;
use crate::stream::live_clocks::LiveClocks;
use crate::stream::packet_memory::PacketMemory;
use crate::stream::sockets::Sockets;
use crate::wire::interleaved;

/// The tables that a stream is lent while it runs: connections and sockets that its packets go
/// through, and what it shares with the other streams.
pub(crate) struct SendContext<'a> {
    pub(crate) connections: &'a mut Connections,
    pub(crate) sockets: &'a mut Sockets,
    pub(crate) demuxers: &'a mut DemuxTable,
    pub(crate) live_clocks: &'a mut LiveClocks,
    pub(crate) memory: &'a mut PacketMemory,
    /// Client sessions whose connection takes what it is sent, and which are alive therefore.
    pub(crate) heard: &'a mut Vec<ClientSessionId>,
}

impl SendContext<'_> {
    /// Sends an RTCP packet to a destination whose transport is a connection; to no other.
    /// `memory` is for the packet with its interleaving prefix.
    pub(crate) fn send_rtcp_over_tcp(
        &mut self,
        env: &mut UsageEnvironment,
        packet: &[u8],
        to: DestinationTransport,
        memory: &mut Vec<u8>,
    ) {
        let DestinationTransport::Tcp { connection, rtcp_channel, .. } = to else { return };
        let Some(c) = self.connections.get_mut(connection) else { return };
        memory.clear();
        if interleaved::write(rtcp_channel, packet, memory)
            && c.send_media(env, memory, true).is_err()
        {
            self.connections.note_broken(connection);
        }
    }
}
