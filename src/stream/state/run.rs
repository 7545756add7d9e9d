//! What a stream does when one of its timers has expired: frames, reports, and the end.

use super::{Phase, StreamState};
use crate::env::UsageEnvironment;
use crate::frame::Frame;
use crate::payload::PacketBuffer;
use crate::stream::destinations::Recipients;
use crate::stream::key_frames::FramePart;
use crate::stream::playback::NextFrame;
use crate::stream::send_context::SendContext;
use std::ops::Range;
use std::time::{Duration, Instant};

/// The end is told this long after the last packet at the earliest: a receiver that finds both
/// at once may look at RTCP first, and drop what it has not read.
const END_DELAY: Duration = Duration::from_millis(100);

/// How long the end is put off for newcomers who are still being sent what came before.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(2);

/// Whether a stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunOutcome {
    Running,
    /// The key of its packets is nearly used up: it ends in a moment.
    Retired,
    Ended,
}

impl StreamState {
    /// Arms the stream's timers for `at`.
    pub(crate) fn wake(&mut self, env: &mut UsageEnvironment, at: Instant) {
        self.timers.run_at(env, at);
        // Newcomers do not put off the next part of a report.
        if !self.reports.is_under_way() {
            self.wake_for_rtcp(env);
        }
        if self.distribution.destinations().is_anyone_catching_up() {
            self.timers.catch_up_at(env, at);
        }
    }

    // Frames

    /// Sends what is due, at most `budget` frames, and arms the timer for what is not.
    pub(crate) fn run(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        budget: usize,
    ) -> RunOutcome {
        let now = env.now();
        if !self.is_playing() {
            return RunOutcome::Running;
        }
        let reports = self.reports.is_under_way();
        let mut sent = self.distribution.next_part_at().is_some();
        if let Some(next) = self.distribution.go_on(env, context) {
            self.timers.run_at(env, next);
            return RunOutcome::Running;
        }
        if let Phase::Ending(at) = self.phase {
            // There is one BYE on its way at a time.
            if now >= at && !self.waits_for_newcomers(at, now) && !self.reports.is_leaving() {
                return self.end(env, context);
            }
            let at = if now < at { at } else { now + END_DELAY };
            self.timers.run_at(env, at);
            return RunOutcome::Running;
        }
        if self.distribution.is_key_nearly_used_up() {
            return self.retire(env, context);
        }
        if self.relay.is_some() {
            // There is nothing to ask for: packets come by themselves.
            self.greet_newcomers(env, context, sent);
            self.send_pending(env, context);
            return RunOutcome::Running;
        }
        let mut wake_at = now;
        for _ in 0..budget {
            if self.distribution.next_part_at().is_some() {
                break;
            }
            let (demuxers, live_clocks) = (&mut *context.demuxers, &mut *context.live_clocks);
            match self.playback.poll_frame(now, demuxers, live_clocks, self.sink.ssrc()) {
                NextFrame::Due { frame, running_time, jumped } => {
                    if jumped {
                        self.flush_to_all(env, context);
                    }
                    sent |= self.send_frame(env, context, &frame, running_time);
                    context.demuxers.frame_memory().give_back(frame.data);
                }
                NextFrame::NotBefore(at) => {
                    wake_at = at;
                    break;
                }
                NextFrame::AwaitsInput => {
                    self.greet_newcomers(env, context, sent);
                    return RunOutcome::Running;
                }
                NextFrame::AskAgain => {}
                NextFrame::BeganAnew => self.key_frames.reset(),
                NextFrame::PausePoint => {
                    self.pause_all(env, context);
                    return RunOutcome::Running;
                }
                NextFrame::End(npt) => {
                    wake_at = self.begin_end(env, context, npt);
                    break;
                }
            }
        }
        let wake_at = self.distribution.next_part_at().unwrap_or(wake_at);
        self.greet_newcomers(env, context, sent);
        self.timers.run_at(env, wake_at);
        if self.reports.is_under_way() && !reports {
            self.wake_for_rtcp(env);
        }
        RunOutcome::Running
    }

