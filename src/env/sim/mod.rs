//! [`Simulation`]: an in-memory network on a virtual clock.
//!
//! Addresses are ordinary socket addresses; each IP address is a host. A socket bound to the
//! unspecified address belongs to the local host (10.0.0.1 and fd00::1 unless set otherwise) and
//! receives what is sent to its port on any address that nobody is bound to exactly. Clients in a
//! test bind to an address of their own and live in the same environment.
//!
//! Everything that will happen stands in one queue ordered by time and then by order of
//! scheduling, and all chance comes from one seeded generator: the same seed and the same calls
//! give the same world. No table is a hash table, whose order would be chance of another kind.

mod link;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub use link::LinkProfile;

use super::Readiness;
use super::random::Seeded;
use crate::arena::{Arena, Id, RawId};
use link::Hosts;
use nix::errno::Errno;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// What the simulated network has carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NetworkStatistics {
    /// Datagrams that sockets sent, a multicast once for each member.
    pub datagrams_sent: u64,
    /// Datagrams that reached a socket, duplicates too.
    pub datagrams_delivered: u64,
    /// Datagrams lost: by chance, for want of a receiver, in a full receive buffer.
    pub datagrams_lost: u64,
    /// Bytes written to TCP connections.
    pub tcp_bytes: u64,
    /// TCP connections established.
    pub connections: u64,
}

/// The network of a simulated world, and the controls for its faults.
pub struct Simulation {
    now: Instant,
    random: Seeded,
    events: BinaryHeap<Reverse<Scheduled>>,
    next_event: u64,
    /// Packets of hosts that have vanished, in case they come back.
    held: Vec<Packet>,
    sockets: Arena<Socket>,
    udp: BTreeMap<SocketAddr, Vec<SocketId>>,
    groups: BTreeMap<IpAddr, Vec<udp::Member>>,
    listeners: BTreeMap<SocketAddr, SocketId>,
    /// Local addresses of connections that were made from this side.
    connected_from: BTreeSet<SocketAddr>,
    ports: BTreeMap<IpAddr, u16>,
    /// Sockets that count against a host's limit.
    open: BTreeMap<IpAddr, usize>,
    hosts: Hosts,
    statistics: NetworkStatistics,
    /// What has become ready since the loop looked last.
    pub(super) edges: Vec<(RawId, Readiness)>,
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

type SocketId = Id<Socket>;

struct Socket {
    host: IpAddr,
    local: SocketAddr,
    /// Whether it takes one of the host's descriptors: a connection that has not been accepted
    /// does not.
    counted: bool,
    registration: Option<RawId>,
    kind: Kind,
}

enum Kind {
    Udp(udp::Udp),
    Listener(tcp::Listener),
    Stream(tcp::Stream),
}

struct Scheduled {
    at: Instant,
    order: u64,
    packet: Packet,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Something on its way.
struct Packet {
    from: SocketAddr,
    to: SocketAddr,
    body: Body,
}

enum Body {
    Datagram {
        /// A member of a multicast group; otherwise whoever is bound to the address.
        socket: Option<SocketId>,
        bytes: Vec<u8>,
    },
    /// A UDP socket's send buffer has room again; goes nowhere.
    Drained {
        socket: SocketId,
    },
    Syn {
        client: SocketId,
        tries: u8,
    },
    Accepted {
        client: SocketId,
        server: SocketId,
    },
    Refused {
        client: SocketId,
    },
    Segment {
        sender: SocketId,
        receiver: SocketId,
        bytes: Vec<u8>,
    },
    Fin {
        sender: SocketId,
        receiver: SocketId,
    },
    Reset {
        receiver: SocketId,
    },
    /// The peer's application has read so many bytes.
    Window {
        receiver: SocketId,
        bytes: usize,
    },
}

/// The first port that is given to those who do not care.
const FIRST_EPHEMERAL: u16 = 32_768;

impl Simulation {
    /// The least time that a turn takes.
    pub(super) const TURN: Duration = Duration::from_micros(1);

