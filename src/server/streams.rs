//! The server's streams: made on demand, shared, run, reclaimed with their last user.

use crate::env::{EventKey, Interest, UsageEnvironment};
use crate::error::Error;
use crate::ids::{ClientSessionId, DestinationId, InputId, MediaSessionId, StreamId};
use crate::ids::{KEY_RTCP_SOCKET, KEY_RTP_SOCKET};
use crate::media::SourceContext;
use crate::media::demux::DemuxTable;
use crate::net::{PortPair, with_port};
use crate::rtp::rtcp::RtcpConfig;
use crate::server::config::UdpPorts;
use crate::server::rtsp_server::RtspServer;
use crate::session::client_media::{SessionMedia, TrackSetup};
use crate::session::pool::{PoolEvent, RemovalReason, Session};
use crate::session::subsession::{Delivery, StreamFactory, StreamRequest, check_factory};
use crate::stream::destinations::DestinationTransport;
use crate::stream::fast_start::FastStart;
use crate::stream::key_frame_cache::KeyFrameCache;
use crate::stream::key_frames::KeyFrameWatch;
use crate::stream::sockets::{SocketsId, UdpSockets};
use crate::stream::state::{RunOutcome, StreamParts, StreamState, destination_key};
use crate::wire::interleaved;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Assumed of a track that does not tell its bandwidth, in kbit/s.
const DEFAULT_BANDWIDTH_KBPS: u32 = 1000;

/// Whether a destination that leaves is sent a BYE (RFC 3550 section 6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goodbye {
    None,
    /// Over a connection behind the media that wait to be sent.
    BehindMedia,
    /// Over a connection before the answer to TEARDOWN, behind which nothing may come on the
    /// channels of the track; media that wait are dropped.
    BeforeAnswer,
}

impl RtspServer {
    /// The stream of a subsession for a client: the shared one, or a new one.
    pub(crate) fn stream_for(
        &mut self,
        env: &mut UsageEnvironment,
        media_session: MediaSessionId,
        index: usize,
        request: &StreamRequest,
    ) -> Result<StreamId, Error> {
        let no_such = Error::Usage("no such subsession");
        let Some(session) = self.media_sessions.table.get_mut(media_session) else {
            return Err(no_such);
        };
        let Some(subsession) = session.subsession(index) else { return Err(no_such) };
        let (shared, fast_start) = match subsession.delivery() {
            Delivery::Multicast(group) => return Ok(group.stream),
            Delivery::OnDemand { reuse_first_source, fast_start, .. } => {
                (reuse_first_source, fast_start)
            }
        };
        if shared {
            if let Some(&stream) = self.streams.shared.get(&(media_session, index)) {
                return Ok(stream);
            }
        }
        let kbps = subsession.bandwidth_kbps();
        let payload_type = session.payload_type(index);
        let factory = session
            .subsession_mut(index)
            .and_then(|subsession| subsession.factory())
            .ok_or(Error::Usage("the subsession makes no streams"))?;
        // One number for all tracks of a client's session; all clients of a shared stream are one.
        let request = StreamRequest {
            client_session: if shared { 0 } else { request.client_session },
            ..*request
        };
        let rtcp = RtcpConfig {
            cname: cname(request.local.ip()),
            session_bandwidth_bps: bandwidth_bps(kbps),
            ..RtcpConfig::default()
        };
        let (config, demuxers) = (&self.config, &mut self.streams.demuxers);
        let how = StreamConfig { payload_type, max_packet: config.max_packet, rtcp };
        let mut stream = new_stream(env, factory, &request, demuxers, how)?;
        let input = factory.live_input();
        stream.origin = Some((media_session, index));
        stream.shared = shared;
        if shared && stream.is_video {
            stream.policy.fast_start = fast_start;
            if fast_start == FastStart::KeyFrameCache {
                stream.cache = Some(KeyFrameCache::new(self.config.max_cached));
            }
        }
        let limit = |n: usize| if n == 0 { usize::MAX } else { n };
        stream.policy.max_burst = limit(self.config.max_burst);
        stream.policy.destinations_per_turn = limit(self.config.destinations_per_turn);
        if stream.live {
            let session = self.media_sessions.table.get_mut(media_session);
            let clock = session.map(|s| &mut s.live_clock);
            stream.join_live_clock(&mut self.streams.live_clocks, clock, env.now());
        }
        let id = self.streams.table.insert(stream);
        if shared {
            self.streams.shared.insert((media_session, index), id);
        }
        self.feed_from(id, input);
        log::debug!("stream {id} of media session {media_session} track {}", index + 1);
        Ok(id)
    }