    /// Returns whether there were packets to send.
    fn send_frame(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        frame: &Frame,
        running_time: Duration,
    ) -> bool {
        self.playback.note_sent(frame);
        // Of a flush, where the time line jumps.
        self.distribution.finish(env, context);
        let part = self.key_frames.handle_frame(frame);
        if part.key {
            self.key_frame_requests.handle_key_frame();
        }
        let mut batch = context.memory.take();
        if self.pace().is_unscaled() {
            self.sink.handle_frame(frame, running_time, &mut batch);
        } else {
            // RTP time follows the presentation, and not the differences of normal play times.
            let presented = Frame { pts: running_time, ..frame.clone() };
            self.sink.handle_frame(&presented, running_time, &mut batch);
        }
        self.send_packets(env, context, batch, part, frame.duration)
    }

    /// Sends a batch, and with it a report that waits for one. Returns whether there were packets.
    pub(super) fn send_packets(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        batch: PacketBuffer,
        part: FramePart,
        duration: Duration,
    ) -> bool {
        let batch = self.distribution.protect(context, batch);
        let has_packets = !batch.is_empty();
        let brings_report = has_packets && self.reports.awaits_frame();
        let report = if brings_report {
            let sender = self.sender_state(env);
            self.reports.write_due(env.now(), sender, &mut self.distribution)
        } else {
            &[]
        };
        self.distribution.send_batch(env, context, batch, part, report, duration);
        if brings_report {
            self.reports.begin_round(Recipients::PlayingOverUdp);
        }
        has_packets
    }

    /// Sends what the packetizer holds back, in parts where there is a crowd. Nobody waits for
    /// more of the frame before it.
    pub(super) fn flush_to_all(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        self.distribution.drop_batch(context);
        if !self.sink.holds_back() {
            return;
        }
        let mut batch = context.memory.take();
        self.sink.flush(&mut batch);
        let batch = self.distribution.protect(context, batch);
        let part = self.key_frames.of_what_was_held_back();
        self.distribution.send_batch(env, context, batch, part, &[], Duration::ZERO);
    }

    /// Sends newcomers more of what was sent before they came, and arms the timer for the rest.
    pub(crate) fn run_catch_up(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        if !self.is_playing() {
            return;
        }
        if let Some(at) = self.distribution.run_catch_up(env, context) {
            self.timers.catch_up_at(env, at);
        }
        self.greet_newcomers(env, context, true);
    }

    // Reports

    /// Sends a report that is due, or a part of the report or BYE that is on its way. Returns the
    /// slots in the table of the destinations that it went to.
    pub(crate) fn run_rtcp(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) -> Range<usize> {
        let now = env.now();
        if self.phase == Phase::Playing && self.distribution.is_key_nearly_used_up() {
            self.timers.run_at(env, now);
        }
        if self.reports.is_due(now) {
            let destinations = self.distribution.destinations();
            let has_company = self.is_playing() && destinations.is_anyone_playing_over_tcp();
            if let Some(until) = has_company.then(|| self.reports.wait_for_frame(now)).flatten() {
                self.timers.report_at(env, until);
                return 0..0;
            }
            let sender = self.sender_state(env);
            self.reports.write_due(now, sender, &mut self.distribution);
            self.reports.begin_round(Recipients::Playing);
        }
        let slots = self.reports.send_some(&mut self.distribution, env, context);
        self.answer_reference_times(env, context);
        self.wake_for_rtcp(env);
        slots
    }

    /// Whether a report or a BYE is on its way, which some destinations have not been sent yet.
    #[cfg(test)]
    pub(crate) const fn is_reporting(&self) -> bool {
        self.reports.is_under_way()
    }

    /// Arms the timer for the next report, or the next part of this one.
    pub(super) fn wake_for_rtcp(&mut self, env: &mut UsageEnvironment) {
        if let Some(at) = self.reports.poll_timeout(env.now()) {
            self.timers.report_at(env, at);
        }
    }

