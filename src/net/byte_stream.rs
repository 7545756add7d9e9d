//! [`ByteStream`]: what a connection reads from and writes to, whatever carries its bytes.
//!
//! Only TCP does so far. The seam is made for what comes later: TLS, which at times has to write
//! before it can read and to read before it can write, which holds bytes that are decrypted and
//! not asked for yet, and bytes that it has taken and not sent; an HTTP tunnel, which reads from
//! one socket and writes to another; a WebSocket. So the owner says what it [wants](Wants), and
//! the stream says by itself which readiness of which of its sockets that needs.
//!
//! The owner:
//!
//! 1. calls [`watch`](ByteStream::watch) with what it wants, and again after anything that may
//!    have changed that: an operation, or its own mind;
//! 2. hands each readiness event to [`handle_readiness`](ByteStream::handle_readiness), which says
//!    what may be tried;
//! 3. reads and writes until it has enough or is told `WouldBlock`;
//! 4. reads again without waiting for an event while it wants to and
//!    [`has_buffered_input`](ByteStream::has_buffered_input) says so.

#[cfg(test)]
mod hostile;
#[cfg(test)]
pub(crate) use hostile::{Hostile, Hostility};

use super::tcp::TcpStream;
use crate::env::{EventKey, Interest, MediumHandle, Readiness, UsageEnvironment};
use std::io::{self, IoSlice};

/// What the owner of a stream would do if it could.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    /// It has a use for input.
    pub(crate) read: bool,
    /// It has something to write.
    pub(crate) write: bool,
}

impl From<Wants> for Interest {
    fn from(wants: Wants) -> Self {
        Self { readable: wants.read, writable: wants.write, ..Self::NONE }
    }
}

/// A stream of bytes in both directions. The kind is looked at with a `match`: on the plain path
/// there is no virtual call and no allocation.
#[derive(Debug)]
pub(crate) struct ByteStream {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp {
        stream: TcpStream,
        /// What the poll was told last, so that it is told changes only.
        interest: Interest,
    },
    #[cfg(test)]
    Hostile(Box<Hostile>),
}

impl From<TcpStream> for ByteStream {
    fn from(stream: TcpStream) -> Self {
        Self { kind: Kind::Tcp { stream, interest: Interest::NONE } }
    }
}

#[cfg(test)]
impl From<Hostile> for ByteStream {
    fn from(hostile: Hostile) -> Self {
        Self { kind: Kind::Hostile(Box::new(hostile)) }
    }
}

impl ByteStream {
    /// Has `owner` told, with `key`, when something of what it wants may be tried. All sockets of
    /// the stream have the one key.
    ///
    /// # Errors
    /// What the poll says.
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
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.watch(env, owner, key, wants),
        }
    }

    /// Takes note of a readiness event of one of its sockets, does what the stream itself has to
    /// do (a handshake, bytes that it has taken), and returns what the owner may try.
    ///
    /// # Errors
    /// The stream has failed.
    #[allow(clippy::needless_pass_by_ref_mut, reason = "TCP alone has nothing to do here")]
    pub(crate) fn handle_readiness(
        &mut self,
        env: &mut UsageEnvironment,
        ready: Readiness,
    ) -> io::Result<Readiness> {
        match &mut self.kind {
            Kind::Tcp { .. } => {
                let _ = env;
                Ok(ready)
            }
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.handle_readiness(env, ready),
        }
    }

    /// Reads what there is, up to the length of `buf`. 0: the peer has ended.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing, or the stream has to write first; what has become of
    /// the connection.
    pub(crate) fn read(&mut self, env: &mut UsageEnvironment, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Tcp { stream, .. } => stream.read(env, buf),
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.read(env, buf),
        }
    }

    /// Writes as much of the buffers, in their order, as the stream takes.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing, or has to read first; what has become of the connection.
    pub(crate) fn write_vectored(
        &mut self,
        env: &mut UsageEnvironment,
        bufs: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Tcp { stream, .. } => stream.write_vectored(env, bufs),
            #[cfg(test)]
            Kind::Hostile(hostile) => {
                let first = bufs.iter().find(|buf| !buf.is_empty());
                hostile.write(env, first.map_or(&[], |buf| buf))
            }
        }
    }

    /// Writes as much of `buf` as the stream takes.
    ///
    /// # Errors
    /// As [`write_vectored`](Self::write_vectored).
    pub(crate) fn write(&mut self, env: &mut UsageEnvironment, buf: &[u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Tcp { stream, .. } => stream.write(env, buf),
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.write(env, buf),
        }
    }

    /// Whether there is input that has left the socket, of which no readiness will tell.
    pub(crate) const fn has_buffered_input(&self) -> bool {
        match &self.kind {
            Kind::Tcp { .. } => false,
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.has_buffered_input(),
        }
    }

    /// Whether all that the stream has taken is with the system. What is not goes with the
    /// readiness events to come.
    pub(crate) const fn is_flushed(&self) -> bool {
        match &self.kind {
            Kind::Tcp { .. } => true,
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.is_flushed(),
        }
    }

    /// Has nobody told of anything any more, not even of what the stream itself would do.
    ///
    /// # Errors
    /// What the poll says.
    pub(crate) fn unwatch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
    ) -> io::Result<()> {
        match &mut self.kind {
            Kind::Tcp { .. } => self.watch(env, owner, key, Wants::default()),
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.unwatch(env, owner, key),
        }
    }

    /// Closes the stream, after what a single try sends of what it has taken.
    pub(crate) fn close(self, env: &mut UsageEnvironment) {
        match self.kind {
            Kind::Tcp { stream, .. } => stream.close(env),
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.close(env),
        }
    }
}
