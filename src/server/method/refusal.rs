//! [`Refused`]: an answer that refuses a request.

use crate::wire::rtsp::{Headers, RangeError, StatusCode};
use std::fmt::Display;

/// Header fields that an application cannot set.
const OWN_FIELDS: [&str; 6] =
    ["CSeq", "Timestamp", "Date", "Server", "Content-Type", "Content-Length"];

/// An answer that refuses a request.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) fields: Headers<'static>,
    /// Names of parameters that were not understood.
    pub(crate) body: Option<String>,
}

/// Boxed, because the other outcome is the common one.
pub(crate) type Refusal = Box<Refused>;

impl Refused {
    pub(crate) const fn new(status: StatusCode) -> Self {
        Self { status, fields: Headers::new(), body: None }
    }

    pub(crate) fn field(mut self, name: &'static str, value: impl Display) -> Self {
        self.fields.push(name, value);
        self
    }

    /// Adds fields that the application has chosen, except those that the server writes itself.
    pub(crate) fn fields(mut self, fields: &Headers<'_>) -> Self {
        let is_own = |name: &str| OWN_FIELDS.iter().any(|own| own.eq_ignore_ascii_case(name));
        for (name, value) in fields.iter().filter(|(name, _)| !name.is_empty() && !is_own(name)) {
            self.fields.push(name, value);
        }
        self
    }

    /// Whether the connection is closed after the answer.
    pub(crate) fn closes(&self) -> bool {
        self.fields.lists("Connection", "close")
    }

    pub(crate) fn parameters(mut self, body: String) -> Self {
        self.body = Some(body);
        self
    }
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self::new(Refused::new(status))
    }
}

impl From<RangeError> for Refusal {
    fn from(error: RangeError) -> Self {
        Self::from(match error {
            RangeError::Invalid => StatusCode::BAD_REQUEST,
            RangeError::Unsupported => StatusCode::NOT_IMPLEMENTED,
        })
    }
}
