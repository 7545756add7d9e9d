//! Events of the server's connections: input, output, time-outs.

use crate::env::{Readiness, UsageEnvironment};
use crate::ids::{ConnectionId, PacketOwner};
use crate::rtsp::machine::Received;
use crate::server::http::is_foreign;
use crate::server::rtsp_server::RtspServer;
use crate::warned::Breach;
use std::io;

/// Reads of a connection in one turn.
const READS: usize = 4;

impl RtspServer {
    /// Handles readiness of a connection's socket.
    pub(crate) fn handle_connection(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        ready: Readiness,
    ) {
        let Some(connection) = self.connections.get_mut(id).filter(|c| !c.has_ended()) else {
            return;
        };
        let ready = match connection.handle_readiness(env, ready) {
            Ok(ready) => ready,
            Err(e) => return self.end_connection(env, id, &e.to_string()),
        };
        if connection.is_new() && connection.http_head().is_some() {
            self.handle_http(env, id);
            return self.update_connection(env, id);
        }
        if ready.writable {
            match connection.flush(env) {
                Ok(0) => {}
                Ok(_) => self.note_draining(env, id),
                Err(e) => return self.end_connection(env, id, &e.to_string()),
            }
        }
        if ready.readable {
            self.read_connection(env, id);
        }
        self.update_connection(env, id);
    }

    /// Reads from a connection, and handles the messages received. While a read fills the buffer the
    /// next follows at once, up to [`READS`]: a picture that a publisher sends is there as a whole, as
    /// a rule, and what is there of it goes out together.
    fn read_connection(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        // Lent out, so that requests can be answered where they were read to.
        let mut buffer = std::mem::take(&mut self.read_buffer);
        for _ in 0..READS {
            if !self.read_once(env, id, &mut buffer) {
                break;
            }
        }
        self.read_buffer = buffer;
    }

    /// Returns whether there may be more of what was read.
    fn read_once(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        buffer: &mut [u8],
    ) -> bool {
        let Some(connection) = self.connections.get_mut(id).filter(|c| c.wants_input()) else {
            return false;
        };
        match connection.read(env, buffer) {
            Ok(n) => {
                let input = buffer.get(..n).unwrap_or_default();
                if connection.is_new() && is_foreign(input) {
                    self.begin_foreign(env, id, input);
                    return false;
                }
                self.process_input(env, id, input);
                return n == buffer.len();
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => self.end_connection(env, id, &e.to_string()),
        }
        false
    }

    /// Extends the sessions that stream over a connection whose peer accepts queued data, though it
    /// may never catch up.
    fn note_draining(&mut self, env: &UsageEnvironment, id: ConnectionId) {
        let now = env.now();
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !connection.takes_note_of_draining(now) {
            return;
        }
        // Through its channels, of which it has a few; sessions may be bound to it in any number.
        for owner in connection.channels.owners() {
            let PacketOwner::Destination(stream, destination) = owner else { continue };
            if let Some(session) = self.streams.session_played_to(stream, destination) {
                self.pool.touch(session, now);
            }
        }
    }

    /// Handles the messages in the input of a connection: the input that was kept, followed by
    /// `fresh`, which is not copied if none was kept.
    pub(crate) fn process_input(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        fresh: &[u8],
    ) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let mut input = connection.begin_input(fresh);
        while let Some(connection) = self.connections.get_mut(id) {
            if connection.takes_no_answers() {
                let level = self.warned.level_for(connection.peer.ip(), Breach::TakesNoAnswers);
                log::log!(level, "{}: takes no answers", connection.peer);
                self.end_connection(env, id, "takes no answers");
                break;
            }
            match connection.poll_message(&mut input, env.now()) {
                Ok(None) => break,
                Ok(Some(Received::Request(request))) => self.handle_request(env, id, request),
                Ok(Some(Received::Interleaved { channel, data })) => {
                    if let Some(route) = connection.channels.route(channel) {
                        let peer = connection.peer;
                        self.receive_interleaved(env, route, peer, data);
                    }
                }
                Ok(Some(Received::Response(cseq, response))) => {
                    self.handle_response(env, id, cseq, response);
                }
                Ok(Some(Received::Unexpected(response))) => {
                    log::debug!("{}: answers nothing: {}", connection.peer, response.status);
                }
                Err(e) => {
                    log::debug!("{}: {e}", connection.peer);
                    self.refuse_malformed(env, id, &e);
                    break;
                }
            }
        }
        if let Some(connection) = self.connections.get_mut(id) {
            connection.end_input(input, env.now());
        }
    }

    /// Ends a connection that is over, and otherwise updates its interest and deadline. To be
    /// called after each change of a connection.
    pub(crate) fn update_connection(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.has_ended() {
            return connection.update(env);
        }
        if connection.is_finished() {
            return self.end_connection(env, id, "closed");
        }
        connection.update(env);
    }

    /// Handles the timer of a connection: its deadline has come, or it has a backlog of input.
    pub(crate) fn handle_connection_timer(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        let now = env.now();
        let Some(connection) = self.connections.get_mut(id).filter(|c| !c.has_ended()) else {
            return;
        };
        if let Some(why) = connection.overdue(now) {
            return self.end_connection(env, id, &why.to_string());
        }
        if connection.is_hold_over(now) {
            return self.give_up_waiting(env, id);
        }
        if connection.has_backlog() {
            self.process_input(env, id, &[]);
        } else if connection.can_read_more() {
            self.read_connection(env, id);
        }
        self.tell_unanswered(env, id);
        self.update_connection(env, id);
    }
}
