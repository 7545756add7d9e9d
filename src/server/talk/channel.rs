//! [`BackChannel`]: where clients talk to, one at a time, and whether they may now.

use super::options::BackChannelOptions;
use super::sink::BackChannelSink;
use super::talker::Talker;
use crate::ids::ClientSessionId;
use crate::wire::rtsp::StatusCode;
use std::fmt;
use std::time::Instant;

/// A back channel of a server.
pub(crate) struct BackChannel {
    pub(crate) options: BackChannelOptions,
    pub(super) sink: Box<dyn BackChannelSink>,
    pub(super) gate: Gate,
    /// The client that talks, if one does.
    pub(crate) talker: Option<Talker>,
}

/// Whether what is behind a back channel is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    /// It is opened when a client wants to talk.
    Closed,
    /// It is being opened; clients wait.
    Opening,
    /// It could not be opened.
    Refused {
        status: StatusCode,
        until: Option<Instant>,
    },
}

/// What a client that wants to talk may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It may talk.
    Now,
    /// It waits until the channel is open.
    Later,
    /// Another client talks.
    Taken,
    /// The channel cannot be opened.
    Refused(StatusCode),
}

impl fmt::Debug for BackChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackChannel")
            .field("options", &self.options)
            .field("gate", &self.gate)
            .field("talker", &self.talker)
            .finish_non_exhaustive()
    }
}

impl BackChannel {
    pub(super) fn new(options: BackChannelOptions, sink: Box<dyn BackChannelSink>) -> Self {
        let gate = if options.is_opened_on_demand { Gate::Closed } else { Gate::Open };
        Self { options, sink, gate, talker: None }
    }

    /// Whether it is to be opened.
    pub(crate) fn is_wanted(&self) -> bool {
        self.gate == Gate::Opening
    }

    /// What a client may do that wants to talk, in a session if it has one.
    pub(crate) fn turn_of(&mut self, session: Option<ClientSessionId>, now: Instant) -> Turn {
        if self.talker.as_ref().is_some_and(|talker| Some(talker.session) != session) {
            return Turn::Taken;
        }
        match self.gate {
            Gate::Open => Turn::Now,
            Gate::Opening => Turn::Later,
            Gate::Refused { status, until } if until.is_none_or(|until| now < until) => {
                Turn::Refused(status)
            }
            Gate::Closed | Gate::Refused { .. } => {
                self.gate = Gate::Opening;
                self.sink.wanted();
                Turn::Later
            }
        }
    }
}
