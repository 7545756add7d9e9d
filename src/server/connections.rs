//! The server's connections: taking, reading, time-outs, the end.

use crate::arena::RawId;
use crate::env::{EventKey, Interest, Readiness, UsageEnvironment};
use crate::ids::ConnectionId;
use crate::ids::{KEY_ACCEPT, KEY_LISTENER};
use crate::net::is_out_of_descriptors;
use crate::rtsp::connection::Connection;
use crate::rtsp::machine::Received;
use crate::server::rtsp_server::{RtspServer, plain_key};
use crate::warned::Breach;
use std::io;
use std::time::Duration;

/// Connections that are taken in one turn.
const ACCEPTS_PER_TURN: usize = 64;
/// How long accepting pauses when descriptors have run out and none comes free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// How often the log is told that they have run out.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

impl RtspServer {
    pub(crate) fn accept(&mut self, env: &mut UsageEnvironment, listener: usize) {
        let Some(me) = self.me else { return };
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(l) = self.listeners.get_mut(listener) else { return };
            let (stream, peer) = match l.accept(env) {
                Ok(accepted) => accepted,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if is_out_of_descriptors(&e) => {
                    self.pause_accepting(env);
                    return;
                }
                // The client went away between its SYN and now.
                Err(e) => {
                    log::debug!("accept: {e}");
                    continue;
                }
            };
            let now = env.now();
            let of_host = self.connections.count_of(peer.ip());
            let full = |limit: usize, n: usize| limit != 0 && n >= limit;
            if full(self.config.max_connections, self.connections.len())
                || full(self.config.max_connections_per_peer, of_host)
            {
                log::debug!("{peer}: too many connections");
                let mut stream = stream;
                // Best effort: the connection is closed whether the client hears why or not.
                let _ = stream.write(env, b"RTSP/1.0 503 Service Unavailable\r\n\r\n");
                stream.close(env);
                continue;
            }
            let local = stream.local_addr().unwrap_or(peer);
            if let Some(bytes) = self.config.tcp_notsent_lowat {
                if let Err(e) = stream.set_notsent_lowat(bytes) {
                    log::debug!("{peer}: {e}");
                }
            }
            let config = self.config.of_connections();
            let ends = (peer, local);
            let id = self
                .connections
                .insert_with(|id| Connection::new(stream, ends, me, id, config, now));
            let opened = self.connections.get_mut(id).map(|c| c.open(env));
            if let Some(Err(e)) = opened {
                log::debug!("{peer}: {e}");
                self.end_connection(env, id, "cannot be watched");
            }
        }
    }

    fn pause_accepting(&mut self, env: &mut UsageEnvironment) {
        let Some(me) = self.me else { return };
        let now = env.now();
        let warned = self.accept_warned_at.map(|at| now.saturating_duration_since(at));
        if warned.is_none_or(|ago| ago >= WARNING_INTERVAL) {
            self.accept_warned_at = Some(now);
            log::warn!("out of descriptors: no new connections until some are closed");
        }
        self.accept_paused = true;
        self.watch_listeners(env, Interest::NONE);
        let at = now + ACCEPT_PAUSE;
        env.arm_timer(&mut self.accept_timer, me, plain_key(KEY_ACCEPT), at);
    }

    pub(crate) fn resume_accepting(&mut self, env: &mut UsageEnvironment) {
        if self.accept_paused {
            self.accept_paused = false;
            env.disarm_timer(&mut self.accept_timer);
            self.watch_listeners(env, Interest::READABLE);
        }
    }

    pub(crate) fn watch_listeners(&mut self, env: &mut UsageEnvironment, interest: Interest) {
        let Some(me) = self.me else { return };
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            let id = RawId { index: index as u32, generation: 0 };
            let key = EventKey { kind: KEY_LISTENER, id };
            if let Err(e) = listener.watch(env, me, key, interest) {
                log::error!("listener {index}: {e}");
            }
        }
    }

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

    /// Reads once from a connection, and does what is asked in what came.
    fn read_connection(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id).filter(|c| c.wants_input()) else {
            return;
        };
        // Lent out, so that requests can be answered where they were read to.
        let mut buffer = std::mem::take(&mut self.read_buffer);
        match connection.read(env, &mut buffer) {
            Ok(n) => self.process_input(env, id, buffer.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => self.end_connection(env, id, &e.to_string()),
        }
        self.read_buffer = buffer;
    }

    /// A connection that takes what waits for it keeps the sessions that stream over it alive,
    /// though it may never catch up.
    fn note_draining(&mut self, env: &UsageEnvironment, id: ConnectionId) {
        let now = env.now();
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !connection.takes_note_of_draining(now) {
            return;
        }
        // Through its channels, of which it has a few; sessions may be bound to it in any number.
        for (stream, destination) in connection.channels.owners() {
            if let Some(session) = self.streams.session_played_to(stream, destination) {
                self.pool.touch(session, now);
            }
        }
    }

    /// Does what the messages in the input of a connection ask for: in what was left of it, and in
    /// what has just been read. Where nothing was left, that is done without a copy.
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
                        let (stream, destination) = route.owner;
                        self.streams.handle_rtcp(env, stream, destination, data);
                        self.follow_up(env);
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

    /// After anything that happened to a connection: is it over, what does it wait for?
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
