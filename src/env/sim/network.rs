//! [`Simulation`]: the state of the simulated network, its controls, and the common part of its
//! protocols.

use super::link::{Hosts, LinkProfile};
use super::packet::{Body, Packet, Scheduled};
use super::socket::{Kind, Member, Socket, SocketId};
use crate::arena::{Arena, RawId};
use crate::env::random::Seeded;
use crate::env::readiness::Readiness;
use nix::errno::Errno;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Counters of the simulated network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct NetworkStatistics {
    /// Datagrams sent by sockets; a multicast counts once for each member.
    pub datagrams_sent: u64,
    /// Datagrams that reached a socket, duplicates included.
    pub datagrams_delivered: u64,
    /// Datagrams lost: at random, without a receiver, or in a full receive buffer.
    pub datagrams_lost: u64,
    /// Bytes written to TCP connections.
    pub tcp_bytes: u64,
    /// TCP connections established.
    pub connections: u64,
}

/// The network of a simulated environment, and the controls for its faults (feature `simulation`).
pub struct Simulation {
    pub(super) now: Instant,
    pub(super) random: Seeded,
    pub(super) events: BinaryHeap<Reverse<Scheduled>>,
    pub(super) next_event: u64,
    /// Packets of hosts that have vanished, for their return.
    pub(super) held: Vec<Packet>,
    pub(super) sockets: Arena<Socket>,
    pub(super) udp: BTreeMap<SocketAddr, Vec<SocketId>>,
    pub(super) groups: BTreeMap<IpAddr, Vec<Member>>,
    pub(super) listeners: BTreeMap<SocketAddr, SocketId>,
    /// Local addresses of connections that were made actively.
    pub(super) connected_from: BTreeSet<SocketAddr>,
    pub(super) ports: BTreeMap<IpAddr, u16>,
    /// Sockets that count against a host's limit.
    pub(super) open: BTreeMap<IpAddr, usize>,
    pub(super) hosts: Hosts,
    /// Addresses of host names; `None`: look-ups get no answer.
    names: BTreeMap<String, Option<Vec<IpAddr>>>,
    pub(super) statistics: NetworkStatistics,
    /// Registrations that have become ready since the loop last checked.
    pub(crate) edges: Vec<(RawId, Readiness)>,
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("sockets", &self.sockets.len())
            .field("events", &self.events.len())
            .field("statistics", &self.statistics)
            .finish_non_exhaustive()
    }
}

/// First port that is assigned when port 0 is requested.
const FIRST_EPHEMERAL: u16 = 32_768;

impl Simulation {
    /// Least duration of a turn.
    pub(crate) const TURN: Duration = Duration::from_micros(1);

    pub(crate) fn new(seed: u64, now: Instant) -> Self {
        Self {
            now,
            random: Seeded::new(seed),
            events: BinaryHeap::new(),
            next_event: 0,
            held: Vec::new(),
            sockets: Arena::new(),
            udp: BTreeMap::new(),
            groups: BTreeMap::new(),
            listeners: BTreeMap::new(),
            connected_from: BTreeSet::new(),
            ports: BTreeMap::new(),
            open: BTreeMap::new(),
            hosts: Hosts::new(),
            names: BTreeMap::new(),
            statistics: NetworkStatistics::default(),
            edges: Vec::new(),
        }
    }

    /// Sets the properties of all paths for which nothing else is set.
    pub fn set_profile(&mut self, profile: LinkProfile) {
        self.hosts.default = profile;
    }

    /// Sets the properties of all paths to and from a host. Between two hosts with properties of
    /// their own, those of the receiver apply.
    pub fn set_host_profile(&mut self, host: IpAddr, profile: LinkProfile) {
        self.hosts.profiles.insert(host, profile);
    }

    /// Sets the host of the unspecified address of its family.
    pub fn set_local_host(&mut self, host: IpAddr) {
        match host {
            IpAddr::V4(_) => self.hosts.local_v4 = host,
            IpAddr::V6(_) => self.hosts.local_v6 = host,
        }
    }

    /// Gives a host name its addresses, in order of preference; without any, the name is unknown.
    pub fn set_name(&mut self, name: &str, addresses: &[IpAddr]) {
        self.names.insert(name.to_owned(), Some(addresses.to_vec()));
    }

    /// Lets look-ups of a host name go without an answer, until
    /// [`set_name`](Self::set_name) gives the name addresses; a look-up that has begun before that
    /// stays without one.
    pub fn set_unanswered_name(&mut self, name: &str) {
        self.names.insert(name.to_owned(), None);
    }

