//! Processes a received compound packet for an [`RtcpInstance`].

use super::{
    App, Cname, KeyFrameRequest, NtpTime, ReferenceTime, RtcpInstance, RtcpOutcome, SenderReport,
};
use crate::wire::rtcp::{
    Bye, Compound, ExtendedReport, Feedback, Packet, ReportBlocks, Sdes, XrBlock,
};
use std::time::Instant;

/// A compound packet that is being processed.
pub(super) struct ArrivedCompound<'i> {
    instance: &'i mut RtcpInstance,
    from: u64,
    now: Instant,
    ntp_now: NtpTime,
    /// SSRC of the participant that wrote the packet, from its SR or RR.
    reporter: Option<u32>,
    outcome: RtcpOutcome,
}

impl<'i> ArrivedCompound<'i> {
    /// Processes `data`; `None` if it is not a valid compound packet.
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
            Packet::Bye(bye) => self.goodbye(bye),
            Packet::App(ref app) => {
                self.outcome.app.get_or_insert_with(|| App {
                    ssrc: app.ssrc,
                    subtype: app.subtype,
                    name: app.name,
                    data: app.data.to_vec(),
                });
            }
            Packet::Feedback(ref feedback) => self.feedback(feedback),
            Packet::ExtendedReport(ref report) => self.extended_report(report),
            // Unknown types are skipped (6.1).
            _ => {}
        }
    }

    /// Processes SSRC and blocks of a report; returns false if the SSRC is ours.
    fn reported(&mut self, reporter: u32, blocks: ReportBlocks<'_>) -> bool {
        let ours = self.instance.ssrc();
        if reporter == ours {
            self.outcome.collision = true;
            return false;
        }
        self.reporter = Some(reporter);
        self.instance.on_participant(reporter, self.now);
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

    /// Processes a BYE, which counts only for the participant that sends it, since anyone could
    /// name others. Without a preceding report (RFC 5506) it counts for the known sender.
    fn goodbye(&mut self, bye: Bye<'_>) {
        let speaker = self.reporter.or_else(|| self.instance.remote_sender());
        if let Some(leaver) = bye.sources().find(|&ssrc| speaker == Some(ssrc)) {
            self.outcome.bye = Some(leaver);
        }
    }

    /// Processes the blocks about the round-trip time: a receiver asks us, or the sender that we
    /// receive answers.
    fn extended_report(&mut self, report: &ExtendedReport<'_>) {
        let ours = self.instance.ssrc();
        if report.ssrc == ours {
            return;
        }
        let is_senders = self.instance.remote_sender() == Some(report.ssrc);
        for block in report.blocks() {
            match block {
                XrBlock::ReceiverReferenceTime(time) if self.instance.is_sender() => {
                    let reference = ReferenceTime { ssrc: report.ssrc, time };
                    self.outcome.reference_time = Some(reference);
                }
                XrBlock::DelaysSinceLastRr(delays) if is_senders => {
                    let answer = delays.iter().find(|delay| delay.ssrc == ours);
                    let trip = answer.and_then(|a| self.instance.round_trip(&a, self.now));
                    self.outcome.round_trip = trip.or(self.outcome.round_trip);
                }
                _ => {}
            }
        }
    }

    fn feedback(&mut self, feedback: &Feedback<'_>) {
        let (from, requester, ours) = (self.from, feedback.sender, self.instance.ssrc());
        if feedback.media == ours {
            if feedback.is_pli() {
                let request = KeyFrameRequest::PictureLoss;
                self.instance.on_key_frame_request(from, requester, request, self.now);
            }
            for nack in feedback.nacks() {
                self.instance.on_nack(from, requester, nack);
            }
        }
        for fir in feedback.firs().filter(|fir| fir.ssrc == ours) {
            let request = KeyFrameRequest::FullIntra { sequence: fir.sequence };
            self.instance.on_key_frame_request(from, requester, request, self.now);
        }
    }
}
