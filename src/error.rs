//! Errors by blame: who has to change something for the call to succeed.

use std::{fmt, io};

/// What went wrong, and whose fault it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Bytes from outside that do not follow their format.
    Malformed(crate::wire::ParseError),
    /// The peer broke a rule of the protocol, in well-formed messages.
    Peer(&'static str),
    /// A configured limit is reached.
    Limit {
        /// What is limited.
        what: &'static str,
        /// The limit in force.
        limit: usize,
    },
    /// The caller broke a rule of this crate; never caused by input.
    Usage(&'static str),
    /// A file cannot be served, and why.
    Media(String),
    /// A payload format is unknown or cannot be used as it was described; names it
    /// (see [`FormatError`](crate::payload::FormatError)).
    Format(String),
    /// The operating system refused an operation.
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
            Self::Format(what) => f.write_str(what),
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
