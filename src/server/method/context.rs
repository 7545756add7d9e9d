//! The arguments of a method: the admitted request, and the parts of the server that it works on.

use crate::env::UsageEnvironment;
use crate::env::turn_budget::TurnBudget;
use crate::ids::{ClientSessionId, ConnectionId};
use crate::rtsp::connections::{ClientConnection, Connections};
use crate::server::access::{AccessContext, Action, Authenticator, Permission};
use crate::server::config::ServerConfig;
use crate::server::hooks::{Admission, DecideLater, RequestInfo, ServerHooks};
use crate::server::method::address::Address;
use crate::server::method::answer::Answer;
use crate::server::method::lookup::{Lookup, Lookups};
use crate::server::method::outcome::Served;
use crate::server::method::refusal::{Refusal, Refused};
use crate::server::publish::Publications;
use crate::server::talk::BackChannels;
use crate::session::client_media::{SessionMedia, TrackSetup};
use crate::session::media_sessions::MediaSessions;
use crate::session::pool::{RemovalReason, Requester, SessionPool};
use crate::session::release::{EndedSession, SessionTables};
#[cfg(feature = "srtp")]
use crate::session::srtp::StreamKeys;
use crate::stream::destination::Goodbye;
use crate::stream::streams::Streams;
use crate::warned::{Breach, Warned};
use crate::wire::rtsp::{Method, Request, SessionHeader, StatusCode};
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// An admitted request and its sender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdmittedRequest<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) connection: ConnectionId,
    /// Addresses of both ends of the connection.
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    /// Whether the connection is TLS.
    pub(crate) is_encrypted: bool,
    /// Whether the requester is an object of this process.
    #[cfg(feature = "srtp")]
    pub(crate) is_inside: bool,
    /// SHA-256 of the client's certificate, if it has presented one.
    pub(crate) client_certificate: Option<[u8; 32]>,
    pub(crate) user: Option<&'a str>,
    /// A stream that the request may have, whatever the rights of the user are.
    pub(crate) granted: Option<&'a str>,
}

impl<'a> AdmittedRequest<'a> {
    /// A request on a connection, on nobody's behalf.
    pub(crate) fn of(
        request: &'a Request<'a>,
        id: ConnectionId,
        connection: &ClientConnection,
    ) -> Self {
        Self {
            request,
            connection: id,
            peer: connection.peer,
            local: connection.local,
            is_encrypted: connection.is_encrypted(),
            #[cfg(feature = "srtp")]
            is_inside: connection.is_inside(),
            client_certificate: connection.client_certificate(),
            user: None,
            granted: None,
        }
    }

    pub(crate) const fn requester(&self) -> Requester<'a> {
        Requester { peer: self.peer, connection: Some(self.connection.raw()), user: self.user }
    }

    /// Returns the value of a header field.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.request.headers.value(name)
    }
}

/// The function of a method: serves a request, and writes the answer.
pub(crate) type Serve = fn(&mut Context<'_>, &AdmittedRequest<'_>, &mut Answer<'_>) -> Served;

/// The table of the methods that a client may use. `Display` writes it as in `Public` and `Allow`.
#[derive(Clone, Copy)]
pub(crate) struct Methods {
    /// The implemented methods.
    pub(crate) table: &'static [(Method, Serve)],
    /// Whether the client may publish.
    pub(crate) publishing: bool,
}

impl Methods {
    pub(crate) fn find(self, method: &Method) -> Option<Serve> {
        self.iter().find(|(implemented, _)| implemented == method).map(|(_, serve)| *serve)
    }

    /// The methods for a stream that cannot be published.
    pub(crate) const fn without_publishing(self) -> Self {
        Self { publishing: false, ..self }
    }

    fn iter(self) -> impl Iterator<Item = &'static (Method, Serve)> {
        let of_publisher = |method: &Method| matches!(method, Method::Announce | Method::Record);
        self.table.iter().filter(move |(method, _)| self.publishing || !of_publisher(method))
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (method, _)) in self.iter().enumerate() {
            write!(f, "{}{}", if n == 0 { "" } else { ", " }, method.as_str())?;
        }
        Ok(())
    }
}

