//! [`Streams`]: the streams of a server, and what they share: sockets, inputs, time lines, memory.
//!
//! Streams do not call the rooms above. After each call their owner asks which client sessions were
//! heard from ([`poll_heard`](Streams::poll_heard)) and which events there are
//! ([`poll_event`](Streams::poll_event)). A connection that cannot be written to is noted with the
//! [`Connections`](crate::rtsp::connections::Connections).

mod feedback;
mod keys;
mod live_inputs;
mod playing;
mod published;
mod receiving;
mod relaying;
mod resting;

use crate::arena::Arena;
use crate::env::{MediumHandle, UsageEnvironment};
use crate::error::Error;
use crate::ids::{ClientSessionId, DestinationId, MediaSessionId, OfStream, PacketOwner, StreamId};
use crate::media::demux::DemuxTable;
use crate::net::{Inbox, PortPair, with_port};
use crate::rtsp::connections::Connections;
use crate::stream::destination::{
    Destination, DestinationTransport, Goodbye, ReleasedDestination, Totals,
};
use crate::stream::fast_start::FastStart;
use crate::stream::input::Inputs;
use crate::stream::live_clocks::{LiveClockId, LiveClocks};
use crate::stream::members::Members;
use crate::stream::packet_memory::PacketMemory;
use crate::stream::parts::{SendPolicy, StreamParts};
use crate::stream::send_context::SendContext;
use crate::stream::sockets::{Reflect, Sockets, SocketsId, SocketsOwner, UdpPorts, UdpSockets};
use crate::stream::state::{RunOutcome, StreamState};
use crate::stream::statistics::{DeliveryStatistics, StreamEvent};
use crate::stream::timers::StreamTimers;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

/// Most bytes that are read of a datagram; networks do not carry longer ones whole.
const DATAGRAM_LEN: usize = 2048;

/// The part of a server's configuration that concerns streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamsConfig {
    /// Most frames that one stream sends in one turn of the loop.
    pub(crate) frames_per_turn: usize,
    /// Most streams at once; 0: no limit.
    pub(crate) max_streams: usize,
    /// Most packets that go out over UDP at once; 0: no limit.
    pub(crate) max_burst: usize,
    /// Most destinations that a frame goes to in one turn of the loop; 0: no limit.
    pub(crate) destinations_per_turn: usize,
    /// Most bytes of a stream that are kept for newcomers.
    pub(crate) max_cached: usize,
    /// Whether UDP is sent with the kernel's segmentation offload.
    pub(crate) udp_segmentation: bool,
    pub(crate) udp_ports: UdpPorts,
}

/// The streams of a server, and what they share.
#[derive(Debug)]
pub(crate) struct Streams {
    config: StreamsConfig,
    /// The medium whose events run the streams.
    owner: Option<MediumHandle>,
    table: Arena<StreamState, OfStream>,
    /// The streams that all clients of a track share, by media session and number of the track, and
    /// whether it is protected.
    shared: HashMap<((MediaSessionId, usize), bool), StreamId>,
    /// The time lines of live presentations that are being streamed.
    live_clocks: LiveClocks,
    inputs: Inputs,
    sockets: Sockets,
    demuxers: DemuxTable,
    /// How many multicast presentations were started.
    presentations: u64,
    /// The client sessions that watch multicast streams.
    members: Members,
    memory: PacketMemory,
    /// Client sessions that are known to be alive, because they report or take what they are sent.
    heard: Vec<ClientSessionId>,
    events: VecDeque<StreamEvent>,
    /// Memory for datagrams that are received at once.
    inbox: Inbox,
    /// Memory for a packet without its protection.
    unprotected: Vec<u8>,
    /// How often there was no room for a stream.
    refused: u64,
}

impl Streams {
    pub(crate) fn new(config: StreamsConfig) -> Self {
        Self {
            config,
            owner: None,
            table: Arena::new(),
            shared: HashMap::new(),
            live_clocks: LiveClocks::default(),
            inputs: Inputs::default(),
            sockets: Sockets::default(),
            demuxers: DemuxTable::default(),
            presentations: 0,
            members: Members::default(),
            memory: PacketMemory::default(),
            heard: Vec::new(),
            events: VecDeque::new(),
            inbox: Inbox::new(DATAGRAM_LEN),
            unprotected: Vec::new(),
            refused: 0,
        }
    }

