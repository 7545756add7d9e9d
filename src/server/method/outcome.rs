//! What serving a request led to: an answer and what follows it, a wait, or a refusal.

use crate::server::hooks::PendingDecision;
use crate::server::method::refusal::Refusal;
use crate::session::client_media::TrackSetup;
use crate::wire::rtsp::StatusCode;
use std::time::Duration;

/// What a method returns: the answer stands written, or the request is not served.
pub(crate) type Served = Result<AfterAnswer, NotServed>;

/// What the server does once the answer has been sent.
#[derive(Debug)]
pub(crate) enum AfterAnswer {
    Nothing,
    /// Starts the tracks of a presentation together. What is to be decoded at `due` goes out first.
    /// Media never go out before the answer to PLAY.
    StartTracks {
        tracks: Vec<TrackSetup>,
        due: Duration,
    },
}

/// Why a request has not been served.
#[derive(Debug)]
pub(crate) enum NotServed {
    Refused(Refusal),
    /// It cannot be answered yet.
    MustWait(Awaited),
}

/// What a request waits for.
#[derive(Debug)]
pub(crate) enum Awaited {
    /// The application's decision about the request itself.
    Decision(PendingDecision),
    /// What the provider has for a name.
    Session { name: String, until: Until },
    /// A turn in which there is room for what the request does.
    Room,
    /// A track's format, which its live input will tell.
    Description,
}

/// When a request that waits can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Until {
    /// In the next turn: there is more to do than fits into this one.
    NextTurn,
    /// When the provider calls its waker, or a decision has been made.
    ProviderWakes,
    /// When a live input has a frame.
    InputWakes,
}

impl Awaited {
    pub(crate) const fn until(&self) -> Until {
        match self {
            Self::Session { until, .. } => *until,
            Self::Decision(_) => Until::ProviderWakes,
            Self::Room => Until::NextTurn,
            Self::Description => Until::InputWakes,
        }
    }
}

impl From<Refusal> for NotServed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StatusCode> for NotServed {
    fn from(status: StatusCode) -> Self {
        Self::Refused(status.into())
    }
}
