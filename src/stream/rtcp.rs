//! The control side of a stream: sender reports and BYE (RFC 3550 sections 6.4 and 6.6).
//!
//! # Where a track ends
//!
//! A track that has come to its end says BYE at once: nothing else tells a player over UDP that no
//! more will come, and players that play to the end wait for it. A synchronization source that has
//! said BYE is gone (RFC 3550 section 6.6: "After a BYE is received, it is expected that the SSRC
//! will no longer be used"); receivers forget it, and may drop what it sends later. So a PLAY after
//! that goes out under a new SSRC. RTSP 1.0 has a place for the number in the answer to SETUP only;
//! it is added to the track's entry in RTP-Info, where clients read it or pass it over.
//!
//! A PLAY whose `Range` names the end is different: its client knows when that is reached. The
//! track only stops, as for a pause; it says nothing, and keeps its SSRC. Clients that play the same
//! range again and again in one session (`openRTSP -c`, which closes a track for good at its BYE)
//! name the end.

use crate::env::UsageEnvironment;
use crate::ids::DestinationId;
use crate::rtp::rtcp::{NtpTime, SenderFacts};
use crate::stream::report_run::Identity;
use crate::stream::send_context::SendContext;
use crate::stream::state::{Phase, StreamState};
use std::time::Duration;

/// How long a report that is due waits for a frame to go out with. In a connection the two are one
/// write: with thousands of them a report of its own costs as much as a frame, all at once.
const REPORT_PATIENCE: Duration = Duration::from_millis(200);

/// Slots of destinations that get a report in one turn of the loop.
const SLOTS_PER_TURN: usize = 256;
/// Newcomers that get a report of their own after one frame; the others after the next.
const NEWCOMERS_PER_TURN: usize = 256;
/// Between two turns of reporting.
const REPORT_INTERVAL: Duration = Duration::from_millis(1);

impl StreamState {
    /// Takes another SSRC if the present one has said BYE and the stream is to go on.
    pub(crate) fn renew_identity(&mut self, env: &mut UsageEnvironment) {
        if !self.identity.gone || self.phase == Phase::Ended {
            return;
        }
        let ssrc = env.random_u32().max(1);
        self.sink.change_ssrc(ssrc);
        self.rtcp.change_ssrc(ssrc);
        self.identity = Identity { gone: false, changed: true };
    }

    /// The SSRC, if it is not the one that the stream began with.
    pub(crate) fn changed_ssrc(&self) -> Option<u32> {
        self.identity.changed.then(|| self.sink.ssrc())
    }

    /// A report may be due, or on its way.
    pub(crate) fn run_rtcp(&mut self, env: &mut UsageEnvironment, context: &mut SendContext<'_>) {
        let now = env.now();
        if self.report_run.done.is_none() && self.rtcp.poll_timeout().is_some_and(|at| at <= now) {
            let has_company = self.is_playing() && self.destinations.is_anyone_playing_over_tcp();
            if has_company && !self.report_waits {
                self.report_waits = true;
                let until = now + REPORT_PATIENCE;
                return self.timers.report_at(env, until);
            }
            let report = self.make_report(env);
            self.begin_report(report, true);
        }
        self.go_on_with_report(env, context);
        self.wake_for_rtcp(env);
    }

    /// Arms the timer for the next report, or the next part of this one.
    pub(crate) fn wake_for_rtcp(&mut self, env: &mut UsageEnvironment) {
        let now = env.now();
        let next = match self.report_run.done {
            Some(_) => Some(now + REPORT_INTERVAL),
            None if self.report_waits => return,
            None => self.rtcp.poll_timeout(),
        };
        if let Some(at) = next {
            self.timers.report_at(env, at);
        }
    }

    /// Lets a report, if it is one, go to all destinations; to connections only with `over_tcp`.
    pub(crate) fn begin_report(&mut self, mut report: Vec<u8>, over_tcp: bool) {
        if !report.is_empty() {
            let run = &mut self.report_run;
            std::mem::swap(&mut run.packet, &mut report);
            (run.done, run.over_tcp) = (Some(0), over_tcp);
        }
        self.report = report;
    }

    /// Sends the report that is on its way to some more destinations.
    fn go_on_with_report(&mut self, env: &mut UsageEnvironment, context: &mut SendContext<'_>) {
        let run = &mut self.report_run;
        let Some(done) = run.done.take() else { return };
        let end = done.saturating_add(SLOTS_PER_TURN);
        let destinations = &mut self.destinations;
        let more =
            destinations.send_rtcp_to_some(&run.packet, done..end, run.over_tcp, env, context);
        run.done = more.then_some(end);
    }

