//! The control side of a stream: sender reports and BYE (RFC 3550 sections 6.4 and 6.6).

use super::outlets::DestinationId;
use super::stream_state::{StreamId, StreamState, Wiring, key};
use crate::env::{MediumHandle, UsageEnvironment};
use crate::rtp::rtcp::{NtpTime, SenderFacts};
use std::time::{Duration, Instant};

/// How long a report that is due waits for a frame to go out with. In a connection the two are one
/// write: with thousands of them a report of its own costs as much as a frame, all at once.
const REPORT_PATIENCE: Duration = Duration::from_millis(200);

impl StreamState {
    /// A report may be due.
    pub(super) fn run_rtcp(
        &mut self,
        env: &mut UsageEnvironment,
        wiring: &mut Wiring<'_>,
        me: MediumHandle,
        id: StreamId,
    ) {
        let now = env.now();
        let due = self.rtcp.poll_timeout();
        let mut next = due;
        if due.is_some_and(|due| due <= now) {
            let has_company = self.is_playing() && self.outlets.is_anyone_playing_over_tcp();
            if has_company && !self.report_waits {
                self.report_waits = true;
                next = now.checked_add(REPORT_PATIENCE);
            } else {
                let report = self.make_report(env);
                self.outlets.send_rtcp(&report, None, env, wiring);
                self.report = report;
                next = self.rtcp.poll_timeout();
            }
        }
        if let Some(at) = next {
            env.arm_timer(&mut self.rtcp_timer, me, key(super::KEY_STREAM_RTCP, id), at);
        }
    }

    /// The report that waits to go out with a frame, if there is a packet for it to go with.
    pub(super) fn take_waiting_report(&mut self, env: &UsageEnvironment) -> Vec<u8> {
        if self.report_waits && !self.sink.batch().is_empty() {
            return self.make_report(env);
        }
        let mut none = std::mem::take(&mut self.report);
        none.clear();
        none
    }

    /// A report in the stream's memory for it, to be put back; empty if none is due after all.
    fn make_report(&mut self, env: &UsageEnvironment) -> Vec<u8> {
        let (now, ntp) = (env.now(), ntp_now(env));
        let facts = self.sender_facts(now);
        self.report_waits = false;
        self.rtcp.handle_timeout(now, self.outlets.destinations.len());
        let mut report = std::mem::take(&mut self.report);
        report.clear();
        self.rtcp.poll_report(now, ntp, facts, &mut report);
        report
    }

    /// Sends a sender report to one destination at once, so that a newcomer can synchronize.
    pub(super) fn report_to(
        &mut self,
        env: &mut UsageEnvironment,
        wiring: &mut Wiring<'_>,
        id: DestinationId,
    ) {
        let (now, ntp) = (env.now(), ntp_now(env));
        let facts = self.sender_facts(now);
        let mut report = std::mem::take(&mut self.report);
        report.clear();
        self.rtcp.report_now(ntp, facts, &mut report);
        self.outlets.send_rtcp(&report, Some(id), env, wiring);
        self.report = report;
    }

    /// Tells all, or one destination alone, that no more will come (RFC 3550 section 6.6).
    pub(super) fn say_goodbye(
        &mut self,
        env: &mut UsageEnvironment,
        wiring: &mut Wiring<'_>,
        only: Option<DestinationId>,
    ) {
        let (now, ntp) = (env.now(), ntp_now(env));
        let facts = self.sender_facts(now);
        let mut report = std::mem::take(&mut self.report);
        report.clear();
        self.rtcp.bye_for_now(ntp, facts, &mut report);
        self.outlets.send_rtcp(&report, only, env, wiring);
        self.report = report;
    }

    fn sender_facts(&self, now: Instant) -> Option<SenderFacts> {
        Some(SenderFacts {
            rtp_timestamp_now: self.sink.timestamp_at(now.saturating_duration_since(self.epoch)),
            packet_count: self.sink.packet_count(),
            octet_count: self.sink.octet_count(),
        })
    }
}

fn ntp_now(env: &UsageEnvironment) -> NtpTime {
    NtpTime::from_unix(env.wall_clock())
}
