//! [`ByteStream`]: the byte transport of a connection.
//!
//! A stream goes over a [`Carrier`], TCP or TLS, or through an HTTP tunnel, which reads from one
//! carrier and writes to another, or to an object of this process through a [`Pipe`]. TLS at times
//! must write before it can read and read before it can write, and holds decrypted input and
//! accepted output. The owner therefore states what it [wants](Wants), and the stream derives the
//! readiness that it needs of its sockets.
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

mod carrier;
#[cfg(test)]
mod hostile;
mod http_tunnel;
mod opener;
mod pipe;

pub(crate) use carrier::Carrier;
#[cfg(test)]
pub(crate) use hostile::{Hostile, Hostility};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use http_tunnel::Base64Input;
use http_tunnel::{HttpFront, ServedTunnel};
pub(crate) use http_tunnel::{HttpHead, HttpMethod, HttpRequest, HttpTunnel, Post};
pub(crate) use opener::Opener;
pub(crate) use pipe::Pipe;

use super::tcp::TcpStream;
#[cfg(feature = "tls")]
use super::tls::TlsStream;
use super::wants::Wants;
use crate::env::{EventKey, MediumHandle, Readiness, UsageEnvironment};
use std::io::{self, IoSlice};

/// A stream of bytes in both directions. Its kind is an enum: the plain path has no virtual call
/// and no allocation.
#[derive(Debug)]
pub(crate) struct ByteStream {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Carrier(Carrier),
    HttpTunnel(Box<HttpTunnel>),
    HttpFront(Box<HttpFront>),
    ServedTunnel(Box<ServedTunnel>),
    /// To an object of this process.
    Pipe(Box<Pipe>),
    /// The carrier has become part of another stream.
    Empty,
    #[cfg(test)]
    Hostile(Box<Hostile>),
}

impl From<Carrier> for ByteStream {
    fn from(carrier: Carrier) -> Self {
        Self { kind: Kind::Carrier(carrier) }
    }
}

impl From<TcpStream> for ByteStream {
    fn from(stream: TcpStream) -> Self {
        Carrier::from(stream).into()
    }
}

#[cfg(feature = "tls")]
impl From<TlsStream> for ByteStream {
    fn from(stream: TlsStream) -> Self {
        Carrier::from(stream).into()
    }
}

impl From<HttpTunnel> for ByteStream {
    fn from(tunnel: HttpTunnel) -> Self {
        Self { kind: Kind::HttpTunnel(Box::new(tunnel)) }
    }
}

impl From<Pipe> for ByteStream {
    fn from(pipe: Pipe) -> Self {
        Self { kind: Kind::Pipe(Box::new(pipe)) }
    }
}

#[cfg(test)]
impl From<Hostile> for ByteStream {
    fn from(hostile: Hostile) -> Self {
        Self { kind: Kind::Hostile(Box::new(hostile)) }
    }
}

impl ByteStream {
    /// Whether bytes of the owner may pass: a handshake is over, a tunnel is open. Until then a
    /// stream is to have a time limit.
    pub(crate) fn is_established(&self) -> bool {
        match &self.kind {
            Kind::Carrier(carrier) => carrier.is_established(),
            Kind::HttpTunnel(tunnel) => tunnel.is_established(),
            Kind::HttpFront(_) => false,
            Kind::ServedTunnel(tunnel) => tunnel.is_established(),
            Kind::Empty | Kind::Pipe(_) => true,
            #[cfg(test)]
            Kind::Hostile(_) => true,
        }
    }

    /// Whether nobody on the way can read what is sent.
    pub(crate) const fn is_encrypted(&self) -> bool {
        match &self.kind {
            Kind::Carrier(carrier) => carrier.is_encrypted(),
            Kind::HttpTunnel(tunnel) => tunnel.is_encrypted(),
            Kind::HttpFront(front) => front.carrier().is_encrypted(),
            Kind::ServedTunnel(tunnel) => tunnel.is_encrypted(),
            Kind::Pipe(_) => true,
            Kind::Empty => false,
            #[cfg(test)]
            Kind::Hostile(_) => false,
        }
    }

