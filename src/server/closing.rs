//! Ends connections, and the client sessions that end with them.

use crate::env::UsageEnvironment;
use crate::ids::{ClientSessionId, ConnectionId, KEY_ENDINGS, MediaSessionId};
use crate::server::endings::Ending;
use crate::server::rtsp_server::{RtspServer, plain_key};
use crate::session::client_media::{SessionMedia, is_streamed_over};
use crate::session::pool::RemovalReason;

impl RtspServer {
    /// Marks a connection as ended: nothing is read from it or sent over it any more. Its sessions
    /// end, and it leaves the table, at the end of the event or in one of the next turns.
    pub(crate) fn end_connection(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        why: &str,
    ) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.mark_ended() {
            log::debug!("{}: connection ends: {why}", connection.peer);
            self.endings.add_connection(id);
            self.wake_for_endings(env);
        }
    }

    /// Arms the timer of the endings, in case the application has ended something outside of an
    /// event.
    fn wake_for_endings(&mut self, env: &mut UsageEnvironment) {
        let Some(me) = self.me else { return };
        let timer = &mut self.endings.timer;
        if !env.is_armed(timer) {
            let now = env.now();
            env.arm_timer(timer, me, plain_key(KEY_ENDINGS), now);
        }
    }

    /// Completes pending endings, as many as fit into this turn. The rest follows in the next turn.
    pub(crate) fn work_off_endings(&mut self, env: &mut UsageEnvironment) {
        if self.endings.is_empty() {
            return;
        }
        while !self.endings.is_empty() {
            if !self.endings.spend(env) {
                return self.wake_for_endings(env);
            }
            self.take_one_apart(env);
        }
        env.disarm_timer(&mut self.endings.timer);
    }

    fn take_one_apart(&mut self, env: &mut UsageEnvironment) {
        match self.endings.next() {
            Some(Ending::Session(session, reason)) => {
                self.end_session(env, session, reason);
            }
            Some(Ending::Connection(id)) => self.take_connection_apart(env, id),
            None => {}
        }
    }

    /// Ends one session that is lost with a connection, or closes the connection if none is left.
    fn take_connection_apart(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        // A connection stays in its table until the last of its sessions has left.
        let session = self.connections.get_mut(id).and_then(|c| c.sessions.pop_first());
        let Some(session) = session else {
            self.endings.connection_is_closed();
            return self.close_connection(env, id);
        };
        if self.is_lost_with(session, id) {
            self.end_session(env, session, RemovalReason::ConnectionLost);
        } else if let Some(publication) = self.publications.of_session(session) {
            let config = &self.config.publish;
            self.publications.note_connection_lost(env, publication, id, config);
        }
    }

    /// Whether a session ends with a connection: its media are streamed over the connection, or it
    /// was made over it and the configuration says that this is enough.
    fn is_lost_with(&self, session: ClientSessionId, connection: ConnectionId) -> bool {
        let published = self.publications.of_session(session);
        let published = published.and_then(|id| self.publications.get(id));
        if published.is_some_and(|publication| publication.is_lost_with(connection)) {
            return true;
        }
        let Some(session) = self.pool.session(session) else { return false };
        let is_made_over = session.connection() == Some(connection.raw());
        is_made_over && self.config.end_udp_sessions_on_disconnect
            || is_streamed_over(session, connection)
    }

    /// Removes and closes a connection that has no sessions left.
    fn close_connection(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        let Some(connection) = self.connections.remove(id) else { return };
        self.waiting.remove(id);
        self.tunnels.remove(id);
        connection.close(env);
        if let Some(authenticator) = &mut self.authenticator {
            authenticator.connection_closed(id);
        }
        self.resume_accepting(env);
        self.abandon_requests(env, id);
    }

    /// Ends all client sessions that use a media session; clients still find the media session.
    /// Returns the number of client sessions to end. A large number ends over the next turns of the
    /// loop.
    pub fn close_all_client_sessions(
        &mut self,
        env: &mut UsageEnvironment,
        id: MediaSessionId,
    ) -> usize {
        let uses = |media: &SessionMedia| media.media_session() == id;
        let users = self.pool.iter().filter(|(_, s)| s.media().any(|(_, media)| uses(media)));
        let users: Vec<_> = users.map(|(key, _)| key).collect();
        for &user in &users {
            self.endings.add_session(user, RemovalReason::Removed);
        }
        if !users.is_empty() {
            self.wake_for_endings(env);
            self.work_off_endings(env);
        }
        users.len()
    }

    /// Sends a BYE to all clients and closes their connections, without the bound of a turn.
    pub(crate) fn end_all(&mut self, env: &mut UsageEnvironment) {
        for session in self.pool.keys() {
            self.end_session(env, session, RemovalReason::ServerClosing);
        }
        self.streams.close(env, &mut self.connections);
        self.follow_up(env);
        for connection in self.connections.ids().collect::<Vec<_>>() {
            self.end_connection(env, connection, "the server closes");
        }
        while !self.endings.is_empty() {
            self.take_one_apart(env);
        }
        env.disarm_timer(&mut self.endings.timer);
    }
}
