//! Outlets: connections to objects of this process that watch streams as any client does, and send
//! them on.
//!
//! An outlet is a connection like those of clients, but for two things. Its bytes go through memory
//! ([`Pipe`]) to a medium of the same environment. And its requests are calls, which neither the
//! authenticator nor the application is asked about: who asks is part of the application.

use crate::env::{EventKey, MediumHandle, UsageEnvironment};
use crate::ids::{ConnectionId, KEY_CONNECTION};
use crate::net::Pipe;
use crate::rtsp::config::ConnectionConfig;
use crate::rtsp::connection::Connection;
use crate::server::method::outcome::Identity;
use crate::server::rtsp_server::RtspServer;
use crate::server::waiting::Progress;
use crate::wire::rtsp::Request;
use std::net::SocketAddr;
use std::time::Duration;

/// Bytes that wait for the reader, which comes in the turn after. What it leaves there because it is
/// slow is queued as for any slow client.
const CAPACITY: usize = 64 * 1024;

/// What the reader of an outlet finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutletState {
    /// There is a client session.
    InSession,
    /// There is none: not yet, or it has ended.
    Idle,
    /// The server has closed the outlet.
    Closed,
}

impl RtspServer {
    /// Opens an outlet whose reader is woken by a timer event. `ends` are the addresses by which
    /// logs, hooks and limits know the reader, the peer's first.
    pub(crate) fn open_outlet(
        &mut self,
        env: &UsageEnvironment,
        reader: (MediumHandle, EventKey),
        ends: (SocketAddr, SocketAddr),
    ) -> Option<ConnectionId> {
        let (me, now) = (self.me?, env.now());
        let config = ConnectionConfig {
            // Its reader closes it, and gives up when its own peer takes nothing.
            idle_timeout: Duration::MAX,
            write_timeout: Duration::MAX,
            ..self.config.of_connections()
        };
        let id = self.connections.insert_with(|id| {
            let key = EventKey { kind: KEY_CONNECTION, id: id.raw() };
            Connection::new(Pipe::new(reader, CAPACITY), ends, me, key, config, now)
        });
        if let Some(connection) = self.connections.get_mut(id) {
            connection.share_buffers(&self.buffers);
        }
        Some(id)
    }

    /// Serves a request for a stream. The response comes through the outlet, at once or, if the
    /// request has to wait, later.
    pub(crate) fn ask_outlet(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        stream: &str,
        request: Request<'_>,
    ) {
        let identity = Identity { user: None, granted: Some(stream.to_owned()) };
        self.answer_request(env, id, request, identity, Progress::default());
        // The reader may be silent for as long as its stream is.
        let sessions = self.connections.get(id).into_iter().flat_map(|c| c.sessions.iter());
        for session in sessions {
            self.pool.set_timeout(session, Duration::ZERO);
        }
        self.update_connection(env, id);
        self.work_off_endings(env);
        self.update_pool_watch(env);
    }

    /// Hands over what the server has sent, in exchange for memory that is emptied: whole messages
    /// and packets. What is queued follows.
    pub(crate) fn read_outlet(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        into: &mut Vec<u8>,
    ) -> OutletState {
        let Some(connection) = self.connections.get_mut(id).filter(|c| c.is_inside()) else {
            into.clear();
            return OutletState::Closed;
        };
        connection.take_sent(env, into);
        let state = match (connection.has_ended(), connection.sessions.is_empty()) {
            (true, _) => OutletState::Closed,
            (false, true) => OutletState::Idle,
            (false, false) => OutletState::InSession,
        };
        self.update_connection(env, id);
        state
    }

    /// Takes a packet from the reader of an outlet, on the channel of a track.
    pub(crate) fn write_to_outlet(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        channel: u8,
        packet: &[u8],
    ) {
        let Some(connection) = self.connections.get(id) else { return };
        if let Some(route) = connection.channels.route(channel) {
            let peer = connection.peer;
            self.receive_interleaved(env, route, peer, packet);
        }
    }

    /// Ends an outlet, and the session of its reader.
    pub(crate) fn close_outlet(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        self.end_connection(env, id, "closed by its reader");
        self.work_off_endings(env);
        self.update_pool_watch(env);
    }
}
