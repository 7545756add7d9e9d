//! [`Packet`]: a datagram, segment or signal in transit through the simulated network.

use super::socket::SocketId;
use std::net::SocketAddr;
use std::time::Instant;

pub(super) struct Scheduled {
    pub(super) at: Instant,
    pub(super) order: u64,
    pub(super) packet: Packet,
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

/// A packet in transit.
pub(super) struct Packet {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) body: Body,
}

pub(super) enum Body {
    Datagram {
        /// The member of a multicast group; `None`: the socket that is bound to the address.
        socket: Option<SocketId>,
        bytes: Vec<u8>,
    },
    /// Signals that a UDP socket's send buffer has room again; not sent anywhere.
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
    /// Signals that the peer's application has read this number of bytes.
    Window {
        receiver: SocketId,
        bytes: usize,
    },
}
