//! Datagrams of the simulated network.

use super::network::{Simulation, bad_descriptor, check_scope, invalid};
use super::packet::{Body, Packet};
use super::socket::{Kind, Member, SocketId, Udp};
use crate::arena::RawId;
use crate::env::readiness::Readiness;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Size of a receive buffer, beyond which datagrams are lost; Linux's default.
const RECEIVE_BUFFER: usize = 212_992;

/// Size of a send buffer; Linux's default.
const SEND_BUFFER: usize = 212_992;

/// Bytes that a datagram occupies in addition to its data.
const OVERHEAD: usize = 256;

/// Longest datagram that both IPv4 and IPv6 carry.
const LONGEST: usize = 65_507;

impl Simulation {
    pub(crate) fn udp_bind(
        &mut self,
        addr: SocketAddr,
        shared: bool,
    ) -> io::Result<(RawId, SocketAddr)> {
        let mut addr = addr;
        if addr.port() == 0 {
            addr.set_port(self.free_port(addr.ip(), |net, addr| net.udp.contains_key(&addr))?);
        }
        let others = self.udp.get(&addr).map_or(&[][..], Vec::as_slice);
        let may_join = |id: &SocketId| match self.sockets.get(*id).map(|socket| &socket.kind) {
            Some(Kind::Udp(udp)) => udp.shared && shared,
            _ => true,
        };
        if !others.iter().all(may_join) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        check_scope(addr)?;
        let host = self.hosts.host(addr.ip());
        self.take_descriptor(host)?;
        let id = self.insert(host, addr, true, Kind::Udp(Udp { shared, ..Udp::default() }));
        self.udp.entry(addr).or_default().push(id);
        Ok((id.raw(), addr))
    }

    pub(super) fn forget_udp(&mut self, id: SocketId, local: SocketAddr) {
        if let Some(bound) = self.udp.get_mut(&local) {
            bound.retain(|other| *other != id);
            if bound.is_empty() {
                self.udp.remove(&local);
            }
        }
        for members in self.groups.values_mut() {
            members.retain(|member| member.socket != id);
        }
    }

    pub(crate) fn udp_join(
        &mut self,
        id: RawId,
        group: IpAddr,
        source: Option<IpAddr>,
    ) -> io::Result<()> {
        let member = Member { socket: SocketId::from_raw(id), source };
        if !group.is_multicast() {
            return Err(invalid());
        }
        let members = self.groups.entry(group).or_default();
        if members.contains(&member) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        members.push(member);
        Ok(())
    }