    pub(super) fn new(seed: u64, now: Instant) -> Self {
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
            statistics: NetworkStatistics::default(),
            edges: Vec::new(),
        }
    }

    /// Sets the quality of every way for which nothing else is set.
    pub fn set_profile(&mut self, profile: LinkProfile) {
        self.hosts.default = profile;
    }

    /// Sets the quality of every way to and from a host. Between two hosts that have one, the
    /// receiver's holds.
    pub fn set_host_profile(&mut self, host: IpAddr, profile: LinkProfile) {
        self.hosts.profiles.insert(host, profile);
    }

    /// Says which host the unspecified address of its family stands for.
    pub fn set_local_host(&mut self, host: IpAddr) {
        match host {
            IpAddr::V4(_) => self.hosts.local_v4 = host,
            IpAddr::V6(_) => self.hosts.local_v6 = host,
        }
    }

    /// How many sockets each host may have open for which nothing else is set.
    pub fn set_descriptor_limit(&mut self, limit: Option<usize>) {
        self.hosts.default_limit = limit;
    }

    /// How many sockets a host may have open.
    pub fn set_host_descriptor_limit(&mut self, host: IpAddr, limit: Option<usize>) {
        match limit {
            Some(limit) => self.hosts.limits.insert(host, limit),
            None => self.hosts.limits.remove(&host),
        };
    }

    /// Makes an address refuse connections although somebody listens there, or stop doing so.
    pub fn set_refusing(&mut self, addr: SocketAddr, refuse: bool) {
        if refuse {
            self.hosts.refusing.insert(addr);
        } else {
            self.hosts.refusing.remove(&addr);
        }
    }

    /// Cuts a host off without a word: its packets do not arrive, nor do those for it.
    pub fn vanish(&mut self, host: IpAddr) {
        self.hosts.vanished.insert(host);
    }

    /// Brings a host back that had vanished. TCP goes on where it was; datagrams are lost.
    pub fn come_back(&mut self, host: IpAddr) {
        self.hosts.vanished.remove(&host);
        for packet in std::mem::take(&mut self.held) {
            self.schedule(self.now, packet);
        }
    }

    /// Resets every TCP connection of a host, from outside: both ends are told, at once.
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

    /// How many sockets a host has open (connections that wait to be accepted not counted).
    pub fn open_sockets(&self, host: IpAddr) -> usize {
        self.open.get(&host).copied().unwrap_or(0)
    }

    /// What was carried so far.
    pub const fn statistics(&self) -> NetworkStatistics {
        self.statistics
    }

    pub(super) fn next_event(&self) -> Option<Instant> {
        self.events.peek().map(|Reverse(event)| event.at)
    }

    /// Lets everything happen that is due at `now`.
    pub(super) fn run_until(&mut self, now: Instant) {
        self.now = self.now.max(now);
        // What this brings about takes time itself and is not due: a link without latency
        // could go back and forth for ever otherwise.
        let mark = self.next_event;
        let mut later = Vec::new();
        while let Some(Reverse(event)) = self.events.peek() {
            if event.at > now {
                break;
            }
            let Some(Reverse(event)) = self.events.pop() else { break };
            if event.order >= mark {
                later.push(Reverse(event));
            } else {
                self.arrive(event.packet);
            }
        }
        self.events.extend(later);
    }

    fn schedule(&mut self, at: Instant, packet: Packet) {
        let order = self.next_event;
        self.next_event += 1;
        self.events.push(Reverse(Scheduled { at, order, packet }));
    }

    /// Sends a small packet that is neither lost nor in anyone's way; returns when it arrives.
    fn signal(&mut self, from: SocketAddr, to: SocketAddr, body: Body) -> Instant {
        let profile = self.hosts.profile(from.ip(), to.ip());
        let at = self.now + profile.latency(&mut self.random);
        self.schedule(at, Packet { from, to, body });
        at
    }