    /// The report that waits to go out with a frame, if the frame has packets for it to go with.
    pub(crate) fn take_waiting_report(
        &mut self,
        env: &UsageEnvironment,
        has_packets: bool,
    ) -> Vec<u8> {
        if self.report_waits && has_packets {
            return self.make_report(env);
        }
        let mut none = std::mem::take(&mut self.report);
        none.clear();
        none
    }

    /// A report in the stream's memory for it, to be put back; empty if none is due after all.
    fn make_report(&mut self, env: &UsageEnvironment) -> Vec<u8> {
        let now = env.now();
        let (ntp, facts) = self.sender_facts(env);
        self.report_waits = false;
        self.rtcp.handle_timeout(now, self.destinations.table.len());
        let mut report = std::mem::take(&mut self.report);
        report.clear();
        self.rtcp.poll_report(now, ntp, facts, &mut report);
        self.protect_report(&mut report);
        report
    }

    /// Sends a sender report to the destinations that have just got their first packets, so that
    /// they can synchronize. Not before: who has sent nothing is no sender yet, and receivers throw
    /// the reports of an unknown source away. `sent` tells whether packets have gone out.
    pub(crate) fn greet_newcomers(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        sent: bool,
    ) {
        if !sent || self.outgoing.is_some() || !self.destinations.has_newcomers() {
            return;
        }
        let report = self.report_out_of_turn(env);
        self.destinations.greet(&report, NEWCOMERS_PER_TURN, env, context);
        self.report = report;
    }

    fn report_out_of_turn(&mut self, env: &UsageEnvironment) -> Vec<u8> {
        let (ntp, facts) = self.sender_facts(env);
        let mut report = std::mem::take(&mut self.report);
        report.clear();
        self.rtcp.report_now(ntp, facts, &mut report);
        self.protect_report(&mut report);
        report
    }

    /// Makes of a packet what all destinations are sent.
    fn protect_report(&mut self, report: &mut Vec<u8>) {
        if let Some(transform) = &mut self.transform {
            transform.protect_report(report);
        }
    }

    /// Tells everybody that no more will come. Who has heard nothing gets a report first: a BYE may
    /// not be a participant's only packet (RFC 3550 section 6.3.7).
    pub(crate) fn end_with_goodbye(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        if self.destinations.has_newcomers() {
            let report = self.report_out_of_turn(env);
            self.destinations.greet(&report, usize::MAX, env, context);
            self.report = report;
        }
        self.say_goodbye(env, context, None);
        self.destinations.note_goodbye();
        self.identity.gone = true;
    }

    /// Tells all, or one destination alone, that no more will come (RFC 3550 section 6.6).
    pub(crate) fn say_goodbye(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        only: Option<DestinationId>,
    ) {
        self.write_goodbye(env);
        let report = std::mem::take(&mut self.report);
        self.destinations.send_rtcp(&report, only, env, context);
        self.report = report;
    }

    /// Makes [`report`](Self::report) a BYE, or empty if nobody has heard of the stream.
    pub(crate) fn write_goodbye(&mut self, env: &UsageEnvironment) {
        let (ntp, facts) = self.sender_facts(env);
        self.report.clear();
        let mut report = std::mem::take(&mut self.report);
        self.rtcp.bye_for_now(ntp, facts, &mut report);
        self.protect_report(&mut report);
        self.report = report;
    }

    /// What a report of this moment says: an NTP time, and the RTP timestamp that belongs to it on
    /// the line on which the packets are (RFC 3550 section 6.4.1).
    fn sender_facts(&self, env: &UsageEnvironment) -> (NtpTime, Option<SenderFacts>) {
        let (now, wall) = (env.now(), env.wall_clock());
        let (ntp, running_time) = match &self.live_place {
            Some(place) => place.report(now, wall),
            None => (wall, now.saturating_duration_since(self.epoch)),
        };
        let facts = SenderFacts {
            rtp_timestamp_now: self.sink.timestamp_at(running_time),
            packet_count: self.sink.packet_count(),
            octet_count: self.sink.octet_count(),
        };
        // Where the line of a live stream lies is not known before its first frame.
        let is_placed = !self.live || self.live_place.is_some();
        (NtpTime::from_unix(ntp), is_placed.then_some(facts))
    }

    /// The NTP time of its reports now, from which receivers' answers are counted.
    pub(crate) fn ntp_now(&self, env: &UsageEnvironment) -> NtpTime {
        self.sender_facts(env).0
    }
}
