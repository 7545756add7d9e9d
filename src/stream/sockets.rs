//! The UDP sockets that streams leave from and publishers send to: a pair each, or one pair for all.

use crate::arena::{Arena, Id, shrink_vec};
use crate::env::{EventKey, Interest, MediumHandle, UsageEnvironment};
use crate::ids::{KEY_RTCP_SOCKET, KEY_RTP_SOCKET, PacketOwner, StreamId};
use crate::net::{Datagrams, PortPair, UdpSocket, with_port};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// The UDP ports that a server sends RTP and RTCP from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UdpPorts {
    /// Each stream, and each track that is published, has a pair of its own, an even port and the
    /// next.
    Pairs {
        /// The first port to try; an odd one is made even.
        base: u16,
        /// How many pairs are tried before SETUP fails.
        tries: u16,
    },
    /// All streams of a local address send from one pair, to which publishers send, too; clients are
    /// told apart by their address.
    Shared {
        /// The RTP port, which is even; the RTCP port is the next. 0: any free pair.
        port: u16,
    },
}

/// Names a pair of sockets in its server.
pub(crate) type SocketsId = Id<UdpSockets>;

/// The users of a pair of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketsOwner {
    /// All streams and publishers.
    Everybody,
    /// One stream.
    Stream(StreamId),
    /// One track that is published, or one back channel.
    Published,
}

/// An RTP and an RTCP socket on one local address.
#[derive(Debug)]
pub(crate) struct UdpSockets {
    /// The local address; its port is 0.
    pub(crate) local: SocketAddr,
    pub(crate) pair: PortPair,
    pub(crate) owner: SocketsOwner,
    /// The source-specific group that reports of its members are passed on to, and its source.
    pub(crate) reflect: Option<Reflect>,
    /// Where clients send from, as they announced it: RTP (false) and RTCP (true), in order.
    routes: Vec<((SocketAddr, bool), PacketOwner)>,
}

/// Where reports of receivers are passed on to, so that all members of a group see them (RFC 5760
/// section 4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reflect {
    /// The group's address, with its RTCP port.
    pub(crate) to: SocketAddr,
    /// The address that the server itself sends from; what comes from there is not passed on.
    pub(crate) source: SocketAddr,
}

impl UdpSockets {
    pub(crate) fn new(local: SocketAddr, pair: PortPair, owner: SocketsOwner) -> Self {
        Self { local: with_port(local, 0), pair, owner, reflect: None, routes: Vec::new() }
    }

    /// What comes from two addresses, RTP and RTCP, has this owner. They may be one.
    pub(crate) fn add_routes(&mut self, (rtp, rtcp): (SocketAddr, SocketAddr), to: PacketOwner) {
        for from in [(rtp, false), (rtcp, true)] {
            match self.place(from) {
                Ok(at) => self.routes[at].1 = to,
                Err(at) => self.routes.insert(at, (from, to)),
            }
        }
    }

    pub(crate) fn remove_routes(&mut self, (rtp, rtcp): (SocketAddr, SocketAddr), to: PacketOwner) {
        for from in [(rtp, false), (rtcp, true)] {
            if let Some(at) = self.place(from).ok().filter(|&at| self.routes[at].1 == to) {
                self.routes.remove(at);
            }
        }
        shrink_vec(&mut self.routes);
    }

    /// The place of a route, or the place at which it would be.
    fn place(&self, from: (SocketAddr, bool)) -> Result<usize, usize> {
        self.routes.binary_search_by_key(&from, |(from, _)| *from)
    }

    /// Returns the owner of a packet that was sent to the RTP or the RTCP socket. Some clients send
    /// both from one port. Behind an address translator the port is not the announced one; the host
    /// then suffices, if all that comes from it has one owner.
    pub(crate) fn route(&self, from: SocketAddr, rtcp: bool) -> Option<PacketOwner> {
        let exact = |rtcp| self.place((from, rtcp)).map(|at| self.routes[at].1).ok();
        if let Some(to) = exact(rtcp).or_else(|| exact(!rtcp)) {
            return Some(to);
        }
        // In the order of addresses those of one host stand together: strangers cost no search.
        let first = self.place((with_port(from, 0), false)).unwrap_or_else(|at| at);
        let behind = self.routes[first..].iter();
        let same_host = behind.take_while(|((other, _), _)| other.ip() == from.ip());
        let mut same_host = same_host.map(|(_, to)| *to);
        let to = same_host.next()?;
        same_host.all(|other| other == to).then_some(to)
    }

