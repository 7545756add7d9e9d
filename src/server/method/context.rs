//! What a method is handed: the request with its requester, and the parts of the server.

use crate::env::UsageEnvironment;
use crate::env::turn_budget::TurnBudget;
use crate::ids::{ClientSessionId, ConnectionId};
use crate::rtsp::connections::Connections;
use crate::server::config::ServerConfig;
use crate::server::hooks::{RequestInfo, ServerHooks};
use crate::server::method::address::Address;
use crate::server::method::answer::Answer;
use crate::server::method::lookup::{Lookup, Lookups};
use crate::server::method::outcome::Served;
use crate::server::method::refusal::Refusal;
use crate::session::client_media::{SessionMedia, TrackSetup};
use crate::session::media_sessions::MediaSessions;
use crate::session::pool::{RemovalReason, Requester, SessionPool};
use crate::session::release::{EndedSession, SessionTables};
use crate::stream::destination::Goodbye;
use crate::stream::streams::Streams;
use crate::warned::{Breach, Warned};
use crate::wire::rtsp::{Method, Request, SessionHeader, StatusCode};
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// A request that was admitted, and its requester.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdmittedRequest<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) connection: ConnectionId,
    /// Both ends of the connection.
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) user: Option<&'a str>,
}

impl<'a> AdmittedRequest<'a> {
    pub(crate) const fn requester(&self) -> Requester<'a> {
        Requester { peer: self.peer, connection: Some(self.connection.raw()), user: self.user }
    }

    /// The value of a header field.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.request.headers.value(name)
    }
}

/// A method: serves a request, and writes the answer.
pub(crate) type Serve = fn(&mut Context<'_>, &AdmittedRequest<'_>, &mut Answer<'_>) -> Served;

/// The methods that a server implements. It is written as `Public` and `Allow` have it.
#[derive(Clone, Copy)]
pub(crate) struct Methods(pub(crate) &'static [(Method, Serve)]);

impl Methods {
    pub(crate) fn find(self, method: &Method) -> Option<Serve> {
        self.0.iter().find(|(implemented, _)| implemented == method).map(|(_, serve)| *serve)
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (method, _)) in self.0.iter().enumerate() {
            write!(f, "{}{}", if n == 0 { "" } else { ", " }, method.as_str())?;
        }
        Ok(())
    }
}

/// The parts of the server that a method works on.
pub(crate) struct Context<'a> {
    pub(crate) env: &'a mut UsageEnvironment,
    pub(crate) connections: &'a mut Connections,
    pub(crate) streams: &'a mut Streams,
    pub(crate) media_sessions: &'a mut MediaSessions,
    pub(crate) pool: &'a mut SessionPool<SessionMedia>,
    pub(crate) hooks: &'a mut dyn ServerHooks,
    pub(crate) config: &'a ServerConfig,
    pub(crate) lookups: &'a mut Lookups,
    /// What was found out about names while the request waited.
    pub(crate) known: &'a [(String, Lookup)],
    /// Others wait for what the provider finds out: a new request queues behind them.
    pub(crate) has_queue: bool,
    /// The methods that the server implements.
    pub(crate) methods: Methods,
    /// Breaches of peers that the log was warned of.
    pub(crate) warned: &'a mut Warned<(IpAddr, Breach)>,
    /// PLAYs that read in files in this turn.
    pub(crate) seeks: &'a mut TurnBudget,
}

/// What the application's hooks are told of a request.
pub(crate) fn request_info<'a>(
    request: &AdmittedRequest<'a>,
    media_sessions: &MediaSessions,
    pool: &SessionPool<SessionMedia>,
    now: Instant,
) -> RequestInfo<'a> {
    let header = request.header("Session").and_then(|value| SessionHeader::parse(value).ok());
    let stream =
        Address::parse(request.request.url.as_str()).map_or(Cow::Borrowed(""), |address| {
            let is_known = |len: &usize| {
                let name = address.path.get(..*len).unwrap_or_default();
                media_sessions.by_name(name).is_some()
            };
            let known = address.readings().map(|reading| reading.name_len).find(is_known);
            let len = known.unwrap_or(address.path.len());
            address.into_name(len)
        });
    RequestInfo {
        request: request.request,
        connection: request.connection,
        peer: request.peer,
        local: request.local,
        stream,
        session: header.and_then(|header| pool.peek(header.id, now)),
        user: request.user,
    }
}

impl Context<'_> {
    /// What the hooks are told of a request.
    pub(crate) fn request_info<'r>(&self, request: &AdmittedRequest<'r>) -> RequestInfo<'r> {
        request_info(request, self.media_sessions, self.pool, self.env.now())
    }

    /// The session that a request names, if it names one; 454 if there is none such, or the
    /// requester has no right to it. Keeps the session alive.
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

    /// Releases what a client session has of one media session.
    pub(crate) fn release_media(&mut self, media: SessionMedia, goodbye: Goodbye) {
        let (mut tables, env) = self.tables();
        tables.release_media(env, media, goodbye);
    }

    /// Ends a client session, for whatever reason, and tells the application.
    pub(crate) fn end_session(&mut self, session: ClientSessionId, reason: RemovalReason) {
        let (mut tables, env) = self.tables();
        let ended = tables.end_session(env, session, reason);
        self.tell_ended(ended);
    }

    /// Releases the sessions that the pool took out by itself, and tells the application.
    pub(crate) fn release_removed_sessions(&mut self) {
        let (mut tables, env) = self.tables();
        let ended = tables.release_removed_sessions(env);
        self.tell_ended(ended);
    }

    fn tell_ended(&mut self, ended: impl IntoIterator<Item = EndedSession>) {
        for EndedSession { info, reason } in ended {
            self.hooks.session_removed(&info, reason);
        }
    }

    fn tables(&mut self) -> (SessionTables<'_>, &mut UsageEnvironment) {
        let tables = SessionTables {
            pool: self.pool,
            media_sessions: self.media_sessions,
            streams: self.streams,
            connections: self.connections,
        };
        (tables, self.env)
    }
}