    /// Notes which input wakes a stream.
    pub(crate) fn feed_from(&mut self, id: StreamId, input: Option<InputId>) {
        if let Some(stream) = self.streams.table.get_mut(id) {
            stream.input = input;
        }
        if let Some(input) = input.and_then(|input| self.streams.inputs.get_mut(input)) {
            input.add(id);
        }
    }

    /// The sockets that `stream` sends from on the local address `local`.
    pub(crate) fn sockets_for(
        &mut self,
        env: &mut UsageEnvironment,
        stream: StreamId,
        local: SocketAddr,
    ) -> io::Result<SocketsId> {
        let local = with_port(local, 0);
        if let Some(port) = self.shared_port() {
            if let Some(&sockets) = self.streams.shared_sockets.get(&local) {
                return Ok(sockets);
            }
            let tries = if port == 0 { 1024 } else { 1 };
            let base = if port == 0 { 6970 } else { port };
            let pair = PortPair::open(env, local, base, tries)?;
            let id = self.add_sockets(env, local, pair, None)?;
            self.streams.shared_sockets.insert(local, id);
            return Ok(id);
        }
        let state = self.streams.table.get(stream).ok_or(io::ErrorKind::NotFound)?;
        let has = state
            .sockets()
            .find(|&s| self.streams.sockets.get(s).is_some_and(|s| s.local == local));
        if let Some(sockets) = has {
            return Ok(sockets);
        }
        let UdpPorts::Pairs { base, tries } = self.config.udp_ports else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let factory = state.origin.and_then(|(session, index)| {
            self.media_sessions.table.get_mut(session)?.subsession_mut(index)?.factory()
        });
        let pair = match factory {
            Some(factory) => factory.create_groupsock(env, local, base, tries)?,
            None => PortPair::open(env, local, base, tries)?,
        };
        self.add_sockets(env, local, pair, Some(stream))
    }

    pub(crate) fn add_sockets(
        &mut self,
        env: &mut UsageEnvironment,
        local: SocketAddr,
        pair: PortPair,
        owner: Option<StreamId>,
    ) -> io::Result<SocketsId> {
        let me = self.me.ok_or(io::ErrorKind::NotConnected)?;
        let id = self.streams.sockets.insert(UdpSockets::new(local, pair, owner));
        let sockets = self.streams.sockets.get_mut(id).ok_or(io::ErrorKind::NotFound)?;
        for (kind, rtcp) in [(KEY_RTP_SOCKET, false), (KEY_RTCP_SOCKET, true)] {
            sockets.socket(rtcp).set_gso(self.config.udp_segmentation);
            let key = EventKey { kind, id: id.raw() };
            let watched = sockets.socket(rtcp).watch(env, me, key, Interest::READABLE);
            if let Err(e) = watched {
                if let Some(sockets) = self.streams.sockets.remove(id) {
                    sockets.close(env);
                }
                return Err(e);
            }
        }
        Ok(id)
    }

    /// Runs a stream; at its end, its clients' sessions are ready to play again.
    pub(crate) fn run_stream(&mut self, env: &mut UsageEnvironment, id: StreamId) {
        let Some(me) = self.me else { return };
        let budget = self.config.frames_per_turn;
        let outcome =
            self.with_stream(env, id, |stream, env, w| stream.run(env, w, me, id, budget));
        if outcome == Some(RunOutcome::Ended) {
            log::debug!("stream {id} has ended");
        }
    }

    pub(crate) fn run_stream_rtcp(&mut self, env: &mut UsageEnvironment, id: StreamId) {
        let Some(me) = self.me else { return };
        let is_under_way = self.with_stream(env, id, |stream, env, w| {
            stream.run_rtcp(env, w, me, id);
            stream.report_run.is_under_way()
        });
        if is_under_way == Some(false) {
            self.collect_counters(id);
        }
    }

    pub(crate) fn run_stream_catch_up(&mut self, env: &mut UsageEnvironment, id: StreamId) {
        let Some(me) = self.me else { return };
        self.with_stream(env, id, |stream, env, w| stream.run_catch_up(env, w, me, id));
    }

