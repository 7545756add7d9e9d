//! [`Carrier`]: one connection to a peer, over TCP or over TLS.

use crate::env::{EventKey, Interest, MediumHandle, Readiness, UsageEnvironment};
use crate::net::tcp::TcpStream;
#[cfg(feature = "tls")]
use crate::net::tls::TlsStream;
use crate::net::wants::Wants;
use std::io::{self, IoSlice};
use std::net::SocketAddr;

/// One connection. Its methods are those of [`ByteStream`](super::ByteStream).
#[derive(Debug)]
pub(crate) enum Carrier {
    Tcp {
        stream: TcpStream,
        /// The interest last registered with the poll, so that only changes are registered.
        interest: Interest,
    },
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
}

impl From<TcpStream> for Carrier {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp { stream, interest: Interest::NONE }
    }
}

#[cfg(feature = "tls")]
impl From<TlsStream> for Carrier {
    fn from(stream: TlsStream) -> Self {
        Self::Tls(Box::new(stream))
    }
}

impl Carrier {
    /// The address of the other end.
    pub(super) fn peer_addr(&self) -> SocketAddr {
        match self {
            Self::Tcp { stream, .. } => stream.peer_addr(),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.tcp().peer_addr(),
        }
    }

    /// Whether nobody on the way can read what is sent.
    pub(super) const fn is_encrypted(&self) -> bool {
        match self {
            Self::Tcp { .. } => false,
            #[cfg(feature = "tls")]
            Self::Tls(_) => true,
        }
    }

    /// SHA-256 of the certificate that the client at the other end has presented.
    pub(super) const fn client_certificate(&self) -> Option<[u8; 32]> {
        match self {
            Self::Tcp { .. } => None,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.client_certificate(),
        }
    }

    /// Whether bytes of the owner may pass.
    pub(super) fn is_established(&self) -> bool {
        match self {
            Self::Tcp { .. } => true,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.is_established(),
        }
    }

    pub(super) fn watch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
        wants: Wants,
    ) -> io::Result<()> {
        match self {
            Self::Tcp { stream, interest } => {
                let wanted = Interest::from(wants);
                if wanted != *interest {
                    *interest = wanted;
                    stream.watch(env, owner, key, wanted)?;
                }
                Ok(())
            }
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.watch(env, owner, key, wants),
        }
    }

    pub(super) fn unwatch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
    ) -> io::Result<()> {
        match self {
            Self::Tcp { .. } => self.watch(env, owner, key, Wants::default()),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.unwatch(env, owner, key),
        }
    }

    #[cfg_attr(
        not(feature = "tls"),
        allow(clippy::needless_pass_by_ref_mut, reason = "as with TLS")
    )]
    pub(super) fn handle_readiness(
        &mut self,
        env: &mut UsageEnvironment,
        ready: Readiness,
    ) -> io::Result<Readiness> {
        match self {
            Self::Tcp { .. } => {
                let _ = env;
                Ok(ready)
            }
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.handle_readiness(env, ready),
        }
    }

    pub(super) fn read(&mut self, env: &mut UsageEnvironment, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp { stream, .. } => stream.read(env, buf),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.read(env, buf),
        }
    }

    pub(super) fn write_vectored(
        &mut self,
        env: &mut UsageEnvironment,
        bufs: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        match self {
            Self::Tcp { stream, .. } => stream.write_vectored(env, bufs),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.write_vectored(env, bufs),
        }
    }

    pub(super) fn write(&mut self, env: &mut UsageEnvironment, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp { stream, .. } => stream.write(env, buf),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.write(env, buf),
        }
    }

    pub(super) const fn has_buffered_input(&self) -> bool {
        match self {
            Self::Tcp { .. } => false,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.has_buffered_input(),
        }
    }

    pub(super) const fn sent(&self) -> u64 {
        match self {
            Self::Tcp { .. } => 0,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.sent(),
        }
    }

    pub(super) fn is_flushed(&self) -> bool {
        match self {
            Self::Tcp { .. } => true,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.is_flushed(),
        }
    }

    pub(super) fn close(self, env: &mut UsageEnvironment) {
        match self {
            Self::Tcp { stream, .. } => stream.close(env),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.close(env),
        }
    }
}
