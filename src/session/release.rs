//! The end of client sessions: what they hold is given back to the tables that it is of.

use crate::arena::Id;
use crate::env::UsageEnvironment;
use crate::ids::{ClientSessionId, ConnectionId, StreamId};
use crate::rtsp::connections::Connections;
use crate::session::client_media::{SessionMedia, TrackSetup, is_streamed_over};
use crate::session::media_sessions::MediaSessions;
use crate::session::pool::{PoolEvent, RemovalReason, Session, SessionInfo, SessionPool};
use crate::stream::destinations::DestinationTransport;
use crate::stream::streams::Streams;
use crate::wire::interleaved;

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

/// A client session that has ended and was released, for those who are to be told.
#[derive(Debug)]
#[must_use = "the application is told of each session that has ended"]
pub(crate) struct EndedSession {
    pub(crate) info: SessionInfo,
    pub(crate) reason: RemovalReason,
}

/// The client sessions of a server, and the tables of what they hold.
pub(crate) struct SessionTables<'a> {
    pub(crate) pool: &'a mut SessionPool<SessionMedia>,
    pub(crate) media_sessions: &'a mut MediaSessions,
    pub(crate) streams: &'a mut Streams,
    pub(crate) connections: &'a mut Connections,
}

impl SessionTables<'_> {
    /// Ends a client session, for whatever reason, and releases all that it holds. `None` if it
    /// has ended before.
    pub(crate) fn end_session(
        &mut self,
        env: &mut UsageEnvironment,
        session: ClientSessionId,
        reason: RemovalReason,
    ) -> Option<EndedSession> {
        let session = self.pool.remove(session, reason)?;
        Some(self.release_session(env, session, reason))
    }

    /// Releases what the sessions held that the pool took out by itself: those that expired, and
    /// those that a filter removed.
    pub(crate) fn release_removed_sessions(
        &mut self,
        env: &mut UsageEnvironment,
    ) -> Vec<EndedSession> {
        let mut ended = Vec::new();
        while let Some(event) = self.pool.poll_event() {
            if let PoolEvent::Removed { session, reason } = event {
                ended.push(self.release_session(env, session, reason));
            }
        }
        ended
    }

    fn release_session(
        &mut self,
        env: &mut UsageEnvironment,
        mut session: Session<SessionMedia>,
        reason: RemovalReason,
    ) -> EndedSession {
        for track in
            session.media().flat_map(|(_, media)| media.tracks()).copied().collect::<Vec<_>>()
        {
            let Some(stream) = self.streams.table.get_mut(track.stream) else { continue };
            let sent = stream.destinations.take_totals(track.destination);
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
        let mut connections: Vec<ConnectionId> = owner.into_iter().map(Id::from_raw).collect();
        for media in session.into_media() {
            connections.extend(media.connections());
            self.release_media(env, media, goodbye);
        }
        for connection in connections {
            self.connections.unbind(env, connection, key);
        }
        EndedSession { info, reason }
    }

    /// Releases what a client session has of one media session.
    pub(crate) fn release_media(
        &mut self,
        env: &mut UsageEnvironment,
        media: SessionMedia,
        goodbye: Goodbye,
    ) {
        for track in media.tracks() {
            self.release_track(env, track, goodbye);
        }
        self.media_sessions.unreference(env, self.streams, media.media_session());
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
        let removed =
            self.streams.with_stream(env, self.connections, stream, |state, env, context| {
                let leaving = state.destinations.table.get(destination);
                let (is_udp, is_playing, has_heard) =
                    leaving.map_or((false, false, false), |d| (d.is_udp(), d.playing, d.has_heard));
                if is_udp && is_playing {
                    state.finish_outgoing_for(env, context, destination);
                }
                state.report.clear();
                match goodbye {
                    _ if !has_heard => {}
                    Goodbye::None => {}
                    Goodbye::BeforeAnswer if !is_udp => state.write_goodbye(env),
                    _ => state.say_goodbye(env, context, Some(destination)),
                }
                state.pause(env, destination);
                state.remove_destination(destination)
            });
        let Some(state) = self.streams.table.get(stream) else { return };
        let removed = removed.flatten();
        let session = removed.as_ref().and_then(|d| d.session);
        match removed.map(|d| d.transport) {
            Some(DestinationTransport::Udp { sockets, rtcp, .. }) => {
                if let Some(sockets) = self.streams.sockets.get_mut(sockets) {
                    sockets.remove_route(rtcp, (stream, destination));
                }
            }
            Some(DestinationTransport::Tcp { connection: id, rtp_channel, rtcp_channel }) => {
                if let Some(connection) = self.connections.get_mut(id) {
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
        self.reclaim_if_unused(env, stream);
    }

    /// A connection over which a session streams no more, and which it was not made over, may
    /// go its own way.
    fn unbind_if_unused(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        session: ClientSessionId,
    ) {
        let is_used = self.pool.session(session).is_some_and(|session| {
            session.connection() == Some(id.raw()) || is_streamed_over(session, id)
        });
        if !is_used {
            self.connections.unbind(env, id, session);
        }
    }

    /// Removes a stream that was made for clients and has none.
    pub(crate) fn reclaim_if_unused(&mut self, env: &mut UsageEnvironment, stream: StreamId) {
        let is_unused =
            self.streams.table.get(stream).is_some_and(|s| s.users() == 0 && s.origin.is_some());
        if is_unused {
            self.streams.remove(env, stream);
        }
    }
}
