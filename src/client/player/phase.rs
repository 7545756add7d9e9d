//! [`Phase`]: where an attempt to play is.

use crate::client::event::RequestId;
use crate::client::player::event::PlayerError;
use crate::receive::Sockets;
use crate::wire::rtsp::TransportSpec;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) enum Phase {
    Waiting {
        /// `None`: the delay is longer than the clock can count.
        until: Option<Instant>,
    },
    /// OPTIONS.
    Asking(RequestId),
    Describing(RequestId),
    SettingUp(Box<Setup>),
    /// PLAY.
    Starting(RequestId),
    Playing(Watch),
    /// TEARDOWN.
    Stopping {
        request: RequestId,
        until: Instant,
    },
    Over,
}

/// The SETUP of one track.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) request: RequestId,
    pub(super) track: usize,
    pub(super) asked: TransportSpec,
    pub(super) sockets: Option<Sockets>,
    /// The tracks that follow.
    pub(super) rest: VecDeque<usize>,
    pub(super) failure: Option<PlayerError>,
}

/// When a player began to play, and what it plays to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    pub(super) since: Instant,
    /// Normal play time of the end, if there is one.
    pub(super) end: Option<Duration>,
}

/// The requests that keep a session alive.
#[derive(Debug, Default)]
pub(super) struct KeepAlive {
    pub(super) at: Option<Instant>,
    interval: Duration,
    /// Those that were sent and not answered.
    pub(super) pending: Vec<RequestId>,
}

/// Keep-alive requests that may be unanswered at a time.
const MAX_PENDING: usize = 4;

impl KeepAlive {
    pub(super) fn begin(&mut self, now: Instant, interval: Duration) {
        self.interval = interval;
        self.at = now.checked_add(interval);
    }

    /// Whether `request` was one of these; it is answered now.
    pub(super) fn take_answer(&mut self, request: RequestId) -> bool {
        let before = self.pending.len();
        self.pending.retain(|pending| *pending != request);
        self.pending.len() < before
    }

    /// Whether one is to be sent.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        if self.at.is_none_or(|at| now < at) {
            return false;
        }
        self.at = now.checked_add(self.interval);
        self.pending.len() < MAX_PENDING
    }
}
