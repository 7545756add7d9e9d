//! [`ServerHooks`]: decisions of an application about requests, and notifications about sessions.
//!
//! | hook | called |
//! | --- | --- |
//! | [`admit`](ServerHooks::admit) | once for each request, before anything is done about it but authentication |
//! | [`parameter`](ServerHooks::parameter) | for each parameter that GET_PARAMETER names and the server does not know |
//! | [`set_parameter`](ServerHooks::set_parameter) | for a SET_PARAMETER with a body |
//! | [`session_created`](ServerHooks::session_created) | when the first SETUP of a session, or its ANNOUNCE, has succeeded |
//! | [`played`](ServerHooks::played) | when a PLAY has succeeded, before media go out |
//! | [`paused`](ServerHooks::paused) | when a PAUSE has succeeded |
//! | [`recorded`](ServerHooks::recorded) | when a RECORD has succeeded, before media are passed on |
//! | [`publisher_lost`](ServerHooks::publisher_lost) | when a client that has recorded publishes no more |
//! | [`key_frame_wanted`](ServerHooks::key_frame_wanted) | when viewers of live video need a key frame |
//! | [`relayed_event`](ServerHooks::relayed_event) | when a relayed stream is wanted, or not any more, or needs a key frame |
//! | [`packet_received`](ServerHooks::packet_received) | for each RTP and RTCP packet that a client sends for a track |
//! | [`session_removed`](ServerHooks::session_removed) | when a session has ended, for whatever reason |
//!
//! A hook is called with values and returns a value. It has no access to the server, which is in
//! the middle of its work. If it wants to call the server, it should record that, and the
//! application makes the call from outside with
//! [`UsageEnvironment::with`](crate::env::UsageEnvironment::with).

use crate::env::EventTrigger;
use crate::ids::{ClientSessionId, ConnectionId, RelayedStreamId, StreamId};
use crate::session::RelayedEvent;
use crate::session::pool::{RemovalReason, SessionInfo};
use crate::stream::IncomingPacket;
use crate::wire::rtsp::{Headers, Request, StatusCode};
use std::borrow::Cow;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A request with its sender and its target.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestInfo<'a> {
    /// Method, URL, header fields and body as the client sent them.
    pub request: &'a Request<'a>,
    /// The connection over which the request arrived.
    pub connection: ConnectionId,
    /// Address of the client.
    pub peer: SocketAddr,
    /// Address at which the client reached the server.
    pub local: SocketAddr,
    /// Name of the stream: the path of the URL, decoded, without leading and trailing slashes. The
    /// control of a track is removed if the server knows a media session of the shorter name; if it
    /// does not know one yet (because a [session provider](super::SessionProvider) has not been
    /// asked), this is the whole path. Empty for a URL without a valid path.
    pub stream: Cow<'a, str>,
    /// The client session that the request names, if it exists. In [`admit`](ServerHooks::admit),
    /// the client's [`Entitlement`](super::pool::Entitlement) to the session has not been checked.
    pub session: Option<ClientSessionId>,
    /// The user on whose behalf the request was admitted. In [`admit`](ServerHooks::admit), the user
    /// that the [`Authenticator`](super::access::Authenticator) has found; without one, and in
    /// [`authenticate`](super::access::Authenticator::authenticate) itself, the user to whom the
    /// session belongs.
    pub user: Option<&'a str>,
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
    /// The certificate that the client has presented over TLS and has proven to be its own: the
    /// SHA-256 of its DER form, as `openssl x509 -fingerprint -sha256` shows it. `None` unless the
    /// listener demands one (`TlsFiles::client_authorities`, or an application's own configuration).
    pub client_certificate: Option<[u8; 32]>,
}

/// The decision whether a request is served.
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
    /// Serve the request, on behalf of the user if one is given.
    Allow(Option<String>),
    /// Serve the request, on behalf of the user if one is given, if it is for this stream, whatever
    /// [`Authenticator::permits`](super::access::Authenticator::permits) says of it. Only about the
    /// right to [talk](super::access::Action::Talk) it is asked nevertheless.
    AllowStream {
        /// The user to whom a session that the request makes will belong.
        user: Option<String>,
        /// Name of the stream.
        stream: String,
    },
    /// Refuse the request.
    Refuse {
        /// Status code of the answer.
        status: StatusCode,
        /// Further header fields of the answer. `CSeq`, `Timestamp`, `Date`, `Server`,
        /// `Content-Type` and `Content-Length` are ignored, since the server writes them itself.
        /// With `Connection: close` the connection is closed after the answer.
        headers: Headers<'static>,
    },
}

