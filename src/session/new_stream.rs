//! Makes the stream of a subsession when a client asks for it.

use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::ids::{MediaSessionId, StreamId};
use crate::media::SourceContext;
use crate::media::demux::DemuxTable;
use crate::rtp::rtcp::RtcpConfig;
use crate::rtsp::connections::Connections;
use crate::session::media_session::ServerMediaSession;
use crate::session::media_sessions::MediaSessions;
use crate::session::subsession::{Distribution, StreamFactory, StreamRequest, check_factory};
use crate::stream::fast_start::FastStart;
use crate::stream::key_frames::KeyFrameWatch;
use crate::stream::parts::StreamParts;
use crate::stream::streams::Streams;
use std::net::{IpAddr, SocketAddr};

/// Bandwidth assumed for a track that states none, in kbit/s.
const DEFAULT_BANDWIDTH_KBPS: u32 = 1000;

/// The number that stands for all clients of the protected form of a shared stream. Neither a client
/// session nor a multicast presentation has it.
const SECURE_CLIENTS: u64 = u64::MAX;

/// Returns the stream of a subsession for a client: the shared one, or a new one. With `is_secure`
/// its packets are to be protected.
///
/// # Errors
/// There is no such subsession, or its factory fails.
pub(crate) fn stream_for(
    env: &mut UsageEnvironment,
    streams: &mut Streams,
    media_sessions: &mut MediaSessions,
    of_track: (MediaSessionId, usize),
    request: &StreamRequest,
    (max_packet, is_secure): (usize, bool),
) -> Result<StreamId, Error> {
    let (media_session, index) = of_track;
    let no_such = Error::Usage("no such subsession");
    let Some(session) = media_sessions.get_mut(media_session) else { return Err(no_such) };
    let Some(subsession) = session.subsession(index) else { return Err(no_such) };
    let (shared, fast_start) = match subsession.distribution() {
        Distribution::Multicast(group) => return Ok(group.stream),
        Distribution::OnDemand { reuse_first_source, fast_start, .. } => {
            (reuse_first_source, fast_start)
        }
    };
    let shared_by = shared.then_some(fast_start);
    if shared {
        if let Some(stream) = streams.shared_stream((media_session, index), is_secure) {
            return Ok(stream);
        }
    }
    streams.check_room()?;
    if let Some(input) = session.relayed_input(index).filter(|_| shared && !is_secure) {
        if let Some(stream) = streams.wake_resting(input) {
            return Ok(stream);
        }
    }
    add_stream(env, streams, session, of_track, request, (shared_by, max_packet, is_secure))
}

/// Makes the stream of a relayed track that keeps packets for newcomers, before there is a viewer. Does
/// nothing if there is one already, or nothing is kept.
///
/// # Errors
/// As for [`stream_for`].
pub(crate) fn stream_before_viewers(
    env: &mut UsageEnvironment,
    streams: &mut Streams,
    connections: &mut Connections,
    media_sessions: &mut MediaSessions,
    of_track: (MediaSessionId, usize),
    max_packet: usize,
) -> Result<(), Error> {
    let Some(session) = media_sessions.get_mut(of_track.0) else { return Ok(()) };
    let Some(subsession) = session.subsession(of_track.1) else { return Ok(()) };
    let Distribution::OnDemand { fast_start: FastStart::KeyFrameCache, .. } =
        subsession.distribution()
    else {
        return Ok(());
    };
    let input = session.relayed_input(of_track.1);
    let is_kept = input.is_some_and(|input| streams.has_resting(input));
    if is_kept || streams.shared_stream(of_track, false).is_some() {
        return Ok(());
    }
    // Nobody in particular asks.
    let nobody = SocketAddr::from(([0; 4], 0));
    let request = StreamRequest { client_session: 0, peer: nobody, local: nobody };
    let kind = (Some(FastStart::KeyFrameCache), max_packet, false);
    let stream = add_stream(env, streams, session, of_track, &request, kind)?;
    streams.remove_if_unused(env, connections, stream);
    Ok(())
}

