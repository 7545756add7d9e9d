//! [`Base`]: where a source's time line lies on the clock.

use std::time::{Duration, Instant};

/// Where a source's time line lies on the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base {
    pub(crate) at: Instant,
    pub(crate) npt: Duration,
}

impl Base {
    /// When what is decoded at `dts` is due.
    pub(crate) fn due_at(self, dts: Duration) -> Instant {
        match dts.checked_sub(self.npt) {
            Some(after) => self.at.checked_add(after).unwrap_or(self.at),
            None => self.at,
        }
    }

    /// Running time of a presentation time. What lies before the base (a key frame before the
    /// position that was asked for) comes out before it, down to 0.
    pub(crate) fn running_time(self, epoch: Instant, pts: Duration) -> Duration {
        let at = self.at.saturating_duration_since(epoch);
        match pts.checked_sub(self.npt) {
            Some(after) => at.saturating_add(after),
            None => at.saturating_sub(self.npt - pts),
        }
    }
}
