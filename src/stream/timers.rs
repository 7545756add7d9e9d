//! [`StreamTimers`]: the timers that run a stream.

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

    /// Runs the stream at a time, for its next frame or the next part of one.
    pub(crate) fn run_at(&mut self, env: &mut UsageEnvironment, at: Instant) {
        let key = EventKey { kind: KEY_STREAM, id: self.id.raw() };
        env.arm_timer(&mut self.frame, self.owner, key, at);
    }

    /// Runs the RTCP side of the stream at a time.
    pub(crate) fn report_at(&mut self, env: &mut UsageEnvironment, at: Instant) {
        let key = EventKey { kind: KEY_STREAM_RTCP, id: self.id.raw() };
        env.arm_timer(&mut self.report, self.owner, key, at);
    }

    /// Sends newcomers, at a time, more packets from before they joined.
    pub(crate) fn catch_up_at(&mut self, env: &mut UsageEnvironment, at: Instant) {
        let key = EventKey { kind: KEY_CATCH_UP, id: self.id.raw() };
        env.arm_timer(&mut self.catch_up, self.owner, key, at);
    }

    /// Disarms the timers for frames; reports go on.
    pub(crate) fn halt(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.frame);
        env.disarm_timer(&mut self.catch_up);
    }

    #[cfg(test)]
    pub(crate) fn is_any_armed(&self) -> bool {
        let all = [&self.frame, &self.report, &self.catch_up];
        all.iter().any(|timer| timer.armed_at().is_some())
    }

    pub(crate) fn disarm(&mut self, env: &mut UsageEnvironment) {
        self.halt(env);
        env.disarm_timer(&mut self.report);
    }
}
