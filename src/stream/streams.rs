//! [`Streams`]: the streams of a server, and what they share: sockets, inputs, time lines, memory.

use crate::arena::Arena;
use crate::env::UsageEnvironment;
use crate::env::turn_budget::TurnBudget;
use crate::ids::{ClientSessionId, InputId, MediaSessionId, OfInput, OfStream, StreamId};
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
            drained: Vec::new(),
            inbox: Inbox::new(DATAGRAM_LEN),
        }
    }

    /// Calls `f` with a stream and what it needs to send. Connections that it finds broken, and
    /// client sessions that its sending keeps alive, are noted for the server.
    pub(crate) fn with_stream<R>(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        id: StreamId,
        f: impl FnOnce(&mut StreamState, &mut UsageEnvironment, &mut SendContext<'_>) -> R,
    ) -> Option<R> {
        let stream = self.table.get_mut(id)?;
        let mut context = SendContext {
            connections,
            sockets: &mut self.sockets,
            demuxers: &mut self.demuxers,
            live_clocks: &mut self.live_clocks,
            spare: &mut self.spare,
            drained: &mut self.drained,
        };
        Some(f(stream, env, &mut context))
    }

    /// Notes which input wakes a stream.
    pub(crate) fn feed_from(&mut self, id: StreamId, input: Option<InputId>) {
        if let Some(stream) = self.table.get_mut(id) {
            stream.input = input;
        }
        if let Some(input) = input.and_then(|input| self.inputs.get_mut(input)) {
            input.add(id);
        }
    }

    /// Forgets a live input that is not used any more.
    pub(crate) fn delete_input(&mut self, env: &mut UsageEnvironment, id: InputId) {
        let Some(mut input) = self.inputs.remove(id) else { return };
        env.disarm_timer(&mut input.timer);
        if let Some(trigger) = input.trigger {
            env.delete_event_trigger(&trigger);
        }
    }

    /// Closes a stream, and the sockets that are its own.
    pub(crate) fn remove(&mut self, env: &mut UsageEnvironment, id: StreamId) {
        let Some(stream) = self.table.remove(id) else { return };
        if let Some(origin) = stream.origin {
            if self.shared.get(&origin) == Some(&id) {
                self.shared.remove(&origin);
            }
        }
        if let Some(input) = stream.input.and_then(|input| self.inputs.get_mut(input)) {
            input.remove(id);
        }
        for sockets in stream.sockets() {
            let owned = self.sockets.get(sockets).is_some_and(|s| s.owner == Some(id));
            if let Some(sockets) = owned.then(|| self.sockets.remove(sockets)).flatten() {
                sockets.close(env);
            }
        }
        stream.leave_live_clock(&mut self.live_clocks);
        stream.close(env, &mut self.demuxers);
    }
}
