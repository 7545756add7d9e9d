//! What a method is handed: the request with who makes it, and the parts of the server.

use crate::env::UsageEnvironment;
use crate::env::turn_budget::TurnBudget;
use crate::ids::{ClientSessionId, ConnectionId};
use crate::rtsp::connections::Connections;
use crate::server::hooks::ServerHooks;
use crate::server::method::answer::Answer;
use crate::server::method::refusal::Refusal;
use crate::session::client_media::SessionMedia;
use crate::session::media_sessions::MediaSessions;
use crate::session::pool::{Requester, SessionPool};
use crate::stream::streams::Streams;
use crate::wire::rtsp::{Request, SessionHeader, StatusCode};
use std::net::SocketAddr;

/// A request that was admitted, and who makes it.
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

/// The parts of the server that a method works on.
pub(crate) struct Context<'a> {
    pub(crate) env: &'a mut UsageEnvironment,
    pub(crate) connections: &'a mut Connections,
    pub(crate) streams: &'a mut Streams,
    pub(crate) media_sessions: &'a mut MediaSessions,
    pub(crate) pool: &'a mut SessionPool<SessionMedia>,
    pub(crate) hooks: &'a mut dyn ServerHooks,
    /// PLAYs that read in files in this turn.
    pub(crate) seeks: &'a mut TurnBudget,
}

impl Context<'_> {
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
}
