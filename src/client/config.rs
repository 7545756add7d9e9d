//! [`RtspClientConfig`]: how an RTSP client behaves.

use crate::client::authenticator::AuthSchemes;
use crate::client::dialer::DialConfig;
use crate::error::Error;
#[cfg(feature = "tls")]
use crate::net::tls::TlsTrust;
use crate::rtsp::config::ConnectionConfig;
use crate::wire::auth::UserCredentials;
use crate::wire::rtsp::{Headers, Limits};
use std::net::IpAddr;
use std::time::Duration;

/// Configuration of an [`RtspClient`](super::RtspClient). [`Default`] gives the defaults, and each
/// field can then be set.
///
/// A time-out of zero is refused by [`check`](Self::check); for one that never comes use
/// [`Duration::MAX`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RtspClientConfig {
    /// Value of `User-Agent`. Default: `riverrun/` and the version of the crate.
    pub user_agent: String,
    /// Name and password for a server that asks for them. Those in a URL, if any, take precedence.
    /// Default: none.
    pub credentials: Option<UserCredentials>,
    /// The authentication schemes that may be used. Default: all.
    pub auth_schemes: AuthSchemes,
    /// Address of this host from which connections are made, and to which packets are sent.
    /// Default: the operating system's choice.
    pub local_address: Option<IpAddr>,
    /// Port of the server through which RTSP is tunnelled in HTTP, mostly 80, or in HTTPS for
    /// `rtsps` URLs, mostly 443; media come in the tunnel too. Default: none, without a tunnel.
    pub http_tunnel_port: Option<u16>,
    /// Which servers of `rtsps` URLs are trusted. Default: those with a certificate of an authority
    /// that the operating system trusts.
    #[cfg(feature = "tls")]
    pub tls_trust: TlsTrust,
    /// Longest time for the look-up of the server's name. Default: 10 s.
    pub resolve_timeout: Duration,
    /// Longest time for the making of a connection. Default: 10 s.
    pub connect_timeout: Duration,
    /// Longest time for what follows until the connection can be used: a TLS handshake, the opening
    /// of an HTTP tunnel. Default: 10 s.
    pub handshake_timeout: Duration,
    /// Longest time for the response to a request. Default: 10 s.
    pub answer_timeout: Duration,
    /// Longest time for which the server may not take what is sent to it. Default: 10 s.
    pub write_timeout: Duration,
    /// Number of redirections that one request may follow. Default: 5.
    pub max_redirects: u32,
    /// Header fields that every request carries. Default: none.
    pub headers: Headers<'static>,
    /// Limits on one message from the server. Default: those of [`Limits`].
    pub limits: Limits,
}

impl Default for RtspClientConfig {
    fn default() -> Self {
        let timeout = Duration::from_secs(10);
        Self {
            user_agent: concat!("riverrun/", env!("CARGO_PKG_VERSION")).to_owned(),
            credentials: None,
            auth_schemes: AuthSchemes::default(),
            local_address: None,
            http_tunnel_port: None,
            #[cfg(feature = "tls")]
            tls_trust: TlsTrust::default(),
            resolve_timeout: timeout,
            connect_timeout: timeout,
            handshake_timeout: timeout,
            answer_timeout: timeout,
            write_timeout: timeout,
            max_redirects: 5,
            headers: Headers::new(),
            limits: Limits::default(),
        }
    }
}

/// Messages and interleaved packets that are handled in one turn of the loop.
const MESSAGES_PER_TURN: usize = 256;
/// Requests that may be unanswered at a time; more wait.
const MAX_UNANSWERED: usize = 16;
/// Bytes of interleaved packets, reports of a receiver, that wait before more are dropped.
const MAX_QUEUED_MEDIA: usize = 64 * 1024;
/// Bytes of messages that wait before the server is said to take none.
const MAX_QUEUED_MESSAGES: usize = 256 * 1024;

impl RtspClientConfig {
    /// Checks that a client can work with this configuration.
    ///
    /// # Errors
    /// [`Error::Usage`]: a time-out is zero.
    pub fn check(&self) -> Result<(), Error> {
        let timeouts = [
            self.resolve_timeout,
            self.connect_timeout,
            self.handshake_timeout,
            self.answer_timeout,
            self.write_timeout,
        ];
        if timeouts.contains(&Duration::ZERO) {
            return Err(Error::Usage("a time-out of an RTSP client is not zero"));
        }
        Ok(())
    }

    pub(crate) fn dial(&self) -> DialConfig {
        DialConfig {
            local: self.local_address,
            resolve_timeout: self.resolve_timeout,
            connect_timeout: self.connect_timeout,
        }
    }

    pub(crate) fn connection(&self) -> ConnectionConfig {
        ConnectionConfig {
            limits: self.limits.clone(),
            messages_per_turn: MESSAGES_PER_TURN,
            handshake_timeout: self.handshake_timeout,
            message_timeout: self.answer_timeout,
            // Silence is for the owner to judge, who knows whether media are expected.
            idle_timeout: Duration::MAX,
            write_timeout: self.write_timeout,
            max_queued_media: MAX_QUEUED_MEDIA,
            max_queued_messages: MAX_QUEUED_MESSAGES,
            max_unanswered: MAX_UNANSWERED,
            resynchronizes: true,
        }
    }
}
