//! Sending RTCP packets to the destinations of a stream.

use super::Destinations;
use crate::env::UsageEnvironment;
use crate::ids::DestinationId;
use crate::net::Datagrams;
use crate::rtp::rtcp::ReferenceTime;
use crate::stream::destination::{Destination, DestinationTransport, Farewell};
use crate::stream::send_context::SendContext;
use crate::stream::sockets::send_to_each;
use crate::wire::interleaved;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Which destinations an RTCP packet goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipients {
    /// All destinations that the stream is sent to.
    Playing,
    /// Those of them that are reached over UDP.
    PlayingOverUdp,
    /// The destinations that are owed a BYE.
    Leaving,
}

impl Recipients {
    fn include(self, destination: &Destination) -> bool {
        match self {
            Self::Playing => destination.playing,
            Self::PlayingOverUdp => destination.playing && destination.is_udp(),
            Self::Leaving => destination.farewell != Farewell::Nothing,
        }
    }
}

impl Destinations {
    /// Sends an RTCP packet to those of the destinations in some slots of the table that it is for.
    /// Returns whether there are slots after these.
    pub(crate) fn send_rtcp_to_some(
        &mut self,
        packet: &[u8],
        slots: Range<usize>,
        to: Recipients,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) -> bool {
        let more = slots.end < self.table.slot_count();
        if packet.is_empty() {
            return more;
        }
        let some = || self.table.in_slots(slots.clone());
        let plain = || some().map(|(_, d)| d).filter(|d| to.include(d) && d.transform.is_none());
        let whole = 0..packet.len();
        let datagrams = Datagrams { buffer: packet, spans: std::slice::from_ref(&whole) };
        for (targets, is_multiplexed) in
            self.udp_targets.iter().flat_map(|targets| [(targets, false), (targets, true)])
        {
            self.rtcp_targets.clear();
            self.rtcp_targets.extend(plain().filter_map(|d| match d.transport {
                DestinationTransport::Udp { sockets, rtp, rtcp } => {
                    (sockets == targets.sockets && (rtp == rtcp) == is_multiplexed).then_some(rtcp)
                }
                DestinationTransport::Tcp { .. } => None,
            }));
            let Some(sockets) = context.sockets.get_mut(targets.sockets) else { continue };
            let socket = sockets.socket(!is_multiplexed);
            send_to_each(socket, env, &datagrams, &self.rtcp_targets, &mut self.failed);
            self.send_errors += self.failed.len() as u64;
        }
        for d in plain() {
            context.send_rtcp_over_tcp(env, packet, d.transport, &mut self.prefixed);
        }
        if self.own_transforms > 0 {
            for slot in slots.start..slots.end.min(self.table.slot_count()) {
                let Some(id) = self.table.id_at(slot) else { continue };
                let Some(d) = self.table.get(id) else { continue };
                if to.include(d) && d.transform.is_some() {
                    self.send_own_rtcp(id, packet, env, context);
                }
            }
        }
        more
    }

    pub(crate) const fn has_newcomers(&self) -> bool {
        self.has_newcomers
    }

    /// Sends a report to destinations that were started and have been sent packets since, to at most
    /// `limit` of them.
    pub(crate) fn greet(
        &mut self,
        report: &[u8],
        limit: usize,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        let mut left = limit;
        self.has_newcomers = false;
        for slot in 0..self.table.slot_count() {
            let Some(id) = self.table.id_at(slot) else { continue };
            let Some(d) = self.table.get_mut(id).filter(|d| d.report_owed) else { continue };
            let has_begun = !d.skipping && !d.joined_late;
            if left == 0 || !has_begun {
                self.has_newcomers = true;
                continue;
            }
            left -= 1;
            (d.report_owed, d.has_heard) = (false, true);
            self.send_rtcp_to(id, report, env, context);
        }
    }

    // Round-trip times

    /// Owes a destination an answer to the reference time of its receiver. One that has not been sent
    /// a report, or is not sent the stream, gets none.
    pub(crate) fn note_reference_time(
        &mut self,
        id: DestinationId,
        reference: ReferenceTime,
        now: Instant,
    ) {
        if let Some(d) = self.table.get_mut(id).filter(|d| d.playing && d.has_heard) {
            self.owes_answers |= d.round_trip.note(reference, now);
        }
    }

    /// Whether a destination is owed an answer to a reference time.
    pub(crate) const fn owes_answers(&self) -> bool {
        self.owes_answers
    }

