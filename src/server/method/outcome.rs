//! The outcome of a method: an answer and the action that follows it, a wait, or a refusal.

use crate::ids::PublicationId;
use crate::server::hooks::{Admission, PendingDecision};
use crate::server::method::refusal::Refusal;
use crate::session::client_media::TrackSetup;
use crate::wire::rtsp::StatusCode;
use std::time::Duration;

/// The result of a method: the answer has been written, or the request is not served.
pub(crate) type Served = Result<AfterAnswer, NotServed>;

/// The server's action after the answer has been sent.
#[derive(Debug)]
pub(crate) enum AfterAnswer {
    Nothing,
    /// Starts the tracks of a presentation together: a frame whose decoding time is `due` is sent
    /// immediately. Media are never sent before the answer to PLAY.
    StartTracks {
        tracks: Vec<TrackSetup>,
        due: Duration,
    },
    /// Passes on what is published from now on. If that fails, the request is refused instead.
    Record(PublicationId),
}

/// The reason for which a request has not been served.
#[derive(Debug)]
pub(crate) enum NotServed {
    Refused(Refusal),
    /// The request cannot be answered yet.
    MustWait(Awaited),
}

/// The event that a request waits for.
#[derive(Debug)]
pub(crate) enum Awaited {
    /// A decision about the request.
    Decision(Stage, PendingDecision),
    /// The time at which a decision about the request takes effect.
    Delay { stage: Stage, admission: Admission, delay: Duration },
    /// The provider's answer for a name.
    Session { name: String, until: Until },
    /// A turn with room for the work of the request.
    Room,
    /// The format of a live track, which its input will supply.
    Description,
    /// A back channel, which is being opened.
    BackChannel,
}

/// The decisions that are made about a request before it is answered, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The authenticator's, on whose behalf the request is made.
    Authentication,
    /// The application's.
    Admission,
}

/// On whose behalf a request is made.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    pub(crate) user: Option<String>,
    /// A stream that the request may have, whatever the rights of the user are.
    pub(crate) granted: Option<String>,
}

/// The event after which a waiting request is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// The next turn: the work does not fit into this one.
    NextTurn,
    /// A call of the provider's waker, or a decision.
    ProviderWakes,
    /// A frame of a live input.
    InputWakes,
    /// A back channel that has been opened, or cannot be.
    BackChannelOpens,
    /// The end of the time for which the request waits.
    TimeIsOver,
}

impl Until {
    /// Number of events.
    pub(crate) const COUNT: usize = Self::TimeIsOver as usize + 1;
}

impl Awaited {
    pub(crate) const fn until(&self) -> Until {
        match self {
            Self::Session { until, .. } => *until,
            Self::Decision(..) => Until::ProviderWakes,
            Self::Delay { .. } => Until::TimeIsOver,
            Self::Room => Until::NextTurn,
            Self::Description => Until::InputWakes,
            Self::BackChannel => Until::BackChannelOpens,
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
