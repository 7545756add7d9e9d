//! [`ClientEvent`]: the news that an RTSP client has for its owner.

use crate::client::dialer::DialError;
use crate::wire::rtsp::{Request, Response};
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Names a request of an [`RtspClient`](super::RtspClient).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(crate) u64);

/// News of an [`RtspClient`](super::RtspClient).
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// A connection to the server has been made; its TLS handshake is over, its HTTP tunnel open.
    Connected {
        /// Address of the server.
        peer: SocketAddr,
    },
    /// The server has redirected a request, which is being sent to another URL.
    Redirected {
        /// The request.
        request: RequestId,
        /// The new URL, without credentials.
        url: String,
    },
    /// A response has come, with any status that is not dealt with here: 401 and redirections are.
    Response {
        /// The request that it answers.
        request: RequestId,
        /// The response.
        response: Response<'static>,
    },
    /// A request will not be answered, or cannot be sent.
    Failed {
        /// The request.
        request: RequestId,
        /// Why.
        why: RequestFailure,
    },
    /// The server has sent a request, and has been answered: 200 to OPTIONS and GET_PARAMETER, 501
    /// to others. The client sets no parameter, ends no session and follows no redirection by
    /// itself; the request is here so that its owner can.
    ServerRequest(Request<'static>),
    /// The connection has ended. The requests that were unanswered have failed.
    Disconnected(Disconnection),
}

/// Why a request has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestFailure {
    /// There was no response in time.
    Timeout,
    /// The connection ended, or could not be made.
    Disconnected,
    /// The response to another request has sent the client to another server.
    Redirected,
    /// The server asks who the client is, and no user is configured.
    NoCredentials,
    /// The server does not accept the user name or the password.
    WrongCredentials,
    /// The server offers no authentication scheme that is known and allowed; names what it offers.
    NoScheme(String),
    /// The server has redirected the request too often.
    TooManyRedirects,
    /// The server has redirected the request to a URL that is none, or from a protected connection
    /// to one that is not.
    BadRedirect(String),
}

impl fmt::Display for RequestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("no response in time"),
            Self::Disconnected => f.write_str("the connection ended"),
            Self::Redirected => f.write_str("the client was redirected to another server"),
            Self::NoCredentials => f.write_str("the server asks for a user name and a password"),
            Self::WrongCredentials => {
                f.write_str("the server does not accept the user name or the password")
            }
            Self::NoScheme(offered) => {
                write!(f, "no usable authentication scheme: the server offers {offered}")
            }
            Self::TooManyRedirects => f.write_str("too many redirections"),
            Self::BadRedirect(url) => write!(f, "redirected to {url}"),
        }
    }
}

impl std::error::Error for RequestFailure {}

/// Why a connection has ended, or was not made.
#[derive(Debug)]
#[non_exhaustive]
pub enum Disconnection {
    /// The name of the server has no address.
    Name(io::Error),
    /// The name was not looked up in time.
    NameTimeout,
    /// No address of the server accepted a connection; what the last one said.
    Connect(io::Error),
    /// No address answered in time.
    ConnectTimeout,
    /// TLS could not be agreed on, or the server is not to be trusted, or it opens no HTTP tunnel.
    Handshake(io::Error),
    /// The TLS handshake, or the opening of the HTTP tunnel, was not over in time.
    HandshakeTimeout,
    /// The server has closed the connection.
    Closed,
    /// The connection has failed.
    Io(io::Error),
    /// What the server sent is not RTSP.
    Protocol(&'static str),
    /// The server takes nothing of what it is sent, or a message of its own was not whole in time.
    Stalled,
    /// A scheme that this client does not speak.
    Scheme(String),
}

impl fmt::Display for Disconnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(e) => write!(f, "the host name cannot be resolved: {e}"),
            Self::NameTimeout => f.write_str("the host name was not resolved in time"),
            Self::Connect(e) => write!(f, "cannot connect: {e}"),
            Self::ConnectTimeout => f.write_str("the connection was not made in time"),
            Self::Handshake(e) => write!(f, "the connection cannot be used: {e}"),
            Self::HandshakeTimeout => f.write_str("the handshake was not over in time"),
            Self::Closed => f.write_str("the server has closed the connection"),
            Self::Io(e) => write!(f, "the connection has failed: {e}"),
            Self::Protocol(what) => write!(f, "the server does not speak RTSP: {what}"),
            Self::Stalled => f.write_str("the server takes or completes no message"),
            Self::Scheme(scheme) => write!(f, "{scheme} is not supported"),
        }
    }
}

impl std::error::Error for Disconnection {}

impl From<DialError> for Disconnection {
    fn from(e: DialError) -> Self {
        match e {
            DialError::Name(e) => Self::Name(e),
            DialError::NameTimeout => Self::NameTimeout,
            DialError::Connect(e) => Self::Connect(e),
            DialError::ConnectTimeout => Self::ConnectTimeout,
        }
    }
}