    /// Adds what a stream sent to its sessions' counters.
    fn collect_counters(&mut self, id: StreamId) {
        let Some(stream) = self.streams.table.get_mut(id) else { return };
        let pool = &mut self.pool;
        stream.destinations.take_all_totals(|session, sent| {
            if let Some(session) = pool.session_mut(session) {
                session.count_sent(sent.packets, sent.octets);
                session.count_dropped(sent.dropped_frames);
            }
        });
    }

    /// Starts sending to a destination.
    pub(crate) fn start_destination(
        &mut self,
        env: &mut UsageEnvironment,
        stream: StreamId,
        destination: DestinationId,
        npt: std::time::Duration,
    ) {
        let Some(me) = self.me else { return };
        self.with_stream(env, stream, |state, env, w| {
            state.start(env, w, destination, npt);
            let now = env.now();
            state.wake(env, me, stream, now);
        });
    }

    // RTCP

    /// Reads what receivers send. RTP that comes in is not for us.
    pub(crate) fn receive(&mut self, env: &mut UsageEnvironment, id: SocketsId, rtcp: bool) {
        let Some(sockets) = self.streams.sockets.get_mut(id) else { return };
        match sockets.socket(rtcp).recv_batch(env, &mut self.streams.inbox) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
            // An ICMP error that a send brought back; there may be more behind it.
            Err(e) => return log::trace!("receive: {e}"),
        }
        // Lent out, so that the server can be asked about each.
        let inbox = std::mem::take(&mut self.streams.inbox);
        for (data, from) in inbox.iter() {
            let Some(sockets) = self.streams.sockets.get(id) else { break };
            // On a shared port RTP and RTCP are told apart by the type (RFC 5761 section 4).
            let is_rtcp = rtcp || data.get(1).is_some_and(|t| (192..=223).contains(t));
            if !is_rtcp {
                continue;
            }
            match (sockets.route(from), sockets.owner) {
                (Some((stream, destination)), _) => {
                    self.handle_rtcp(env, stream, destination, data);
                }
                (None, Some(stream)) => self.handle_group_rtcp(env, (id, stream), from, data),
                (None, None) => {}
            }
        }
        self.streams.inbox = inbox;
    }

    /// RTCP from the receiver at a destination: a report keeps its session alive.
    pub(crate) fn handle_rtcp(
        &mut self,
        env: &UsageEnvironment,
        stream: StreamId,
        destination: DestinationId,
        data: &[u8],
    ) {
        let Some(state) = self.streams.table.get_mut(stream) else { return };
        let Some(session) = state.destinations.table.get(destination).map(|d| d.session) else {
            return;
        };
        let (now, ntp) = (env.now(), state.ntp_now(env));
        let outcome = state.rtcp.handle_packet(data, destination_key(destination), now, ntp);
        if let (true, Some(session)) = (outcome.is_receiver_report, session) {
            self.pool.touch(session, now);
        }
    }

    // The end

    /// Ends a client session, for whatever reason, and releases all that it holds.
    pub(crate) fn end_session(
        &mut self,
        env: &mut UsageEnvironment,
        session: ClientSessionId,
        reason: RemovalReason,
    ) {
        if let Some(session) = self.pool.remove(session, reason) {
            self.release_session(env, session, reason);
        }
        self.arm_pool_timer(env);
    }

    /// Releases what the pool took out by itself.
    pub(crate) fn release_removed_sessions(&mut self, env: &mut UsageEnvironment) {
        while let Some(event) = self.pool.poll_event() {
            if let PoolEvent::Removed { session, reason } = event {
                self.release_session(env, session, reason);
            }
        }
    }

    fn release_session(
        &mut self,
        env: &mut UsageEnvironment,
        mut session: Session<SessionMedia>,
        reason: RemovalReason,
    ) {
        let last: Vec<_> = session
            .media()
            .flat_map(|(_, media)| media.tracks())
            .filter_map(|t| {
                Some(self.streams.table.get_mut(t.stream)?.destinations.take_totals(t.destination))
            })
            .collect();
        for sent in last {
            session.count_sent(sent.packets, sent.octets);
            session.count_dropped(sent.dropped_frames);
        }
        let info = session.info();
        let counters = session.counters();
        let seconds = env.now().saturating_duration_since(session.created_at()).as_secs_f32();
        log::info!(
            "session {} of {} ends: {reason}, {seconds:.1} s, {} packets, {} bytes, {} frames dropped \
             of {:?}",
            info.id,
            info.peer,
            counters.packets,
            counters.bytes,
            counters.dropped_frames,
            info.stream,
        );
        let key = session.key();
        let owner = session.connection();
        let goodbye = match reason {
            RemovalReason::TornDown => Goodbye::BeforeAnswer,
            RemovalReason::ConnectionLost => Goodbye::None,
            _ => Goodbye::BehindMedia,
        };
        let mut connections: Vec<_> = owner.into_iter().map(crate::arena::Id::from_raw).collect();
        for media in session.into_media() {
            connections.extend(media.connections());
            self.release_media(env, media, goodbye);
        }
        let now = env.now();
        for id in connections {
            if let Some(connection) = self.connections.table.get_mut(id) {
                connection.sessions.remove(&key);
                connection.heard_at = now;
            }
            self.settle_connection(env, id);
        }
        self.hooks.session_removed(&info, reason);
    }

    pub(crate) fn release_media(
        &mut self,
        env: &mut UsageEnvironment,
        media: SessionMedia,
        goodbye: Goodbye,
    ) {
        for track in media.tracks() {
            self.release_track(env, track, goodbye);
        }
        self.unreference_media_session(env, media.media_session);
    }

    /// Takes a destination away from its stream, and the stream with its last destination.
    pub(crate) fn release_track(
        &mut self,
        env: &mut UsageEnvironment,
        track: &TrackSetup,
        goodbye: Goodbye,
    ) {
        if let Some((host, session)) = track.member {
            self.streams.members.remove(track.stream, host, session);
        }
        if track.is_multicast {
            // The stream and its destination are everybody's.
            return;
        }
        let TrackSetup { stream, destination, .. } = *track;
        let removed = self.with_stream(env, stream, |state, env, w| {
            let leaving = state.destinations.table.get(destination);
            let (is_udp, is_playing, has_heard) =
                leaving.map_or((false, false, false), |d| (d.is_udp(), d.playing, d.has_heard));
            if is_udp && is_playing {
                state.finish_outgoing_for(env, w, destination);
            }
            state.report.clear();
            match goodbye {
                _ if !has_heard => {}
                Goodbye::None => {}
                Goodbye::BeforeAnswer if !is_udp => state.write_goodbye(env),
                _ => state.say_goodbye(env, w, Some(destination)),
            }
            state.pause(env, destination);
            state.remove_destination(destination)
        });
        let Some(state) = self.streams.table.get(stream) else { return };
        let is_unused = state.users() == 0 && state.origin.is_some();
        let removed = removed.flatten();
        let session = removed.as_ref().and_then(|d| d.session);
        match removed.map(|d| d.transport) {
            Some(DestinationTransport::Udp { sockets, rtcp, .. }) => {
                if let Some(sockets) = self.streams.sockets.get_mut(sockets) {
                    sockets.remove_route(rtcp, (stream, destination));
                }
            }
            Some(DestinationTransport::Tcp { connection: id, rtp_channel, rtcp_channel }) => {
                if let Some(connection) = self.connections.table.get_mut(id) {
                    let keep_queued = goodbye == Goodbye::BehindMedia;
                    let channels = (rtp_channel, rtcp_channel);
                    connection.forget_channels(channels, (stream, destination), keep_queued);
                    let mut packet = Vec::new();
                    if goodbye == Goodbye::BeforeAnswer
                        && !state.report.is_empty()
                        && interleaved::write(rtcp_channel, &state.report, &mut packet)
                        && connection.send_answer(env, &packet).is_err()
                    {
                        log::debug!("{}: BYE could not be sent", connection.peer);
                    }
                }
                if let Some(session) = session {
                    self.unbind_if_unused(env, id, session);
                }
            }
            None => {}
        }
        if is_unused {
            self.delete_stream(env, stream);
        }
    }

    pub(crate) fn delete_stream(&mut self, env: &mut UsageEnvironment, id: StreamId) {
        let Some(stream) = self.streams.table.remove(id) else { return };
        if let Some(origin) = stream.origin {
            if self.streams.shared.get(&origin) == Some(&id) {
                self.streams.shared.remove(&origin);
            }
        }
        if let Some(input) = stream.input.and_then(|input| self.streams.inputs.get_mut(input)) {
            input.remove(id);
        }
        for sockets in stream.sockets() {
            let owned = self.streams.sockets.get(sockets).is_some_and(|s| s.owner == Some(id));
            if let Some(sockets) = owned.then(|| self.streams.sockets.remove(sockets)).flatten() {
                sockets.close(env);
            }
        }
        stream.leave_live_clock(&mut self.streams.live_clocks);
        stream.close(env, &mut self.streams.demuxers);
    }

    /// Checks the reference counts against what refers to the media sessions.
    #[cfg(debug_assertions)]
    pub(crate) fn check_references(&mut self) {
        let mut counted = std::mem::take(&mut self.counted);
        for (_, session) in self.pool.iter() {
            for (_, media) in session.media() {
                *counted.entry(media.media_session).or_insert(0) += 1;
            }
        }
        for (id, session) in self.media_sessions.table.iter() {
            let expected = counted.remove(&id).unwrap_or(0);
            debug_assert_eq!(session.reference_count(), expected, "references of {id}");
        }
        debug_assert!(counted.is_empty(), "a client session refers to what is gone");
        self.counted = counted;
    }
}

