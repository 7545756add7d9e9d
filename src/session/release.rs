//! Releases what client sessions hold when they end.

use crate::arena::Id;
use crate::env::UsageEnvironment;
use crate::ids::{ClientSessionId, ConnectionId};
use crate::rtsp::connections::Connections;
use crate::session::client_media::{SessionMedia, TrackSetup, is_streamed_over};
use crate::session::media_sessions::MediaSessions;
use crate::session::pool::{PoolEvent, RemovalReason, Session, SessionInfo, SessionPool};
use crate::stream::destination::Goodbye;
use crate::stream::streams::Streams;

/// A client session that has ended and was released, for notifying the application.
#[derive(Debug)]
#[must_use = "the application is told of each session that has ended"]
pub(crate) struct EndedSession {
    pub(crate) info: SessionInfo,
    pub(crate) reason: RemovalReason,
}

/// The client sessions of a server, together with the tables of the objects that they hold.
pub(crate) struct SessionTables<'a> {
    pub(crate) pool: &'a mut SessionPool<SessionMedia>,
    pub(crate) media_sessions: &'a mut MediaSessions,
    pub(crate) streams: &'a mut Streams,
    pub(crate) connections: &'a mut Connections,
}

impl SessionTables<'_> {
    /// Ends a client session and releases all that it holds. `None` if it has ended already.
    pub(crate) fn end_session(
        &mut self,
        env: &mut UsageEnvironment,
        session: ClientSessionId,
        reason: RemovalReason,
    ) -> Option<EndedSession> {
        let session = self.pool.remove(session, reason)?;
        Some(self.release_session(env, session, reason))
    }

    /// Releases the sessions that the pool has removed by itself: expired ones, and those that a
    /// filter removed.
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
            let sent = self.streams.take_totals_of(track.stream, track.destination);
            session.count_sent(sent.packets, sent.octets);
            session.count_dropped(sent.dropped_frames);
        }
        let info = session.info();
        let counters = session.counters();
        let seconds = env.now().saturating_duration_since(session.created_at()).as_secs_f32();
        let level = self.pool.level_for_line(info.peer, env.now());
        log::log!(
            level,
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

    /// Releases all tracks that a client session has of one media session.
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

    /// Removes a destination from its stream, and the stream with its last destination.
    pub(crate) fn release_track(
        &mut self,
        env: &mut UsageEnvironment,
        track: &TrackSetup,
        goodbye: Goodbye,
    ) {
        if let Some((host, session)) = track.member {
            self.streams.remove_member(track.stream, host, session);
        }
        if track.is_multicast {
            // The stream and its destination are everybody's.
            return;
        }
        let to = (track.stream, track.destination);
        let removed = self.streams.remove_destination(env, self.connections, to, goodbye);
        let session = removed.and_then(|destination| destination.session());
        if let Some((connection, session)) = track.connection.zip(session) {
            self.unbind_if_unused(env, connection, session);
        }
    }

    /// Removes the session from a connection that none of its media are sent over, unless the
    /// session was made over that connection.
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
}
