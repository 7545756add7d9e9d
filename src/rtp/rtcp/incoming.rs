//! What a compound packet that arrived says to an [`RtcpInstance`].

use super::format::{for_each, read_block};
use super::{App, Feedback, NtpTime, RtcpInstance, RtcpOutcome, SenderReport};
use crate::wire::{ParseError, Reader};
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
        let reduced_size = this.instance.takes_reduced_size();
        let valid = for_each(data, reduced_size, |count, packet_type, body| {
            // A packet whose body is too short for its count: what was read of it stands.
            let _ = this.packet(count, packet_type, &mut Reader::new(body));
        });
        valid.then_some(this.outcome)
    }

    fn packet(&mut self, count: u8, packet_type: u8, r: &mut Reader<'_>) -> Result<(), ParseError> {
        match packet_type {
            200 => {
                let report = SenderReport {
                    ssrc: r.u32("SR")?,
                    ntp: NtpTime(r.u64("SR")?),
                    rtp_timestamp: r.u32("SR")?,
                    packet_count: r.u32("SR")?,
                    octet_count: r.u32("SR")?,
                };
                if report.ssrc == self.instance.ssrc() {
                    self.outcome.collision = true;
                    return Ok(());
                }
                self.reporter = Some(report.ssrc);
                self.instance.on_remote_sender(report.ssrc, self.now);
                self.outcome.sender_report = Some(report);
                self.outcome.is_receiver_report |= count > 0;
                self.blocks(count, r)
            }
            201 => {
                let ssrc = r.u32("RR")?;
                if ssrc == self.instance.ssrc() {
                    self.outcome.collision = true;
                    return Ok(());
                }
                self.reporter = Some(ssrc);
                self.outcome.is_receiver_report = true;
                self.blocks(count, r)
            }
            202 => self.description(count, r),
            203 => {
                for _ in 0..count {
                    let ssrc = r.u32("BYE")?;
                    self.outcome.bye |= self.reporter == Some(ssrc);
                }
                Ok(())
            }
            204 => {
                let app = App {
                    ssrc: r.u32("APP")?,
                    subtype: count,
                    name: r.u32("APP")?.to_be_bytes(),
                    data: r.rest().to_vec(),
                };
                self.outcome.app.get_or_insert(app);
                Ok(())
            }
            205 | 206 => self.feedback(packet_type, count, r),
            // Unknown types are skipped (6.1).
            _ => Ok(()),
        }
    }

    fn blocks(&mut self, count: u8, r: &mut Reader<'_>) -> Result<(), ParseError> {
        for _ in 0..count {
            let block = read_block(r).ok_or_else(|| r.invalid("report block"))?;
            if let Some(reporter) = self.reporter.filter(|_| block.ssrc == self.instance.ssrc()) {
                self.instance.on_report_block(self.from, reporter, &block, self.now, self.ntp_now);
            }
        }
        Ok(())
    }

    fn description(&mut self, count: u8, r: &mut Reader<'_>) -> Result<(), ParseError> {
        for _ in 0..count {
            let ssrc = r.u32("SDES")?;
            loop {
                let kind = r.u8("SDES")?;
                if kind == 0 {
                    // The list of items ends on a word's boundary.
                    while r.position() % 4 != 0 {
                        r.u8("SDES")?;
                    }
                    break;
                }
                let len = usize::from(r.u8("SDES")?);
                let text = r.take(len, "SDES")?;
                if kind == 1 && ssrc == self.instance.ssrc() {
                    // Our own report, come back from a multicast group, is no collision.
                    self.outcome.collision &= text != self.instance.cname().as_bytes();
                }
                if kind == 1 && self.reporter == Some(ssrc) {
                    self.outcome.cname = Some(String::from_utf8_lossy(text).into_owned());
                }
            }
        }
        Ok(())
    }

    fn feedback(
        &mut self,
        packet_type: u8,
        format: u8,
        r: &mut Reader<'_>,
    ) -> Result<(), ParseError> {
        r.u32("sender of feedback")?;
        let ours = self.instance.ssrc();
        let about_us = r.u32("source of feedback")? == ours;
        match (packet_type, format) {
            (206, 1) if about_us => self.add_feedback(Feedback::PictureLoss),
            (206, 4) => {
                while !r.is_empty() {
                    let ssrc = r.u32("FIR")?;
                    let sequence = r.u8("FIR")?;
                    r.u24("FIR")?;
                    if ssrc == ours {
                        self.add_feedback(Feedback::FullIntraRequest { sequence });
                    }
                }
            }
            (205, 1) if about_us => {
                while !r.is_empty() {
                    let (first, following) = (r.u16("NACK")?, r.u16("NACK")?);
                    self.add_feedback(Feedback::Nack { first, following });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add_feedback(&mut self, feedback: Feedback) {
        if self.outcome.feedback.len() < MAX_FEEDBACK {
            self.outcome.feedback.push(feedback);
        }
    }
}
