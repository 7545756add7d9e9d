//! [`SendContext`]: what a stream is lent while it runs.

use crate::ids::ClientSessionId;
use crate::media::demux::DemuxTable;
use crate::rtsp::connections::Connections;
use crate::stream::live_clocks::LiveClocks;
use crate::stream::packet_memory::PacketMemory;
use crate::stream::sockets::Sockets;

/// What a stream is lent while it runs: where its packets go, and what it shares with the other
/// streams.
pub(crate) struct SendContext<'a> {
    pub(crate) connections: &'a mut Connections,
    pub(crate) sockets: &'a mut Sockets,
    pub(crate) demuxers: &'a mut DemuxTable,
    pub(crate) live_clocks: &'a mut LiveClocks,
    pub(crate) memory: &'a mut PacketMemory,
    /// Client sessions whose connection takes what it is sent.
    pub(crate) heard: &'a mut Vec<ClientSessionId>,
}
