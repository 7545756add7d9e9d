//! What an application may decide and be told: values in, values out.

use super::pool::{RemovalReason, SessionInfo};
use crate::wire::rtsp::{Request, StatusCode};
use std::net::SocketAddr;

/// Whether a request is let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is; the user in whose name, if any.
    Allow(Option<String>),
    /// It is not, and this is the answer.
    Refuse(StatusCode),
}

/// Decisions and notices of an application. Every method has a default.
pub trait ServerHooks {
    /// Each request, before anything is done about it.
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
