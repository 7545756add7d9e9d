//! [`ServerHooks`]: what an application decides about requests and is told of sessions.
//!
//! | hook | called |
//! | --- | --- |
//! | [`admit`](ServerHooks::admit) | once for each request, before anything is done about it |
//! | [`parameter`](ServerHooks::parameter) | for each parameter that GET_PARAMETER names and the server does not know |
//! | [`set_parameter`](ServerHooks::set_parameter) | for a SET_PARAMETER with a body |
//! | [`session_created`](ServerHooks::session_created) | when the first SETUP of a session has succeeded |
//! | [`played`](ServerHooks::played) | when a PLAY has succeeded, before media go out |
//! | [`paused`](ServerHooks::paused) | when a PAUSE has succeeded |
//! | [`key_frame_wanted`](ServerHooks::key_frame_wanted) | when viewers of live video need a key frame |
//! | [`session_removed`](ServerHooks::session_removed) | when a session has ended, for whatever reason |
//!
//! A hook is handed values and returns values. It never gets the server, which is in the middle of
//! its work; what it wants of the server it notes, and the application carries it out from outside,
//! with [`UsageEnvironment::with`](crate::env::UsageEnvironment::with).

use crate::env::EventTrigger;
use crate::ids::{ClientSessionId, ConnectionId, StreamId};
use crate::session::pool::{RemovalReason, SessionInfo};
use crate::wire::rtsp::{Headers, Request, StatusCode};
use std::borrow::Cow;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// A request, who makes it and what it is about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestInfo<'a> {
    /// Method, URL, header fields and body as the client sent them.
    pub request: &'a Request<'a>,
    /// The connection over which the request came.
    pub connection: ConnectionId,
    /// Address of the client.
    pub peer: SocketAddr,
    /// Address at which the client reached the server.
    pub local: SocketAddr,
    /// Name of the stream: the path of the URL, decoded, without slashes at its ends. The control
    /// of a track is left out where the server knows a media session of the shorter name; where it
    /// does not know one yet (a [session provider](super::SessionProvider) has not been asked), the
    /// whole path stands here. Empty for a URL without a path, and for one that names nothing.
    pub stream: Cow<'a, str>,
    /// The client session that the request names, if there is one. Whether the client is entitled
    /// to it ([`Entitlement`](super::pool::Entitlement)) has not been looked at in
    /// [`admit`](ServerHooks::admit).
    pub session: Option<ClientSessionId>,
    /// In [`admit`](ServerHooks::admit): the user who made that session. Elsewhere: the user as
    /// whom the request was admitted.
    pub user: Option<&'a str>,
}

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
#[non_exhaustive]
pub enum Admission {
    /// The request is served, in the name of that user if there is one.
    Allow(Option<String>),
    /// The request is refused.
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

/// The application's answer to [`ServerHooks::admit`]: an [`Admission`] now, or one that a
/// [`DecisionSender`] will bring.
#[derive(Clone, Debug)]
pub struct Decision(pub(crate) DecisionState);

#[derive(Clone, Debug)]
pub(crate) enum DecisionState {
    Made(Admission),
    Awaited(PendingDecision),
}

impl From<Admission> for Decision {
    fn from(admission: Admission) -> Self {
        Self(DecisionState::Made(admission))
    }
}

/// A decision that has not been made yet.
#[derive(Clone, Debug)]
pub(crate) struct PendingDecision(Arc<OnceLock<Admission>>);

impl PendingDecision {
    /// The decision, once it has been made.
    pub(crate) fn made(&self) -> Option<Admission> {
        self.0.get().cloned()
    }
}

/// Lets a request wait for a decision that is made elsewhere: by another thread, a database, a
/// person at the door.
///
/// The server goes on with everything else; what the same connection sends meanwhile is answered
/// after that request. A request that has waited for
/// [`ServerConfig::lookup_timeout`](super::ServerConfig::lookup_timeout) is answered 503.
#[derive(Debug)]
pub struct DecideLater<'a> {
    pub(crate) wake: Option<&'a EventTrigger>,
}