    pub(crate) const fn socket(&mut self, rtcp: bool) -> &mut UdpSocket {
        if rtcp { &mut self.pair.rtcp } else { &mut self.pair.rtp }
    }

    pub(crate) fn close(self, env: &mut UsageEnvironment) {
        self.pair.rtp.close(env);
        self.pair.rtcp.close(env);
    }
}

/// The pairs of sockets that the streams of a server have.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    table: Arena<UdpSockets>,
    /// The pairs that all streams send from, by their local address.
    shared: HashMap<SocketAddr, SocketsId>,
}

impl Sockets {
    /// Takes a pair of sockets, whose events go to the medium `watcher`.
    ///
    /// # Errors
    /// A socket cannot be watched. Both are closed then.
    pub(crate) fn add(
        &mut self,
        env: &mut UsageEnvironment,
        watcher: MediumHandle,
        sockets: UdpSockets,
    ) -> io::Result<SocketsId> {
        let (local, owner) = (sockets.local, sockets.owner);
        let id = self.table.insert(sockets);
        let sockets = self.table.get_mut(id).ok_or(io::ErrorKind::NotFound)?;
        for (kind, rtcp) in [(KEY_RTP_SOCKET, false), (KEY_RTCP_SOCKET, true)] {
            let key = EventKey { kind, id: id.raw() };
            if let Err(e) = sockets.socket(rtcp).watch(env, watcher, key, Interest::READABLE) {
                self.remove(env, id);
                return Err(e);
            }
        }
        if owner == SocketsOwner::Everybody {
            self.shared.insert(local, id);
        }
        Ok(id)
    }

    /// The pair that all streams send from on a local address, whose port is 0.
    pub(crate) fn shared_on(&self, local: SocketAddr) -> Option<SocketsId> {
        self.shared.get(&local).copied()
    }

    pub(crate) fn get(&self, id: SocketsId) -> Option<&UdpSockets> {
        self.table.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: SocketsId) -> Option<&mut UdpSockets> {
        self.table.get_mut(id)
    }

    /// Closes a pair.
    pub(crate) fn remove(&mut self, env: &mut UsageEnvironment, id: SocketsId) {
        let Some(sockets) = self.table.remove(id) else { return };
        if self.shared.get(&sockets.local) == Some(&id) {
            self.shared.remove(&sockets.local);
        }
        sockets.close(env);
    }

    /// Closes all pairs.
    pub(crate) fn close(&mut self, env: &mut UsageEnvironment) {
        for id in self.table.ids().collect::<Vec<_>>() {
            self.remove(env, id);
        }
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SocketsId, &UdpSockets)> {
        self.table.iter()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    #[cfg(test)]
    pub(crate) fn shared_len(&self) -> usize {
        self.shared.len()
    }
}

/// The UDP addresses that a stream sends to through one pair of sockets.
#[derive(Debug)]
pub(crate) struct UdpTargets {
    pub(crate) sockets: SocketsId,
    pub(crate) addresses: Vec<SocketAddr>,
    /// Some targets are [`NOBODY`].
    pub(crate) has_gaps: bool,
}

impl UdpTargets {
    /// Takes a target out of the list; the others keep their places.
    pub(crate) fn leave_out(&mut self, place: usize) {
        if let Some(target) = self.addresses.get_mut(place) {
            *target = NOBODY;
            self.has_gaps = true;
        }
    }
}

/// Stands for a target that has left. No datagram can be sent to port 0.
pub(crate) const NOBODY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));

/// Sends datagrams to every target. Targets that fail are logged and left in `failed`.
pub(crate) fn send_to_each(
    socket: &mut UdpSocket,
    env: &mut UsageEnvironment,
    datagrams: &Datagrams<'_>,
    targets: &[SocketAddr],
    failed: &mut Vec<(usize, io::Error)>,
) {
    failed.clear();
    if targets.is_empty() {
        return;
    }
    socket.send_batch(env, datagrams, targets, failed);
    for (i, e) in failed.iter() {
        if let Some(to) = targets.get(*i) {
            log::debug!("send to {to}: {e}");
        }
    }
}
