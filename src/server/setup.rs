//! SETUP (RFC 2326 section 10.4): choosing a transport, making a session and a destination.

use super::ClientSessionId;
use super::answer::{Answer, Refusal, Refused};
use super::connection::ConnectionId;
use super::media_session::MediaSessionId;
use super::outlets::{DestinationId, DestinationTransport};
use super::pool::{CreateError, RemovalReason, Requester};
use super::requests::{Call, Outcome};
use super::rtsp_server::RtspServer;
use super::stream_state::StreamId;
use super::subsession::{Delivery, MulticastGroup, StreamRequest};
use super::targets::{Target, media_of, media_of_mut, split_control};
use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::net::{is_out_of_descriptors, with_port};
use crate::wire::rtsp::transport::alternatives;
use crate::wire::rtsp::{Delivery as Cast, Protocol, StatusCode, TransportSpec};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

/// What a client session has of one media session.
#[derive(Debug)]
pub struct SessionMedia {
    pub(super) media_session: MediaSessionId,
    tracks: Vec<Option<Track>>,
    /// PLAY has been answered at least once.
    pub(super) was_played: bool,
}

#[derive(Debug)]
struct Track {
    setup: TrackSetup,
    /// As in SETUP, for RTP-Info.
    url: Box<str>,
}

/// A track that a client has set up.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrackSetup {
    pub(super) stream: StreamId,
    pub(super) destination: DestinationId,
    /// For multicast the destination is everybody's.
    pub(super) is_multicast: bool,
    pub(super) connection: Option<ConnectionId>,
}

impl SessionMedia {
    fn new(media_session: MediaSessionId, tracks: usize) -> Self {
        let tracks = std::iter::repeat_with(|| None).take(tracks).collect();
        Self { media_session, tracks, was_played: false }
    }

    /// The media session that it plays.
    pub const fn media_session(&self) -> MediaSessionId {
        self.media_session
    }

    /// The tracks that are set up.
    pub(super) fn tracks(&self) -> impl Iterator<Item = &TrackSetup> {
        self.tracks.iter().flatten().map(|track| &track.setup)
    }

    /// The URL under which a track was set up.
    pub(super) fn url(&self, track: usize) -> Option<&str> {
        self.tracks.get(track)?.as_ref().map(|track| &*track.url)
    }

    /// The tracks that are set up, all or the one of that number.
    pub(super) fn selected(
        &self,
        track: Option<usize>,
    ) -> impl Iterator<Item = (usize, &TrackSetup)> {
        self.tracks
            .iter()
            .enumerate()
            .filter_map(|(index, track)| Some((index, &track.as_ref()?.setup)))
            .filter(move |(index, _)| track.is_none_or(|t| t == *index))
    }

    pub(super) fn take_track(&mut self, track: usize) -> Option<TrackSetup> {
        Some(self.tracks.get_mut(track)?.take()?.setup)
    }

    /// RTSP connections that its tracks are streamed over.
    pub(super) fn connections(&self) -> impl Iterator<Item = ConnectionId> + use<> {
        let of: Vec<_> = self.tracks().filter_map(|t| t.connection).collect();
        of.into_iter()
    }
}

/// A track that is asked for, and by whom.
#[derive(Debug)]
struct Asked<'a> {
    connection: ConnectionId,
    session: ClientSessionId,
    media_session: MediaSessionId,
    name: &'a str,
    track: usize,
    peer: SocketAddr,
    local: SocketAddr,
    /// The track's URL.
    url: Cow<'a, str>,
}

/// A transport that can be served.
#[derive(Clone, Debug)]
enum Choice {
    Udp { rtp: SocketAddr, rtcp: SocketAddr },
    Tcp { channels: Option<(u8, u8)> },
    Multicast(MulticastGroup),
}