    fn arrive(&mut self, packet: Packet) {
        if self.hosts.cut(packet.from.ip(), packet.to.ip()) {
            if matches!(packet.body, Body::Datagram { .. }) {
                self.statistics.datagrams_lost += 1;
            } else {
                self.held.push(packet);
            }
            return;
        }
        let Packet { from, to, body } = packet;
        match body {
            Body::Datagram { socket, bytes } => self.datagram_arrives(from, to, socket, bytes),
            Body::Drained { socket } => self.edge(socket, Readiness::WRITABLE),
            Body::Syn { client, tries } => self.syn_arrives(from, to, client, tries),
            Body::Accepted { client, server } => self.accepted_arrives(client, server),
            Body::Refused { client } => {
                self.stream_fails(client, io::ErrorKind::ConnectionRefused);
            }
            Body::Segment { sender, receiver, bytes } => {
                self.segment_arrives(from, to, sender, receiver, &bytes);
            }
            Body::Fin { sender, receiver } => self.fin_arrives(from, to, sender, receiver),
            Body::Reset { receiver } => {
                self.stream_fails(receiver, io::ErrorKind::ConnectionReset);
            }
            Body::Window { receiver, bytes } => self.window_arrives(receiver, bytes),
        }
    }

    /// Notes that a socket has become ready, for the loop to see.
    fn edge(&mut self, id: SocketId, readiness: Readiness) {
        if let Some(registration) = self.sockets.get(id).and_then(|socket| socket.registration) {
            self.edges.push((registration, readiness));
        }
    }

    pub(super) fn watch(&mut self, id: RawId, registration: RawId) -> io::Result<()> {
        let id = SocketId::from_raw(id);
        let socket = self.sockets.get_mut(id).ok_or_else(bad_descriptor)?;
        socket.registration = Some(registration);
        let readiness = match &socket.kind {
            Kind::Udp(udp) => udp.readiness(),
            Kind::Listener(listener) => listener.readiness(),
            Kind::Stream(stream) => stream.readiness(),
        };
        self.edge(id, readiness);
        Ok(())
    }

    /// Takes one of the host's descriptors.
    fn take_descriptor(&mut self, host: IpAddr) -> io::Result<()> {
        let limit = self.hosts.limits.get(&host).copied().or(self.hosts.default_limit);
        let open = self.open.entry(host).or_insert(0);
        if limit.is_some_and(|limit| *open >= limit) {
            return Err(Errno::EMFILE.into());
        }
        *open += 1;
        Ok(())
    }

    fn insert(&mut self, host: IpAddr, local: SocketAddr, counted: bool, kind: Kind) -> SocketId {
        self.sockets.insert(Socket { host, local, counted, registration: None, kind })
    }

    /// Closes a socket; nothing if it was closed before.
    pub(crate) fn close(&mut self, id: RawId) {
        let id = SocketId::from_raw(id);
        let Some(socket) = self.sockets.remove(id) else { return };
        if socket.counted {
            if let Some(open) = self.open.get_mut(&socket.host) {
                *open = open.saturating_sub(1);
            }
        }
        match socket.kind {
            Kind::Udp(_) => self.forget_udp(id, socket.local),
            Kind::Listener(listener) => {
                self.listeners.remove(&socket.local);
                for waiting in listener.backlog {
                    self.close(waiting.raw());
                }
            }
            Kind::Stream(stream) => self.stream_closed(id, socket.local, stream),
        }
    }

    /// Chooses a port of `ip` that `taken` does not know.
    fn free_port(
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

fn bad_descriptor() -> io::Error {
    Errno::EBADF.into()
}

/// A link-local address names a host on a link only, and the scope says which (RFC 4007
/// section 6).
fn check_scope(addr: SocketAddr) -> io::Result<()> {
    match addr {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0 => {
            Err(invalid())
        }
        _ => Ok(()),
    }
}

fn invalid() -> io::Error {
    Errno::EINVAL.into()
}
