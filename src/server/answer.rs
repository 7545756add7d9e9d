//! Answers to requests, before they are bytes.

use super::ClientSessionId;
use crate::wire::rtsp::{Method, Response, StatusCode};

/// The methods that the server implements, in the order of `Public`.
pub(super) const METHODS: [Method; 8] = [
    Method::Options,
    Method::Describe,
    Method::Setup,
    Method::Play,
    Method::Pause,
    Method::Teardown,
    Method::GetParameter,
    Method::SetParameter,
];

/// An answer, and what is done when it is on its way.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<(&'static str, Vec<u8>)>,
    pub(super) then: Then,
}

/// An answer that says no. Boxed, since the other outcome is the common one.
pub(super) type Refusal = Box<Answer>;

/// What follows an answer. Media never go out before the answer to PLAY.
#[derive(Debug, Default)]
pub(super) enum Then {
    #[default]
    Nothing,
    /// Start the tracks (all or one) of the media at `path`.
    Start { session: ClientSessionId, path: String, track: Option<usize>, npt: std::time::Duration },
    /// Close the connection.
    Close,
}

impl Answer {
    pub(super) const fn new(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: None, then: Then::Nothing }
    }

    pub(super) const fn ok() -> Self {
        Self::new(StatusCode::OK)
    }

    pub(super) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(super) fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }

    /// The bytes to send.
    pub(super) fn into_bytes(
        self,
        cseq: Option<&str>,
        unix_seconds: u64,
        server_name: &str,
    ) -> Vec<u8> {
        let mut builder = Response::builder(self.status);
        if let Some(cseq) = cseq {
            builder = builder.header("CSeq", cseq);
        }
        builder = builder.date(unix_seconds).server(server_name);
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        if let Some((content_type, body)) = self.body {
            builder = builder.body(content_type, body);
        }
        let mut out = Vec::with_capacity(512);
        builder.build().write(&mut out);
        out
    }
}

impl From<StatusCode> for Answer {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self::new(Answer::new(status))
    }
}
