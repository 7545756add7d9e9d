//! [`LiveClocks`]: the time lines of the live presentations that are being streamed.

use crate::arena::{Arena, Id};
use crate::stream::live_clock::LiveClock;
use std::time::Instant;

/// Names the time line of a live presentation.
pub(crate) type LiveClockId = Id<LiveClock>;

/// The time lines of live presentations. Each exists as long as a stream is on it.
#[derive(Debug, Default)]
pub(crate) struct LiveClocks {
    table: Arena<LiveClock>,
}

impl LiveClocks {
    /// Puts a stream on the line of its presentation, which begins with the first that does.
    pub(crate) fn join(
        &mut self,
        presentation: &mut Option<LiveClockId>,
        now: Instant,
    ) -> LiveClockId {
        let known = presentation.filter(|id| self.table.contains(*id));
        let id = known.unwrap_or_else(|| self.table.insert(LiveClock::new(now)));
        if let Some(clock) = self.table.get_mut(id) {
            clock.streams += 1;
        }
        *presentation = Some(id);
        id
    }

    /// Takes a stream off its line, which goes with the last of its streams: the next viewer
    /// begins another.
    pub(crate) fn leave(&mut self, id: LiveClockId) {
        if let Some(clock) = self.table.get_mut(id) {
            clock.streams = clock.streams.saturating_sub(1);
            if clock.streams == 0 {
                self.table.remove(id);
            }
        }
    }

    pub(crate) fn get_mut(&mut self, id: LiveClockId) -> Option<&mut LiveClock> {
        self.table.get_mut(id)
    }
}
