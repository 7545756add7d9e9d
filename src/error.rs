//! [`Error`]: errors, classified by who has to change something for the call to succeed.

use std::{fmt, io};

/// An error, classified by its cause.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Data from outside do not follow their format.
    Malformed(crate::wire::ParseError),
    /// The peer has violated a rule of the protocol, in well-formed messages.
    Peer(&'static str),
    /// A configured limit is reached.
    Limit {
        /// The limited quantity.
        what: &'static str,
        /// The value of the limit.
        limit: usize,
    },
    /// The caller has violated a rule of this crate; never caused by input.
    Usage(&'static str),
    /// A file cannot be served, for the given reason.
    Media(String),
    /// A payload format, which the text names, is unknown or cannot be used as described (see
    /// [`FormatError`](crate::payload::FormatError)).
    Format(String),
    /// A certificate, a key or a configuration of TLS cannot be used, for the given reason.
    Tls(String),
    /// The operating system has refused an operation.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(e) => write!(f, "malformed input: {e}"),
            Self::Peer(what) => write!(f, "peer misbehaved: {what}"),
            Self::Limit { what, limit } => write!(f, "limit reached: {what} (limit {limit})"),
            Self::Usage(what) => write!(f, "wrong use: {what}"),
            Self::Media(what) => write!(f, "media: {what}"),
            Self::Format(what) | Self::Tls(what) => f.write_str(what),
            Self::Io(e) => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(e) => Some(e),
            Self::Io(e) => Some(e),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl From<crate::wire::ParseError> for Error {
    fn from(e: crate::wire::ParseError) -> Self {
        Self::Malformed(e)
    }
}
