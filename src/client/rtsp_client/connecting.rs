//! From the name of a server to a connection over which requests go.

use super::{Link, RtspClient};
use crate::arena::RawId;
use crate::client::dialer::Dialer;
use crate::client::event::{ClientEvent, Disconnection};
use crate::client::keys::KEY_CONNECTION;
use crate::env::{EventKey, UsageEnvironment};
use crate::net::{ByteStream, HttpTunnel, Opener, TcpStream};
use crate::rtsp::connection::Connection;
use crate::wire::text::to_hex;
use crate::wire::url::RtspUrl;
#[cfg(feature = "tls")]
use crate::wire::url::Scheme;
use std::io;

impl RtspClient {
    pub(super) fn dial(&mut self, env: &mut UsageEnvironment) {
        let Some(server) = self.server.clone() else {
            let why = io::Error::new(io::ErrorKind::NotConnected, "no server was named");
            return self.disconnect(env, Disconnection::Connect(why));
        };
        let port = self.config.http_tunnel_port.unwrap_or(server.port);
        let host = (server.host.as_str(), port);
        let dialer = server.check_scheme().and_then(|()| {
            Dialer::new(env, self.config.dial(), host, self.owner).map_err(Disconnection::from)
        });
        match dialer {
            Ok(dialer) => {
                self.link = Link::Dialing(Box::new(dialer));
                self.advance_dialer(env, None);
            }
            Err(why) => self.disconnect(env, why),
        }
    }

    pub(super) fn advance_dialer(&mut self, env: &mut UsageEnvironment, attempt: Option<RawId>) {
        let Link::Dialing(dialer) = &mut self.link else { return };
        match dialer.poll(env, attempt) {
            Ok(None) => {}
            Ok(Some(stream)) => match self.begin_connection(env, stream) {
                Ok(()) => self.note_established(env),
                Err(why) => self.disconnect(env, why),
            },
            Err(why) => self.disconnect(env, why.into()),
        }
    }

    fn begin_connection(
        &mut self,
        env: &mut UsageEnvironment,
        stream: TcpStream,
    ) -> Result<(), Disconnection> {
        let peer = stream.peer_addr();
        let local = match stream.local_addr() {
            Ok(local) => local,
            Err(e) => {
                stream.close(env);
                return Err(Disconnection::Connect(e));
            }
        };
        let key = EventKey { kind: KEY_CONNECTION, id: RawId::default() };
        let config = self.config.connection();
        let stream = self.byte_stream(env, stream).map_err(Disconnection::Handshake)?;
        let mut connection =
            Connection::new(stream, (peer, local), self.owner, key, config, env.now());
        match connection.open(env) {
            Ok(()) => {
                self.link = Link::Up(Box::new(connection));
                self.connections += 1;
                Ok(())
            }
            Err(e) => {
                connection.close(env);
                Err(Disconnection::Connect(e))
            }
        }
    }

    /// What RTSP is spoken through over a connection, which is closed on an error.
    fn byte_stream(&self, env: &mut UsageEnvironment, stream: TcpStream) -> io::Result<ByteStream> {
        let opener = match self.opener(env) {
            Ok(opener) => opener,
            Err(e) => {
                stream.close(env);
                return Err(e);
            }
        };
        let carrier = opener.wrap(env, stream)?;
        if self.config.http_tunnel_port.is_none() {
            return Ok(carrier.into());
        }
        let url = self.outstanding.first().map(|first| first.request.url.as_str());
        let url = url.and_then(|url| RtspUrl::parse(url).ok());
        let path = url.map(|url| url.path.to_string()).unwrap_or_default();
        let host = self.server.as_ref().map_or("", |server| &server.host);
        let mut cookie = [0; 11];
        env.fill_random(&mut cookie);
        Ok(HttpTunnel::new(carrier, opener, (host, &path), &to_hex(&cookie)).into())
    }

    /// How connections to the server are made.
    #[cfg_attr(
        not(feature = "tls"),
        allow(clippy::needless_pass_by_ref_mut, reason = "as with TLS")
    )]
    fn opener(&self, env: &mut UsageEnvironment) -> io::Result<Opener> {
        let _ = env;
        Ok(Opener {
            local: self.config.local_address,
            #[cfg(feature = "tls")]
            tls: match &self.server {
                Some(server) if server.scheme == Scheme::Rtsps => {
                    let trust = &self.config.tls_trust;
                    Some(trust.connector(env, &server.host).map_err(io::Error::other)?)
                }
                _ => None,
            },
        })
    }

    /// Sends what waits if the connection can be used.
    pub(super) fn note_established(&mut self, env: &mut UsageEnvironment) {
        let Link::Up(connection) = &self.link else { return };
        if connection.is_established() {
            self.events.push_back(ClientEvent::Connected { peer: connection.peer });
            self.transmit_waiting(env);
        }
    }
}