    /// Returns the next destination that is owed an answer, from `slot` on, which is moved behind it:
    /// what is answered, and how long ago it came.
    pub(crate) fn take_reference_time(
        &mut self,
        slot: &mut usize,
        now: Instant,
    ) -> Option<(DestinationId, ReferenceTime, Duration)> {
        while *slot < self.table.slot_count() {
            let id = self.table.id_at(*slot);
            *slot += 1;
            let Some(id) = id else { continue };
            let Some(d) = self.table.get_mut(id) else { continue };
            let owed = d.round_trip.take(now).filter(|_| d.playing && d.has_heard);
            if let Some((reference, delay)) = owed {
                return Some((id, reference, delay));
            }
        }
        self.owes_answers = false;
        None
    }

    /// Owes a BYE to all destinations that the stream is sent to. Returns whether some of them are
    /// owed a report as well.
    pub(crate) fn owe_goodbye(&mut self) -> bool {
        self.has_newcomers = false;
        let mut anyone_is_new = false;
        for (_, d) in self.table.iter_mut().filter(|(_, d)| d.playing) {
            let is_new = std::mem::take(&mut d.report_owed);
            d.farewell = if is_new { Farewell::ReportAndGoodbye } else { Farewell::Goodbye };
            anyone_is_new |= is_new;
        }
        anyone_is_new
    }

    /// Returns what a destination is owed since the stream has ended, which it is sent now.
    pub(crate) fn take_farewell(&mut self, id: DestinationId) -> Farewell {
        let Some(d) = self.table.get_mut(id) else { return Farewell::Nothing };
        let owed = std::mem::take(&mut d.farewell);
        d.has_heard &= owed == Farewell::Nothing;
        owed
    }

    /// Sends the destinations in some slots of the table what they are owed since the stream has
    /// ended. Returns whether there are slots after these.
    pub(crate) fn send_farewell_to_some(
        &mut self,
        report: &[u8],
        goodbye: &[u8],
        slots: Range<usize>,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) -> bool {
        let own_slots = slots.start..slots.end.min(self.table.slot_count());
        for slot in own_slots.clone() {
            let Some(id) = self.table.id_at(slot) else { continue };
            if self.table.get(id).is_some_and(|d| d.farewell == Farewell::ReportAndGoodbye) {
                self.send_rtcp_to(id, report, env, context);
            }
        }
        let more = self.send_rtcp_to_some(goodbye, slots, Recipients::Leaving, env, context);
        for slot in own_slots {
            if let Some(id) = self.table.id_at(slot) {
                self.take_farewell(id);
            }
        }
        more
    }

    /// Sends an RTCP packet to one destination, whether it plays or not.
    pub(crate) fn send_rtcp_to(
        &mut self,
        id: DestinationId,
        packet: &[u8],
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        match self.table.get(id).map(|d| (d.transport, d.transform.is_some())) {
            Some((_, true)) => self.send_own_rtcp(id, packet, env, context),
            Some((transport, false)) => self.send_rtcp_over(transport, packet, env, context),
            None => {}
        }
    }

    /// Appends to `out` an RTCP packet as the connection of a destination gets it on `channel`.
    pub(crate) fn write_rtcp_for(
        &mut self,
        id: DestinationId,
        packet: &[u8],
        channel: u8,
        out: &mut Vec<u8>,
    ) {
        let mut report = std::mem::take(&mut self.own_report);
        report.clear();
        report.extend_from_slice(packet);
        self.protect_report_for(id, &mut report);
        if !report.is_empty() && !interleaved::write(channel, &report, out) {
            log::debug!("an RTCP packet of {} bytes is too long for a channel", report.len());
        }
        self.own_report = report;
    }

    /// Sends an RTCP packet over a transport, as it is.
    pub(super) fn send_rtcp_over(
        &mut self,
        transport: DestinationTransport,
        packet: &[u8],
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        if packet.is_empty() {
            return;
        }
        match transport {
            DestinationTransport::Udp { sockets, rtp, rtcp } => {
                let Some(sockets) = context.sockets.get_mut(sockets) else { return };
                if let Err(e) = sockets.socket(rtp != rtcp).send_to(env, packet, rtcp) {
                    log::debug!("RTCP to {rtcp}: {e}");
                    self.send_errors += 1;
                }
            }
            DestinationTransport::Tcp { .. } => {
                context.send_rtcp_over_tcp(env, packet, transport, &mut self.prefixed);
            }
        }
    }
}
