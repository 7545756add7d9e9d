//! [`Listener`]: where a server listens, for TCP or for TLS.

use crate::env::UsageEnvironment;
#[cfg(feature = "tls")]
use crate::net::tls::TlsAcceptor;
use crate::net::{ByteStream, TcpListener, TcpStream};
use std::io;
use std::net::SocketAddr;

/// What a peer is told that speaks RTSP on a port where TLS is spoken.
#[cfg(feature = "tls")]
const PLAIN_ON_TLS: &[u8] = b"RTSP/1.0 400 TLS Required\r\nConnection: close\r\n\r\n";

/// A listening socket, and what is spoken on the connections that it accepts.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Listens for RTSP over TCP.
    pub(crate) fn bind(env: &mut UsageEnvironment, address: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            socket: TcpListener::bind(env, address)?,
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    pub(crate) const fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// What RTSP is spoken through over a connection that was accepted here.
    ///
    /// # Errors
    /// TLS cannot begin; the connection is closed.
    #[cfg_attr(
        not(feature = "tls"),
        allow(clippy::needless_pass_by_ref_mut, reason = "as with TLS")
    )]
    pub(crate) fn byte_stream(
        &self,
        env: &mut UsageEnvironment,
        stream: TcpStream,
    ) -> io::Result<ByteStream> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return match tls.accept(stream, PLAIN_ON_TLS) {
                Ok(stream) => Ok(stream.into()),
                Err((stream, e)) => {
                    stream.close(env);
                    Err(e)
                }
            };
        }
        let _ = env;
        Ok(stream.into())
    }
}
