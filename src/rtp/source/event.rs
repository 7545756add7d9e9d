//! [`SourceEvent`]: losses and restarts of a stream that is received.

use std::collections::VecDeque;

/// Most events kept until polled.
const MAX_EVENTS: usize = 64;

/// A loss or restart of a stream, as returned by
/// [`RtpSource::poll_event`](super::RtpSource::poll_event).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceEvent {
    /// Packets did not arrive in time and were given up.
    #[non_exhaustive]
    PacketsLost {
        /// Number of packets.
        count: u64,
        /// Sequence number of the first.
        first: u16,
        /// Sequence number of the last.
        last: u16,
    },
    /// The sender changed its SSRC, or another sender replaced it.
    #[non_exhaustive]
    SsrcChanged {
        /// The previous SSRC.
        from: u32,
        /// The new SSRC.
        to: u32,
    },
    /// The sender started over under its SSRC: sequence numbers or timestamps have jumped.
    Restarted,
}

/// Events that wait to be polled.
#[derive(Debug, Default)]
pub(super) struct Events(VecDeque<SourceEvent>);

impl Events {
    /// Appends an event; false if it had to be dropped.
    pub(super) fn push(&mut self, event: SourceEvent) -> bool {
        let has_room = self.0.len() < MAX_EVENTS;
        if has_room {
            self.0.push_back(event);
        }
        has_room
    }

    pub(super) fn pop(&mut self) -> Option<SourceEvent> {
        self.0.pop_front()
    }
}
