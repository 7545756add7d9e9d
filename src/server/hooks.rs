//! What an application may decide and be told: values in, values out.

use crate::session::pool::{RemovalReason, SessionInfo};
use crate::wire::rtsp::{Headers, Request, StatusCode};
use std::fmt::Display;
use std::net::SocketAddr;

/// Whether a request is let through.
///
/// ```
/// use riverrun::server::Admission;
/// use riverrun::wire::rtsp::StatusCode;
///
/// // A client that may choose between two ways to say who it is (RFC 2068 section 14.46).
/// let challenge = Admission::refuse(StatusCode::UNAUTHORIZED)
///     .header("WWW-Authenticate", "Digest realm=\"cameras\", nonce=\"8f2c\"")
///     .header("WWW-Authenticate", "Basic realm=\"cameras\"");
/// assert!(matches!(challenge, Admission::Refuse { headers, .. } if headers.len() == 2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is; the user in whose name, if any.
    Allow(Option<String>),
    /// It is not.
    Refuse {
        /// Status of the answer.
        status: StatusCode,
        /// Header fields of the answer, beside those that the server writes itself: `CSeq`,
        /// `Timestamp`, `Date`, `Server`, `Content-Type` and `Content-Length` are left out. With
        /// `Connection: close` the connection is closed after the answer.
        headers: Headers<'static>,
    },
}

impl Admission {
    /// The request is refused with `status`.
    pub const fn refuse(status: StatusCode) -> Self {
        Self::Refuse { status, headers: Headers::new() }
    }

    /// Adds a header field to the answer that refuses a request; control characters in the value
    /// become spaces. [`Allow`](Self::Allow) stays as it is.
    pub fn header(mut self, name: &str, value: impl Display) -> Self {
        if let Self::Refuse { headers, .. } = &mut self {
            headers.push(name, value);
        }
        self
    }
}

/// Decisions and notices of an application. Every method has a default.
pub trait ServerHooks {
    /// Each request, once, before anything is done about it.
    fn admit(&mut self, request: &Request<'_>, peer: SocketAddr) -> Admission {
        let _ = (request, peer);
        Admission::Allow(None)
    }

    /// A client session has been made.
    fn session_created(&mut self, session: &SessionInfo) {
        let _ = session;
    }

    /// A client session has ended, and why.
    fn session_removed(&mut self, session: &SessionInfo, reason: RemovalReason) {
        let _ = (session, reason);
    }

    /// The client set a parameter of its session (SET_PARAMETER with a body): whether it is
    /// understood (451 otherwise).
    fn set_parameter(&mut self, body: &[u8]) -> bool {
        let _ = body;
        false
    }
}

/// Lets everybody in and listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

impl ServerHooks for NoHooks {}