impl Admission {
    /// Refuses the request with `status`.
    pub const fn refuse(status: StatusCode) -> Self {
        Self::Refuse { status, headers: Headers::new() }
    }

    /// Adds a header field to the answer of a refusal; control characters in the value become
    /// spaces. Has no effect on [`Allow`](Self::Allow).
    pub fn header(mut self, name: &str, value: impl Display) -> Self {
        if let Self::Refuse { headers, .. } = &mut self {
            headers.push(name, value);
        }
        self
    }
}

/// The return value of [`ServerHooks::admit`]: an [`Admission`], or the promise that a
/// [`DecisionSender`] delivers one later.
#[derive(Clone, Debug)]
pub struct Decision(pub(crate) DecisionState);

impl Decision {
    /// A decision that takes effect after a time, for which the requester waits.
    pub const fn after(admission: Admission, delay: Duration) -> Self {
        Self(DecisionState::Made { admission, delay })
    }
}

#[derive(Clone, Debug)]
pub(crate) enum DecisionState {
    Made { admission: Admission, delay: Duration },
    Awaited(PendingDecision),
}

impl From<Admission> for Decision {
    fn from(admission: Admission) -> Self {
        Self::after(admission, Duration::ZERO)
    }
}

/// A decision that is still to be made.
#[derive(Clone, Debug)]
pub(crate) struct PendingDecision(Arc<OnceLock<(Admission, Duration)>>);

impl PendingDecision {
    /// Returns the decision; `None` while it is not made.
    pub(crate) fn made(&self) -> Option<DecisionState> {
        let (admission, delay) = self.0.get().cloned()?;
        Some(DecisionState::Made { admission, delay })
    }
}

/// Defers a decision, which another thread, a database or a person then makes.
///
/// The server continues with other work; later requests on the same connection are answered after
/// the deferred one. A request that has waited for
/// [`ServerConfig::lookup_timeout`](super::ServerConfig::lookup_timeout) is answered 503.
#[derive(Debug)]
pub struct DecideLater<'a> {
    pub(crate) wake: Option<&'a EventTrigger>,
}

impl DecideLater<'_> {
    /// Creates a deferred decision for [`admit`](ServerHooks::admit) to return, and the sender that
    /// delivers it.
    pub fn decide_later(&self) -> (Decision, DecisionSender) {
        let decision = Arc::new(OnceLock::new());
        let sender = DecisionSender { decision: Arc::clone(&decision), wake: self.wake.cloned() };
        (Decision(DecisionState::Awaited(PendingDecision(decision))), sender)
    }
}

/// Delivers a deferred decision to the server, from any thread.
///
/// If it is dropped without a decision, the request is answered 503.
#[derive(Debug)]
pub struct DecisionSender {
    decision: Arc<OnceLock<(Admission, Duration)>>,
    wake: Option<EventTrigger>,
}

impl DecisionSender {
    /// Delivers the decision, and wakes the server.
    pub fn decide(self, admission: Admission) {
        self.decide_after(admission, Duration::ZERO);
    }

    /// Delivers a decision that takes effect after a time, for which the requester waits, and wakes
    /// the server.
    pub fn decide_after(self, admission: Admission, delay: Duration) {
        // The drop that follows finds it decided, and wakes the server.
        let _first = self.decision.set((admission, delay));
    }
}

impl Drop for DecisionSender {
    fn drop(&mut self) {
        let none = || (Admission::refuse(StatusCode::SERVICE_UNAVAILABLE), Duration::ZERO);
        self.decision.get_or_init(none);
        if let Some(wake) = &self.wake {
            wake.trigger();
        }
    }
}

