//! TCP: [`TcpListener`] and [`TcpStream`].

#![cfg_attr(
    not(any(test, feature = "simulation")),
    allow(
        unused_variables,
        clippy::needless_pass_by_ref_mut,
        reason = "the operating system's sockets do most without the environment"
    )
)]

use super::endpoint::{Endpoint, Io};
use super::limits::Descriptors;
use super::system::{new_socket, uninterrupted};
use crate::env::{EventKey, Interest, MediumHandle, Readiness, UsageEnvironment};
use nix::errno::Errno;
use socket2::{Protocol, SockRef, Type};
use std::io::{self, IoSlice, Read, Write};
use std::net::{self, Shutdown, SocketAddr};

/// Requested number of connections that may wait to be accepted; the system's own limit may be
/// lower.
const BACKLOG: i32 = 4096;

/// Most connections that are skipped at once because they died before they were accepted.
const ABORTED_AT_ONCE: usize = 64;

/// Accepts connections.
#[derive(Debug)]
pub struct TcpListener {
    endpoint: Endpoint<net::TcpListener>,
    /// Local address of accepted connections, if it is known in advance.
    local: Option<SocketAddr>,
}

impl TcpListener {
    /// Listens on `addr`; with port 0 the operating system chooses the port. An IPv6 address
    /// accepts IPv6 only, including `[::]`: for both families, use two listeners.
    ///
    /// # Errors
    /// The address is in use or is not one of this host's, and other errors of the operating
    /// system or the simulated network.
    pub fn bind(env: &mut UsageEnvironment, addr: SocketAddr) -> io::Result<Self> {
        #[cfg(any(test, feature = "simulation"))]
        if env.is_simulated() {
            let (id, local) = env.network()?.tcp_listen(addr)?;
            return Ok(Self { endpoint: Endpoint::simulated(env, id, local), local: None });
        }
        let socket = new_socket(addr, Type::STREAM, Protocol::TCP)?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // A restarted server takes its port back while old connections linger.
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        // Accepted connections inherit it on Linux, which saves a call for each.
        socket.set_tcp_nodelay(true)?;
        socket.listen(BACKLOG)?;
        let io: net::TcpListener = socket.into();
        let local = io.local_addr().ok().filter(|local| !local.ip().is_unspecified());
        Ok(Self { endpoint: Endpoint::system(io), local })
    }

    /// Returns the address on which it listens.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.endpoint.io {
            Io::System(io) => io.local_addr(),
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(socket) => Ok(socket.local),
        }
    }

    /// Accepts a connection; returns it with the peer's address.
    ///
    /// # Errors
    /// `WouldBlock` if no connection is pending. If no descriptor is left
    /// ([`is_out_of_descriptors`](super::is_out_of_descriptors)), the connection stays pending:
    /// withdraw the interest until a descriptor is free.
    pub fn accept(&mut self, env: &mut UsageEnvironment) -> io::Result<(TcpStream, SocketAddr)> {
        let result = match &self.endpoint.io {
            Io::System(io) => accept(io, self.local),
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(socket) => {
                let accepted = socket.network(env).and_then(|(n, id)| n.tcp_accept(id));
                accepted.map(|(id, local, peer)| {
                    let endpoint = Endpoint::simulated(env, id, local);
                    (TcpStream { endpoint, local: Some(local), peer }, peer)
                })
            }
        };
        self.endpoint.note(env, Readiness::READABLE, result)
    }

    /// Delivers an event with `key` to `owner` when a connection is pending. A further call changes
    /// owner, key and interest.
    ///
    /// # Errors
    /// The socket cannot be registered with the poll, or does not belong to `env`; `Unsupported`
    /// for [`Interest::PRIORITY`].
    pub fn watch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
        interest: Interest,
    ) -> io::Result<()> {
        self.endpoint.watch(env, owner, key, interest)
    }

    /// Stops listening.
    pub fn close(self, env: &mut UsageEnvironment) {
        self.endpoint.close(env);
    }
}

