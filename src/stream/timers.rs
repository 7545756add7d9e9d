//! [`StreamTimers`]: when a stream is run again.

use crate::env::{EventKey, MediumHandle, Timer, UsageEnvironment};
use crate::ids::{KEY_CATCH_UP, KEY_STREAM, KEY_STREAM_RTCP, StreamId};
use std::time::Instant;

/// The timers of one stream. Their events go to the medium that owns the streams, under the
/// stream's id.
#[derive(Debug)]
pub(crate) struct StreamTimers {
    owner: MediumHandle,
    id: StreamId,
    frame: Timer,
    report: Timer,
    catch_up: Timer,
}

impl StreamTimers {
    pub(crate) fn new(owner: MediumHandle, id: StreamId) -> Self {
        let (frame, report, catch_up) = (Timer::default(), Timer::default(), Timer::default());
        Self { owner, id, frame, report, catch_up }
    }

    /// Lets the stream be run at a time: for its next frame, or its next part.
    pub(crate) fn run_at(&mut self, env: &mut UsageEnvironment, at: Instant) {
        let key = EventKey { kind: KEY_STREAM, id: self.id.raw() };
        env.arm_timer(&mut self.frame, self.owner, key, at);
    }

    /// Lets the stream see at a time whether a report is due.
    pub(crate) fn report_at(&mut self, env: &mut UsageEnvironment, at: Instant) {
        let key = EventKey { kind: KEY_STREAM_RTCP, id: self.id.raw() };
        env.arm_timer(&mut self.report, self.owner, key, at);
    }

    /// Lets newcomers get more at a time of what was sent before they came.
    pub(crate) fn catch_up_at(&mut self, env: &mut UsageEnvironment, at: Instant) {
        let key = EventKey { kind: KEY_CATCH_UP, id: self.id.raw() };
        env.arm_timer(&mut self.catch_up, self.owner, key, at);
    }

    /// No more frames are sent, for now; reports go on.
    pub(crate) fn halt(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.frame);
        env.disarm_timer(&mut self.catch_up);
    }

    pub(crate) fn disarm(&mut self, env: &mut UsageEnvironment) {
        self.halt(env);
        env.disarm_timer(&mut self.report);
    }
}