    /// Sends a report to newcomers that have their first packets, and answers receivers that measure
    /// the round-trip time. `sent` tells whether packets have gone out.
    pub(super) fn greet_newcomers(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        sent: bool,
    ) {
        let is_on_its_way = self.distribution.next_part_at().is_some();
        if sent && !is_on_its_way && self.distribution.destinations().has_newcomers() {
            let sender = self.sender_state(env);
            self.reports.greet_newcomers(sender, &mut self.distribution, env, context);
        }
        self.answer_reference_times(env, context);
    }

    fn answer_reference_times(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        if self.distribution.destinations().owes_answers() {
            let sender = self.sender_state(env);
            self.reports.answer_reference_times(sender, &mut self.distribution, env, context);
        }
    }

    // The end

    /// Sends what the packetizer holds back; returns when the end is to be told.
    fn begin_end(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        npt: Duration,
    ) -> Instant {
        self.flush_to_all(env, context);
        let now = env.now();
        let over = self.playback.time_line().due_at(npt).unwrap_or(now);
        let at = over.max(now + END_DELAY);
        self.phase = Phase::Ending(at);
        at
    }

    /// Begins the end, as RFC 3711 section 9.2 demands where there is no other key: RTSP has no message
    /// that tells one to clients that play.
    fn retire(&mut self, env: &mut UsageEnvironment, context: &mut SendContext<'_>) -> RunOutcome {
        self.send_pending(env, context);
        self.flush_to_all(env, context);
        let at = env.now() + END_DELAY;
        self.phase = Phase::Ending(at);
        self.timers.run_at(env, at);
        if std::mem::replace(&mut self.is_retired, true) {
            return RunOutcome::Running;
        }
        RunOutcome::Retired
    }

    /// Whether the end is put off for newcomers who have not had all yet; not for long.
    fn waits_for_newcomers(&self, end: Instant, now: Instant) -> bool {
        self.distribution.destinations().is_anyone_catching_up()
            && now.saturating_duration_since(end) < CATCH_UP_PATIENCE
    }

    /// Stops sending to everybody: the pause point is reached.
    fn pause_all(&mut self, env: &mut UsageEnvironment, context: &mut SendContext<'_>) {
        self.flush_to_all(env, context);
        self.playback.range_mut().set_pause_point(None);
        self.distribution.destinations_mut().stop_all();
        self.halt(env);
    }

    /// Stops the source and the timers for frames; reports go on.
    pub(super) fn halt(&mut self, env: &mut UsageEnvironment) {
        self.timers.halt(env);
        self.distribution.halt();
        if self.is_playing() {
            self.phase = Phase::Idle;
            self.playback.halt(env.now());
        }
    }

    /// Ends the stream. A client that named the end of the range knows that it is reached; all
    /// others are told.
    fn end(&mut self, env: &mut UsageEnvironment, context: &mut SendContext<'_>) -> RunOutcome {
        self.timers.halt(env);
        if self.range().stop_at().is_none() {
            self.begin_leaving(env);
            self.reports.send_some(&mut self.distribution, env, context);
            self.wake_for_rtcp(env);
        }
        self.phase = Phase::Ended;
        self.distribution.destinations_mut().stop_all();
        RunOutcome::Ended
    }

    fn begin_leaving(&mut self, env: &UsageEnvironment) {
        let sender = self.sender_state(env);
        self.reports.begin_leaving(sender, &mut self.distribution);
    }

    /// Ends the stream and tells everybody in this turn, because nobody runs the stream any more.
    pub(crate) fn end_at_once(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        self.timers.halt(env);
        // Some may still be owed the BYE of an earlier end.
        self.send_rest_of_report(env, context);
        self.begin_leaving(env);
        self.send_rest_of_report(env, context);
        self.phase = Phase::Ended;
        self.distribution.destinations_mut().stop_all();
    }

    fn send_rest_of_report(&mut self, env: &mut UsageEnvironment, context: &mut SendContext<'_>) {
        while self.reports.is_under_way() {
            self.reports.send_some(&mut self.distribution, env, context);
        }
    }
}