    /// Names the medium that hands on the events of streams, sockets and inputs. Nothing can be
    /// added before.
    pub(crate) const fn set_owner(&mut self, owner: MediumHandle) {
        self.owner = Some(owner);
    }

    // The table

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn get(&self, id: StreamId) -> Option<&StreamState> {
        self.table.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: StreamId) -> Option<&mut StreamState> {
        self.table.get_mut(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (StreamId, &StreamState)> {
        self.table.iter()
    }

    /// The stream that all clients of a track share, if there is one: the plain, or the protected.
    pub(crate) fn shared_stream(
        &self,
        origin: (MediaSessionId, usize),
        is_secure: bool,
    ) -> Option<StreamId> {
        self.shared.get(&(origin, is_secure)).copied()
    }

    /// The demultiplexers and the memory that sources share.
    pub(crate) const fn demuxers(&mut self) -> &mut DemuxTable {
        &mut self.demuxers
    }

    /// Returns a number for a multicast presentation, which no client session has.
    pub(crate) const fn number_presentation(&mut self) -> u64 {
        self.presentations += 1;
        u64::MAX - self.presentations
    }

    /// Adds a stream. A live one is put on the time line of its `presentation`, which begins with
    /// the first that is.
    ///
    /// # Errors
    /// Nobody [owns](Self::set_owner) the streams.
    pub(crate) fn add(
        &mut self,
        env: &UsageEnvironment,
        parts: StreamParts,
        presentation: &mut Option<LiveClockId>,
    ) -> io::Result<StreamId> {
        let owner = self.owner.ok_or(io::ErrorKind::NotConnected)?;
        let now = env.now();
        let (input, origin, shared) = (parts.input, parts.origin, parts.shared);
        let is_secure = parts.is_secure;
        let live_clock = input.map(|_| self.live_clocks.join(presentation, now));
        let limit = |n: usize| if n == 0 { usize::MAX } else { n };
        let waits = shared && parts.is_video && origin.is_some();
        let policy = SendPolicy {
            fast_start: if waits { parts.fast_start } else { FastStart::Off },
            max_burst: limit(self.config.max_burst),
            destinations_per_turn: limit(self.config.destinations_per_turn),
        };
        let max_cached = self.config.max_cached;
        let id = self.table.insert_with(|id| {
            let timers = StreamTimers::new(owner, id);
            StreamState::new(parts, policy, max_cached, live_clock, timers, now)
        });
        if let Some(origin) = origin.filter(|_| shared) {
            self.shared.insert((origin, is_secure), id);
        }
        if let Some(input) = input {
            self.inputs.add_stream(input, id);
        }
        Ok(id)
    }

    /// Fails if there may be no further stream; counts that.
    pub(crate) fn check_room(&mut self) -> Result<(), Error> {
        let limit = self.config.max_streams;
        if limit == 0 || self.table.len() < limit {
            return Ok(());
        }
        self.refused += 1;
        Err(Error::Limit { what: "streams", limit })
    }

    /// How often there was no room for a stream.
    pub(crate) const fn refused(&self) -> u64 {
        self.refused
    }

    /// Closes a stream, and the sockets that are its own.
    pub(crate) fn remove(&mut self, env: &mut UsageEnvironment, id: StreamId) {
        if let Some(stream) = self.take_out(env, id) {
            self.close_stream(env, stream);
        }
    }

    /// Takes a stream out of the table, and closes the sockets that are its own.
    fn take_out(&mut self, env: &mut UsageEnvironment, id: StreamId) -> Option<StreamState> {
        let stream = self.table.remove(id)?;
        if let Some(origin) = stream.origin() {
            let of = (origin, stream.is_secure());
            if self.shared.get(&of) == Some(&id) {
                self.shared.remove(&of);
            }
        }
        for sockets in stream.sockets() {
            let own = SocketsOwner::Stream(id);
            if self.sockets.get(sockets).is_some_and(|s| s.owner == own) {
                self.sockets.remove(env, sockets);
            }
        }
        if let Some((input, _)) = stream.live_input() {
            self.inputs.remove_stream(input, id);
        }
        Some(stream)
    }

    /// Releases what a stream holds that is not in the table any more.
    fn close_stream(&mut self, env: &mut UsageEnvironment, stream: StreamState) {
        if let Some((_, clock)) = stream.live_input() {
            self.live_clocks.leave(clock);
        }
        stream.close(env, &mut self.demuxers);
    }

    /// Closes a stream that was made for clients and has none, unless it goes on without them.
    pub(crate) fn remove_if_unused(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        id: StreamId,
    ) {
        let is_unused = |s: &StreamState| s.users() == 0 && !s.is_multicast();
        if self.table.get(id).is_some_and(is_unused) && !self.let_rest(env, connections, id) {
            self.remove(env, id);
        }
    }

    /// Sends all destinations a BYE, and closes everything.
    pub(crate) fn close(&mut self, env: &mut UsageEnvironment, connections: &mut Connections) {
        for id in self.table.ids().collect::<Vec<_>>() {
            self.with_stream(env, connections, id, |s, env, cx| s.end_at_once(env, cx));
            self.remove(env, id);
        }
        self.sockets.close(env);
        self.inputs.close(env);
    }

    // Running

    /// Calls `f` with a stream and what it needs to send.
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
            memory: &mut self.memory,
            heard: &mut self.heard,
        };
        let result = f(stream, env, &mut context);
        note_key_frame_request(&mut self.events, (id, stream), env.now());
        Some(result)
    }

