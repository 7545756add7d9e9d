//! What a server answers, and what it asks.

use super::{Link, Outstanding, RtspClient};
use crate::client::authenticator::{Attempt, AuthVerdict, Authenticator};
use crate::client::event::{ClientEvent, Disconnection, RequestFailure, RequestId};
use crate::client::server_address::{ServerAddress, resolve};
use crate::env::UsageEnvironment;
use crate::wire::rtsp::{Method, Request, RequestUri, Response, StatusCode};
use crate::wire::text::to_hex;
use crate::wire::url::{RtspUrl, Scheme};

impl RtspClient {
    pub(super) fn take_outstanding(&mut self, cseq: u32) -> Option<Outstanding> {
        let at = self.outstanding.iter().position(|o| o.cseq == Some(cseq))?;
        Some(self.outstanding.remove(at))
    }

    pub(super) fn fail(&mut self, request: RequestId, why: RequestFailure) {
        self.events.push_back(ClientEvent::Failed { request, why });
    }

    pub(super) fn handle_response(
        &mut self,
        env: &mut UsageEnvironment,
        cseq: u32,
        response: Response<'_>,
    ) {
        if response.status.code() < 200 {
            return;
        }
        let Some(outstanding) = self.take_outstanding(cseq) else { return };
        let now = env.now();
        self.round_trip = outstanding.sent_at.map(|at| now.saturating_duration_since(at));
        let status = response.status;
        log::debug!("client: {} is answered {status}", outstanding.request.method);
        match status.code() {
            401 => self.handle_unauthorized(env, outstanding, &response),
            301 | 302 | 303 | 305 if response.headers.contains("Location") => {
                self.handle_redirect(env, outstanding, &response);
            }
            _ => {
                let response = response.into_owned();
                self.events.push_back(ClientEvent::Response { request: outstanding.id, response });
            }
        }
        self.transmit_waiting(env);
    }

    fn handle_unauthorized(
        &mut self,
        env: &mut UsageEnvironment,
        mut outstanding: Outstanding,
        response: &Response<'_>,
    ) {
        let mut random = [0; 16];
        env.fill_random(&mut random);
        let cnonce = to_hex(&random);
        let attempt = outstanding.attempt;
        let why = match self.authenticator.handle_unauthorized(&response.headers, attempt, cnonce) {
            AuthVerdict::SendAgain => {
                outstanding.cseq = None;
                // In its place: requests go in the order in which they were made.
                let at = self.outstanding.partition_point(|other| other.id < outstanding.id);
                return self.outstanding.insert(at, outstanding);
            }
            AuthVerdict::Refused => RequestFailure::WrongCredentials,
            AuthVerdict::NoUser => RequestFailure::NoCredentials,
            AuthVerdict::Unsupported(offered) => RequestFailure::NoScheme(offered),
        };
        self.fail(outstanding.id, why);
    }

    /// RFC 2326 section 11.3 and RFC 2068 section 10.3.
    fn handle_redirect(
        &mut self,
        env: &mut UsageEnvironment,
        mut outstanding: Outstanding,
        response: &Response<'_>,
    ) {
        let id = outstanding.id;
        let location = response.headers.value("Location").unwrap_or_default().trim();
        let before = outstanding.request.url.as_str().to_owned();
        let target = match RtspUrl::parse(&before) {
            Ok(base) => resolve(&base, location),
            Err(_) => location.into(),
        };
        let Ok(url) = RtspUrl::parse(&target) else {
            return self.fail(id, RequestFailure::BadRedirect(location.to_owned()));
        };
        let is_downgrade = self
            .server
            .as_ref()
            .is_some_and(|server| server.scheme == Scheme::Rtsps && url.scheme != Scheme::Rtsps);
        if is_downgrade {
            return self.fail(id, RequestFailure::BadRedirect(url.to_string()));
        }
        if outstanding.redirects >= self.config.max_redirects {
            return self.fail(id, RequestFailure::TooManyRedirects);
        }
        outstanding.redirects += 1;
        outstanding.cseq = None;
        outstanding.attempt = Attempt::default();
        outstanding.request.url = RequestUri::new(url.to_string());
        self.events.push_back(ClientEvent::Redirected { request: id, url: url.to_string() });
        let server = ServerAddress::of(&url);
        // A password is for the server that it was configured for: credentials in a redirection
        // are not the user's, and none go to another host.
        if self.server.as_ref().is_some_and(|s| s.host != server.host) {
            self.authenticator = Authenticator::new(None, self.config.auth_schemes);
        }
        if self.server.as_ref() != Some(&server) {
            // What else was asked of the old server has no answer any more.
            for other in std::mem::take(&mut self.outstanding) {
                self.fail(other.id, RequestFailure::Redirected);
            }
            self.drop_link(env);
            self.server = Some(server);
        }
        self.outstanding.push(outstanding);
        self.send_waiting(env);
    }

    pub(super) fn handle_request(&mut self, env: &mut UsageEnvironment, request: Request<'_>) {
        let status = match request.method {
            Method::Options | Method::GetParameter => StatusCode::OK,
            _ => StatusCode::NOT_IMPLEMENTED,
        };
        let mut response = Response::new(status);
        for name in ["CSeq", "Session"] {
            if let Some(value) = request.headers.value(name) {
                response.headers.push(name, value);
            }
        }
        if request.method == Method::Options {
            response.headers.push("Public", "OPTIONS, GET_PARAMETER");
        }
        self.events.push_back(ClientEvent::ServerRequest(request.into_owned()));
        let Link::Up(connection) = &mut self.link else { return };
        if let Err(e) = connection.send_answer(env, &response.to_bytes()) {
            self.disconnect(env, Disconnection::Io(e));
        } else if connection.takes_no_answers() {
            self.disconnect(env, Disconnection::Stalled);
        }
    }
}