impl RtspServer {
    pub(super) fn setup(
        &mut self,
        env: &mut UsageEnvironment,
        call: &Call<'_>,
        answer: &mut Answer<'_>,
    ) -> Result<Outcome, Refusal> {
        let (media_session, name, track) = match self.find_target(env, call.request)? {
            Target::Pending => return Ok(Outcome::Wait),
            Target::Found { media_session, name, track } => (media_session, name, track),
        };
        let state = self.media_sessions.get(media_session).ok_or(StatusCode::NOT_FOUND)?;
        let track = match track {
            Some(track) => track,
            // The aggregate stands for its only track, as old clients have it.
            None if state.num_subsessions() == 1 => 0,
            None => return Err(StatusCode::AGGREGATE_OPERATION_NOT_ALLOWED.into()),
        };
        let delivery = state.subsession(track).ok_or(StatusCode::NOT_FOUND)?.delivery();
        let existing = self.session_of(env, call)?;
        let connection = self.connections.get(call.connection).ok_or(StatusCode::BAD_REQUEST)?;
        let (peer, local) = (connection.peer, connection.local);
        let header = call.request.headers.joined("Transport").ok_or(StatusCode::BAD_REQUEST)?;
        let (spec, choice) = choose(&header, &delivery, peer)?;
        if let Some(session) = existing {
            self.check_renegotiation(session, &name, media_session, track)?;
        }
        let (session, is_new) = match existing {
            Some(session) => (session, false),
            None => (self.create_session(env, call.connection, peer, &name, call.user)?, true),
        };
        let asked = Asked {
            connection: call.connection,
            session,
            media_session,
            name: &name,
            track,
            peer,
            local,
            url: track_url(call.request.url.as_str(), track),
        };
        match self.set_up_track(env, asked, choice) {
            Ok(used) => {
                answer.field("Transport", answer_spec(spec, &used, peer, local));
                self.name_session(answer, session);
                if is_new {
                    self.announce_session(session);
                }
                Ok(Outcome::Answered)
            }
            Err(refusal) => {
                if is_new {
                    // Nothing was set up, so it has no media to release.
                    drop(self.pool.remove(session, RemovalReason::Removed));
                    self.unbind_session(call.connection, session);
                }
                self.arm_pool_timer(env);
                Err(refusal)
            }
        }
    }

    /// A track may be set up anew while it does not play.
    fn check_renegotiation(
        &self,
        session: ClientSessionId,
        name: &str,
        media_session: MediaSessionId,
        track: usize,
    ) -> Result<(), Refusal> {
        let Some(found) = self.pool.session(session).and_then(|s| s.lookup(name)) else {
            return Ok(());
        };
        if found.media.media_session != media_session {
            // The stream was replaced under the same name; the session has the old one.
            return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
        }
        let playing = found.media.selected(None).any(|(_, t)| self.is_track_playing(t));
        let is_set_up = found.media.selected(Some(track)).next().is_some();
        if playing && is_set_up {
            return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
        }
        Ok(())
    }

    pub(super) fn is_track_playing(&self, track: &TrackSetup) -> bool {
        self.streams
            .get(track.stream)
            .and_then(|s| s.outlets.destinations.get(track.destination))
            .is_some_and(|d| d.playing)
    }

    fn create_session(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        peer: SocketAddr,
        name: &str,
        user: Option<&str>,
    ) -> Result<ClientSessionId, Refusal> {
        let now = env.now();
        let created = self.pool.create(now, peer, name, &mut |bytes| env.fill_random(bytes));
        // A full pool takes out those whose time has come; their media are released here.
        self.release_removed_sessions(env);
        let session = created.map_err(|e| {
            Box::new(match e {
                CreateError::AtLimit { which, retry_after, .. } => {
                    log::debug!("{peer}: no session: {which:?}");
                    Refused::new(StatusCode::SERVICE_UNAVAILABLE)
                        .field("Retry-After", retry_after.as_secs().max(1))
                }
                CreateError::NoUniqueId => Refused::new(StatusCode::INTERNAL_SERVER_ERROR),
            })
        })?;
        if let Some(state) = self.pool.session_mut(session) {
            state.bind(&Requester { peer, connection: Some(id.raw()), user });
        }
        self.bind_session(id, session);
        self.arm_pool_timer(env);
        Ok(session)
    }

    fn announce_session(&mut self, session: ClientSessionId) {
        if let Some(state) = self.pool.session(session) {
            let info = state.info();
            log::info!("session {} of {} starts: {:?}", info.id, info.peer, info.stream);
            self.hooks.session_created(&info);
        }
    }