/// Callbacks of an application. Every method has a default: all requests are admitted, and
/// notifications are ignored.
///
/// ```
/// use riverrun::server::pool::SessionInfo;
/// use riverrun::server::{Admission, DecideLater, Decision, RequestInfo, ServerHooks};
/// use riverrun::wire::rtsp::{Method, StatusCode};
///
/// /// Admits at most four viewers of the lobby.
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
    /// Decides about a request, once, before any work on it: immediately, or `later`.
    fn admit(&mut self, request: &RequestInfo<'_>, later: &DecideLater<'_>) -> Decision {
        let _ = (request, later);
        Admission::Allow(None).into()
    }

    /// Returns the value of a parameter that a client asks for (GET_PARAMETER, RFC 2326 section
    /// 10.8); `None` if there is no such parameter (answered 451). The server itself answers
    /// `position`.
    fn parameter(&mut self, request: &RequestInfo<'_>, name: &str) -> Option<String> {
        let _ = (request, name);
        None
    }

    /// Sets parameters (SET_PARAMETER, RFC 2326 section 10.9), given as the `body` of the request.
    /// Returns false if they are not understood (answered 451).
    fn set_parameter(&mut self, request: &RequestInfo<'_>, body: &[u8]) -> bool {
        let _ = (request, body);
        false
    }

    /// Called when a client session has been created and its first track set up, or the stream that
    /// it publishes announced.
    fn session_created(&mut self, session: &SessionInfo) {
        let _ = session;
    }

    /// Called when a client has started or resumed playing.
    fn played(&mut self, session: &SessionInfo) {
        let _ = session;
    }

    /// Called when a client has paused what it plays or publishes, or will pause at the point that it
    /// named.
    fn paused(&mut self, session: &SessionInfo) {
        let _ = session;
    }

    /// Called when a client has started or resumed to publish the stream that it has announced (RFC
    /// 2326 section 10.11). [`SessionInfo::stream`] names it.
    fn recorded(&mut self, session: &SessionInfo) {
        let _ = session;
    }

    /// Called when a client publishes no more that has [recorded](Self::recorded) a stream, with the
    /// reason: [`Expired`](RemovalReason::Expired) means that it was silent. Its viewers stay for
    /// [`PublishConfig::kept_for`](super::PublishConfig::kept_for).
    fn publisher_lost(&mut self, session: &SessionInfo, reason: RemovalReason) {
        let _ = (session, reason);
    }

    /// Called when viewers of a live video stream need a key frame to continue, at most twice a
    /// second for each stream. The encoder behind a [`LiveSender`](crate::media::live::LiveSender)
    /// is asked in any case
    /// ([`key_frame_wanted`](crate::media::live::LiveSender::key_frame_wanted)); this hook is for
    /// an application that controls the encoder from the loop's thread.
    fn key_frame_wanted(&mut self, stream: StreamId) {
        let _ = stream;
    }

    /// Called when something is expected of the source of a
    /// [relayed stream](super::RtspServer::add_relayed_stream).
    fn relayed_event(&mut self, stream: RelayedStreamId, event: RelayedEvent) {
        let _ = (stream, event);
    }

    /// Called when a client has sent an RTP or RTCP packet for a track that it has set up, over UDP
    /// or interleaved in its connection (RFC 2326 section 10.12). An application that receives media
    /// from clients passes the packets of each session and track to a
    /// [`StreamReceiver`](crate::rtp::StreamReceiver), which makes frames of them.
    ///
    /// [`PacketKind::of`](crate::wire::rtp::PacketKind::of) tells RTP from RTCP. The server drops
    /// packets that are not valid or come from strangers, and calls this hook for all others until
    /// the client tears the track down. It has already handled RTCP about the stream that it sends.
    /// It makes no use of RTP, which does not keep the session alive. Some players send a packet or
    /// two only to open a path through an address translator.
    fn packet_received(&mut self, packet: &IncomingPacket<'_>) {
        let _ = packet;
    }

    /// Called when a client session has ended, with the reason.
    fn session_removed(&mut self, session: &SessionInfo, reason: RemovalReason) {
        let _ = (session, reason);
    }
}

/// Hooks that admit all requests and ignore notifications.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no state")]
pub struct NoHooks;

impl ServerHooks for NoHooks {}
