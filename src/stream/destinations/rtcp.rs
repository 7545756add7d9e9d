//! RTCP packets to the destinations of a stream.

use super::Destinations;
use crate::env::UsageEnvironment;
use crate::ids::DestinationId;
use crate::net::Datagrams;
use crate::stream::destination::DestinationTransport;
use crate::stream::send_context::SendContext;
use crate::stream::sockets::send_to_each;
use std::ops::Range;

impl Destinations {
    /// Sends an RTCP packet to the playing ones of the destinations in some slots of the table.
    /// Returns whether there are slots after these.
    pub(crate) fn send_rtcp_to_some(
        &mut self,
        packet: &[u8],
        slots: Range<usize>,
        over_tcp: bool,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) -> bool {
        let more = slots.end < self.table.slot_count();
        let some = || self.table.in_slots(slots.clone());
        let playing = || some().map(|(_, d)| d).filter(|d| d.playing && d.transform.is_none());
        let whole = 0..packet.len();
        let datagrams = Datagrams { buffer: packet, spans: std::slice::from_ref(&whole) };
        for (targets, is_multiplexed) in
            self.udp_targets.iter().flat_map(|targets| [(targets, false), (targets, true)])
        {
            self.rtcp_targets.clear();
            self.rtcp_targets.extend(playing().filter_map(|d| match d.transport {
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
        if over_tcp {
            for d in playing() {
                context.send_rtcp_over_tcp(env, packet, d.transport, &mut self.prefixed);
            }
        }
        if self.own_transforms > 0 {
            for slot in slots.start..slots.end.min(self.table.slot_count()) {
                let Some(id) = self.table.id_at(slot) else { continue };
                let Some(d) = self.table.get(id) else { continue };
                if d.playing && d.transform.is_some() && (over_tcp || d.is_udp()) {
                    self.send_own_rtcp(id, packet, env, context);
                }
            }
        }
        more
    }

    pub(crate) const fn has_newcomers(&self) -> bool {
        self.has_newcomers
    }

    /// Sends a report to destinations that were started and have got packets since: to `limit` of
    /// them at the most.
    pub(crate) fn greet(
        &mut self,
        report: &[u8],
        limit: usize,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        let (mut left, is_last) = (limit, limit == usize::MAX);
        self.has_newcomers = false;
        for slot in 0..self.table.slot_count() {
            let Some(id) = self.table.id_at(slot) else { continue };
            let Some(d) = self.table.get_mut(id).filter(|d| d.report_owed) else { continue };
            let has_begun = is_last || !d.skipping && !d.joined_late;
            if left == 0 || !has_begun {
                self.has_newcomers = true;
                continue;
            }
            left -= 1;
            (d.report_owed, d.has_heard) = (false, true);
            self.send_rtcp(report, Some(id), env, context);
        }
    }

    /// Those that play have been sent a BYE.
    pub(crate) fn note_goodbye(&mut self) {
        self.table.iter_mut().filter(|(_, d)| d.playing).for_each(|(_, d)| d.has_heard = false);
    }

    /// Sends an RTCP packet to every playing destination, or to one alone.
    pub(crate) fn send_rtcp(
        &mut self,
        packet: &[u8],
        only: Option<DestinationId>,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        if packet.is_empty() {
            return;
        }
        let Some(id) = only else {
            self.send_rtcp_to_some(packet, 0..usize::MAX, true, env, context);
            return;
        };
        match self.table.get(id).map(|d| (d.transport, d.transform.is_some())) {
            Some((_, true)) => self.send_own_rtcp(id, packet, env, context),
            Some((transport, false)) => self.send_rtcp_over(transport, packet, env, context),
            None => {}
        }
    }

    /// Sends an RTCP packet as it is.
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
