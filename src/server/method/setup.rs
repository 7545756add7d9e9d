//! SETUP (RFC 2326 section 10.4): choosing a transport, making a session and a destination.

use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::ids::{ClientSessionId, ConnectionId, DestinationId, MediaSessionId, StreamId};
use crate::net::{is_out_of_descriptors, with_port};
use crate::server::method::answer::Answer;
use crate::server::method::context::AdmittedRequest;
use crate::server::method::outcome::{AfterAnswer, Served};
use crate::server::method::refusal::{Refusal, Refused};
use crate::server::method::selection::is_track_playing;
use crate::server::method::targets::FoundTrack;
use crate::server::method::transport::{Choice, Used, UsedKind, answer_spec, choose};
use crate::server::rtsp_server::RtspServer;
use crate::session::client_media::{SessionMedia, TrackSetup, media_of, media_of_mut};
use crate::session::names::split_url;
use crate::session::new_stream::stream_for;
use crate::session::pool::{CreateError, RemovalReason};
use crate::session::release::Goodbye;
use crate::session::subsession::StreamRequest;
use crate::stream::destinations::DestinationTransport;
use crate::warned::Breach;
use crate::wire::rtsp::StatusCode;
use std::borrow::Cow;
use std::net::SocketAddr;

/// A track that is asked for, and by whom.
#[derive(Debug)]
struct Asked<'a> {
    connection: ConnectionId,
    session: ClientSessionId,
    media_session: MediaSessionId,
    name: &'a str,
    track: usize,
    /// The track as the session has it by now.
    current: Option<TrackSetup>,
    peer: SocketAddr,
    local: SocketAddr,
    /// The track's URL.
    url: Cow<'a, str>,
    control_in_query: bool,
}

impl RtspServer {
    pub(crate) fn setup(
        &mut self,
        env: &mut UsageEnvironment,
        request: &AdmittedRequest<'_>,
        answer: &mut Answer<'_>,
    ) -> Served {
        let existing = self.context(env).session_of(request)?;
        let requested = request.request.url.as_str();
        let found = self.find_track(env, requested, existing)?;
        let FoundTrack { media_session, name, control_in_query, .. } = found;
        let state = self.media_sessions.get(media_session).ok_or(StatusCode::NOT_FOUND)?;
        let track = match found.track {
            Some(track) => track,
            // The aggregate stands for its only track, as old clients have it.
            None if state.num_subsessions() == 1 => 0,
            None => return Err(StatusCode::AGGREGATE_OPERATION_NOT_ALLOWED.into()),
        };
        let delivery = state.subsession(track).ok_or(StatusCode::NOT_FOUND)?.delivery();
        let &AdmittedRequest { connection, peer, local, .. } = request;
        let header = request.request.headers.joined("Transport").ok_or(StatusCode::BAD_REQUEST)?;
        let (spec, choice) = choose(&header, &delivery, peer)?;
        let current = existing.and_then(|s| self.track_of(s, media_session, track));
        if let (Some(session), Some(current)) = (existing, current) {
            // Asked for once more, what is agreed on stays agreed on.
            if let Some(used) = self.present_transport(connection, local, &current, &choice) {
                answer.field("Transport", answer_spec(spec, &used, peer, local));
                self.context(env).name_session(answer, session);
                return Ok(AfterAnswer::Nothing);
            }
            self.check_renegotiation(session, media_session)?;
        }
        let (session, is_new) = match existing {
            Some(session) => (session, false),
            None => (self.create_session(env, request, &name)?, true),
        };
        let asked = Asked {
            connection,
            session,
            media_session,
            name: &name,
            track,
            current,
            peer,
            local,
            url: if found.track.is_some() { requested.into() } else { track_url(requested, track) },
            control_in_query,
        };
        match self.set_up_track(env, asked, choice) {
            Ok(used) => {
                answer.field("Transport", answer_spec(spec, &used, peer, local));
                self.context(env).name_session(answer, session);
                if is_new {
                    self.announce_session(session);
                }
                Ok(AfterAnswer::Nothing)
            }
            Err(refusal) => {
                if is_new {
                    // Nothing was set up, so it has no media to release.
                    drop(self.pool.remove(session, RemovalReason::Removed));
                    self.unbind_session(connection, session);
                }
                Err(refusal.into())
            }
        }
    }