    fn bind_session(&mut self, id: ConnectionId, session: ClientSessionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.sessions.insert(session);
        }
    }

    fn unbind_session(&mut self, id: ConnectionId, session: ClientSessionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.sessions.remove(&session);
        }
    }

    fn set_up_track(
        &mut self,
        env: &mut UsageEnvironment,
        asked: Asked<'_>,
        choice: Choice,
    ) -> Result<Used, Refusal> {
        if let Choice::Multicast(group) = choice {
            let setup = TrackSetup {
                stream: group.stream,
                destination: DestinationId::from_raw(Default::default()),
                is_multicast: true,
                connection: None,
            };
            self.put_track(env, &asked, setup)?;
            let ssrc = self.streams.get(group.stream).map(|s| s.ssrc());
            return Ok(Used { ssrc, kind: UsedKind::Multicast(group) });
        }
        let raw = asked.session.raw();
        let request = StreamRequest {
            // Never 0, which stands for the clients of a shared stream.
            client_session: (u64::from(raw.generation) << 32 | u64::from(raw.index)) + 1,
            peer: asked.peer,
            local: asked.local,
        };
        let stream = self
            .stream_for(env, asked.media_session, asked.track, &request)
            .map_err(|e| refusal(asked.peer, &e))?;
        let (transport, kind) = match self.prepare_destination(env, &asked, stream, &choice) {
            Ok(prepared) => prepared,
            Err(answer) => {
                self.reclaim_if_unused(env, stream);
                return Err(answer);
            }
        };
        let destination = self
            .streams
            .get_mut(stream)
            .map(|s| s.add_destination(Some(asked.session), transport))
            .ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        let mut setup = TrackSetup { stream, destination, is_multicast: false, connection: None };
        match transport {
            DestinationTransport::Udp { sockets, rtcp, .. } => {
                if let Some(sockets) = self.sockets.get_mut(sockets) {
                    sockets.add_route(rtcp, (stream, destination));
                }
            }
            DestinationTransport::Tcp { connection, rtp_channel, rtcp_channel } => {
                setup.connection = Some(connection);
                if let Some(c) = self.connections.get_mut(connection) {
                    let to = (stream, destination);
                    c.channels.extend([(rtp_channel, to), (rtcp_channel, to)]);
                }
                self.bind_session(connection, asked.session);
            }
        }
        if let Err(answer) = self.put_track(env, &asked, setup) {
            self.release_track(env, &setup, false);
            return Err(answer);
        }
        let ssrc = self.streams.get(stream).map(|s| s.ssrc());
        Ok(Used { ssrc, kind })
    }

    fn reclaim_if_unused(&mut self, env: &mut UsageEnvironment, stream: StreamId) {
        let unused = self.streams.get(stream).is_some_and(|s| s.users() == 0 && s.origin.is_some());
        if unused {
            self.delete_stream(env, stream);
        }
    }

    fn prepare_destination(
        &mut self,
        env: &mut UsageEnvironment,
        asked: &Asked<'_>,
        stream: StreamId,
        choice: &Choice,
    ) -> Result<(DestinationTransport, UsedKind), Refusal> {
        match *choice {
            Choice::Udp { rtp, rtcp } => {
                let sockets = self.sockets_for(env, stream, asked.local).map_err(|e| {
                    log::warn!("no UDP ports for {rtp}: {e}");
                    Box::new(Refused::new(StatusCode::SERVICE_UNAVAILABLE).field("Retry-After", 1))
                })?;
                let state =
                    self.sockets.get_mut(sockets).ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
                let port = |r: std::io::Result<SocketAddr>| r.map_or(0, |a| a.port());
                let rtp_port = port(state.socket(false).local_addr());
                let multiplexed = rtp == rtcp;
                let rtcp_port =
                    if multiplexed { rtp_port } else { port(state.socket(true).local_addr()) };
                let kind = UsedKind::Udp {
                    client: (rtp.port(), rtcp.port()),
                    server: (rtp_port, rtcp_port),
                };
                Ok((DestinationTransport::Udp { sockets, rtp, rtcp }, kind))
            }
            Choice::Tcp { channels } => {
                let id = asked.connection;
                let connection = self.connections.get(id).ok_or(StatusCode::BAD_REQUEST)?;
                let (rtp_channel, rtcp_channel) =
                    connection.allot_channels(channels).ok_or(StatusCode::NOT_ENOUGH_BANDWIDTH)?;
                let transport =
                    DestinationTransport::Tcp { connection: id, rtp_channel, rtcp_channel };
                Ok((transport, UsedKind::Tcp { channels: (rtp_channel, rtcp_channel) }))
            }
            Choice::Multicast(_) => Err(StatusCode::INTERNAL_SERVER_ERROR.into()),
        }
    }

    /// Notes a track in the client's session; one that was set up before is released.
    fn put_track(
        &mut self,
        env: &mut UsageEnvironment,
        asked: &Asked<'_>,
        setup: TrackSetup,
    ) -> Result<(), Refusal> {
        let &Asked { session, media_session, name, track, ref url, .. } = asked;
        let tracks = self.media_sessions.get(media_session).map_or(0, |s| s.num_subsessions());
        let state = self.pool.session_mut(session).ok_or(StatusCode::SESSION_NOT_FOUND)?;
        if media_of(state, media_session).is_none() {
            state
                .manage_media(name, SessionMedia::new(media_session, tracks))
                .map_err(|_| StatusCode::NOT_ENOUGH_BANDWIDTH)?;
            if let Some(s) = self.media_sessions.get_mut(media_session) {
                s.reference();
            }
        }
        let slot = media_of_mut(state, media_session).and_then(|m| m.tracks.get_mut(track));
        let old = slot.and_then(|slot| slot.replace(Track { setup, url: url.as_ref().into() }));
        if let Some(old) = old {
            self.release_track(env, &old.setup, false);
        }
        Ok(())
    }
}