    pub(crate) fn udp_leave(
        &mut self,
        id: RawId,
        group: IpAddr,
        source: Option<IpAddr>,
    ) -> io::Result<()> {
        let member = Member { socket: SocketId::from_raw(id), source };
        let members = self.groups.entry(group).or_default();
        let before = members.len();
        members.retain(|other| *other != member);
        if members.len() == before {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        Ok(())
    }

    pub(crate) fn udp_send(
        &mut self,
        id: RawId,
        datagram: &[u8],
        to: SocketAddr,
    ) -> io::Result<usize> {
        let id = SocketId::from_raw(id);
        let socket = self.sockets.get(id).ok_or_else(bad_descriptor)?;
        let mut from = socket.local;
        from.set_ip(socket.host);
        if to.port() == 0 || to.is_ipv4() != from.is_ipv4() {
            return Err(invalid());
        }
        if datagram.len() > LONGEST {
            return Err(nix::errno::Errno::EMSGSIZE.into());
        }
        self.take_line(id, from, to, datagram.len())?;
        if to.ip().is_multicast() {
            let members: Vec<SocketId> = self
                .groups
                .get(&to.ip())
                .into_iter()
                .flatten()
                .filter(|member| member.source.is_none_or(|source| source == from.ip()))
                .map(|member| member.socket)
                .collect();
            for member in members {
                let Some(host) = self
                    .sockets
                    .get(member)
                    .filter(|socket| socket.local.port() == to.port())
                    .map(|socket| socket.host)
                else {
                    continue;
                };
                let receiver = SocketAddr::new(host, to.port());
                self.send_datagram(id, from, receiver, Some(member), datagram);
            }
        } else {
            self.send_datagram(id, from, to, None, datagram);
        }
        Ok(datagram.len())
    }

    /// Queues a datagram behind those that have not left the socket, if there is room.
    fn take_line(
        &mut self,
        id: SocketId,
        from: SocketAddr,
        to: SocketAddr,
        bytes: usize,
    ) -> io::Result<()> {
        let profile = self.hosts.profile(from.ip(), to.ip());
        if profile.udp_bandwidth.is_none() {
            return Ok(());
        }
        let now = self.now;
        let Some(Kind::Udp(udp)) = self.sockets.get_mut(id).map(|socket| &mut socket.kind) else {
            return Err(invalid());
        };
        let free = udp.line_free.map_or(now, |free| free.max(now));
        if free - now > profile.udp_transmission(SEND_BUFFER) {
            let half = now + (free - now) / 2;
            self.schedule(half, Packet { from, to: from, body: Body::Drained { socket: id } });
            return Err(io::ErrorKind::WouldBlock.into());
        }
        udp.line_free = Some(free + profile.udp_transmission(bytes + OVERHEAD));
        Ok(())
    }

    fn send_datagram(
        &mut self,
        sender: SocketId,
        from: SocketAddr,
        to: SocketAddr,
        socket: Option<SocketId>,
        datagram: &[u8],
    ) {
        let profile = self.hosts.profile(from.ip(), to.ip());
        self.statistics.datagrams_sent += 1;
        let is_barred = profile.udp_loss > 0.0 && self.random.chance(profile.udp_loss);
        if is_barred || self.random.chance(profile.loss) {
            self.statistics.datagrams_lost += 1;
            return;
        }
        let leaves = match self.sockets.get(sender).map(|socket| &socket.kind) {
            Some(Kind::Udp(udp)) => udp.line_free.map_or(self.now, |free| free.max(self.now)),
            _ => self.now,
        };
        let copies = 1 + usize::from(self.random.chance(profile.duplication));
        for _ in 0..copies {
            let mut at = leaves + profile.latency(&mut self.random);
            if self.random.chance(profile.reordering) {
                // Long enough for those that follow closely to overtake it.
                let spread = profile.latency_max.max(Duration::from_millis(10));
                at += spread.mul_f64(1.0 + self.random.below(1000) as f64 / 1000.0);
            } else if let Some(Kind::Udp(udp)) =
                self.sockets.get_mut(sender).map(|socket| &mut socket.kind)
            {
                // A table of all addresses ever sent to would grow for ever.
                if udp.last.len() > 1024 {
                    let now = self.now;
                    udp.last.retain(|_, last| *last > now);
                }
                let last = udp.last.entry(to).or_insert(at);
                at = at.max(*last);
                *last = at;
            }
            let body = Body::Datagram { socket, bytes: datagram.to_vec() };
            self.schedule(at, Packet { from, to, body });
        }
    }

    pub(super) fn datagram_arrives(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        socket: Option<SocketId>,
        bytes: Vec<u8>,
    ) {
        let any: IpAddr = match to {
            SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let bound = |addr| self.udp.get(&addr).and_then(|sockets| sockets.last()).copied();
        let receiver =
            socket.or_else(|| bound(to)).or_else(|| bound(SocketAddr::new(any, to.port())));
        let udp = match receiver.and_then(|id| self.sockets.get_mut(id)).map(|s| &mut s.kind) {
            Some(Kind::Udp(udp)) if udp.queued + bytes.len() + OVERHEAD <= RECEIVE_BUFFER => udp,
            _ => {
                self.statistics.datagrams_lost += 1;
                return;
            }
        };
        udp.queued += bytes.len() + OVERHEAD;
        udp.queue.push_back((from, bytes));
        self.statistics.datagrams_delivered += 1;
        if let Some(id) = receiver {
            self.edge(id, Readiness::READABLE);
        }
    }

    pub(crate) fn udp_recv(
        &mut self,
        id: RawId,
        buf: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        let socket = self.sockets.get_mut(SocketId::from_raw(id)).ok_or_else(bad_descriptor)?;
        let Kind::Udp(udp) = &mut socket.kind else { return Err(invalid()) };
        let (from, bytes) = udp.queue.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        udp.queued -= bytes.len() + OVERHEAD;
        // As an operating system does: the bytes that do not fit are lost.
        let n = bytes.len().min(buf.len());
        buf[..n].copy_from_slice(&bytes[..n]);
        Ok((n, from))
    }
}