    /// SHA-256 of the certificate, in DER, that the client at the other end has presented over TLS.
    pub(crate) const fn client_certificate(&self) -> Option<[u8; 32]> {
        match &self.kind {
            Kind::Carrier(carrier) => carrier.client_certificate(),
            Kind::HttpFront(front) => front.carrier().client_certificate(),
            Kind::ServedTunnel(tunnel) => tunnel.client_certificate(),
            Kind::HttpTunnel(_) | Kind::Pipe(_) | Kind::Empty => None,
            #[cfg(test)]
            Kind::Hostile(_) => None,
        }
    }

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
            Kind::Carrier(carrier) => carrier.watch(env, owner, key, wants),
            Kind::HttpTunnel(tunnel) => tunnel.watch(env, owner, key, wants),
            Kind::HttpFront(front) => front.watch(env, owner, key, wants),
            Kind::ServedTunnel(tunnel) => tunnel.watch(env, owner, key, wants),
            Kind::Pipe(_) | Kind::Empty => Ok(()),
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
            Kind::Carrier(carrier) => carrier.handle_readiness(env, ready),
            Kind::HttpTunnel(tunnel) => tunnel.handle_readiness(env, ready),
            Kind::HttpFront(front) => front.handle_readiness(env, ready),
            Kind::ServedTunnel(tunnel) => tunnel.handle_readiness(env, ready),
            Kind::Pipe(_) | Kind::Empty => Ok(Readiness::NONE),
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
            Kind::Carrier(carrier) => carrier.read(env, buf),
            Kind::HttpTunnel(tunnel) => tunnel.read(env, buf),
            Kind::ServedTunnel(tunnel) => tunnel.read(env, buf),
            Kind::HttpFront(_) | Kind::Pipe(_) | Kind::Empty => {
                Err(io::ErrorKind::WouldBlock.into())
            }
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
            Kind::Carrier(carrier) => carrier.write_vectored(env, bufs),
            Kind::HttpTunnel(tunnel) => {
                let first = bufs.iter().find(|buf| !buf.is_empty());
                tunnel.write(env, first.map_or(&[], |buf| buf))
            }
            Kind::HttpFront(front) => front.carrier_mut().write_vectored(env, bufs),
            Kind::ServedTunnel(tunnel) => tunnel.write_vectored(env, bufs),
            Kind::Pipe(pipe) => pipe.write_vectored(env, bufs),
            Kind::Empty => Err(io::ErrorKind::NotConnected.into()),
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
            Kind::Carrier(carrier) => carrier.write(env, buf),
            Kind::HttpTunnel(tunnel) => tunnel.write(env, buf),
            Kind::HttpFront(front) => front.carrier_mut().write(env, buf),
            Kind::ServedTunnel(tunnel) => tunnel.write_vectored(env, &[IoSlice::new(buf)]),
            Kind::Pipe(pipe) => pipe.write_vectored(env, &[IoSlice::new(buf)]),
            Kind::Empty => Err(io::ErrorKind::NotConnected.into()),
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.write(env, buf),
        }
    }

    /// Whether there is input that has left the socket and that no readiness event will announce.
    pub(crate) fn has_buffered_input(&self) -> bool {
        match &self.kind {
            Kind::Carrier(carrier) => carrier.has_buffered_input(),
            Kind::HttpTunnel(tunnel) => tunnel.has_buffered_input(),
            Kind::ServedTunnel(tunnel) => tunnel.has_buffered_input(),
            Kind::HttpFront(_) | Kind::Pipe(_) | Kind::Empty => false,
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.has_buffered_input(),
        }
    }

    /// Whether the system has all bytes that the stream has accepted. The rest is written on later
    /// readiness events.
    pub(crate) fn is_flushed(&self) -> bool {
        match &self.kind {
            Kind::Carrier(carrier) => carrier.is_flushed(),
            Kind::HttpTunnel(tunnel) => tunnel.is_flushed(),
            Kind::HttpFront(front) => front.carrier().is_flushed(),
            Kind::ServedTunnel(tunnel) => tunnel.is_flushed(),
            Kind::Pipe(_) | Kind::Empty => true,
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.is_flushed(),
        }
    }

    // A connection to an object of this process

    pub(crate) const fn is_inside(&self) -> bool {
        matches!(self.kind, Kind::Pipe(_))
    }

    pub(crate) const fn pipe_mut(&mut self) -> Option<&mut Pipe> {
        match &mut self.kind {
            Kind::Pipe(pipe) => Some(pipe),
            _ => None,
        }
    }

    // A server's connection that begins with HTTP

    /// Waits for an HTTP request, of which `received` was read.
    pub(crate) fn begin_http(&mut self, received: &[u8]) {
        self.kind = match std::mem::replace(&mut self.kind, Kind::Empty) {
            Kind::Carrier(carrier) => {
                Kind::HttpFront(Box::new(HttpFront::new(carrier, received.to_vec())))
            }
            other => other,
        };
    }

    /// What is known of the HTTP request that is waited for; `None`: none is.
    pub(crate) fn http_head(&self) -> Option<HttpHead> {
        match &self.kind {
            Kind::HttpFront(front) => Some(front.head()),
            _ => None,
        }
    }

    /// Goes on without HTTP; returns all bytes that have arrived.
    pub(crate) fn end_http(&mut self) -> Vec<u8> {
        match std::mem::replace(&mut self.kind, Kind::Empty) {
            Kind::HttpFront(front) => {
                let (carrier, received) = front.into_parts();
                self.kind = Kind::Carrier(carrier);
                received
            }
            other => {
                self.kind = other;
                Vec::new()
            }
        }
    }

    /// Makes a tunnel of the connection, which has received a GET.
    pub(crate) fn open_tunnel(&mut self) {
        self.kind = match std::mem::replace(&mut self.kind, Kind::Empty) {
            // What may have come behind the head means nothing.
            Kind::HttpFront(front) => {
                Kind::ServedTunnel(Box::new(ServedTunnel::new(front.into_body().0)))
            }
            other => other,
        };
    }

    /// Takes the connection, which has received a POST, for a tunnel, and stops its notifications.
    pub(crate) fn take_post(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
    ) -> io::Result<Option<Post>> {
        match std::mem::replace(&mut self.kind, Kind::Empty) {
            Kind::HttpFront(front) => {
                let (mut carrier, received) = front.into_body();
                carrier.unwatch(env, owner, key)?;
                Ok(Some(Post::new(carrier, received)))
            }
            other => {
                self.kind = other;
                Ok(None)
            }
        }
    }

    /// Adds the connection of a POST to a tunnel, which gives it back if it has no use for it.
    #[allow(clippy::result_large_err, reason = "the error gives the connection back")]
    pub(crate) fn add_post(&mut self, post: Post) -> Result<(), Post> {
        match &mut self.kind {
            Kind::ServedTunnel(tunnel) => tunnel.add_post(post),
            _ => Err(post),
        }
    }

    /// Ends this direction of a TCP connection.
    #[cfg(test)]
    pub(crate) fn shutdown(&mut self, env: &mut UsageEnvironment) -> io::Result<()> {
        match &mut self.kind {
            Kind::Carrier(Carrier::Tcp { stream, .. }) => stream.shutdown(env),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Number of bytes that sockets have taken, where bytes are accepted before: if it grows, the
    /// peer reads. 0 of a stream that accepts what the socket takes.
    pub(crate) const fn sent(&self) -> u64 {
        match &self.kind {
            Kind::Carrier(carrier) => carrier.sent(),
            Kind::ServedTunnel(tunnel) => tunnel.sent(),
            _ => 0,
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
            Kind::Carrier(carrier) => carrier.unwatch(env, owner, key),
            Kind::HttpTunnel(tunnel) => tunnel.unwatch(env, owner, key),
            Kind::HttpFront(front) => front.carrier_mut().unwatch(env, owner, key),
            Kind::ServedTunnel(tunnel) => tunnel.unwatch(env, owner, key),
            Kind::Pipe(_) | Kind::Empty => Ok(()),
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.unwatch(env, owner, key),
        }
    }

    /// Closes the stream, after a single attempt to send the rest of the accepted output.
    pub(crate) fn close(self, env: &mut UsageEnvironment) {
        match self.kind {
            Kind::Carrier(carrier) => carrier.close(env),
            Kind::HttpTunnel(tunnel) => tunnel.close(env),
            Kind::HttpFront(front) => front.into_parts().0.close(env),
            Kind::ServedTunnel(tunnel) => tunnel.close(env),
            Kind::Pipe(pipe) => pipe.close(env),
            Kind::Empty => {}
            #[cfg(test)]
            Kind::Hostile(hostile) => hostile.close(env),
        }
    }
}
