//! [`Streams`]: the streams of a server, and what they share: sockets, inputs, time lines, memory.

use crate::arena::Arena;
use crate::env::UsageEnvironment;
use crate::env::turn_budget::TurnBudget;
use crate::ids::{ClientSessionId, ConnectionId, MediaSessionId, OfInput, OfStream, StreamId};
use crate::media::demux::DemuxTable;
use crate::net::Inbox;
use crate::rtsp::connections::Connections;
use crate::stream::input::Input;
use crate::stream::live_clock::LiveClock;
use crate::stream::members::Members;
use crate::stream::outgoing::PacketMemory;
use crate::stream::sockets::{SocketsId, UdpSockets};
use crate::stream::state::{SendContext, StreamState};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Bytes that are read of an RTCP packet: none that stays whole on the way is longer.
const DATAGRAM_LEN: usize = 2048;

/// The streams of a server, and what they share.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) table: Arena<StreamState, OfStream>,
    /// The streams that all clients of a track share, by media session and number of the track.
    pub(crate) shared: HashMap<(MediaSessionId, usize), StreamId>,
    /// Time lines of live presentations that stream.
    pub(crate) live_clocks: Arena<LiveClock>,
    /// Streams that an event trigger wakes.
    pub(crate) inputs: Arena<Input, OfInput>,
    /// Streams that were run because their input has a frame.
    pub(crate) input_runs: TurnBudget,
    pub(crate) sockets: Arena<UdpSockets>,
    pub(crate) shared_sockets: HashMap<SocketAddr, SocketsId>,
    pub(crate) demuxers: DemuxTable,
    /// Multicast presentations that were started.
    pub(crate) presentations: u64,
    /// Sessions that watch multicast streams.
    pub(crate) members: Members,
    /// Memory for the packets of one frame.
    pub(crate) spare: PacketMemory,
    /// Connections whose write failed.
    pub(crate) broken: Vec<ConnectionId>,
    /// Client sessions whose connection takes what it is sent.
    pub(crate) drained: Vec<ClientSessionId>,
    /// Memory for the RTCP packets that came at once.
    pub(crate) inbox: Inbox,
}

impl Streams {
    pub(crate) fn new() -> Self {
        Self {
            table: Arena::new(),
            shared: HashMap::new(),
            live_clocks: Arena::new(),
            inputs: Arena::new(),
            input_runs: TurnBudget::default(),
            sockets: Arena::new(),
            shared_sockets: HashMap::new(),
            demuxers: DemuxTable::default(),
            presentations: 0,
            members: Members::default(),
            spare: PacketMemory::default(),
            broken: Vec::new(),
            drained: Vec::new(),
            inbox: Inbox::new(DATAGRAM_LEN),
        }
    }

    /// Calls `f` with a stream and what it needs to send. Which sessions that keeps alive, and which
    /// connections were found broken, is noted.
    pub(crate) fn with_stream<R>(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        id: StreamId,
        f: impl FnOnce(&mut StreamState, &mut UsageEnvironment, &mut SendContext<'_>) -> R,
    ) -> Option<R> {
        let stream = self.table.get_mut(id)?;
        let mut context = SendContext {
            connections: &mut connections.table,
            sockets: &mut self.sockets,
            demuxers: &mut self.demuxers,
            live_clocks: &mut self.live_clocks,
            spare: &mut self.spare,
            broken: &mut self.broken,
            drained: &mut self.drained,
        };
        Some(f(stream, env, &mut context))
    }
}