/// What the server decides about a new stream.
#[derive(Debug)]
pub(crate) struct StreamConfig {
    /// `None`: as the track has it.
    pub(crate) payload_type: Option<u8>,
    pub(crate) max_packet: usize,
    pub(crate) rtcp: RtcpConfig,
}

/// Makes the source, the sink and the RTCP instance of a stream, which nobody owns yet.
pub(crate) fn new_stream(
    env: &mut UsageEnvironment,
    factory: &mut dyn StreamFactory,
    request: &StreamRequest,
    demuxers: &mut DemuxTable,
    config: StreamConfig,
) -> Result<StreamState, Error> {
    let StreamConfig { payload_type, max_packet, rtcp } = config;
    check_factory(factory)?;
    let mut random = [0; 20];
    env.fill_random(&mut random);
    let (sink_seed, rtcp_seed) = random.split_at(12);
    let sink_seed: [u8; 12] = sink_seed.try_into().unwrap_or_default();
    let rtcp_seed = u64::from_be_bytes(rtcp_seed.try_into().unwrap_or_default());
    let now = env.now();
    let mut cx = SourceContext { now, demuxers };
    let mut source = factory.create_new_stream_source(request, &mut cx)?;
    let mut sink = match factory.create_new_rtp_sink(max_packet, sink_seed) {
        Ok(sink) => sink,
        Err(e) => {
            source.close(&mut cx);
            return Err(e);
        }
    };
    // What is announced is what the packets say, whatever the sink was made with.
    if let Some(payload_type) = payload_type {
        sink.set_payload_type(payload_type);
    }
    let rtcp = RtcpConfig { clock_rate: sink.clock_rate(), ..rtcp };
    let rtcp = factory.create_rtcp(rtcp, sink.ssrc(), now, rtcp_seed);
    let parts = StreamParts {
        source,
        sink,
        rtcp,
        origin: None,
        shared: true,
        live: factory.live_input().is_some(),
        is_video: is_video(factory),
        repeat_period: factory.repeat_period(),
        key_frames: KeyFrameWatch::new(factory.payload_format().as_ref(), factory.formats()),
    };
    Ok(StreamState::new(parts, now))
}

/// What RTCP may reckon with, from what a track tells of its bandwidth.
pub(crate) fn bandwidth_bps(kbps: Option<u32>) -> u64 {
    u64::from(kbps.unwrap_or(DEFAULT_BANDWIDTH_KBPS)) * 1000
}

/// A canonical name (RFC 3550 section 6.5.1) that tells nothing of the host but its address.
fn cname(local: IpAddr) -> String {
    format!("riverrun@{}", local.to_canonical())
}

/// Of a live track whose parameter sets have not come yet, too.
fn is_video(factory: &dyn StreamFactory) -> bool {
    let format = || factory.formats().format(&factory.parameters()?, 96).ok();
    factory.payload_format().or_else(format).is_some_and(|f| f.media == "video")
}
