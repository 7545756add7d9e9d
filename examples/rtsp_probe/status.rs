//! [`Status`]: how a probe came out, as its exit status tells.

use riverrun::client::{AttemptError, Disconnection, RequestFailure};
use riverrun::wire::rtsp::{Method, StatusCode};

/// How a probe came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It plays; or no check fails.
    Plays,
    /// Anything that the others are not.
    Failed,
    /// There is no connection, or no RTSP server there.
    Unreachable,
    /// The server does not let this user in.
    Refused,
    /// The server has nothing under that name.
    NotFound,
    /// No media came, or they stopped.
    NoMedia,
    /// A check fails.
    CheckFailed,
}

impl Status {
    /// The exit status.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Plays => 0,
            Self::Failed => 1,
            Self::Unreachable => 2,
            Self::Refused => 3,
            Self::NotFound => 4,
            Self::NoMedia => 5,
            Self::CheckFailed => 6,
        }
    }

    /// The word for it in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Plays => "plays",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::NotFound => "not_found",
            Self::NoMedia => "no_media",
            Self::CheckFailed => "check_failed",
        }
    }

    /// That of a request that was answered so.
    pub(crate) const fn of_response(status: StatusCode) -> Self {
        match status.code() {
            401 | 403 => Self::Refused,
            404 | 410 => Self::NotFound,
            _ => Self::Failed,
        }
    }

    /// That of a request that was not answered.
    pub(crate) const fn of_failure(why: &RequestFailure) -> Self {
        match why {
            RequestFailure::NoCredentials
            | RequestFailure::WrongCredentials
            | RequestFailure::NoScheme(_) => Self::Refused,
            RequestFailure::Timeout | RequestFailure::Disconnected => Self::Unreachable,
            _ => Self::Failed,
        }
    }

    /// That of a player that has ended so. `is_connected`: there was a connection.
    pub(crate) const fn of_player(why: &AttemptError, is_connected: bool) -> Self {
        match why {
            AttemptError::Disconnected(Disconnection::Protocol(_)) => Self::Unreachable,
            AttemptError::Disconnected(_) if is_connected => Self::Failed,
            AttemptError::Disconnected(_) => Self::Unreachable,
            AttemptError::Request(Method::Options | Method::Describe, why) => Self::of_failure(why),
            AttemptError::Request(_, RequestFailure::Timeout) => Self::Failed,
            AttemptError::Request(_, why) => Self::of_failure(why),
            AttemptError::Status(_, status) => Self::of_response(*status),
            AttemptError::NoTracks
            | AttemptError::NoPackets(_)
            | AttemptError::Stalled { .. }
            | AttemptError::EndedByServer => Self::NoMedia,
            _ => Self::Failed,
        }
    }
}
