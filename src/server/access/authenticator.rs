//! [`Authenticator`]: finds out who makes a request, and what the requester may do.

use super::action::Action;
use crate::env::AsAny;
use crate::ids::ConnectionId;
use crate::server::hooks::{Admission, DecideLater, Decision, DecisionSender, RequestInfo};
use crate::session::pool::Random;
use crate::wire::rtsp::StatusCode;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The means that an [`Authenticator`] has for one request.
pub struct AccessContext<'a> {
    pub(crate) now: Instant,
    pub(crate) wall_clock: Duration,
    pub(crate) random: &'a mut Random<'a>,
    pub(crate) later: &'a DecideLater<'a>,
}

impl fmt::Debug for AccessContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessContext")
            .field("now", &self.now)
            .field("wall_clock", &self.wall_clock)
            .finish_non_exhaustive()
    }
}

impl AccessContext<'_> {
    /// Returns the time of the loop's turn, on the monotonic clock.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Returns the time since the Unix epoch, on the wall clock.
    pub const fn wall_clock(&self) -> Duration {
        self.wall_clock
    }

    /// Fills `buf` with random bytes that are suitable for secrets.
    pub fn fill_random(&mut self, buf: &mut [u8]) {
        (self.random)(buf);
    }

    /// Creates a deferred decision to return, and the sender that delivers it.
    pub fn decide_later(&self) -> (Decision, DecisionSender) {
        self.later.decide_later()
    }
}

/// What a request is about to do with a stream; see [`Authenticator::permits`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Permission<'a> {
    /// The user on whose behalf the request was admitted, if any.
    pub user: Option<&'a str>,
    /// The action.
    pub action: Action,
    /// The name of the stream, which may not exist.
    pub stream: &'a str,
    /// Address of the client.
    pub peer: SocketAddr,
}

/// Counters of an [`Authenticator`] since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessStatistics {
    /// Requests whose credentials or token were right.
    pub accepted: u64,
    /// Requests whose credentials or token were wrong.
    pub failed: u64,
    /// Requests of addresses that are refused for a time, which were answered 403 without a look at
    /// their credentials.
    pub refused: u64,
    /// Requests with right credentials for a nonce that was too old or not the server's.
    pub stale_nonces: u64,
    /// Requests with right credentials that repeated the nonce count of another request.
    pub replayed_nonces: u64,
    /// Requests with right credentials for another URL than their own.
    pub wrong_uris: u64,
    /// Requests with Basic credentials over a connection without encryption, which were refused.
    pub basic_in_the_clear: u64,
    /// Requests that were answered 503 because too many passwords were being checked.
    pub busy: u64,
}

/// Finds out on whose behalf requests are made, and decides what each user may do with each stream.
///
/// An application hands its own to
/// [`RtspServer::set_authenticator`](crate::server::RtspServer::set_authenticator), or uses
/// [`UserAccess`](super::UserAccess). [`ServerHooks::admit`](crate::server::ServerHooks::admit) is
/// asked after it, with the user that it has found.
///
/// ```
/// use riverrun::server::access::{AccessContext, Authenticator, Permission};
/// use riverrun::server::{Admission, Decision, RequestInfo};
///
/// /// Whoever is on the local network may watch the lobby.
/// struct Lobby;
///
/// impl Authenticator for Lobby {
///     fn authenticate(&mut self, _: &RequestInfo<'_>, _: &mut AccessContext<'_>) -> Decision {
///         Admission::Allow(None).into()
///     }
///
///     fn permits(&self, wanted: &Permission<'_>) -> bool {
///         let is_local = matches!(wanted.peer.ip(), std::net::IpAddr::V4(ip) if ip.is_private());
///         is_local && wanted.stream == "lobby"
///     }
/// }
/// ```
pub trait Authenticator: AsAny {
    /// Finds out on whose behalf a request is made. Called once for each request, before any work
    /// on it. The answer may come later ([`AccessContext::decide_later`]); nobody waits for it but
    /// the requester.
    ///
    /// [`Admission::Allow`] with no user means that nobody has said who is asking. That alone is no
    /// reason to refuse the request: whether anyone may have the stream is
    /// [`permits`](Self::permits)' to say.
    fn authenticate(&mut self, request: &RequestInfo<'_>, cx: &mut AccessContext<'_>) -> Decision;

    /// Returns whether an action is permitted. Called for each name that the URL of a request may
    /// mean, before the name is looked up, so that the answer takes as long for streams that do not
    /// exist. Default: everything is permitted.
    ///
    /// If it is not, a request on nobody's behalf is answered with [`challenge`](Self::challenge),
    /// and one of a user with 404, or with 403 if the user may describe the stream.
    fn permits(&self, wanted: &Permission<'_>) -> bool {
        let _ = wanted;
        true
    }

    /// Returns whether a client session may go on with a stream that it has set up: `wanted` has the
    /// user and the address that made the session. Called for each session by
    /// [`RtspServer::end_unpermitted_sessions`](crate::server::RtspServer::end_unpermitted_sessions).
    /// Default: whether [`permits`](Self::permits) would let it be set up again.
    fn still_permits(&self, wanted: &Permission<'_>) -> bool {
        self.permits(wanted)
    }

    /// Returns the refusal that asks who the requester is. Default: 403.
    fn challenge(&mut self, request: &RequestInfo<'_>, cx: &mut AccessContext<'_>) -> Admission {
        let _ = (request, cx);
        Admission::refuse(StatusCode::FORBIDDEN)
    }

    /// Called when a connection has been closed.
    fn connection_closed(&mut self, connection: ConnectionId) {
        let _ = connection;
    }

    /// Returns counters of the authenticator. Default: zeros.
    fn statistics(&self) -> AccessStatistics {
        AccessStatistics::default()
    }
}
