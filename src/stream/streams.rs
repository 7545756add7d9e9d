//! [`Streams`]: the streams of a server, and what they share: sockets, inputs, time lines, memory.

use crate::arena::Arena;
use crate::env::turn_budget::TurnBudget;
use crate::env::{EventKey, Interest, MediumHandle, UsageEnvironment};
use crate::ids::{
    ClientSessionId, DestinationId, InputId, KEY_RTCP_SOCKET, KEY_RTP_SOCKET, MediaSessionId,
    OfInput, OfStream, StreamId,
};
use crate::media::demux::DemuxTable;
use crate::net::{Inbox, PortPair};
use crate::rtsp::connections::Connections;
use crate::stream::destinations::DestinationTransport;
use crate::stream::input::Input;
use crate::stream::live_clock::LiveClock;
use crate::stream::members::Members;
use crate::stream::outgoing::PacketMemory;
use crate::stream::sockets::{SocketsId, UdpSockets};
use crate::stream::state::{SendContext, StreamState};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Bytes that are read of an RTCP packet: none that stays whole on the way is longer.
const DATAGRAM_LEN: usize = 2048;

/// The streams of a server, and what they share.
#[derive(Debug)]
pub(crate) struct Streams {
    /// The medium that hands on the events of sockets.
    owner: Option<MediumHandle>,
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
            owner: None,
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

    /// Names the medium that hands on the events of sockets.
    pub(crate) const fn set_owner(&mut self, owner: MediumHandle) {
        self.owner = Some(owner);
    }

    pub(crate) fn get(&self, id: StreamId) -> Option<&StreamState> {
        self.table.get(id)
    }

    /// Closes a stream that was made for clients and has none.
    pub(crate) fn remove_if_unused(&mut self, env: &mut UsageEnvironment, id: StreamId) {
        if self.table.get(id).is_some_and(|s| s.users() == 0 && s.origin.is_some()) {
            self.remove(env, id);
        }
    }

    pub(crate) fn sockets(&self, id: SocketsId) -> Option<&UdpSockets> {
        self.sockets.get(id)
    }

    /// Adds a pair of sockets, which belongs to a stream or to all on its local address.
    ///
    /// # Errors
    /// A socket cannot be watched.
    pub(crate) fn add_sockets(
        &mut self,
        env: &mut UsageEnvironment,
        local: SocketAddr,
        pair: PortPair,
        stream: Option<StreamId>,
        gso: bool,
    ) -> io::Result<SocketsId> {
        let owner = self.owner.ok_or(io::ErrorKind::NotConnected)?;
        let id = self.sockets.insert(UdpSockets::new(local, pair, stream));
        let sockets = self.sockets.get_mut(id).ok_or(io::ErrorKind::NotFound)?;
        for (kind, rtcp) in [(KEY_RTP_SOCKET, false), (KEY_RTCP_SOCKET, true)] {
            sockets.socket(rtcp).set_gso(gso);
            let key = EventKey { kind, id: id.raw() };
            let watched = sockets.socket(rtcp).watch(env, owner, key, Interest::READABLE);
            if let Err(e) = watched {
                if let Some(sockets) = self.sockets.remove(id) {
                    sockets.close(env);
                }
                return Err(e);
            }
        }
        Ok(id)
    }

    /// Adds a destination to a stream, which is not sent anything yet. RTCP that comes from where
    /// it is, is its own.
    pub(crate) fn add_destination(
        &mut self,
        connections: &mut Connections,
        stream: StreamId,
        session: ClientSessionId,
        transport: DestinationTransport,
    ) -> Option<DestinationId> {
        let id = self.table.get_mut(stream)?.add_destination(Some(session), transport);
        match transport {
            DestinationTransport::Udp { sockets, rtcp, .. } => {
                if let Some(sockets) = self.sockets.get_mut(sockets) {
                    sockets.add_route(rtcp, (stream, id));
                }
            }
            DestinationTransport::Tcp { connection, rtp_channel, rtcp_channel } => {
                if let Some(c) = connections.get_mut(connection) {
                    c.channels.bind((rtp_channel, rtcp_channel), (stream, id));
                }
            }
        }
        Some(id)
    }

    /// Whether a stream is sent to a destination.
    pub(crate) fn is_playing(&self, stream: StreamId, destination: DestinationId) -> bool {
        let stream = self.table.get(stream);
        stream.and_then(|s| s.destinations.table.get(destination)).is_some_and(|d| d.playing)
    }

    /// How packets reach a destination.
    pub(crate) fn transport_of(
        &self,
        stream: StreamId,
        destination: DestinationId,
    ) -> Option<DestinationTransport> {
        Some(self.table.get(stream)?.destinations.table.get(destination)?.transport)
    }

    /// Adds a client session that watches a multicast stream: reports of its host keep it alive.
    pub(crate) fn add_member(&mut self, id: StreamId, host: IpAddr, session: ClientSessionId) {
        self.members.add(id, host, session);
    }
}
