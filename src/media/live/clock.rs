//! [`Clock`]: the relation of an encoder's times to the wall clock, as set by the encoder.

use crate::frame::Frame;
use std::time::Duration;

/// What the wall clock showed at an encoder's time.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pts: Duration,
    wall: Duration,
    /// The latest frame since; none: it was set for what comes next.
    newest: Option<Duration>,
}

impl Clock {
    /// The wall clock showed `wall` at the encoder's `pts`.
    pub(super) const fn new(pts: Duration, wall: Duration) -> Self {
        Self { pts, wall, newest: None }
    }

    /// What the clock that was set shows at a frame. It is of no use to times that begin anew.
    pub(super) fn tell(set: &mut Option<Self>, frame: &Frame) -> Option<Duration> {
        let clock = set.as_mut()?;
        let goes_back = |newest| frame.pts.saturating_add(MAX_REORDERING) < newest;
        if clock.newest.is_some_and(|newest| goes_back(newest) || frame.flags.discontinuity) {
            *set = None;
            return None;
        }
        clock.newest = clock.newest.max(Some(frame.pts));
        clock.at(frame.pts)
    }

    /// What the wall clock shows at `pts`, unless that is too far away to tell.
    fn at(&self, pts: Duration) -> Option<Duration> {
        if pts.abs_diff(self.pts) > CLOCK_VALIDITY {
            return None;
        }
        self.wall.saturating_add(pts).checked_sub(self.pts)
    }
}

/// How long a clock that was set is told to those who begin to watch: later the two clocks may
/// have drifted apart.
const CLOCK_VALIDITY: Duration = Duration::from_secs(10);
/// Pictures go back no further in the order in which they are sent.
const MAX_REORDERING: Duration = Duration::from_secs(1);
