//! [`Listener`]: where a server listens, for TCP or for TLS.

#[cfg(feature = "tls")]
use crate::env::Interest;
use crate::env::UsageEnvironment;
#[cfg(feature = "tls")]
use crate::error::Error;
#[cfg(feature = "tls")]
use crate::net::tls::TlsAcceptor;
use crate::net::{ByteStream, TcpListener, TcpStream};
#[cfg(feature = "tls")]
use crate::server::rtsp_server::RtspServer;
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
    tls: Option<TlsAcceptor>,
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

#[cfg(feature = "tls")]
impl RtspServer {
    /// Listens for `rtsps` on an address too (port 0: any free port), and returns the address. The
    /// port of `rtsps` is 322.
    ///
    /// Connections over TLS count among those of
    /// [`max_connections`](super::ServerConfig::max_connections), and have
    /// [`handshake_timeout`](super::ServerConfig::handshake_timeout) for their handshake. Media go
    /// to them over the connection itself; see
    /// [`allow_plain_udp_over_tls`](super::ServerConfig::allow_plain_udp_over_tls).
    ///
    /// # Errors
    /// [`Error::Io`]: the server cannot listen on the address. [`Error::Usage`]: the server is in no
    /// environment.
    pub fn listen_tls(
        &mut self,
        env: &mut UsageEnvironment,
        address: SocketAddr,
        acceptor: TlsAcceptor,
    ) -> Result<SocketAddr, Error> {
        if self.me.is_none() {
            return Err(Error::Usage("a server that is in no environment listens nowhere"));
        }
        let listener = Listener { tls: Some(acceptor), ..Listener::bind(env, address)? };
        let address = listener.local_addr()?;
        self.listeners.push(listener);
        if !self.accept_paused {
            self.watch_listeners(env, Interest::READABLE);
        }
        Ok(address)
    }

    /// Reads the files of certificates and keys again, for the connections to come; those that are
    /// there go on. Returns the number of listeners whose files were read.
    ///
    /// # Errors
    /// [`Error::Tls`]: a file cannot be used; the listener goes on with what it had, as do those
    /// behind it.
    pub fn reload_tls(&mut self) -> Result<usize, Error> {
        let mut reloaded = 0;
        for acceptor in self.listeners.iter_mut().filter_map(|listener| listener.tls.as_mut()) {
            acceptor.reload()?;
            reloaded += 1;
        }
        Ok(reloaded)
    }

    /// Returns the addresses on which the server listens for `rtsps`.
    pub fn tls_addrs(&self) -> Vec<SocketAddr> {
        let tls = self.listeners.iter().filter(|listener| listener.is_tls());
        tls.filter_map(|listener| listener.local_addr().ok()).collect()
    }
}
