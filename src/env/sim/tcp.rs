//! Connections of the simulated network.
//!
//! A connection consists of two ordered directions. Bytes written occupy the window until the
//! peer's application has read them and a window update has returned: a peer that never reads makes
//! writes block. Loss only causes delay.

use super::network::{Simulation, bad_descriptor, check_scope, invalid};
use super::packet::{Body, Packet};
use super::socket::{Kind, Listener, SocketId, State, Stream};
use crate::arena::RawId;
use crate::env::readiness::Readiness;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Connections that may wait to be accepted; further ones retry.
const BACKLOG: usize = 4096;

/// Number of attempts to connect while the backlog is full, a second apart.
const SYN_TRIES: u8 = 6;

/// Time until a lost segment is sent again.
const RETRANSMISSION: Duration = Duration::from_millis(200);

impl Simulation {
    fn stream(&mut self, id: SocketId) -> Option<&mut Stream> {
        match &mut self.sockets.get_mut(id)?.kind {
            Kind::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    pub(crate) fn tcp_listen(&mut self, addr: SocketAddr) -> io::Result<(RawId, SocketAddr)> {
        let mut addr = addr;
        if addr.port() == 0 {
            addr.set_port(
                self.free_port(addr.ip(), |net, addr| net.listeners.contains_key(&addr))?,
            );
        }
        if self.listeners.contains_key(&addr) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        check_scope(addr)?;
        let host = self.hosts.host(addr.ip());
        self.take_descriptor(host)?;
        let listener = Listener { backlog: VecDeque::new() };
        let id = self.insert(host, addr, true, Kind::Listener(listener));
        self.listeners.insert(addr, id);
        Ok((id.raw(), addr))
    }

    pub(crate) fn tcp_accept(&mut self, id: RawId) -> io::Result<(RawId, SocketAddr, SocketAddr)> {
        let id = SocketId::from_raw(id);
        loop {
            let socket = self.sockets.get(id).ok_or_else(bad_descriptor)?;
            let Kind::Listener(listener) = &socket.kind else { return Err(invalid()) };
            let first = *listener.backlog.front().ok_or(io::ErrorKind::WouldBlock)?;
            let accepted = self.sockets.get(first).map(|stream| (stream.host, stream.local));
            let peer = self.stream(first).map(|stream| stream.peer);
            if let (Some((host, _)), Some(_)) = (accepted, peer) {
                // Out of descriptors: the connection stays where it is.
                self.take_descriptor(host)?;
            }
            if let Some(Kind::Listener(listener)) = self.sockets.get_mut(id).map(|s| &mut s.kind) {
                listener.backlog.pop_front();
            }
            if let (Some((_, local)), Some(peer)) = (accepted, peer) {
                if let Some(socket) = self.sockets.get_mut(first) {
                    socket.counted = true;
                }
                return Ok((first.raw(), local, peer));
            }
        }
    }

    pub(crate) fn tcp_connect(
        &mut self,
        local: Option<SocketAddr>,
        to: SocketAddr,
    ) -> io::Result<(RawId, SocketAddr)> {
        let any: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let local = local.unwrap_or_else(|| SocketAddr::new(any, 0));
        if local.is_ipv4() != to.is_ipv4() || to.port() == 0 {
            return Err(invalid());
        }
        let host = self.hosts.host(local.ip());
        let port = match local.port() {
            0 => self.free_port(host, |net, addr| net.connected_from.contains(&addr))?,
            port => port,
        };
        let mut local = local;
        local.set_ip(host);
        local.set_port(port);
        check_scope(local)?;
        if self.connected_from.contains(&local) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        self.take_descriptor(host)?;
        self.connected_from.insert(local);
        let window = self.hosts.profile(host, to.ip()).tcp_window;
        let stream = Stream::new(to, State::Connecting, window, self.now);
        let id = self.insert(host, local, true, Kind::Stream(stream));
        self.signal(local, to, Body::Syn { client: id, tries: SYN_TRIES });
        Ok((id.raw(), local))
    }

    pub(super) fn syn_arrives(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        client: SocketId,
        tries: u8,
    ) {
        let Some(window) = self.stream(client).map(|stream| stream.window) else {
            return; // The client has given up meanwhile.
        };
        let any: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let listener = self
            .listeners
            .get(&to)
            .or_else(|| self.listeners.get(&SocketAddr::new(any, to.port())))
            .copied()
            .filter(|_| !self.hosts.refusing.contains(&to));
        let Some(listener) = listener else {
            self.signal(to, from, Body::Refused { client });
            return;
        };
        let waiting = match self.sockets.get(listener).map(|socket| &socket.kind) {
            Some(Kind::Listener(listener)) => listener.backlog.len(),
            _ => BACKLOG,
        };
        if waiting >= BACKLOG {
            if tries > 1 {
                let body = Body::Syn { client, tries: tries - 1 };
                self.schedule(self.now + Duration::from_secs(1), Packet { from, to, body });
            } else {
                self.stream_fails(client, io::ErrorKind::TimedOut);
            }
            return;
        }
        let mut stream = Stream::new(from, State::Established, window, self.now);
        stream.other = Some(client);
        let server = self.insert(self.hosts.host(to.ip()), to, false, Kind::Stream(stream));
        if let Some(Kind::Listener(listener)) =
            self.sockets.get_mut(listener).map(|socket| &mut socket.kind)
        {
            listener.backlog.push_back(server);
        }
        // The bytes that the server writes must not overtake the answer.
        let at = self.signal(to, from, Body::Accepted { client, server });
        if let Some(stream) = self.stream(server) {
            stream.last_arrival = at;
        }
        self.edge(listener, Readiness::READABLE);
    }

    pub(super) fn accepted_arrives(&mut self, client: SocketId, server: SocketId) {
        match self.stream(client) {
            Some(stream) if stream.state == State::Connecting => {
                stream.state = State::Established;
                stream.other = Some(server);
                self.statistics.connections += 1;
                self.edge(client, Readiness::WRITABLE);
            }
            Some(_) => {}
            None => self.stream_fails(server, io::ErrorKind::ConnectionReset),
        }
    }

    /// Makes the connection fail at this end.
    pub(super) fn stream_fails(&mut self, id: SocketId, error: io::ErrorKind) {
        if let Some(stream) = self.stream(id) {
            if stream.state != State::Failed {
                stream.state = State::Failed;
                stream.error = Some(error);
                self.edge(id, Readiness::BOTH);
            }
        }
    }

    /// Resets all TCP connections of a host; both ends are notified at once.
    pub fn reset_connections(&mut self, host: IpAddr) {
        let streams: Vec<SocketId> = self
            .sockets
            .iter()
            .filter(|(_, socket)| socket.host == host && matches!(socket.kind, Kind::Stream(_)))
            .map(|(id, _)| id)
            .collect();
        for id in streams {
            self.reset_both(id);
        }
    }

    pub(super) fn reset_both(&mut self, id: SocketId) {
        let other = self.stream(id).and_then(|stream| stream.other);
        self.stream_fails(id, io::ErrorKind::ConnectionReset);
        if let Some(other) = other {
            self.stream_fails(other, io::ErrorKind::ConnectionReset);
        }
    }

    pub(crate) fn tcp_write(&mut self, id: RawId, buf: &[u8]) -> io::Result<usize> {
        let id = SocketId::from_raw(id);
        let local = self.sockets.get(id).ok_or_else(bad_descriptor)?.local;
        let stream = self.stream(id).ok_or_else(invalid)?;
        match stream.state {
            State::Connecting => return Err(io::ErrorKind::WouldBlock.into()),
            State::Failed => {
                return Err(stream.error.take().unwrap_or(io::ErrorKind::BrokenPipe).into());
            }
            State::Established if stream.shut => return Err(io::ErrorKind::BrokenPipe.into()),
            State::Established => {}
        }
        if buf.is_empty() {
            return Ok(0);
        }
        let room = stream.window.saturating_sub(stream.outstanding);
        let (peer, other) = (stream.peer, stream.other);
        if room == 0 {
            stream.blocked = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let profile = self.hosts.profile(local.ip(), peer.ip());
        if self.random.chance(profile.reset) {
            self.reset_both(id);
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let mut n = buf.len().min(room);
        if self.random.chance(profile.partial) {
            n = 1 + self.random.below(n as u64) as usize;
        }
        let Some(other) = other else { return Err(io::ErrorKind::WouldBlock.into()) };
        let bytes = buf.get(..n).unwrap_or(buf).to_vec();
        self.statistics.tcp_bytes += n as u64;
        if let Some(stream) = self.stream(id) {
            stream.outstanding += n;
            stream.blocked |= n == room;
        }
        self.send_in_order(id, local, Body::Segment { sender: id, receiver: other, bytes }, n);
        Ok(n)
    }

    /// Sends a packet of a connection after everything sent before.
    fn send_in_order(&mut self, id: SocketId, local: SocketAddr, body: Body, bytes: usize) {
        let Some(peer) = self.stream(id).map(|stream| stream.peer) else { return };
        let profile = self.hosts.profile(local.ip(), peer.ip());
        let mut delay = profile.latency(&mut self.random);
        // Lost again and again, but not for ever.
        for _ in 0..10 {
            if !self.random.chance(profile.loss) {
                break;
            }
            delay += RETRANSMISSION;
        }
        let now = self.now;
        let Some(stream) = self.stream(id) else { return };
        stream.line_free = stream.line_free.max(now) + profile.transmission(bytes);
        let at = stream.last_arrival.max(stream.line_free + delay);
        stream.last_arrival = at;
        self.schedule(at, Packet { from: local, to: peer, body });
    }

    pub(super) fn segment_arrives(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        sender: SocketId,
        receiver: SocketId,
        bytes: &[u8],
    ) {
        match self.stream(receiver) {
            Some(stream) if stream.state != State::Failed => {
                stream.received.extend(bytes);
                self.edge(receiver, Readiness::READABLE);
            }
            // The receiver is gone.
            _ => {
                self.signal(to, from, Body::Reset { receiver: sender });
            }
        }
    }

    pub(super) fn fin_arrives(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        sender: SocketId,
        receiver: SocketId,
    ) {
        if let Some(stream) = self.stream(receiver) {
            stream.ended = true;
            self.edge(receiver, Readiness::READABLE);
        } else if self.sockets.contains(sender) {
            self.signal(to, from, Body::Reset { receiver: sender });
        }
    }

    pub(super) fn window_arrives(&mut self, receiver: SocketId, bytes: usize) {
        let Some(stream) = self.stream(receiver) else { return };
        stream.outstanding = stream.outstanding.saturating_sub(bytes);
        // As an operating system does: a third of the buffer is worth waking for, a few bytes are
        // not.
        let room = stream.window.saturating_sub(stream.outstanding);
        if stream.blocked && room >= stream.window / 3 {
            stream.blocked = false;
            self.edge(receiver, Readiness::WRITABLE);
        }
    }

    pub(crate) fn tcp_read(&mut self, id: RawId, buf: &mut [u8]) -> io::Result<usize> {
        let id = SocketId::from_raw(id);
        let local = self.sockets.get(id).ok_or_else(bad_descriptor)?.local;
        let stream = self.stream(id).ok_or_else(invalid)?;
        let (peer, other) = (stream.peer, stream.other);
        if buf.is_empty() {
            return Ok(0);
        }
        if stream.received.is_empty() {
            return match (stream.error.take(), stream.ended || stream.state == State::Failed) {
                (Some(error), _) => Err(error.into()),
                (None, true) => Ok(0),
                (None, false) => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        let mut n = buf.len().min(stream.received.len());
        let profile = self.hosts.profile(peer.ip(), local.ip());
        if self.random.chance(profile.partial) {
            n = 1 + self.random.below(n as u64) as usize;
        }
        if let Some(stream) = self.stream(id) {
            for (to, from) in buf.iter_mut().zip(stream.received.drain(..n)) {
                *to = from;
            }
        }
        if let Some(other) = other {
            self.signal(local, peer, Body::Window { receiver: other, bytes: n });
        }
        Ok(n)
    }

    pub(crate) fn tcp_shutdown(&mut self, id: RawId) -> io::Result<()> {
        let id = SocketId::from_raw(id);
        let local = self.sockets.get(id).ok_or_else(bad_descriptor)?.local;
        let stream = self.stream(id).ok_or_else(invalid)?;
        let (State::Established, Some(other)) = (stream.state, stream.other) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if !std::mem::replace(&mut stream.shut, true) {
            self.send_in_order(id, local, Body::Fin { sender: id, receiver: other }, 0);
        }
        Ok(())
    }

    pub(crate) fn tcp_take_error(&mut self, id: RawId) -> io::Result<Option<io::Error>> {
        let stream = self.stream(SocketId::from_raw(id)).ok_or_else(bad_descriptor)?;
        Ok(stream.error.take().map(Into::into))
    }

    /// Handles the removal of a connection's socket: the peer is notified after all sent data.
    pub(super) fn stream_closed(&mut self, id: SocketId, local: SocketAddr, stream: Stream) {
        if stream.active {
            self.connected_from.remove(&local);
        }
        let Some(other) = stream.other.filter(|_| stream.state == State::Established) else {
            return;
        };
        let body = if stream.received.is_empty() {
            if stream.shut {
                return;
            }
            Body::Fin { sender: id, receiver: other }
        } else {
            // As an operating system does: data that will not be read are answered with a
            // reset.
            Body::Reset { receiver: other }
        };
        let profile = self.hosts.profile(local.ip(), stream.peer.ip());
        let at = self.now + profile.latency(&mut self.random);
        let at = at.max(stream.last_arrival);
        self.schedule(at, Packet { from: local, to: stream.peer, body });
    }
}