/// Makes the stream of a track. With a `fast_start`, it is one that all clients share.
fn add_stream(
    env: &mut UsageEnvironment,
    streams: &mut Streams,
    session: &mut ServerMediaSession,
    (media_session, index): (MediaSessionId, usize),
    request: &StreamRequest,
    (fast_start, max_packet, is_secure): (Option<FastStart>, usize, bool),
) -> Result<StreamId, Error> {
    let no_such = Error::Usage("no such subsession");
    let shared = fast_start.is_some();
    let kbps = session.subsession(index).ok_or(no_such)?.bandwidth_kbps();
    let payload_type = session.payload_type(index);
    let relayed = session.relayed.as_ref();
    let relay = relayed.and_then(|relayed| relayed.parts(index));
    let max_packet = relayed.map_or(max_packet, |relayed| relayed.max_packet.max(max_packet));
    let cname = relayed.map_or_else(|| cname(request.local.ip()), |relayed| relayed.cname.clone());
    let factory = session
        .subsession_mut(index)
        .and_then(|subsession| subsession.factory())
        .ok_or(Error::Usage("the subsession makes no streams"))?;
    // One number for all tracks of a client's session; all clients of a shared stream are one.
    let request = StreamRequest {
        client_session: match (shared, is_secure) {
            (false, _) => request.client_session,
            (true, false) => 0,
            (true, true) => SECURE_CLIENTS,
        },
        ..*request
    };
    let rtcp =
        RtcpConfig { cname, session_bandwidth_bps: bandwidth_bps(kbps), ..RtcpConfig::default() };
    let config = StreamConfig { payload_type, max_packet, rtcp };
    let mut parts = new_stream(env, factory, &request, streams.demuxers(), config)?;
    (parts.origin, parts.relay) = (Some((media_session, index)), relay);
    (parts.shared, parts.is_secure) = (shared, is_secure);
    parts.fast_start = fast_start.unwrap_or_default();
    let id = streams.add(env, parts, &mut session.live_clock)?;
    log::debug!("stream {id} of media session {media_session} track {}", index + 1);
    Ok(id)
}

/// The server's settings for a new stream.
#[derive(Debug)]
pub(crate) struct StreamConfig {
    /// Payload type; `None`: the track's own.
    pub(crate) payload_type: Option<u8>,
    pub(crate) max_packet: usize,
    pub(crate) rtcp: RtcpConfig,
}

/// Makes the source, the sink and the RTCP instance of a stream, which has no destination yet.
pub(crate) fn new_stream(
    env: &mut UsageEnvironment,
    factory: &mut dyn StreamFactory,
    request: &StreamRequest,
    demuxers: &mut DemuxTable,
    config: StreamConfig,
) -> Result<StreamParts, Error> {
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
    Ok(StreamParts {
        source,
        sink,
        rtcp,
        origin: None,
        shared: true,
        is_secure: false,
        input: factory.live_input(),
        fast_start: FastStart::Off,
        is_video: is_video(factory),
        repeat_period: factory.repeat_period(),
        key_frames: KeyFrameWatch::new(factory.payload_format().as_ref(), factory.formats()),
        relay: None,
    })
}

/// The session bandwidth for RTCP intervals, from the bandwidth that a track states.
pub(crate) fn bandwidth_bps(kbps: Option<u32>) -> u64 {
    u64::from(kbps.unwrap_or(DEFAULT_BANDWIDTH_KBPS)) * 1000
}

/// A canonical name (RFC 3550 section 6.5.1) that reveals nothing of the host except its address.
pub(crate) fn cname(local: IpAddr) -> String {
    format!("riverrun@{}", local.to_canonical())
}

/// Whether a track is video, even if it is live and its parameter sets are unknown.
fn is_video(factory: &dyn StreamFactory) -> bool {
    let format = || factory.formats().format(&factory.parameters()?, 96).ok();
    factory.payload_format().or_else(format).is_some_and(|f| f.media == "video")
}
