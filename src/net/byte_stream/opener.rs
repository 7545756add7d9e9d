//! [`Opener`]: makes carriers to one server, all of one kind.
//!
//! A stream that needs another connection asks for it through [`Connect`]. Streams of servers and of
//! clients are of one type; the trait object keeps a client's half of TLS out of programs that have
//! no client.

use super::carrier::Carrier;
use crate::env::UsageEnvironment;
use crate::net::tcp::TcpStream;
#[cfg(feature = "tls")]
use crate::net::tls::TlsConnector;
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Makes further connections to a server.
pub(super) trait Connect: Debug {
    /// Makes a connection to the server, which has this address.
    ///
    /// # Errors
    /// The operating system refuses the connection, or TLS cannot begin.
    fn connect(&self, env: &mut UsageEnvironment, to: SocketAddr) -> io::Result<Carrier>;
}

/// How connections to a server are made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opener {
    /// Address of this host that connections are made from.
    pub(crate) local: Option<IpAddr>,
    /// What speaks TLS on them; `None` for TCP.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<TlsConnector>,
}

impl Opener {
    /// Makes a carrier of a connection that is made or in the making.
    ///
    /// # Errors
    /// TLS cannot begin; the connection is closed.
    #[cfg_attr(
        not(feature = "tls"),
        allow(clippy::needless_pass_by_ref_mut, reason = "as with TLS")
    )]
    pub(crate) fn wrap(
        &self,
        env: &mut UsageEnvironment,
        stream: TcpStream,
    ) -> io::Result<Carrier> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return match tls.connect(stream) {
                Ok(stream) => Ok(stream.into()),
                Err((stream, e)) => {
                    stream.close(env);
                    Err(io::Error::other(e))
                }
            };
        }
        let _ = env;
        Ok(stream.into())
    }
}

impl Connect for Opener {
    fn connect(&self, env: &mut UsageEnvironment, to: SocketAddr) -> io::Result<Carrier> {
        let local = self.local.map(|ip| SocketAddr::new(ip, 0));
        let stream = TcpStream::connect_from(env, local, to)?;
        self.wrap(env, stream)
    }
}