fn accept(
    listener: &net::TcpListener,
    local: Option<SocketAddr>,
) -> io::Result<(TcpStream, SocketAddr)> {
    for _ in 0..ABORTED_AT_ONCE {
        match uninterrupted(|| listener.accept()) {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                if !cfg!(target_os = "linux") {
                    // It fails only for a connection that is dead, as the first read reports.
                    let _ = stream.set_nodelay(true);
                }
                let endpoint = Endpoint::system(stream);
                return Ok((TcpStream { endpoint, local, peer }, peer));
            }
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(e) => return Err(e),
        }
    }
    // More of them: there will be another event, for the readiness stays.
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// A TCP connection. Small writes are sent at once (`TCP_NODELAY`) by default.
#[derive(Debug)]
pub struct TcpStream {
    endpoint: Endpoint<net::TcpStream>,
    local: Option<SocketAddr>,
    peer: SocketAddr,
}

impl TcpStream {
    /// The descriptors of the process after this stream was opened, if nothing was closed since and
    /// their limit is known.
    pub(crate) fn descriptors(&self, env: &mut UsageEnvironment) -> Option<Descriptors> {
        // Only a simulated one knows of its descriptors.
        let _ = env;
        match &self.endpoint.io {
            Io::System(io) => Descriptors::after(io),
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(socket) => {
                let local = socket.local.ip();
                let (network, _) = socket.network(env).ok()?;
                let (used, limit) = network.descriptors_of(local)?;
                Some(Descriptors { used: used as u64, limit: limit as u64 })
            }
        }
    }

    /// Starts to connect to `addr`. When the stream is writable, [`take_error`](Self::take_error)
    /// returns the result.
    ///
    /// # Errors
    /// Errors that occur immediately.
    pub fn connect(env: &mut UsageEnvironment, addr: SocketAddr) -> io::Result<Self> {
        Self::connect_from(env, None, addr)
    }

    /// Like [`connect`](Self::connect), from a local address; in a simulated network the address
    /// selects the connecting host.
    ///
    /// # Errors
    /// Errors that occur immediately.
    pub fn connect_from(
        env: &mut UsageEnvironment,
        local: Option<SocketAddr>,
        addr: SocketAddr,
    ) -> io::Result<Self> {
        #[cfg(any(test, feature = "simulation"))]
        if env.is_simulated() {
            let (id, local) = env.network()?.tcp_connect(local, addr)?;
            let endpoint = Endpoint::simulated(env, id, local);
            return Ok(Self { endpoint, local: Some(local), peer: addr });
        }
        let socket = new_socket(addr, Type::STREAM, Protocol::TCP)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(local) = local {
            socket.bind(&local.into())?;
        }
        match socket.connect(&addr.into()) {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {}
            // The connection goes on being made, as if the call had not been interrupted.
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        Ok(Self { endpoint: Endpoint::system(socket.into()), local: None, peer: addr })
    }

    /// Reads available bytes, up to the length of `buf`; returns their number. 0 is the end of the
    /// peer's direction.
    ///
    /// # Errors
    /// `WouldBlock` if no bytes have arrived; the error that ended the connection.
    pub fn read(&mut self, env: &mut UsageEnvironment, buf: &mut [u8]) -> io::Result<usize> {
        let result = match &self.endpoint.io {
            Io::System(io) => {
                let mut io = io;
                let result = uninterrupted(|| io.read(buf));
                #[cfg(any(target_os = "linux", target_os = "android"))]
                if let (Ok(n), Some(registered)) = (&result, &self.endpoint.registered) {
                    if *n < buf.len() {
                        env.short_read(registered.id);
                    }
                }
                result
            }
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(socket) => socket.network(env).and_then(|(n, id)| n.tcp_read(id, buf)),
        };
        self.endpoint.note(env, Readiness::READABLE, result)
    }

    /// Writes as many bytes of `buf` as the socket accepts; returns their number.
    ///
    /// # Errors
    /// `WouldBlock` if the socket accepts nothing; the error that ended the connection.
    pub fn write(&mut self, env: &mut UsageEnvironment, buf: &[u8]) -> io::Result<usize> {
        let result = match &self.endpoint.io {
            Io::System(io) => {
                let mut io = io;
                uninterrupted(|| io.write(buf))
            }
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(socket) => socket.network(env).and_then(|(n, id)| n.tcp_write(id, buf)),
        };
        self.wrote(env, buf.len(), result)
    }

    /// Writes as many bytes of the buffers, in order, as the socket accepts; returns their number.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_vectored(
        &mut self,
        env: &mut UsageEnvironment,
        bufs: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        let result = match &self.endpoint.io {
            Io::System(io) => {
                let mut io = io;
                uninterrupted(|| io.write_vectored(bufs))
            }
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(socket) => socket.network(env).and_then(|(network, id)| {
                let mut written = 0;
                for buf in bufs.iter().filter(|buf| !buf.is_empty()) {
                    match network.tcp_write(id, buf) {
                        Ok(n) => {
                            written += n;
                            if n < buf.len() {
                                break;
                            }
                        }
                        Err(_) if written > 0 => break,
                        Err(e) => return Err(e),
                    }
                }
                Ok(written)
            }),
        };
        let asked = bufs.iter().fold(0usize, |sum, buf| sum.saturating_add(buf.len()));
        self.wrote(env, asked, result)
    }

