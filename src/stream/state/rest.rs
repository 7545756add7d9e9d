//! A stream that passes packets on goes on without viewers while its source is there: it sends
//! nothing, and keeps the packets since the last key frame for the next viewer.

use super::{Phase, StreamState};
use crate::env::UsageEnvironment;
use crate::payload::{RTP_HEADER_LEN, TCP_PREFIX_LEN};
use crate::rtp::ReceivedPacket;
use crate::stream::key_frames::FramePart;
use crate::stream::send_context::SendContext;
use crate::stream::timers::StreamTimers;
use std::time::Duration;

impl StreamState {
    /// Whether it keeps packets for newcomers, so that there is a reason to go on without viewers. A
    /// protected stream has none: its keys change with its viewers.
    pub(crate) const fn can_rest(&self) -> bool {
        self.relay.is_some()
            && self.shared
            && !self.is_secure
            && self.distribution.keeps_packets()
            && !matches!(self.phase, Phase::Ended)
    }

    /// Begins to go on without viewers: nothing of it runs by itself any more. The stream must have no
    /// destinations.
    pub(crate) fn rest(&mut self, env: &mut UsageEnvironment, context: &mut SendContext<'_>) {
        self.send_pending(env, context);
        self.distribution.rest(context);
        self.reports.rest();
        self.timers.disarm(env);
        if self.phase == Phase::Idle {
            self.phase = Phase::Playing;
            self.playback.begin(env.now(), Duration::ZERO);
        }
    }

    /// Ends the rest: the stream has an id again, under which its timers expire.
    pub(crate) fn end_rest(&mut self, timers: StreamTimers) {
        self.timers = timers;
    }

    /// Keeps a packet of the source for newcomers, and sends it to nobody. It is copied once.
    pub(super) fn keep_packet(&mut self, packet: &ReceivedPacket<'_>, part: FramePart) {
        let len = TCP_PREFIX_LEN + RTP_HEADER_LEN + packet.content_len();
        let sink = &mut self.sink;
        self.distribution.keep(len, part, |kept| sink.relay(packet, kept));
    }
}