/// The parts of the server that methods work on.
pub(crate) struct Context<'a> {
    pub(crate) env: &'a mut UsageEnvironment,
    pub(crate) connections: &'a mut Connections,
    pub(crate) streams: &'a mut Streams,
    pub(crate) media_sessions: &'a mut MediaSessions,
    pub(crate) pool: &'a mut SessionPool<SessionMedia>,
    pub(crate) publications: &'a mut Publications,
    pub(crate) back_channels: &'a mut BackChannels,
    pub(crate) hooks: &'a mut dyn ServerHooks,
    pub(crate) authenticator: Option<&'a mut dyn Authenticator>,
    pub(crate) later: DecideLater<'a>,
    pub(crate) config: &'a ServerConfig,
    pub(crate) lookups: &'a mut Lookups,
    /// Results of name look-ups that were made while the request waited.
    pub(crate) known: &'a [(String, Lookup)],
    /// Other requests wait for the provider: a new request queues behind them.
    pub(crate) has_queue: bool,
    /// The methods that the client may use.
    pub(crate) methods: Methods,
    /// Peers whose violations have been logged.
    pub(crate) warned: &'a mut Warned<(IpAddr, Breach)>,
    /// Counts requests that were refused because few descriptors were left.
    pub(crate) refused_for_descriptors: &'a mut u64,
    /// Budget of this turn for PLAYs that read from files.
    pub(crate) seeks: &'a mut TurnBudget,
    /// The keys of protected streams.
    #[cfg(feature = "srtp")]
    pub(crate) stream_keys: &'a StreamKeys,
}

/// Builds the [`RequestInfo`] that the application's hooks are called with.
pub(crate) fn request_info<'a>(
    request: &AdmittedRequest<'a>,
    media_sessions: &MediaSessions,
    (pool, publications): (&SessionPool<SessionMedia>, &Publications),
    now: Instant,
) -> RequestInfo<'a> {
    let header = request.header("Session").and_then(|value| SessionHeader::parse(value).ok());
    let session = header.and_then(|header| pool.peek(header.id, now));
    let published = session
        .and_then(|session| publications.get(publications.of_session(session)?))
        .filter(|publication| publication.named(request.request.url.as_str()).is_some())
        .map(|publication| Cow::Owned(publication.name.to_string()));
    let stream = published.unwrap_or_else(|| {
        Address::parse(request.request.url.as_str()).map_or(Cow::Borrowed(""), |address| {
            let is_known = |len: &usize| {
                let name = address.path.get(..*len).unwrap_or_default();
                media_sessions.by_name(name).is_some()
            };
            let known = address.readings().map(|reading| reading.name_len).find(is_known);
            let len = known.unwrap_or(address.path.len());
            address.into_name(len)
        })
    });
    RequestInfo {
        request: request.request,
        connection: request.connection,
        peer: request.peer,
        local: request.local,
        stream,
        session,
        user: request.user,
        is_encrypted: request.is_encrypted,
        client_certificate: request.client_certificate,
    }
}

