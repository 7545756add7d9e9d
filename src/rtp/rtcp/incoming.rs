//! What a compound packet that arrived says to an [`RtcpInstance`].

use super::{App, Cname, Feedback, NtpTime, RtcpInstance, RtcpOutcome, SenderReport};
use crate::wire::rtcp::{self, Compound, Packet, ReportBlocks, Sdes};
use std::time::Instant;

/// Most feedback messages taken from one packet.
const MAX_FEEDBACK: usize = 64;

/// One compound packet being read.
pub(super) struct Incoming<'i> {
    instance: &'i mut RtcpInstance,
    from: u64,
    now: Instant,
    ntp_now: NtpTime,
    /// Who wrote the packet, by its SR or RR.
    reporter: Option<u32>,
    outcome: RtcpOutcome,
}

impl<'i> Incoming<'i> {
    /// `None` if `data` is not a valid compound packet.
    pub(super) fn read(
        instance: &'i mut RtcpInstance,
        data: &[u8],
        from: u64,
        now: Instant,
        ntp_now: NtpTime,
    ) -> Option<RtcpOutcome> {
        let outcome = RtcpOutcome { valid: true, ..RtcpOutcome::default() };
        let mut this = Self { instance, from, now, ntp_now, reporter: None, outcome };
        let compound = if this.instance.takes_reduced_size() {
            Compound::parse_reduced_size(data)
        } else {
            Compound::parse(data)
        };
        for packet in compound.ok()? {
            match packet {
                Ok(packet) => this.packet(&packet),
                Err(e) => log::trace!("{:08x}: {e}", this.instance.ssrc()),
            }
        }
        Some(this.outcome)
    }

    fn packet(&mut self, packet: &Packet<'_>) {
        match *packet {
            Packet::SenderReport(ref report) => {
                if !self.reported(report.ssrc, report.blocks) {
                    return;
                }
                self.instance.on_remote_sender(report.ssrc, self.now);
                self.outcome.is_receiver_report |= !report.blocks.is_empty();
                let report = SenderReport { ssrc: report.ssrc, info: report.info };
                self.outcome.sender_report = Some(report);
            }
            Packet::ReceiverReport(ref report) => {
                self.outcome.is_receiver_report |= self.reported(report.ssrc, report.blocks);
            }
            Packet::Sdes(sdes) => self.description(sdes),
            Packet::Bye(bye) => {
                self.outcome.bye |= bye.sources().any(|ssrc| self.reporter == Some(ssrc));
            }
            Packet::App(ref app) => {
                self.outcome.app.get_or_insert_with(|| App {
                    ssrc: app.ssrc,
                    subtype: app.subtype,
                    name: app.name,
                    data: app.data.to_vec(),
                });
            }
            Packet::Feedback(ref feedback) => self.feedback(feedback),
            // Unknown types are skipped (6.1).
            _ => {}
        }
    }

    /// Takes SSRC and blocks of a report; false if it comes under our own SSRC.
    fn reported(&mut self, reporter: u32, blocks: ReportBlocks<'_>) -> bool {
        let ours = self.instance.ssrc();
        if reporter == ours {
            self.outcome.collision = true;
            return false;
        }
        self.reporter = Some(reporter);
        for block in blocks.iter().filter(|block| block.ssrc == ours) {
            self.instance.on_report_block(self.from, reporter, &block, self.now, self.ntp_now);
        }
        true
    }

    fn description(&mut self, sdes: Sdes<'_>) {
        let ours = self.instance.cname().as_bytes();
        if sdes.cname(self.instance.ssrc()) == Some(ours) {
            // Our own report, come back from a multicast group, is no collision.
            self.outcome.collision = false;
        }
        if let Some(cname) = self.reporter.and_then(|reporter| sdes.cname(reporter)) {
            self.outcome.cname = Some(Cname::new(cname));
        }
    }

    fn feedback(&mut self, feedback: &rtcp::Feedback<'_>) {
        let ours = self.instance.ssrc();
        if feedback.media == ours {
            if feedback.is_pli() {
                self.add_feedback(Feedback::PictureLoss);
            }
            feedback.nacks().take(MAX_FEEDBACK).for_each(|n| self.add_feedback(Feedback::Nack(n)));
        }
        for fir in feedback.firs().filter(|fir| fir.ssrc == ours).take(MAX_FEEDBACK) {
            self.add_feedback(Feedback::FullIntraRequest { sequence: fir.sequence });
        }
    }

    fn add_feedback(&mut self, feedback: Feedback) {
        if self.outcome.feedback.len() < MAX_FEEDBACK {
            self.outcome.feedback.push(feedback);
        }
    }
}
