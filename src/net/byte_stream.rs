//! [`ByteStream`]: the byte transport of a connection.
//!
//! Only TCP is implemented so far. The interface is designed for others: TLS, which at times must
//! write before it can read and read before it can write, and which holds decrypted input and
//! accepted output; an HTTP tunnel, which reads from one socket and writes to another; WebSocket.
//! The owner therefore states what it [wants](Wants), and the stream derives the readiness that it
//! needs of its sockets.
//!
//! The owner
//!
//! 1. calls [`watch`](ByteStream::watch) with what it wants, and again after anything that may
//!    have changed that: an operation, or its own decision;
//! 2. passes each readiness event to [`handle_readiness`](ByteStream::handle_readiness), which
//!    returns the operations that may be tried;
//! 3. reads and writes until it has enough or gets `WouldBlock`;
//! 4. reads again without waiting for an event while it wants input and
//!    [`has_buffered_input`](ByteStream::has_buffered_input) returns true.

#[cfg(test)]
mod hostile;
mod http_tunnel;

#[cfg(test)]
pub(crate) use hostile::{Hostile, Hostility};
pub(crate) use http_tunnel::HttpTunnel;

use super::tcp::TcpStream;
use crate::env::{EventKey, Interest, MediumHandle, Readiness, UsageEnvironment};
use std::io::{self, IoSlice};

/// The operations that the owner of a stream wants to perform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    /// The owner wants input.
    pub(crate) read: bool,
    /// The owner has something to write.
    pub(crate) write: bool,
}

impl From<Wants> for Interest {
    fn from(wants: Wants) -> Self {
        Self { readable: wants.read, writable: wants.write, ..Self::NONE }
    }
}

/// A stream of bytes in both directions. Its kind is an enum: the plain path has no virtual call
/// and no allocation.
#[derive(Debug)]
pub(crate) struct ByteStream {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp {
        stream: TcpStream,
        /// The interest last registered with the poll, so that only changes are registered.
        interest: Interest,
    },
    HttpTunnel(Box<HttpTunnel>),
    #[cfg(test)]
    Hostile(Box<Hostile>),
}

impl From<TcpStream> for ByteStream {
    fn from(stream: TcpStream) -> Self {
        Self { kind: Kind::Tcp { stream, interest: Interest::NONE } }
    }
}

impl From<HttpTunnel> for ByteStream {
    fn from(tunnel: HttpTunnel) -> Self {
        Self { kind: Kind::HttpTunnel(Box::new(tunnel)) }
    }
}

#[cfg(test)]
impl From<Hostile> for ByteStream {
    fn from(hostile: Hostile) -> Self {
        Self { kind: Kind::Hostile(Box::new(hostile)) }
    }
}

impl ByteStream {
    /// Notifies `owner`, with `key`, when one of the wanted operations may be tried. All sockets of
    /// the stream share the key.
    ///
    /// # Errors
    /// The poll fails.
    pub(crate) fn watch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
        wants: Wants,
    ) -> io::Result<()> {
        match &mut self.kind {
            Kind::Tcp { stream, interest } => {
                let wanted = Interest::from(wants);
                if wanted != *interest {
                    *interest = wanted;
                    stream.watch(env, owner, key, wanted)?;
                }
                Ok(())
            }
            Kind::HttpTunnel(tunnel) => tunnel.watch(env, owner, key, wants),
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.watch(env, owner, key, wants),
        }
    }

    /// Processes a readiness event of one of the sockets, does the stream's own work (a handshake,
    /// accepted output), and returns the operations that the owner may try.
    ///
    /// # Errors
    /// The stream has failed.
    pub(crate) fn handle_readiness(
        &mut self,
        env: &mut UsageEnvironment,
        ready: Readiness,
    ) -> io::Result<Readiness> {
        match &mut self.kind {
            Kind::Tcp { .. } => Ok(ready),
            Kind::HttpTunnel(tunnel) => tunnel.handle_readiness(env, ready),
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.handle_readiness(env, ready),
        }
    }

    /// Reads available bytes, up to the length of `buf`. 0: the peer has ended.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing to read, or the stream has to write first; otherwise the
    /// error of the connection.
    pub(crate) fn read(&mut self, env: &mut UsageEnvironment, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Tcp { stream, .. } => stream.read(env, buf),
            Kind::HttpTunnel(tunnel) => tunnel.read(env, buf),
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.read(env, buf),
        }
    }

    /// Writes as many bytes of the buffers, in order, as the stream accepts.
    ///
    /// # Errors
    /// `WouldBlock` if the stream accepts nothing, or has to read first; otherwise the error of the
    /// connection.
    pub(crate) fn write_vectored(
        &mut self,
        env: &mut UsageEnvironment,
        bufs: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Tcp { stream, .. } => stream.write_vectored(env, bufs),
            Kind::HttpTunnel(tunnel) => {
                let first = bufs.iter().find(|buf| !buf.is_empty());
                tunnel.write(env, first.map_or(&[], |buf| buf))
            }
            #[cfg(test)]
            Kind::Hostile(hostile) => {
                let first = bufs.iter().find(|buf| !buf.is_empty());
                hostile.write(env, first.map_or(&[], |buf| buf))
            }
        }
    }

    /// Writes as many bytes of `buf` as the stream accepts.
    ///
    /// # Errors
    /// As [`write_vectored`](Self::write_vectored).
    pub(crate) fn write(&mut self, env: &mut UsageEnvironment, buf: &[u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Tcp { stream, .. } => stream.write(env, buf),
            Kind::HttpTunnel(tunnel) => tunnel.write(env, buf),
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.write(env, buf),
        }
    }

    /// Whether there is input that has left the socket and that no readiness event will announce.
    pub(crate) fn has_buffered_input(&self) -> bool {
        match &self.kind {
            Kind::Tcp { .. } => false,
            Kind::HttpTunnel(tunnel) => tunnel.has_buffered_input(),
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.has_buffered_input(),
        }
    }

    /// Whether the system has all bytes that the stream has accepted. The rest is written on later
    /// readiness events.
    pub(crate) fn is_flushed(&self) -> bool {
        match &self.kind {
            Kind::Tcp { .. } => true,
            Kind::HttpTunnel(tunnel) => tunnel.is_flushed(),
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.is_flushed(),
        }
    }

    /// Stops all notifications, including those for the stream's own work.
    ///
    /// # Errors
    /// The poll fails.
    pub(crate) fn unwatch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
    ) -> io::Result<()> {
        match &mut self.kind {
            Kind::Tcp { .. } => self.watch(env, owner, key, Wants::default()),
            Kind::HttpTunnel(tunnel) => tunnel.unwatch(env, owner, key),
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.unwatch(env, owner, key),
        }
    }

    /// Closes the stream, after a single attempt to send the rest of the accepted output.
    pub(crate) fn close(self, env: &mut UsageEnvironment) {
        match self.kind {
            Kind::Tcp { stream, .. } => stream.close(env),
            Kind::HttpTunnel(tunnel) => tunnel.close(env),
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.close(env),
        }
    }
}