    /// A track as a client has set it up.
    fn track_of(
        &self,
        session: ClientSessionId,
        media_session: MediaSessionId,
        track: usize,
    ) -> Option<TrackSetup> {
        let media = media_of(self.pool.session(session)?, media_session)?;
        media.selected(Some(track)).next().map(|(_, setup)| *setup)
    }

    /// A track that is set up may be set up otherwise while nothing of its presentation plays.
    fn check_renegotiation(
        &self,
        session: ClientSessionId,
        media_session: MediaSessionId,
    ) -> Result<(), Refusal> {
        let media = self.pool.session(session).and_then(|s| media_of(s, media_session));
        if media.is_some_and(|media| media.tracks().any(|t| is_track_playing(&self.streams, t))) {
            return Err(StatusCode::METHOD_NOT_VALID_IN_THIS_STATE.into());
        }
        Ok(())
    }

    /// The transport that a track has, if what is asked for would be answered with the same.
    fn present_transport(
        &self,
        connection: ConnectionId,
        local: SocketAddr,
        current: &TrackSetup,
        choice: &Choice,
    ) -> Option<Used> {
        let stream = self.streams.table.get(current.stream)?;
        let transport = || stream.destinations.table.get(current.destination).map(|d| d.transport);
        let kind = match *choice {
            Choice::Multicast(ref group) => {
                current.is_multicast.then(|| UsedKind::Multicast(group.clone()))?
            }
            Choice::Udp { rtp, rtcp } => {
                let DestinationTransport::Udp { sockets, rtp: to, rtcp: to_rtcp } = transport()?
                else {
                    return None;
                };
                let sockets =
                    self.streams.sockets.get(sockets).filter(|s| s.local == with_port(local, 0))?;
                ((to, to_rtcp) == (rtp, rtcp)).then(|| UsedKind::over_udp(sockets, rtp, rtcp))?
            }
            Choice::Tcp { channels } => {
                let own = channels_over(connection, &transport()?)?;
                let allotted =
                    self.connections.get(connection)?.channels.allot(channels, Some(own));
                (allotted == Some(own)).then_some(UsedKind::Tcp { channels: own })?
            }
        };
        Some(Used { ssrc: Some(stream.ssrc()), kind })
    }

