//! [`TimeLine`]: one time line over all the sessions of a player.

use crate::rtp::ReceivedFrame;
use std::time::{Duration, Instant};

/// Puts the frames of one session after the other on one time line: that of the first, which goes
/// on by the clock of this host between two sessions.
#[derive(Debug, Default)]
pub(super) struct TimeLine {
    /// A moment on the time line, and when it was.
    anchor: Option<(Duration, Instant)>,
    /// Greatest presentation time so far.
    latest: Duration,
    /// The same on the time line of the session.
    position: Duration,
    /// Nanoseconds between the session's time line and this one, once a frame has told.
    shift: Option<i128>,
    /// Tracks that have given a frame in this session.
    begun: Vec<usize>,
}

impl TimeLine {
    /// The next frame belongs to another session.
    pub(super) fn end_session(&mut self) {
        self.shift = None;
        self.position = Duration::ZERO;
        self.begun.clear();
    }

    /// Greatest presentation time of the session, on its own time line.
    pub(super) const fn position(&self) -> Duration {
        self.position
    }

    /// Takes note of the time of a packet, on the time line of the session.
    pub(super) fn note_position(&mut self, pts: Duration) {
        self.position = self.position.max(pts);
    }

    /// Moves a frame from the session's time line to this one.
    pub(super) fn place(&mut self, frame: &mut ReceivedFrame, track: usize, now: Instant) {
        self.position = self.position.max(frame.pts);
        let pts = nanos(frame.pts);
        let shift = match (self.shift, self.anchor) {
            (Some(shift), _) => shift,
            (None, None) => {
                self.anchor = Some((frame.pts, now));
                0
            }
            (None, Some((at, since))) => {
                let here = at.saturating_add(now.saturating_duration_since(since));
                // Not back, even where the first session ran ahead of its clock.
                nanos(here.max(self.latest)) - pts
            }
        };
        let is_later_session = self.shift.is_none() && shift != 0;
        self.shift = Some(shift);
        if !self.begun.contains(&track) {
            self.begun.push(track);
            frame.discontinuity |= is_later_session || self.begun.len() > 1 && shift != 0;
        }
        let moved = (pts + shift).max(0);
        frame.pts = Duration::from_nanos(u64::try_from(moved).unwrap_or(u64::MAX));
        self.latest = self.latest.max(frame.pts);
    }
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX / 4)
}
