//! [`Socket`]: the state of a socket of the simulated network.

use crate::arena::{Id, RawId};
use crate::env::readiness::Readiness;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

pub(super) type SocketId = Id<Socket>;

pub(super) struct Socket {
    pub(super) host: IpAddr,
    pub(super) local: SocketAddr,
    /// Whether the socket occupies one of the host's descriptors; a connection that has not been
    /// accepted does not.
    pub(super) counted: bool,
    pub(super) registration: Option<RawId>,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Udp(Udp),
    Listener(Listener),
    Stream(Stream),
}

#[derive(Default)]
pub(super) struct Udp {
    pub(super) queue: VecDeque<(SocketAddr, Vec<u8>)>,
    pub(super) queued: usize,
    /// Arrival time of the last datagram in order, for each destination.
    pub(super) last: BTreeMap<SocketAddr, Instant>,
    pub(super) shared: bool,
    /// Time at which all sent data have left the socket.
    pub(super) line_free: Option<Instant>,
}

impl Udp {
    pub(super) fn readiness(&self) -> Readiness {
        Readiness { readable: !self.queue.is_empty(), ..Readiness::WRITABLE }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) socket: SocketId,
    pub(super) source: Option<IpAddr>,
}

pub(super) struct Listener {
    pub(super) backlog: VecDeque<SocketId>,
}

impl Listener {
    pub(super) fn readiness(&self) -> Readiness {
        Readiness { readable: !self.backlog.is_empty(), ..Readiness::NONE }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Connecting,
    Established,
    Failed,
}

pub(super) struct Stream {
    pub(super) peer: SocketAddr,
    pub(super) state: State,
    /// The socket at the other end, once it is known.
    pub(super) other: Option<SocketId>,
    pub(super) received: VecDeque<u8>,
    /// Whether the peer has ended its direction.
    pub(super) ended: bool,
    /// Reason for which the connection failed, until an operation has returned it.
    pub(super) error: Option<io::ErrorKind>,
    pub(super) shut: bool,
    /// Whether the socket was made by `connect`, so that its local port is its own.
    pub(super) active: bool,
    /// Bytes written that the peer's application is not known to have read.
    pub(super) outstanding: usize,
    pub(super) window: usize,
    /// Whether a write found the window full, so that the owner is notified of room.
    pub(super) blocked: bool,
    /// Arrival time of the last segment, and time at which the line is free again.
    pub(super) last_arrival: Instant,
    pub(super) line_free: Instant,
}

impl Stream {
    pub(super) fn new(peer: SocketAddr, state: State, window: usize, now: Instant) -> Self {
        Self {
            peer,
            state,
            other: None,
            received: VecDeque::new(),
            ended: false,
            error: None,
            shut: false,
            active: state == State::Connecting,
            outstanding: 0,
            window,
            blocked: false,
            last_arrival: now,
            line_free: now,
        }
    }

    pub(super) fn readiness(&self) -> Readiness {
        let failed = self.state == State::Failed;
        Readiness {
            readable: failed || self.ended || !self.received.is_empty(),
            writable: failed
                || (self.state == State::Established && self.outstanding < self.window),
            ..Readiness::NONE
        }
    }
}