    fn create_session(
        &mut self,
        env: &mut UsageEnvironment,
        request: &AdmittedRequest<'_>,
        name: &str,
    ) -> Result<ClientSessionId, Refusal> {
        let peer = request.peer;
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
            state.bind(&request.requester());
        }
        self.bind_session(request.connection, session);
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
                member: Some((asked.peer.ip(), asked.session)),
            };
            self.put_track(env, &asked, setup)?;
            self.streams.members.add(group.stream, asked.peer.ip(), asked.session);
            let ssrc = self.streams.table.get(group.stream).map(|s| s.ssrc());
            return Ok(Used { ssrc, kind: UsedKind::Multicast(group) });
        }
        let raw = asked.session.raw();
        let request = StreamRequest {
            // Never 0, which stands for the clients of a shared stream.
            client_session: (u64::from(raw.generation) << 32 | u64::from(raw.index)) + 1,
            peer: asked.peer,
            local: asked.local,
        };
        // Set up otherwise, a track stays the stream that it is, where it stands.
        let stream = match asked.current.filter(|current| !current.is_multicast) {
            Some(current) => current.stream,
            None => match stream_for(
                env,
                &mut self.streams,
                &mut self.media_sessions,
                (asked.media_session, asked.track),
                &request,
                self.config.stream_limits(),
            ) {
                Ok(stream) => stream,
                Err(e) => {
                    // Whatever it was made from is looked at again before it is used again.
                    self.media_sessions.distrust(asked.media_session);
                    let level = self.warned.level_for(asked.peer.ip(), Breach::NoStream);
                    log::log!(level, "{}: no stream: {e}", asked.peer);
                    return Err(refusal(&e));
                }
            },
        };
        let (transport, kind) = match self.prepare_destination(env, &asked, stream, &choice) {
            Ok(prepared) => prepared,
            Err(answer) => {
                self.session_tables().reclaim_if_unused(env, stream);
                return Err(answer);
            }
        };
        let destination = self
            .streams
            .table
            .get_mut(stream)
            .map(|s| s.add_destination(Some(asked.session), transport))
            .ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        let mut setup =
            TrackSetup { stream, destination, is_multicast: false, connection: None, member: None };
        match transport {
            DestinationTransport::Udp { sockets, rtcp, .. } => {
                if let Some(sockets) = self.streams.sockets.get_mut(sockets) {
                    sockets.add_route(rtcp, (stream, destination));
                }
            }
            DestinationTransport::Tcp { connection, rtp_channel, rtcp_channel } => {
                setup.connection = Some(connection);
                if let Some(c) = self.connections.get_mut(connection) {
                    let to = (stream, destination);
                    c.channels.bind((rtp_channel, rtcp_channel), to);
                }
                self.bind_session(connection, asked.session);
            }
        }
        if let Err(answer) = self.put_track(env, &asked, setup) {
            self.session_tables().release_track(env, &setup, Goodbye::None);
            return Err(answer);
        }
        let ssrc = self.streams.table.get(stream).map(|s| s.ssrc());
        Ok(Used { ssrc, kind })
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
                    let level = self.warned.level_for(rtp.ip(), Breach::NoPorts);
                    log::log!(level, "no UDP ports for {rtp}: {e}");
                    Box::new(Refused::new(StatusCode::SERVICE_UNAVAILABLE).field("Retry-After", 1))
                })?;
                let state =
                    self.streams.sockets.get(sockets).ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
                let kind = UsedKind::over_udp(state, rtp, rtcp);
                Ok((DestinationTransport::Udp { sockets, rtp, rtcp }, kind))
            }
            Choice::Tcp { channels } => {
                let id = asked.connection;
                let connection = self.connections.get(id).ok_or(StatusCode::BAD_REQUEST)?;
                let own = asked.current.and_then(|current| {
                    let destinations = &self.streams.table.get(current.stream)?.destinations.table;
                    channels_over(id, &destinations.get(current.destination)?.transport)
                });
                let (rtp_channel, rtcp_channel) = connection
                    .channels
                    .allot(channels, own)
                    .ok_or(StatusCode::NOT_ENOUGH_BANDWIDTH)?;
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
        let &Asked { session, media_session, name, track, control_in_query, .. } = asked;
        let tracks = self.media_sessions.get(media_session).map_or(0, |s| s.num_subsessions());
        let state = self.pool.session_mut(session).ok_or(StatusCode::SESSION_NOT_FOUND)?;
        if media_of(state, media_session).is_none() {
            state
                .manage_media(name, SessionMedia::new(media_session, tracks))
                .map_err(|_| StatusCode::NOT_ENOUGH_BANDWIDTH)?;
            self.media_sessions.reference(media_session);
        }
        let slot = media_of_mut(state, media_session).and_then(|m| m.tracks.get_mut(track));
        let url = asked.url.as_ref().into();
        let old = slot.and_then(|slot| {
            slot.replace(crate::session::client_media::Track { setup, url, control_in_query })
        });
        if let Some(old) = old {
            self.session_tables().release_track(env, &old.setup, Goodbye::None);
        }
        Ok(())
    }
}

/// The channels of a destination, if it is reached over `connection`.
fn channels_over(connection: ConnectionId, to: &DestinationTransport) -> Option<(u8, u8)> {
    match *to {
        DestinationTransport::Tcp { connection: over, rtp_channel, rtcp_channel } => {
            (over == connection).then_some((rtp_channel, rtcp_channel))
        }
        DestinationTransport::Udp { .. } => None,
    }
}

/// The control URL of a track of the presentation that was asked for, for RTP-Info.
fn track_url(requested: &str, track: usize) -> Cow<'_, str> {
    let (path, query) = split_url(requested);
    format!("{}/track{}{query}", path.trim_end_matches('/'), track + 1).into()
}

/// The one place that makes a status of an error.
fn refusal(e: &Error) -> Refusal {
    let status = match e {
        Error::Malformed(_) | Error::Peer(_) => StatusCode::BAD_REQUEST,
        Error::Limit { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::Io(e) if is_out_of_descriptors(e) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Io(e) if e.kind() == std::io::ErrorKind::NotFound => StatusCode::NOT_FOUND,
        Error::Media(_) | Error::Format(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    status.into()
}
