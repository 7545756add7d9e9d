//! [`Reports`]: the RTCP that a stream sends, sender reports and BYE (RFC 3550 sections 6.3, 6.4 and
//! 6.6).
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
use crate::rtp::rtcp::{
    NtpTime, ReceptionStatistics, RtcpEvent, RtcpInstance, RtcpOutcome, SenderFacts,
};
use crate::stream::destination::{Farewell, destination_key};
use crate::stream::destinations::{Destinations, Recipients};
use crate::stream::distribution::Distribution;
use crate::stream::send_context::SendContext;
use std::ops::Range;
use std::time::{Duration, Instant};

/// How long a report that is due waits for a frame to go out with. In a connection the two are one
/// write: with thousands of them a report of its own costs as much as a frame, all at once.
const REPORT_PATIENCE: Duration = Duration::from_millis(200);

/// Slots of destinations that get a report in one turn of the loop.
const SLOTS_PER_TURN: usize = 256;
/// Newcomers that get a report of their own after one frame; the others after the next.
const NEWCOMERS_PER_TURN: usize = 256;
/// Reference times that are answered after one frame; the others after the next.
const ANSWERS_PER_TURN: usize = 64;
/// Between two turns in which a report is sent.
const ROUND_INTERVAL: Duration = Duration::from_millis(1);

/// The contents of a report: what a stream has sent at a certain moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SenderState {
    /// The wall clock at that moment.
    pub(crate) ntp: NtpTime,
    /// `None` while the stream has no place on its time line: its report is a receiver's.
    pub(crate) facts: Option<SenderFacts>,
}

/// The RTCP that one stream sends.
#[derive(Debug)]
pub(crate) struct Reports {
    rtcp: RtcpInstance,
    /// The packet that was written last; empty if there was nothing to say.
    packet: Vec<u8>,
    /// A report is due, and goes out with the next frame.
    awaits_frame: bool,
    round: Round,
    /// The SSRC has said BYE to everybody.
    has_left: bool,
    /// The SSRC is another than the first, which the answers to SETUP told.
    has_new_ssrc: bool,
}

/// A packet on its way to the destinations, in the order of their slots in the table.
#[derive(Debug)]
struct Round {
    packet: Vec<u8>,
    /// With a BYE: the report that newcomers get before it.
    report: Vec<u8>,
    /// How many slots are done with; `None`: all.
    done: Option<usize>,
    to: Recipients,
}

impl Reports {
    pub(crate) fn new(rtcp: RtcpInstance) -> Self {
        Self {
            rtcp,
            packet: Vec::new(),
            awaits_frame: false,
            round: Round {
                packet: Vec::new(),
                report: Vec::new(),
                done: None,
                to: Recipients::Playing,
            },
            has_left: false,
            has_new_ssrc: false,
        }
    }

    // The SSRC

    /// Whether the stream needs another SSRC to go on: the present one has said BYE.
    pub(crate) const fn has_left(&self) -> bool {
        self.has_left
    }

    /// Takes another SSRC in place of one that has said BYE.
    pub(crate) fn change_ssrc(&mut self, ssrc: u32) {
        self.rtcp.change_ssrc(ssrc);
        (self.has_left, self.has_new_ssrc) = (false, true);
    }

    /// Whether the SSRC is another than the one that the stream began with.
    pub(crate) const fn has_new_ssrc(&self) -> bool {
        self.has_new_ssrc
    }

    // When reports are sent

    /// Whether a report or a BYE is on its way, which some destinations have not been sent yet.
    pub(crate) const fn is_under_way(&self) -> bool {
        self.round.done.is_some()
    }

    /// Whether a BYE is on its way.
    pub(crate) fn is_leaving(&self) -> bool {
        self.is_under_way() && self.round.to == Recipients::Leaving
    }

