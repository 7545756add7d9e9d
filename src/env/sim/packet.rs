//! [`Packet`]: a datagram, segment or signal on its way through the simulated network.

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

/// Something on its way.
pub(super) struct Packet {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) body: Body,
}

pub(super) enum Body {
    Datagram {
        /// A member of a multicast group; otherwise the socket that is bound to the address.
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
