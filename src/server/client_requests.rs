//! Requests from the server to its clients (RFC 2326 section 10 allows GET_PARAMETER,
//! SET_PARAMETER, ANNOUNCE and REDIRECT in this direction), and their outcomes.

use crate::arena::shrink_map;
use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::ids::{ClientSessionId, ConnectionId};
use crate::rtsp::machine::RequestError;
use crate::server::rtsp_server::RtspServer;
use crate::wire::rtsp::{Request, Response};
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// The outcome of a request that the server sent to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestOutcome {
    /// The client has responded.
    Response(Response<'static>),
    /// The client has not responded in time.
    TimedOut,
    /// The connection ended before the response came.
    ConnectionLost,
}

type Handler = Box<dyn FnOnce(&mut RtspServer, &mut UsageEnvironment, RequestOutcome)>;

/// Requests that wait for their responses. Each connection limits their number.
#[derive(Default)]
pub(crate) struct ClientRequests {
    /// Handlers with their `CSeq`s by connection, in the order of the requests.
    handlers: HashMap<ConnectionId, Vec<(u32, Handler)>>,
}

impl ClientRequests {
    /// Takes out the handler of a request.
    fn take(&mut self, id: ConnectionId, cseq: u32) -> Option<Handler> {
        let handlers = self.handlers.get_mut(&id)?;
        let at = handlers.iter().position(|(of, _)| *of == cseq)?;
        let (_, handler) = handlers.remove(at);
        if handlers.is_empty() {
            self.handlers.remove(&id);
            shrink_map(&mut self.handlers);
        }
        Some(handler)
    }
}

impl fmt::Debug for ClientRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRequests").field("connections", &self.handlers.len()).finish()
    }
}

impl RtspServer {
    /// Sends a request to the client of a session over the session's connection, and calls
    /// `on_outcome` once with the outcome: within `timeout`, or when the connection ends. The
    /// server adds `CSeq`, and `Session` unless the request has it.
    ///
    /// Few clients expect requests from a server; many answer with an error or not at all.
    ///
    /// # Errors
    /// [`Error::Usage`]: there is no such session, its connection has ended, or 16 requests to this
    /// client are unanswered. [`Error::Io`]: the connection cannot be written to.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use riverrun::env::UsageEnvironment;
    /// use riverrun::server::{ClientSessionId, RtspServer};
    /// use riverrun::wire::rtsp::{Method, Request};
    /// use std::time::Duration;
    ///
    /// fn ping(server: &mut RtspServer, env: &mut UsageEnvironment, session: ClientSessionId) {
    ///     let request = Request::new(Method::GetParameter, "rtsp://camera.example/live");
    ///     let sent = server.send_request(env, session, request, Duration::from_secs(5), |_, _, outcome| {
    ///         println!("{outcome:?}");
    ///     });
    ///     if let Err(e) = sent {
    ///         println!("not asked: {e}");
    ///     }
    /// }
    /// ```
    pub fn send_request(
        &mut self,
        env: &mut UsageEnvironment,
        session: ClientSessionId,
        mut request: Request<'_>,
        timeout: Duration,
        on_outcome: impl FnOnce(&mut Self, &mut UsageEnvironment, RequestOutcome) + 'static,
    ) -> Result<(), Error> {
        let state = self.pool.session(session).ok_or(Error::Usage("no such client session"))?;
        if !request.headers.contains("Session") {
            request.headers.push("Session", state.id());
        }
        let id = state.connection().map(ConnectionId::from_raw);
        let lost = Error::Usage("the client session has no connection");
        let connection = id.and_then(|id| Some((id, self.connections.get_mut(id)?)));
        let Some((id, connection)) = connection else { return Err(lost) };
        match connection.send_request(env, &mut request, timeout) {
            Ok(cseq) => {
                let handlers = self.client_requests.handlers.entry(id).or_default();
                handlers.push((cseq, Box::new(on_outcome)));
                Ok(())
            }
            Err(RequestError::Closing) => Err(lost),
            Err(RequestError::TooMany) => Err(Error::Usage("too many requests are unanswered")),
            Err(RequestError::Io(e)) => {
                self.end_connection(env, id, &e.to_string());
                Err(Error::Io(e))
            }
        }
    }

    /// Passes a response to the handler of its request.
    pub(crate) fn handle_response(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        cseq: u32,
        response: Response<'_>,
    ) {
        // The final one follows.
        if response.status.code() < 200 {
            return;
        }
        let outcome = RequestOutcome::Response(response.into_owned());
        self.tell_outcome(env, (id, cseq), outcome);
    }

    /// Calls the handlers of requests that a connection's client has not answered in time.
    pub(crate) fn tell_unanswered(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        let now = env.now();
        while let Some(cseq) = self.connections.get_mut(id).and_then(|c| c.poll_unanswered(now)) {
            self.tell_outcome(env, (id, cseq), RequestOutcome::TimedOut);
        }
    }

    /// Calls the handlers of all requests on a connection that has ended.
    pub(crate) fn abandon_requests(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        while let Some(handlers) = self.client_requests.handlers.remove(&id) {
            for (_, on_outcome) in handlers {
                on_outcome(self, env, RequestOutcome::ConnectionLost);
            }
        }
    }

    fn tell_outcome(
        &mut self,
        env: &mut UsageEnvironment,
        (id, cseq): (ConnectionId, u32),
        outcome: RequestOutcome,
    ) {
        if let Some(on_outcome) = self.client_requests.take(id, cseq) {
            on_outcome(self, env, outcome);
        }
    }
}
