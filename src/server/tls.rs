//! The server's listeners for RTSP over TLS.

use crate::env::{Interest, UsageEnvironment};
use crate::error::Error;
use crate::net::tls::TlsAcceptor;
use crate::server::listener::Listener;
use crate::server::rtsp_server::RtspServer;
use std::net::SocketAddr;

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