    fn wrote(
        &self,
        env: &mut UsageEnvironment,
        asked: usize,
        result: io::Result<usize>,
    ) -> io::Result<usize> {
        // The system has no room left after a short write; room again is a new edge. (The
        // simulated network is short for no reason at times.)
        if let (Io::System(_), Ok(n), Some(registered)) =
            (&self.endpoint.io, &result, &self.endpoint.registered)
        {
            if *n < asked {
                env.clear_readiness(registered.id, Readiness::WRITABLE);
            }
        }
        self.endpoint.note(env, Readiness::WRITABLE, result)
    }

    /// Ends this direction: the peer reads all bytes that were written, and then 0.
    ///
    /// # Errors
    /// The connection has ended already.
    pub fn shutdown(&mut self, env: &mut UsageEnvironment) -> io::Result<()> {
        match &self.endpoint.io {
            Io::System(io) => io.shutdown(Shutdown::Write),
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(socket) => {
                let (network, id) = socket.network(env)?;
                network.tcp_shutdown(id)
            }
        }
    }

    /// Returns and clears the pending error, including that of connecting.
    ///
    /// # Errors
    /// The operating system cannot return it.
    pub fn take_error(&mut self, env: &mut UsageEnvironment) -> io::Result<Option<io::Error>> {
        match &self.endpoint.io {
            Io::System(io) => io.take_error(),
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(socket) => {
                let (network, id) = socket.network(env)?;
                network.tcp_take_error(id)
            }
        }
    }

    /// Returns the address of this end.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match (&self.endpoint.io, self.local) {
            (_, Some(local)) => Ok(local),
            (Io::System(io), None) => io.local_addr(),
            #[cfg(any(test, feature = "simulation"))]
            (Io::Simulated(socket), None) => Ok(socket.local),
        }
    }

    /// Returns the address of the other end.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Sets whether small writes are sent at once. No effect in a simulated network, which never
    /// delays them.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        match &self.endpoint.io {
            Io::System(io) => io.set_nodelay(on),
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(_) => Ok(()),
        }
    }

    /// Limits the unsent bytes that the operating system buffers (`TCP_NOTSENT_LOWAT`, Linux). No
    /// effect elsewhere and in a simulated network.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn set_notsent_lowat(&self, bytes: u32) -> io::Result<()> {
        match &self.endpoint.io {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Io::System(io) => SockRef::from(io).set_tcp_notsent_lowat(bytes),
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            Io::System(_) => {
                let _ = bytes;
                Ok(())
            }
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(_) => Ok(()),
        }
    }

    /// Requests a send buffer of `size` bytes; the operating system may grant less.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn set_send_buffer_size(&self, size: usize) -> io::Result<()> {
        match &self.endpoint.io {
            Io::System(io) => SockRef::from(io).set_send_buffer_size(size),
            #[cfg(any(test, feature = "simulation"))]
            Io::Simulated(_) => Ok(()),
        }
    }

    /// Delivers the readiness of the stream to `owner`, as events with `key`. A further call
    /// changes owner, key and interest.
    ///
    /// # Errors
    /// The socket cannot be registered with the poll, or does not belong to `env`; `Unsupported`
    /// for [`Interest::PRIORITY`].
    pub fn watch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
        interest: Interest,
    ) -> io::Result<()> {
        self.endpoint.watch(env, owner, key, interest)
    }

    /// Closes the connection.
    pub fn close(self, env: &mut UsageEnvironment) {
        self.endpoint.close(env);
    }
}
