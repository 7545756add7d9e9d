//! Clients that begin with something else than RTSP: with HTTP, which may be a tunnel, or with TLS.

use crate::env::UsageEnvironment;
use crate::ids::ConnectionId;
use crate::net::{HttpHead, HttpMethod, HttpRequest};
use crate::server::rtsp_server::RtspServer;
use crate::server::tunnels::TunnelKey;

/// The type of a record with which TLS begins (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// A fatal alert of TLS, `protocol_version`.
const TLS_ALERT: &[u8] = b"\x15\x03\x01\0\x02\x02\x46";

const NOT_FOUND: &[u8] = b"HTTP/1.0 404 Not Found\r\nConnection: close\r\n\
    Content-Type: text/plain\r\nContent-Length: 59\r\n\r\n\
    This is an RTSP server: open its URLs with a media player.\n";
const BAD_REQUEST: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
const CONFLICT: &[u8] = b"HTTP/1.0 409 Conflict\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Whether the first bytes of a connection may be another protocol's.
pub(crate) fn is_foreign(input: &[u8]) -> bool {
    match input.first() {
        Some(b'G' | b'P') => HttpRequest::may_begin(input),
        Some(&first) => first == TLS_HANDSHAKE,
        None => false,
    }
}

impl RtspServer {
    /// Handles the first bytes of a connection, which [are foreign](is_foreign).
    pub(crate) fn begin_foreign(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        input: &[u8],
    ) {
        let is_tls = input.first() == Some(&TLS_HANDSHAKE);
        if !is_tls && !self.config.http_tunnels {
            return self.process_input(env, id, input);
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        if is_tls {
            return self.answer_foreign(env, id, TLS_ALERT);
        }
        connection.begin_http(input, env.now());
        self.handle_http(env, id);
    }

    /// Goes on with a connection that waits for an HTTP request.
    pub(crate) fn handle_http(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        match connection.http_head() {
            None | Some(HttpHead::Incomplete) => {}
            Some(HttpHead::NotHttp) => {
                let input = connection.end_http();
                self.process_input(env, id, &input);
            }
            Some(HttpHead::Malformed) => self.answer_foreign(env, id, BAD_REQUEST),
            Some(HttpHead::Whole(HttpRequest { method, cookie })) => match (method, cookie) {
                (HttpMethod::Get, Some(cookie)) => self.begin_tunnel(env, id, cookie),
                (HttpMethod::Post, Some(cookie)) => self.continue_tunnel(env, id, cookie),
                (HttpMethod::Get, None) => self.answer_foreign(env, id, NOT_FOUND),
                (HttpMethod::Post, None) => self.answer_foreign(env, id, BAD_REQUEST),
            },
        }
    }

    /// Answers, and closes the connection.
    fn answer_foreign(&mut self, env: &mut UsageEnvironment, id: ConnectionId, answer: &[u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        log::debug!("{}: no RTSP, and no tunnel", connection.peer);
        connection.send_answer(env, answer).unwrap_or_else(|e| log::debug!("{e}"));
        connection.begin_close(env.now());
    }

    fn key_of(&self, id: ConnectionId, cookie: Box<str>) -> Option<TunnelKey> {
        let connection = self.connections.get(id)?;
        let host = connection.peer.ip().to_canonical();
        let (is_encrypted, client_certificate) =
            (connection.is_encrypted(), connection.client_certificate());
        Some(TunnelKey { host, is_encrypted, client_certificate, cookie })
    }

    /// A GET: its connection becomes the tunnel.
    fn begin_tunnel(&mut self, env: &mut UsageEnvironment, id: ConnectionId, cookie: Box<str>) {
        let Some(key) = self.key_of(id, cookie) else { return };
        match self.tunnels.add_get(key, id) {
            Err(()) => self.answer_foreign(env, id, CONFLICT),
            Ok(post) => {
                let Some(connection) = self.connections.get_mut(id) else { return };
                log::debug!("{}: an HTTP tunnel", connection.peer);
                connection.open_tunnel();
                if let Some(post) = post {
                    self.join(env, id, post);
                }
            }
        }
    }

    /// A POST: its connection becomes part of a tunnel, now or when the GET arrives.
    fn continue_tunnel(&mut self, env: &mut UsageEnvironment, id: ConnectionId, cookie: Box<str>) {
        let Some(key) = self.key_of(id, cookie) else { return };
        match self.tunnels.add_post(key, id) {
            Err(()) => self.answer_foreign(env, id, CONFLICT),
            Ok(None) => {}
            Ok(Some(get)) => self.join(env, get, id),
        }
    }

    /// Lets a tunnel, the connection `get`, read from the connection `post`, which ends.
    fn join(&mut self, env: &mut UsageEnvironment, get: ConnectionId, post: ConnectionId) {
        let Some(connection) = self.connections.get_mut(post) else { return };
        let taken = connection.take_post(env);
        self.end_connection(env, post, "part of a tunnel");
        let (Ok(Some(taken)), Some(connection)) = (taken, self.connections.get_mut(get)) else {
            return;
        };
        match connection.add_post(env, taken) {
            Ok(()) => self.update_connection(env, get),
            Err(post) => post.close(env),
        }
    }
}