    /// The addresses of a host name; `None` if there is no answer.
    pub(crate) fn addresses_of(&self, name: &str) -> io::Result<Option<&[IpAddr]>> {
        match self.names.get(name) {
            Some(None) => Ok(None),
            Some(Some(addresses)) if !addresses.is_empty() => Ok(Some(addresses)),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, "the host name is not known")),
        }
    }

    /// Sets the number of sockets that each host without a limit of its own may have open.
    pub fn set_descriptor_limit(&mut self, limit: Option<usize>) {
        self.hosts.default_limit = limit;
    }

    /// Sets the number of sockets that a host may have open.
    pub fn set_host_descriptor_limit(&mut self, host: IpAddr, limit: Option<usize>) {
        match limit {
            Some(limit) => self.hosts.limits.insert(host, limit),
            None => self.hosts.limits.remove(&host),
        };
    }

    /// Sets whether an address refuses connections although there is a listener.
    pub fn set_refusing(&mut self, addr: SocketAddr, refuse: bool) {
        if refuse {
            self.hosts.refusing.insert(addr);
        } else {
            self.hosts.refusing.remove(&addr);
        }
    }

    /// Disconnects a host silently: packets from it and to it do not arrive.
    pub fn vanish(&mut self, host: IpAddr) {
        self.hosts.vanished.insert(host);
    }

    /// Reconnects a host that has vanished. TCP connections continue; datagrams are lost.
    pub fn come_back(&mut self, host: IpAddr) {
        self.hosts.vanished.remove(&host);
        for packet in std::mem::take(&mut self.held) {
            self.schedule(self.now, packet);
        }
    }

    /// Returns the number of open sockets of a host (without connections that wait to be accepted).
    pub fn open_sockets(&self, host: IpAddr) -> usize {
        self.open.get(&host).copied().unwrap_or(0)
    }

    /// Returns the counters of the network.
    pub fn statistics(&self) -> NetworkStatistics {
        self.statistics
    }

    pub(crate) fn next_event(&self) -> Option<Instant> {
        self.events.peek().map(|Reverse(event)| event.at)
    }

    pub(super) fn schedule(&mut self, at: Instant, packet: Packet) {
        let order = self.next_event;
        self.next_event += 1;
        self.events.push(Reverse(Scheduled { at, order, packet }));
    }

    /// Sends a small packet that is neither lost nor delays others; returns its time of arrival.
    pub(super) fn signal(&mut self, from: SocketAddr, to: SocketAddr, body: Body) -> Instant {
        let profile = self.hosts.profile(from.ip(), to.ip());
        let at = self.now + profile.latency(&mut self.random);
        self.schedule(at, Packet { from, to, body });
        at
    }

    /// Records that a socket has become ready, for the loop.
    pub(super) fn edge(&mut self, id: SocketId, readiness: Readiness) {
        if let Some(registration) = self.sockets.get(id).and_then(|socket| socket.registration) {
            self.edges.push((registration, readiness));
        }
    }

    /// The descriptors that a host has in use, and its limit, if it has one.
    pub(crate) fn descriptors_of(&self, host: IpAddr) -> Option<(usize, usize)> {
        let limit = self.hosts.limits.get(&host).copied().or(self.hosts.default_limit)?;
        Some((self.open.get(&host).copied().unwrap_or(0), limit))
    }

    /// Takes one of the host's descriptors.
    pub(super) fn take_descriptor(&mut self, host: IpAddr) -> io::Result<()> {
        let limit = self.hosts.limits.get(&host).copied().or(self.hosts.default_limit);
        let open = self.open.entry(host).or_insert(0);
        if limit.is_some_and(|limit| *open >= limit) {
            return Err(Errno::EMFILE.into());
        }
        *open += 1;
        Ok(())
    }

    pub(super) fn insert(
        &mut self,
        host: IpAddr,
        local: SocketAddr,
        counted: bool,
        kind: Kind,
    ) -> SocketId {
        self.sockets.insert(Socket { host, local, counted, registration: None, kind })
    }

    /// Chooses a port of `ip` that `taken` does not contain.
    pub(super) fn free_port(
        &mut self,
        ip: IpAddr,
        taken: impl Fn(&Self, SocketAddr) -> bool,
    ) -> io::Result<u16> {
        for _ in FIRST_EPHEMERAL..=u16::MAX {
            let cursor = self.ports.entry(ip).or_insert(FIRST_EPHEMERAL);
            let port = *cursor;
            *cursor = if port == u16::MAX { FIRST_EPHEMERAL } else { port + 1 };
            if !taken(self, SocketAddr::new(ip, port)) {
                return Ok(port);
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

pub(super) fn bad_descriptor() -> io::Error {
    Errno::EBADF.into()
}

/// A link-local address identifies a host only together with its scope (RFC 4007 section 6).
pub(super) fn check_scope(addr: SocketAddr) -> io::Result<()> {
    match addr {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0 => {
            Err(invalid())
        }
        _ => Ok(()),
    }
}

pub(super) fn invalid() -> io::Error {
    Errno::EINVAL.into()
}
