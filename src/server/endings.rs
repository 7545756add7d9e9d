//! [`Endings`]: what is over and has yet to be taken apart.
//!
//! The end of a connection ends the sessions that stream over it, and the end of a session may
//! leave other connections nothing to wait for. Done where it is noticed, one end would lead to the
//! next inside of it, as deep as clients like. So who notices that something is over only notes it
//! here, and the notes are worked off at the end of the event, a bounded number in each turn.

use crate::env::turn_budget::TurnBudget;
use crate::env::{Timer, UsageEnvironment};
use crate::ids::{ClientSessionId, ConnectionId, MediaSessionId};
use crate::server::rtsp_server::{RtspServer, plain_key};
use crate::session::client_media::is_streamed_over;
use crate::session::pool::RemovalReason;
use std::collections::VecDeque;

/// Sessions and connections that are taken apart in one turn.
const ENDINGS_PER_TURN: usize = 256;

/// Connections and client sessions that are over and still in their tables.
#[derive(Debug, Default)]
pub(crate) struct Endings {
    connections: VecDeque<ConnectionId>,
    sessions: VecDeque<(ClientSessionId, RemovalReason)>,
    pub(crate) timer: Timer,
    budget: TurnBudget,
}

impl Endings {
    fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.sessions.is_empty()
    }
}

impl RtspServer {
    /// A connection is over: nothing is read from it or sent over it any more. What is streamed
    /// over it ends, and its place is free, at the end of the event or in one of the next turns.
    pub(crate) fn end_connection(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        why: &str,
    ) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.mark_ended() {
            log::debug!("{}: connection ends: {why}", connection.peer);
            self.endings.connections.push_back(id);
            self.wake_for_endings(env);
        }
    }

    /// Ends a client session as soon as it is its turn.
    fn end_session_later(
        &mut self,
        env: &mut UsageEnvironment,
        session: ClientSessionId,
        reason: RemovalReason,
    ) {
        self.endings.sessions.push_back((session, reason));
        self.wake_for_endings(env);
    }

    /// Notes come outside of an event too, when the application calls.
    fn wake_for_endings(&mut self, env: &mut UsageEnvironment) {
        let Some(me) = self.me else { return };
        let timer = &mut self.endings.timer;
        if !env.is_armed(timer) {
            let now = env.now();
            env.arm_timer(timer, me, plain_key(crate::ids::KEY_ENDINGS), now);
        }
    }

    /// Takes apart what is over, as much as fits into this turn. The rest follows in the next.
    pub(crate) fn work_off_endings(&mut self, env: &mut UsageEnvironment) {
        if self.endings.is_empty() {
            return;
        }
        while !self.endings.is_empty() {
            if !self.endings.budget.spend(env, ENDINGS_PER_TURN) {
                return self.wake_for_endings(env);
            }
            self.take_one_apart(env);
        }
        env.disarm_timer(&mut self.endings.timer);
    }

    fn take_one_apart(&mut self, env: &mut UsageEnvironment) {
        if let Some((session, reason)) = self.endings.sessions.pop_front() {
            self.end_session(env, session, reason);
            return;
        }
        // A connection stays in its table until the last of its sessions has left.
        let Some(&id) = self.endings.connections.front() else { return };
        let session = self.connections.get_mut(id).and_then(|c| c.sessions.pop_first());
        let Some(session) = session else {
            self.endings.connections.pop_front();
            return self.close_connection(env, id);
        };
        let is_made_over =
            self.pool.session(session).map(|s| s.connection()) == Some(Some(id.raw()));
        let is_lost = self.config.end_udp_sessions_on_disconnect && is_made_over
            || self.pool.session(session).is_some_and(|s| is_streamed_over(s, id));
        if is_lost {
            self.end_session(env, session, RemovalReason::ConnectionLost);
        }
    }

    /// Closes a connection that has no sessions any more.
    fn close_connection(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        let Some(connection) = self.connections.remove(id) else { return };
        self.waiting.remove(id);
        connection.close(env);
        self.resume_accepting(env);
    }

    /// Ends all client sessions that use a media session; it stays in the table. Returns how many
    /// they are. A great number of them ends over the next turns of the loop.
    pub fn close_all_client_sessions(
        &mut self,
        env: &mut UsageEnvironment,
        id: MediaSessionId,
    ) -> usize {
        let uses = |media: &super::SessionMedia| media.media_session() == id;
        let users = self.pool.iter().filter(|(_, s)| s.media().any(|(_, media)| uses(media)));
        let users: Vec<_> = users.map(|(key, _)| key).collect();
        for &user in &users {
            self.end_session_later(env, user, RemovalReason::Removed);
        }
        self.work_off_endings(env);
        users.len()
    }

    /// Says goodbye to all clients and closes their connections, however many they are.
    pub(crate) fn end_all(&mut self, env: &mut UsageEnvironment) {
        for session in self.pool.keys() {
            self.end_session(env, session, RemovalReason::ServerClosing);
        }
        for stream in self.streams.table.ids().collect::<Vec<_>>() {
            self.with_stream(env, stream, |s, env, context| s.say_goodbye(env, context, None));
            self.streams.remove(env, stream);
        }
        for connection in self.connections.ids().collect::<Vec<_>>() {
            self.end_connection(env, connection, "the server closes");
        }
        while !self.endings.is_empty() {
            self.take_one_apart(env);
        }
        env.disarm_timer(&mut self.endings.timer);
    }
}