    /// When [`is_due`](Self::is_due) is to be asked, or [`send_some`](Self::send_some) to be
    /// called. `None` while a report waits for a frame.
    pub(crate) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        match self.round.done {
            Some(_) => Some(now + ROUND_INTERVAL),
            None if self.awaits_frame => None,
            None => self.rtcp.poll_timeout(),
        }
    }

    /// Whether the time for a report has come, and none is on its way.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        !self.is_under_way() && self.rtcp.poll_timeout().is_some_and(|at| at <= now)
    }

    /// Lets a report that is due go out with the next frame. Returns until when it waits for one;
    /// `None` if it has waited already.
    pub(crate) fn wait_for_frame(&mut self, now: Instant) -> Option<Instant> {
        let waited = std::mem::replace(&mut self.awaits_frame, true);
        (!waited).then(|| now + REPORT_PATIENCE)
    }

    /// Whether a report is due that goes out with the next frame.
    pub(crate) const fn awaits_frame(&self) -> bool {
        self.awaits_frame
    }

    /// Forgets the report that is on its way: there are no destinations any more.
    pub(crate) const fn rest(&mut self) {
        (self.round.done, self.awaits_frame) = (None, false);
    }

    // Reports

    /// Writes the report whose time has come, and returns it as all destinations get it; it is empty
    /// if none is due after all (RFC 3550 section 6.3.6).
    pub(crate) fn write_due(
        &mut self,
        now: Instant,
        sender: SenderState,
        out: &mut Distribution,
    ) -> &[u8] {
        self.awaits_frame = false;
        self.rtcp.handle_timeout(now, out.destinations().len());
        self.packet.clear();
        self.rtcp.poll_report(now, sender.ntp, sender.facts, &mut self.packet);
        out.protect_report(&mut self.packet);
        &self.packet
    }

    /// Lets the report that was written last, if it is not empty, go to all destinations, a part of
    /// them in each turn.
    pub(crate) fn begin_round(&mut self, to: Recipients) {
        if !self.packet.is_empty() {
            std::mem::swap(&mut self.round.packet, &mut self.packet);
            (self.round.done, self.round.to) = (Some(0), to);
        }
    }

    /// Sends the packet that is on its way to some more destinations. Returns their slots in the
    /// table.
    pub(crate) fn send_some(
        &mut self,
        out: &mut Distribution,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) -> Range<usize> {
        let Round { packet, report, done, to } = &mut self.round;
        let Some(begin) = done.take() else { return 0..0 };
        let slots = begin..begin.saturating_add(SLOTS_PER_TURN);
        let destinations = out.destinations_mut();
        let more = match to {
            Recipients::Leaving => {
                destinations.send_farewell_to_some(report, packet, slots.clone(), env, context)
            }
            _ => destinations.send_rtcp_to_some(packet, slots.clone(), *to, env, context),
        };
        *done = more.then_some(slots.end);
        slots
    }

    /// Sends a report to destinations that have just got their first packets, so that they can
    /// synchronize. Not before: a source that has sent nothing is no sender yet, and receivers throw
    /// the reports of an unknown source away.
    pub(crate) fn greet_newcomers(
        &mut self,
        sender: SenderState,
        out: &mut Distribution,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        self.write_out_of_turn(sender, out);
        out.destinations_mut().greet(&self.packet, NEWCOMERS_PER_TURN, env, context);
    }

    /// Answers receivers that measure the round-trip time (RFC 3611 section 4.5): each gets a report
    /// of its own, which tells how long the answer has waited.
    pub(crate) fn answer_reference_times(
        &mut self,
        sender: SenderState,
        out: &mut Distribution,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        let (now, mut slot) = (env.now(), 0);
        for _ in 0..ANSWERS_PER_TURN {
            let next = out.destinations_mut().take_reference_time(&mut slot, now);
            let Some((id, reference, delay)) = next else { return };
            let packet = &mut self.packet;
            packet.clear();
            self.rtcp.answer_reference_time(sender.ntp, sender.facts, reference, delay, packet);
            out.protect_report(packet);
            out.destinations_mut().send_rtcp_to(id, packet, env, context);
        }
    }

    fn write_out_of_turn(&mut self, sender: SenderState, out: &mut Distribution) {
        self.packet.clear();
        self.rtcp.report_now(sender.ntp, sender.facts, &mut self.packet);
        out.protect_report(&mut self.packet);
    }

    // BYE

    /// Lets a BYE go to all destinations that the stream is sent to, a part of them in each turn.
    /// Newcomers that have not been sent a report get one first. Whether a destination plays on does
    /// not matter from here on.
    pub(crate) fn begin_leaving(&mut self, sender: SenderState, out: &mut Distribution) {
        self.awaits_frame = false;
        self.round.report.clear();
        if out.destinations_mut().owe_goodbye() {
            self.write_out_of_turn(sender, out);
            std::mem::swap(&mut self.round.report, &mut self.packet);
        }
        self.write_goodbye(sender, out);
        std::mem::swap(&mut self.round.packet, &mut self.packet);
        (self.round.done, self.round.to) = (Some(0), Recipients::Leaving);
        self.has_left = true;
    }

    /// Calls `send` with each packet that a destination is owed since the stream has ended. Returns
    /// whether it was owed any.
    pub(crate) fn settle_farewell(
        &self,
        id: DestinationId,
        out: &mut Distribution,
        mut send: impl FnMut(&mut Destinations, &[u8]),
    ) -> bool {
        let destinations = out.destinations_mut();
        let owed = destinations.take_farewell(id);
        if owed == Farewell::ReportAndGoodbye {
            send(destinations, &self.round.report);
        }
        if owed != Farewell::Nothing {
            send(destinations, &self.round.packet);
        }
        owed != Farewell::Nothing
    }

    /// Writes a BYE, and returns it as all destinations get it; it is empty if nobody has heard of
    /// the stream.
    pub(crate) fn write_goodbye(&mut self, sender: SenderState, out: &mut Distribution) -> &[u8] {
        self.packet.clear();
        self.rtcp.bye_for_now(sender.ntp, sender.facts, &mut self.packet);
        out.protect_report(&mut self.packet);
        &self.packet
    }

    // What receivers say

    /// Handles RTCP from a receiver, which is remembered under the key `from`. What it says waits
    /// for [`poll_event`](Self::poll_event).
    pub(crate) fn handle_packet(
        &mut self,
        data: &[u8],
        from: u64,
        now: Instant,
        ntp_now: NtpTime,
    ) -> RtcpOutcome {
        self.rtcp.handle_packet(data, from, now, ntp_now)
    }

    /// What the packet that was handled last says.
    pub(crate) fn poll_event(&mut self) -> Option<RtcpEvent> {
        self.rtcp.poll_event()
    }

    /// The last receiver report of a destination.
    pub(crate) fn reception(&self, destination: DestinationId) -> Option<ReceptionStatistics> {
        self.rtcp.statistics(destination_key(destination)).copied()
    }

    /// How many receivers have reported.
    #[cfg(test)]
    pub(crate) fn receivers(&self) -> usize {
        self.rtcp.all_statistics().count()
    }

    /// Forgets a receiver.
    pub(crate) fn remove_destination(&mut self, id: DestinationId) {
        self.rtcp.remove_destination(destination_key(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::rtcp::RtcpConfig;
    use crate::rtp::testing::some_instant;
    use crate::stream::parts::SendPolicy;

    #[test]
    fn a_report_waits_once_for_a_frame_and_then_goes_out_in_parts() {
        let mut now = some_instant();
        let mut reports = Reports::new(RtcpInstance::new(RtcpConfig::default(), 7, now, 1));
        let mut out = Distribution::new(SendPolicy::default(), 0);
        let facts = SenderFacts { rtp_timestamp_now: 0, packet_count: 1, octet_count: 100 };
        let sender = SenderState { ntp: NtpTime::default(), facts: Some(facts) };
        assert!(!reports.is_due(now) && !reports.awaits_frame());
        // RFC 3550 section 6.3.6: the timer may find that it has to be waited for longer.
        for _ in 0..100 {
            now = reports.poll_timeout(now).expect("a next time");
            assert!(reports.is_due(now));
            assert_eq!(reports.wait_for_frame(now), Some(now + REPORT_PATIENCE));
            assert!(reports.awaits_frame());
            assert_eq!(reports.poll_timeout(now), None, "the timer is armed for its patience");
            now += REPORT_PATIENCE;
            assert_eq!(reports.wait_for_frame(now), None, "no frame came");
            if !reports.write_due(now, sender, &mut out).is_empty() {
                break;
            }
            reports.begin_round(Recipients::Playing);
            assert!(!reports.is_under_way(), "there is nothing to send");
        }
        reports.begin_round(Recipients::Playing);
        assert!(reports.is_under_way() && !reports.awaits_frame());
        assert_eq!(reports.poll_timeout(now), Some(now + ROUND_INTERVAL));
        assert!(!reports.is_due(now + Duration::from_secs(60)), "not before the round is over");
    }

    #[test]
    fn an_ssrc_that_is_taken_in_place_of_another_is_told() {
        let now = some_instant();
        let mut reports = Reports::new(RtcpInstance::new(RtcpConfig::default(), 7, now, 1));
        let mut out = Distribution::new(SendPolicy::default(), 0);
        assert!(!reports.has_new_ssrc());
        reports.change_ssrc(8);
        assert!(reports.has_new_ssrc() && !reports.has_left());
        let sender = SenderState { ntp: NtpTime::default(), facts: None };
        reports.write_out_of_turn(sender, &mut out);
        assert_eq!(reports.packet.get(4..8), Some(&8u32.to_be_bytes()[..]));
    }
}
