//! [`SourceEvent`]: what happens to a stream besides its frames.

use std::collections::VecDeque;

/// Most events kept until polled.
const MAX_EVENTS: usize = 64;

/// What has happened to a stream, as [`RtpSource::poll_event`](super::RtpSource::poll_event) tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceEvent {
    /// Packets did not arrive in time and have been given up.
    #[non_exhaustive]
    PacketsLost {
        /// Number of packets.
        count: u64,
        /// Sequence number of the first.
        first: u16,
        /// Sequence number of the last.
        last: u16,
    },
    /// Another SSRC has taken the place of the one in use.
    #[non_exhaustive]
    SsrcChanged {
        /// The SSRC before.
        from: u32,
        /// The SSRC that is in use from now on.
        to: u32,
    },
    /// The sender has started anew under its SSRC: sequence numbers or timestamps have jumped.
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
