//! The control side of a stream: sender reports and BYE (RFC 3550 sections 6.4 and 6.6).

use super::outlets::DestinationId;
use super::stream_state::{StreamId, StreamState, Wiring, key};
use crate::env::{MediumHandle, UsageEnvironment};
use crate::rtp::rtcp::{NtpTime, SenderFacts};
use std::time::Instant;

impl StreamState {
    /// A report may be due.
    pub(super) fn run_rtcp(
        &mut self,
        env: &mut UsageEnvironment,
        wiring: &mut Wiring<'_>,
        me: MediumHandle,
        id: StreamId,
    ) {
        let (now, ntp) = (env.now(), ntp_now(env));
        let facts = self.sender_facts(now);
        self.rtcp.handle_timeout(now, self.outlets.destinations.len());
        let mut report = std::mem::take(&mut self.report);
        report.clear();
        if self.rtcp.poll_report(now, ntp, facts, &mut report) {
            self.outlets.send_rtcp(&report, None, env, wiring);
        }
        self.report = report;
        if let Some(due) = self.rtcp.poll_timeout() {
            env.arm_timer(&mut self.rtcp_timer, me, key(super::KEY_STREAM_RTCP, id), due);
        }
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