impl Context<'_> {
    /// Builds the [`RequestInfo`] of a request.
    pub(crate) fn request_info<'r>(&self, request: &AdmittedRequest<'r>) -> RequestInfo<'r> {
        let sessions = (&*self.pool, &*self.publications);
        request_info(request, self.media_sessions, sessions, self.env.now())
    }

    /// Finds the session that a request names, if it names one, and extends it. Fails with 454 if
    /// there is no such session or the requester is not entitled to it.
    pub(crate) fn session_of(
        &mut self,
        request: &AdmittedRequest<'_>,
    ) -> Result<Option<ClientSessionId>, Refusal> {
        let Some(header) = request.header("Session") else { return Ok(None) };
        let unknown = || Refusal::from(StatusCode::SESSION_NOT_FOUND);
        let header = SessionHeader::parse(header).map_err(|_| unknown())?;
        let session = self.pool.find_entitled(header.id, &request.requester(), self.env.now());
        session.map(Some).ok_or_else(unknown)
    }

    /// Whether a request may do something with a stream, which need not exist.
    pub(crate) fn permits(
        &self,
        request: &AdmittedRequest<'_>,
        action: Action,
        stream: &str,
    ) -> bool {
        let (user, peer) = (request.user, request.peer);
        // What opens a stream to viewers does not let them talk.
        action != Action::Talk && request.granted == Some(stream)
            || self.authenticator.as_ref().is_none_or(|authenticator| {
                authenticator.permits(&Permission { user, action, stream, peer })
            })
    }

    /// Fails if a request may not do something with a stream. The refusal is the same whether the
    /// stream exists or not.
    pub(crate) fn check_permission(
        &mut self,
        request: &AdmittedRequest<'_>,
        action: Action,
        stream: &str,
    ) -> Result<(), Refusal> {
        if self.permits(request, action, stream) {
            return Ok(());
        }
        if request.user.is_some() {
            let is_seen = self.permits(request, Action::Describe, stream);
            let status = if is_seen { StatusCode::FORBIDDEN } else { StatusCode::NOT_FOUND };
            return Err(status.into());
        }
        Err(self.challenge(request))
    }

    /// The refusal that asks who the requester is.
    fn challenge(&mut self, request: &AdmittedRequest<'_>) -> Refusal {
        let (now, wall_clock) = (self.env.now(), self.env.wall_clock());
        let sessions = (&*self.pool, &*self.publications);
        let info = request_info(request, self.media_sessions, sessions, now);
        let (env, later) = (&mut *self.env, &self.later);
        let random = &mut |bytes: &mut [u8]| env.fill_random(bytes);
        let mut cx = AccessContext { now, wall_clock, random, later };
        let refused = self.authenticator.as_mut().map(|a| a.challenge(&info, &mut cx));
        match refused {
            Some(Admission::Refuse { status, headers }) => {
                Refused::new(status).fields(&headers).into()
            }
            _ => StatusCode::FORBIDDEN.into(),
        }
    }

    /// Adds the `Session` field.
    pub(crate) fn name_session(&self, answer: &mut Answer<'_>, session: ClientSessionId) {
        if let Some(session) = self.pool.session(session) {
            answer.field("Session", session.header());
        }
    }

    /// Releases a track of a client session.
    pub(crate) fn release_track(&mut self, track: &TrackSetup, goodbye: Goodbye) {
        let (mut tables, env) = self.tables();
        tables.release_track(env, track, goodbye);
    }

    /// Releases all tracks that a client session has of one media session.
    pub(crate) fn release_media(&mut self, media: SessionMedia, goodbye: Goodbye) {
        let (mut tables, env) = self.tables();
        tables.release_media(env, media, goodbye);
    }

    /// Ends a client session and notifies the application.
    pub(crate) fn end_session(&mut self, session: ClientSessionId, reason: RemovalReason) {
        let (mut tables, env) = self.tables();
        let ended = tables.end_session(env, session, reason);
        self.tell_ended(ended);
    }

    /// Releases sessions that the pool has removed by itself, and notifies the application.
    pub(crate) fn release_removed_sessions(&mut self) {
        let (mut tables, env) = self.tables();
        let ended = tables.release_removed_sessions(env);
        self.tell_ended(ended);
    }

    fn tell_ended(&mut self, ended: impl IntoIterator<Item = EndedSession>) {
        for EndedSession { info, reason } in ended {
            let tables = (&mut *self.streams, &mut *self.connections);
            self.back_channels.release_session(self.env, tables, info.session);
            let tables = (&mut *self.streams, &mut *self.connections);
            if self.publications.release(self.env, tables, info.session) {
                self.hooks.publisher_lost(&info, reason);
            }
            self.hooks.session_removed(&info, reason);
        }
    }

    pub(crate) fn tables(&mut self) -> (SessionTables<'_>, &mut UsageEnvironment) {
        let tables = SessionTables {
            pool: self.pool,
            media_sessions: self.media_sessions,
            streams: self.streams,
            connections: self.connections,
        };
        (tables, self.env)
    }
}
