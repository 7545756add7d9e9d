//! Sockets: TCP, UDP, port pairs, multicast. The only place that names socket2 and the system's
//! socket calls.
//!
//! Each socket is of the operating system or of its environment's simulated network; who uses it
//! cannot tell. No call blocks, none returns `Interrupted`. A socket that is watched tells its
//! environment by itself when an operation has used its readiness up.

mod batch;
mod groupsock;
mod inbox;
mod limits;
mod own_address;
mod port_pair;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub use batch::Datagrams;
pub use groupsock::{Groupsock, MulticastInterface};
pub use inbox::Inbox;
pub use limits::{is_out_of_descriptors, raise_descriptor_limit};
pub use own_address::own_address;
pub use port_pair::PortPair;
pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;

use crate::arena::RawId;
use crate::env::{
    Dead, EventKey, Graveyard, Interest, MediumHandle, Readiness, Source, UsageEnvironment,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use std::net::{self, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// What all sockets of an environment share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    batch: batch::Batch,
    /// Where the next search for a port pair begins, by its base.
    pair_cursors: BTreeMap<u16, u16>,
}

/// A socket of either world, and its registration once it is watched.
#[derive(Debug)]
struct Endpoint<T> {
    io: Io<T>,
    registered: Option<Registered>,
}

#[derive(Debug)]
enum Io<T> {
    System(T),
    Simulated(Simulated),
}

/// A socket of the simulated network; closed when dropped.
#[derive(Debug)]
struct Simulated {
    id: RawId,
    local: SocketAddr,
    graveyard: Arc<Graveyard>,
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.graveyard.bury(Dead::SimulatedSocket(self.id));
    }
}

/// A registration with the poll; it ends when this is dropped.
#[derive(Debug)]
struct Registered {
    id: RawId,
    graveyard: Arc<Graveyard>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.graveyard.bury(Dead::Registration(self.id));
    }
}

/// A socket of the operating system, as the loop is to see it.
trait SystemSocket {
    fn source(&self) -> Source;
}

impl SystemSocket for net::TcpListener {
    fn source(&self) -> Source {
        Source::Stream(self.as_raw_fd())
    }
}

impl SystemSocket for net::TcpStream {
    fn source(&self) -> Source {
        Source::Stream(self.as_raw_fd())
    }
}

impl SystemSocket for net::UdpSocket {
    fn source(&self) -> Source {
        Source::Datagram(self.as_raw_fd())
    }
}

impl<T: SystemSocket> Endpoint<T> {
    const fn system(io: T) -> Self {
        Self { io: Io::System(io), registered: None }
    }

    fn simulated(env: &UsageEnvironment, id: RawId, local: SocketAddr) -> Self {
        let socket = Simulated { id, local, graveyard: env.graveyard() };
        Self { io: Io::Simulated(socket), registered: None }
    }

    fn source(&self) -> Source {
        match &self.io {
            Io::System(io) => io.source(),
            Io::Simulated(socket) => Source::Simulated(socket.id),
        }
    }

    fn watch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
        interest: Interest,
    ) -> io::Result<()> {
        if let Some(registered) = &self.registered {
            return env.change_registration(registered.id, self.source(), owner, key, interest);
        }
        let id = env.register_socket(self.source(), owner, key, interest)?;
        self.registered = Some(Registered { id, graveyard: env.graveyard() });
        Ok(())
    }

    fn close(self, env: &mut UsageEnvironment) {
        if let Some(registered) = &self.registered {
            env.deregister_socket(registered.id, self.source());
        }
        if let (Io::Simulated(socket), Ok(network)) = (&self.io, env.network()) {
            network.close(socket.id);
        }
    }

    /// Passes an operation's result on, after noting that it found nothing to do.
    fn note<R>(
        &self,
        env: &mut UsageEnvironment,
        used: Readiness,
        result: io::Result<R>,
    ) -> io::Result<R> {
        if let (Err(e), Some(registered)) = (&result, &self.registered) {
            if e.kind() == io::ErrorKind::WouldBlock {
                env.registrations().clear_readiness(registered.id, used);
            }
        }
        result
    }
}

/// The same host at another port. The scope of an IPv6 address stays, without which a link-local
/// one names no host (RFC 4007 section 6).
pub const fn with_port(address: SocketAddr, port: u16) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::V4(SocketAddrV4::new(*v4.ip(), port)),
        SocketAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(*v6.ip(), port, 0, v6.scope_id())),
    }
}

/// A socket that never blocks.
fn new_socket(addr: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let domain = Domain::for_address(addr);
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    return Socket::new(domain, kind.nonblocking(), Some(protocol));
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    {
        let socket = Socket::new(domain, kind, Some(protocol))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// Repeats a call that a signal has interrupted.
fn uninterrupted<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
