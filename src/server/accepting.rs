//! Accepts connections, and pauses when the process has run out of descriptors.

use crate::arena::RawId;
use crate::env::{EventKey, Interest, UsageEnvironment};
use crate::ids::{KEY_ACCEPT, KEY_CONNECTION, KEY_LISTENER};
use crate::net::{Descriptors, is_out_of_descriptors};
use crate::rtsp::connection::Connection;
use crate::server::rtsp_server::{RtspServer, plain_key};
use crate::session::holdings::MODEST;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Connections that are accepted in one turn.
const ACCEPTS_PER_TURN: usize = 64;
/// Pause in accepting when descriptors have run out and no connection is closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// Least interval between warnings that descriptors have run out.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

impl RtspServer {
    /// Accepts pending connections of a listener, a bounded number in a turn.
    pub(crate) fn accept(&mut self, env: &mut UsageEnvironment, listener: usize) {
        let Some(me) = self.me else { return };
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(l) = self.listeners.get_mut(listener) else { return };
            let is_tls = l.is_tls();
            let (stream, peer) = match l.socket.accept(env) {
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
            let descriptors = stream.descriptors(env);
            if let Some(counter) = self.limit_reached(peer, descriptors) {
                *counter += 1;
                log::debug!("{peer}: too many connections");
                let mut stream = stream;
                if !is_tls {
                    // Best effort: the connection is closed whether the client hears why or not.
                    let _ = stream.write(env, b"RTSP/1.0 503 Service Unavailable\r\n\r\n");
                }
                stream.close(env);
                continue;
            }
            let local = stream.local_addr().unwrap_or(peer);
            if let Some(bytes) = self.config.tcp_notsent_lowat {
                if let Err(e) = stream.set_notsent_lowat(bytes) {
                    log::debug!("{peer}: {e}");
                }
            }
            let Some(l) = self.listeners.get(listener) else { return };
            let stream = match l.byte_stream(env, stream) {
                Ok(stream) => stream,
                Err(e) => {
                    log::error!("{peer}: no TLS: {e}");
                    continue;
                }
            };
            self.counters.connections += 1;
            let config = self.config.of_connections();
            let ends = (peer, local);
            let id = self.connections.insert_with(|id| {
                let key = EventKey { kind: KEY_CONNECTION, id: id.raw() };
                Connection::new(stream, ends, me, key, config, now)
            });
            let opened = self.connections.get_mut(id).map(|c| {
                c.share_buffers(&self.buffers);
                c.open(env)
            });
            if let Some(Err(e)) = opened {
                log::debug!("{peer}: {e}");
                self.end_connection(env, id, "cannot be watched");
            }
        }
    }

    /// The counter of the limit that leaves no room for a connection of `peer`, if one does.
    fn limit_reached(
        &mut self,
        peer: SocketAddr,
        descriptors: Option<Descriptors>,
    ) -> Option<&mut u64> {
        let of_peer = self.connections.count_of(peer.ip());
        let full = |limit: usize, n: usize| limit != 0 && n >= limit;
        // Ports of its sessions stay when its connections end.
        let takes_the_last = descriptors.is_some_and(Descriptors::are_few)
            && (of_peer > 0 || self.session_tables().descriptors_of(peer.ip()) >= MODEST);
        let counters = &mut self.counters;
        if full(self.config.max_connections, self.connections.len()) {
            Some(&mut counters.connections_refused)
        } else if full(self.config.max_connections_per_peer, of_peer) {
            Some(&mut counters.connections_of_peer_refused)
        } else if takes_the_last {
            Some(&mut counters.connections_refused_for_descriptors)
        } else {
            None
        }
    }

    /// Stops accepting until a connection is closed, or a fixed time has passed.
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

    /// Sets the registered interest of all listeners.
    pub(crate) fn watch_listeners(&mut self, env: &mut UsageEnvironment, interest: Interest) {
        let Some(me) = self.me else { return };
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            let id = RawId { index: index as u32, generation: 0 };
            let key = EventKey { kind: KEY_LISTENER, id };
            if let Err(e) = listener.socket.watch(env, me, key, interest) {
                log::error!("listener {index}: {e}");
            }
        }
    }
}