impl DecideLater<'_> {
    /// What [`admit`](ServerHooks::admit) returns, and the sender that will bring the decision.
    pub fn decide_later(&self) -> (Decision, DecisionSender) {
        let decision = Arc::new(OnceLock::new());
        let sender = DecisionSender { decision: Arc::clone(&decision), wake: self.wake.cloned() };
        (Decision(DecisionState::Awaited(PendingDecision(decision))), sender)
    }
}

/// Brings a decision about a request to the server, from any thread.
///
/// Dropped without a decision, it has the request answered 503.
#[derive(Debug)]
pub struct DecisionSender {
    decision: Arc<OnceLock<Admission>>,
    wake: Option<EventTrigger>,
}

impl DecisionSender {
    /// Decides, and wakes the server.
    pub fn decide(self, admission: Admission) {
        // The drop that follows finds it decided, and wakes the server.
        let _first = self.decision.set(admission);
    }
}

impl Drop for DecisionSender {
    fn drop(&mut self) {
        self.decision.get_or_init(|| Admission::refuse(StatusCode::SERVICE_UNAVAILABLE));
        if let Some(wake) = &self.wake {
            wake.trigger();
        }
    }
}

/// Decisions and notices of an application. Every method has a default: everybody is let in, and
/// nothing is listened to.
///
/// ```
/// use riverrun::server::pool::SessionInfo;
/// use riverrun::server::{Admission, DecideLater, Decision, RequestInfo, ServerHooks};
/// use riverrun::wire::rtsp::{Method, StatusCode};
///
/// /// Lets no more than four viewers of the lobby in.
/// #[derive(Default)]
/// struct Lobby {
///     viewers: usize,
/// }
///
/// impl ServerHooks for Lobby {
///     fn admit(&mut self, request: &RequestInfo<'_>, _: &DecideLater<'_>) -> Decision {
///         let is_new = request.request.method == Method::Setup && request.session.is_none();
///         if is_new && request.stream.starts_with("lobby") && self.viewers == 4 {
///             return Admission::refuse(StatusCode::SERVICE_UNAVAILABLE).into();
///         }
///         Admission::Allow(None).into()
///     }
///
///     fn session_created(&mut self, session: &SessionInfo) {
///         self.viewers += usize::from(&*session.stream == "lobby");
///     }
/// }
/// ```
pub trait ServerHooks {
    /// Decides about a request, once, before anything is done about it: now, or `later`.
    fn admit(&mut self, request: &RequestInfo<'_>, later: &DecideLater<'_>) -> Decision {
        let _ = (request, later);
        Admission::Allow(None).into()
    }

    /// The value of a parameter that a client asks for (GET_PARAMETER, RFC 2326 section 10.8);
    /// `None` if there is no such parameter (451). The server itself answers `position`.
    fn parameter(&mut self, request: &RequestInfo<'_>, name: &str) -> Option<String> {
        let _ = (request, name);
        None
    }

    /// Sets parameters (SET_PARAMETER, RFC 2326 section 10.9), as they stand in `body`. Returns
    /// whether they are understood (451 otherwise).
    fn set_parameter(&mut self, request: &RequestInfo<'_>, body: &[u8]) -> bool {
        let _ = (request, body);
        false
    }

    /// A client session has been made, and its first track set up.
    fn session_created(&mut self, session: &SessionInfo) {
        let _ = session;
    }

    /// A client has begun to play, or goes on.
    fn played(&mut self, session: &SessionInfo) {
        let _ = session;
    }

    /// A client has paused, or will at the point that it named.
    fn paused(&mut self, session: &SessionInfo) {
        let _ = session;
    }

    /// Viewers of a live stream of video cannot go on without a key frame. An encoder behind a
    /// [`LiveSender`](crate::media::live::LiveSender) is asked anyway
    /// ([`key_frame_wanted`](crate::media::live::LiveSender::key_frame_wanted)); this is for an
    /// application that controls the encoder from the loop's thread. It is called at most twice a
    /// second for each stream.
    fn key_frame_wanted(&mut self, stream: StreamId) {
        let _ = stream;
    }

    /// A client session has ended, and why.
    fn session_removed(&mut self, session: &SessionInfo, reason: RemovalReason) {
        let _ = (session, reason);
    }
}

/// Lets everybody in and listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

impl ServerHooks for NoHooks {}