    /// Runs a stream whose timer has expired, or whose input has a frame.
    pub(crate) fn run(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        id: StreamId,
    ) {
        let budget = self.config.frames_per_turn;
        let outcome = self.with_stream(env, connections, id, |s, env, cx| s.run(env, cx, budget));
        match outcome {
            Some(RunOutcome::Retired) => self.retire(id),
            Some(RunOutcome::Ended) => log::debug!("stream {id} has ended"),
            Some(RunOutcome::Running) | None => {}
        }
    }

    /// Runs the RTCP side of a stream whose timer has expired. Returns the slots of the destinations
    /// that were sent a report: a good time to [take their totals](Self::take_totals).
    pub(crate) fn run_rtcp(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        id: StreamId,
    ) -> Range<usize> {
        let slots = self.with_stream(env, connections, id, |s, env, cx| s.run_rtcp(env, cx));
        slots.unwrap_or_default()
    }

    /// Sends newcomers more packets from before they joined.
    pub(crate) fn run_catch_up(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        id: StreamId,
    ) {
        self.with_stream(env, connections, id, |s, env, cx| s.run_catch_up(env, cx));
    }

    /// Returns a client session that was heard from: its receiver reported, or its connection took
    /// what it was sent.
    pub(crate) fn poll_heard(&mut self) -> Option<ClientSessionId> {
        self.heard.pop()
    }

    /// Returns the next event of a stream.
    pub(crate) fn poll_event(&mut self) -> Option<StreamEvent> {
        self.events.pop_front()
    }

    /// Returns what was sent to a destination, and its receiver's last report.
    pub(crate) fn statistics_of(
        &self,
        stream: StreamId,
        destination: DestinationId,
    ) -> Option<DeliveryStatistics> {
        let (totals, reception) = self.table.get(stream)?.sent_to(destination)?;
        let Totals { packets, octets, dropped_frames } = totals;
        Some(DeliveryStatistics { packets, octets, dropped_frames, reception })
    }

    /// Calls `take` with what was sent, since the last call, for each client session whose
    /// destination is in these slots of a stream.
    pub(crate) fn take_totals(
        &mut self,
        id: StreamId,
        slots: Range<usize>,
        take: impl FnMut(ClientSessionId, Totals),
    ) {
        if let Some(stream) = self.table.get_mut(id) {
            stream.take_totals_of_some(slots, take);
        }
    }

    /// Returns what was sent to one destination since the last call.
    pub(crate) fn take_totals_of(&mut self, id: StreamId, destination: DestinationId) -> Totals {
        let stream = self.table.get_mut(id);
        stream.map(|s| s.take_totals(destination)).unwrap_or_default()
    }

