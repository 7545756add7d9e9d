//! [`Phase`]: where an attempt to play is.

use crate::client::attempt::AttemptError;
use crate::client::event::RequestId;
use crate::client::requests::PlayParameters;
#[cfg(feature = "srtp")]
pub(super) use crate::client::secure::TrackKeys;
use crate::receive::Sockets;
use crate::wire::rtsp::TransportSpec;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) enum Phase {
    Waiting {
        /// `None`: the delay is longer than the clock can count, or the player is paused.
        until: Option<Instant>,
    },
    /// OPTIONS.
    Asking(RequestId),
    Describing {
        request: RequestId,
        /// The back channel is asked for.
        with_back_channel: bool,
    },
    SettingUp(Box<Setup>),
    /// PLAY.
    Starting(Starting),
    Playing(Watch),
    /// PAUSE.
    Pausing {
        pending: Vec<RequestId>,
        /// What is played then, if the pause is for that.
        then: Option<PlayParameters>,
    },
    Paused {
        /// It has played in this session.
        has_played: bool,
    },
    /// TEARDOWN.
    Stopping {
        pending: Vec<RequestId>,
        until: Instant,
    },
    Over,
}

/// There are no keys.
#[cfg(not(feature = "srtp"))]
pub(super) type TrackKeys = std::convert::Infallible;

/// The SETUP of one track.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) request: RequestId,
    pub(super) track: usize,
    pub(super) asked: TransportSpec,
    /// The keys of the track, if it is one with SRTP.
    #[cfg_attr(not(feature = "srtp"), expect(dead_code, reason = "there are none"))]
    pub(super) keys: Option<TrackKeys>,
    pub(super) sockets: Option<Sockets>,
    /// The tracks that follow.
    pub(super) rest: VecDeque<usize>,
    pub(super) failure: Option<AttemptError>,
}

/// The PLAY requests that were sent.
#[derive(Debug)]
pub(super) struct Starting {
    /// Those that are not answered.
    pub(super) pending: Vec<RequestId>,
    pub(super) parameters: PlayParameters,
    /// It is not the first PLAY of the session.
    pub(super) is_again: bool,
    /// What is to be played instead, as was said in the meantime.
    pub(super) then: Option<PlayParameters>,
}

/// When a player began to play, and what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    pub(super) since: Instant,
    /// It is not the first PLAY of the session.
    pub(super) is_again: bool,
    /// Where the time line of the session began.
    pub(super) start: Duration,
    /// Where it ends, if there is an end: later than the start also where the presentation is
    /// played backwards.
    pub(super) end: Option<Duration>,
    /// Seconds of the presentation in one of the time line.
    pub(super) scale: f64,
}

impl Watch {
    /// The place in the presentation of a time on the session's time line.
    pub(super) fn position(&self, at: Duration) -> Duration {
        let played = at.saturating_sub(self.start).as_secs_f64() * self.scale;
        Duration::try_from_secs_f64(self.start.as_secs_f64() + played).unwrap_or_default()
    }
}