/// The transport that was settled on.
#[derive(Debug)]
struct Used {
    ssrc: Option<u32>,
    kind: UsedKind,
}

#[derive(Debug)]
enum UsedKind {
    Udp { client: (u16, u16), server: (u16, u16) },
    Tcp { channels: (u8, u8) },
    Multicast(MulticastGroup),
}

/// The first alternative of a `Transport` header that can be served.
fn choose(
    header: &str,
    delivery: &Delivery,
    peer: SocketAddr,
) -> Result<(TransportSpec, Choice), Refusal> {
    let mut refused = StatusCode::BAD_REQUEST;
    let mut chosen = None;
    // To the end even if one is found: what is malformed behind it makes the request malformed.
    for spec in alternatives(header) {
        let spec = spec.map_err(|_| StatusCode::BAD_REQUEST)?;
        refused = StatusCode::UNSUPPORTED_TRANSPORT;
        if chosen.is_none() {
            chosen = choice_for(&spec, delivery, peer).map(|choice| (spec, choice));
        }
    }
    chosen.ok_or_else(|| refused.into())
}

fn choice_for(spec: &TransportSpec, delivery: &Delivery, peer: SocketAddr) -> Option<Choice> {
    if !spec.is_play() {
        return None;
    }
    match (spec.delivery(), delivery) {
        (Cast::Multicast, Delivery::Multicast(group)) => {
            let elsewhere = spec
                .destination
                .as_deref()
                .is_some_and(|d| d.parse::<IpAddr>().is_ok_and(|ip| ip != group.rtp.ip()));
            let fits = spec.protocol.is_udp() && spec.ttl != Some(0) && !elsewhere;
            fits.then(|| Choice::Multicast(group.clone()))
        }
        (Cast::Unicast, Delivery::OnDemand { multiplex_rtcp, .. }) => {
            // Packets go to who asks, never to a third party (RFC 2326 section 16).
            let elsewhere = spec.destination.as_deref().is_some_and(|d| {
                d.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical() != peer.ip().to_canonical())
            });
            if elsewhere {
                return None;
            }
            if spec.protocol.is_tcp() {
                let channels = spec.interleaved.filter(|(rtp, rtcp)| rtp != rtcp);
                return Some(Choice::Tcp { channels });
            }
            if !spec.protocol.is_udp() {
                return None;
            }
            let (rtp, rtcp) = spec.client_port?;
            let multiplexed = rtp == rtcp
                || spec.other.iter().any(|(name, _)| name.eq_ignore_ascii_case("RTCP-mux"));
            if rtp == 0 || rtcp == 0 || (multiplexed && !multiplex_rtcp) {
                return None;
            }
            let at = |port| with_port(peer, port);
            let rtcp = if multiplexed { rtp } else { rtcp };
            Some(Choice::Udp { rtp: at(rtp), rtcp: at(rtcp) })
        }
        _ => None,
    }
}

fn answer_spec(
    asked: TransportSpec,
    used: &Used,
    peer: SocketAddr,
    local: SocketAddr,
) -> TransportSpec {
    let mut spec = TransportSpec::new(asked.protocol, Cast::Unicast);
    spec.ssrc = used.ssrc;
    match &used.kind {
        UsedKind::Udp { client, server } => {
            spec.destination = Some(peer.ip().to_canonical().to_string());
            spec.source = Some(local.ip().to_canonical().to_string());
            spec.client_port = Some(*client);
            spec.server_port = Some(*server);
        }
        UsedKind::Tcp { channels } => {
            spec.protocol = Protocol::RtpAvpTcp;
            spec.interleaved = Some(*channels);
        }
        UsedKind::Multicast(group) => {
            spec.explicit_delivery = Some(Cast::Multicast);
            spec.destination = Some(group.rtp.ip().to_string());
            spec.port = Some((group.rtp.port(), group.rtcp_port));
            spec.ttl = Some(group.ttl);
        }
    }
    spec.mode = asked.mode.or_else(|| Some("PLAY".to_owned()));
    spec
}

/// The control URL of a track, for RTP-Info.
fn track_url(requested: &str, track: usize) -> Cow<'_, str> {
    let (base, control) = split_control(requested);
    match control {
        Some(_) => requested.into(),
        None => format!("{}/track{}", base.trim_end_matches('/'), track + 1).into(),
    }
}

/// The one place that makes a status of an error.
fn refusal(peer: SocketAddr, e: &Error) -> Refusal {
    let status = match e {
        Error::Malformed(_) | Error::Peer(_) => StatusCode::BAD_REQUEST,
        Error::Limit { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::Io(e) if is_out_of_descriptors(e) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Io(e) if e.kind() == std::io::ErrorKind::NotFound => StatusCode::NOT_FOUND,
        Error::Media(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    log::warn!("{peer}: no stream: {e}");
    status.into()
}