    /// Checks that what names another finds it.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        for stream in self.shared.values() {
            assert!(self.table.contains(*stream));
        }
        for (id, sockets) in self.sockets.iter() {
            match sockets.owner {
                SocketsOwner::Stream(owner) => {
                    let stream = self.table.get(owner).expect("sockets have their stream");
                    assert!(stream.sockets().any(|s| s == id));
                }
                SocketsOwner::Everybody => {
                    assert_eq!(self.sockets.shared_on(sockets.local), Some(id));
                }
                SocketsOwner::Published => {}
            }
        }
        for stream in self.inputs.resting() {
            assert!(stream.users() == 0 && stream.is_playing() && !stream.has_armed_timers());
            let origin = stream.origin().expect("it is of a media session");
            assert_eq!(self.shared_stream(origin, false), None);
        }
    }

    #[cfg(test)]
    pub(crate) const fn all_sockets(&self) -> &Sockets {
        &self.sockets
    }

    #[cfg(test)]
    pub(crate) const fn all_inputs(&self) -> &Inputs {
        &self.inputs
    }

    #[cfg(test)]
    pub(crate) const fn all_members(&self) -> &Members {
        &self.members
    }

    // Destinations

    pub(crate) fn sockets(&self, id: SocketsId) -> Option<&UdpSockets> {
        self.sockets.get(id)
    }

    /// The sockets that a stream sends from on the local address `local`. Where it has none yet,
    /// `open` opens a pair on that address, at or above a port and after so many tries.
    ///
    /// # Errors
    /// What `open` says, or a socket cannot be watched.
    pub(crate) fn sockets_for(
        &mut self,
        env: &mut UsageEnvironment,
        stream: StreamId,
        local: SocketAddr,
        open: impl FnOnce(&mut UsageEnvironment, SocketAddr, u16, u16) -> io::Result<PortPair>,
    ) -> io::Result<SocketsId> {
        let local = with_port(local, 0);
        let (base, tries) = match self.config.udp_ports {
            UdpPorts::Shared { port } => return self.shared_sockets(env, local, port),
            UdpPorts::Pairs { base, tries } => (base, tries),
        };
        let state = self.table.get(stream).ok_or(io::ErrorKind::NotFound)?;
        let is_on = |id: &SocketsId| self.sockets.get(*id).is_some_and(|s| s.local == local);
        if let Some(sockets) = state.sockets().find(is_on) {
            return Ok(sockets);
        }
        let pair = open(env, local, base, tries)?;
        self.add_sockets(env, UdpSockets::new(local, pair, SocketsOwner::Stream(stream)))
    }

    /// The pair of all streams on a local address.
    fn shared_sockets(
        &mut self,
        env: &mut UsageEnvironment,
        local: SocketAddr,
        port: u16,
    ) -> io::Result<SocketsId> {
        if let Some(sockets) = self.sockets.shared_on(local) {
            return Ok(sockets);
        }
        let (base, tries) = if port == 0 { (6970, 1024) } else { (port, 1) };
        let pair = PortPair::open(env, local, base, tries)?;
        self.add_sockets(env, UdpSockets::new(local, pair, SocketsOwner::Everybody))
    }

    fn add_sockets(
        &mut self,
        env: &mut UsageEnvironment,
        mut sockets: UdpSockets,
    ) -> io::Result<SocketsId> {
        let owner = self.owner.ok_or(io::ErrorKind::NotConnected)?;
        for rtcp in [false, true] {
            sockets.socket(rtcp).set_gso(self.config.udp_segmentation);
        }
        self.sockets.add(env, owner, sockets)
    }

    /// Adds a destination to a stream, which is not sent anything yet. Packets that come from its
    /// address, or on its channels, are taken to be from its receiver.
    pub(crate) fn add_destination(
        &mut self,
        connections: &mut Connections,
        stream: StreamId,
        session: ClientSessionId,
        transport: DestinationTransport,
    ) -> Option<DestinationId> {
        let id = self.table.get_mut(stream)?.add_destination(Some(session), transport);
        let to = PacketOwner::Destination(stream, id);
        match transport {
            DestinationTransport::Udp { sockets, rtp, rtcp } => {
                if let Some(sockets) = self.sockets.get_mut(sockets) {
                    sockets.add_routes((rtp, rtcp), to);
                }
            }
            DestinationTransport::Tcp { connection, rtp_channel, rtcp_channel } => {
                if let Some(c) = connections.get_mut(connection) {
                    c.channels.bind((rtp_channel, rtcp_channel), to);
                }
            }
        }
        Some(id)
    }

    /// Adds the sockets and the destination of a stream to a multicast group.
    ///
    /// # Errors
    /// A socket cannot be watched.
    pub(crate) fn add_group(
        &mut self,
        env: &mut UsageEnvironment,
        stream: StreamId,
        (rtp, rtcp): (SocketAddr, SocketAddr),
        pair: PortPair,
        reflect: Option<Reflect>,
    ) -> io::Result<DestinationId> {
        let mut sockets = UdpSockets::new(rtp, pair, SocketsOwner::Stream(stream));
        sockets.reflect = reflect;
        let sockets = self.add_sockets(env, sockets)?;
        let transport = DestinationTransport::Udp { sockets, rtp, rtcp };
        let state = self.table.get_mut(stream).ok_or(io::ErrorKind::NotFound)?;
        Ok(state.add_destination(None, transport))
    }

    /// Takes a destination away from its stream, and removes the stream with its last destination.
    /// Returns the destination.
    pub(crate) fn remove_destination(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        (stream, destination): (StreamId, DestinationId),
        goodbye: Goodbye,
    ) -> Option<Destination> {
        let released = self
            .with_stream(env, connections, stream, |s, env, cx| {
                s.release(env, cx, destination, goodbye)
            })
            .flatten();
        let to = PacketOwner::Destination(stream, destination);
        let Some(ReleasedDestination { destination, last_words }) = released else {
            self.remove_if_unused(env, connections, stream);
            return None;
        };
        match destination.transport() {
            DestinationTransport::Udp { sockets, rtp, rtcp } => {
                if let Some(sockets) = self.sockets.get_mut(sockets) {
                    sockets.remove_routes((rtp, rtcp), to);
                }
            }
            DestinationTransport::Tcp { connection, rtp_channel, rtcp_channel } => {
                if let Some(connection) = connections.get_mut(connection) {
                    let keep_queued = goodbye == Goodbye::BehindMedia;
                    connection.forget_channels((rtp_channel, rtcp_channel), to, keep_queued);
                    if !last_words.is_empty() && connection.send_answer(env, &last_words).is_err() {
                        log::debug!("{}: BYE could not be sent", connection.peer);
                    }
                }
            }
        }
        self.remove_if_unused(env, connections, stream);
        Some(destination)
    }

    /// Whether a stream is sent to a destination.
    pub(crate) fn is_playing(&self, stream: StreamId, destination: DestinationId) -> bool {
        let stream = self.table.get(stream);
        stream.and_then(|s| s.destination(destination)).is_some_and(|d| d.is_playing())
    }

    /// The client session of a destination that a stream is sent to.
    pub(crate) fn session_played_to(
        &self,
        stream: StreamId,
        destination: DestinationId,
    ) -> Option<ClientSessionId> {
        let destination = self.table.get(stream)?.destination(destination)?;
        destination.session().filter(|_| destination.is_playing())
    }

    /// How packets reach a destination.
    pub(crate) fn transport_of(
        &self,
        stream: StreamId,
        destination: DestinationId,
    ) -> Option<DestinationTransport> {
        Some(self.table.get(stream)?.destination(destination)?.transport())
    }
}

/// Asks the source of a stream for a key frame if a viewer cannot go on without one. Notes it for
/// the application if the source is an encoder.
fn note_key_frame_request(
    events: &mut VecDeque<StreamEvent>,
    (id, stream): (StreamId, &mut StreamState),
    now: Instant,
) {
    if stream.poll_key_frame_request(now) {
        events.push_back(StreamEvent::KeyFrameWanted { stream: id });
    }
}
