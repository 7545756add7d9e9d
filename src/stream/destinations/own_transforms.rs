//! Destinations that have a transform of their own: they get each packet as it makes it.

use super::{Destinations, octets};
use crate::env::UsageEnvironment;
use crate::ids::DestinationId;
use crate::payload::PacketBuffer;
use crate::rtp::transform::PacketTransform;
use crate::stream::destination::DestinationTransport;
use crate::stream::send_context::SendContext;
use crate::wire::interleaved::PREFIX_LEN;
use std::ops::Range;

impl Destinations {
    pub(crate) const fn has_own_transforms(&self) -> bool {
        self.own_transforms > 0
    }

    /// Lets a transform protect what a destination is sent.
    pub(crate) fn set_own_transform(
        &mut self,
        id: DestinationId,
        transform: Box<dyn PacketTransform>,
    ) {
        self.count_shared(id);
        let Some(d) = self.table.get_mut(id) else { return };
        let is_first = d.transform.replace(transform).is_none();
        self.own_transforms += usize::from(is_first);
        self.stale = true;
    }

    pub(crate) fn own_transform(
        &mut self,
        id: DestinationId,
    ) -> Option<&mut (dyn PacketTransform + 'static)> {
        self.table.get_mut(id)?.transform.as_deref_mut()
    }

    /// The transform for what its receiver sends.
    pub(crate) fn incoming_transform(
        &mut self,
        id: DestinationId,
    ) -> Option<&mut (dyn PacketTransform + 'static)> {
        let d = self.table.get_mut(id)?;
        d.incoming.as_deref_mut().or(d.transform.as_deref_mut())
    }

    #[cfg(feature = "srtp")]
    pub(crate) fn set_incoming_transform(
        &mut self,
        id: DestinationId,
        transform: Box<dyn PacketTransform>,
    ) {
        if let Some(d) = self.table.get_mut(id) {
            d.incoming = Some(transform);
        }
    }

    /// Whether packets of a batch that come later have to go to one of them over UDP.
    pub(super) fn has_own_over_udp(&self) -> bool {
        let own = |d: &super::Destination| d.transform.is_some() && d.is_udp() && d.takes_batches();
        self.table.iter().any(|(_, d)| own(d))
    }

    /// Sends some packets of a batch over UDP to those of the destinations in some slots that have
    /// a transform of their own.
    pub(super) fn send_own_over_udp(
        &mut self,
        batch: &PacketBuffer,
        packets: Range<usize>,
        slots: Range<usize>,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        for slot in slots.start..slots.end.min(self.table.slot_count()) {
            let Some(id) = self.table.id_at(slot) else { continue };
            let Some(d) = self.table.get_mut(id) else { continue };
            if !d.takes_batches() || d.joined_late {
                continue;
            }
            let DestinationTransport::Udp { sockets, rtp, .. } = d.transport else { continue };
            let Some(transform) = &mut d.transform else { continue };
            let mut own = context.memory.take();
            own.clear();
            transform.protect_batch(batch, packets.clone(), &mut own);
            d.totals.packets += own.spans().len() as u64;
            d.totals.octets += octets(&own);
            self.ranges.clear();
            self.ranges.extend(own.spans().iter().map(|s| s.range()));
            self.send_ranges_to(sockets, rtp, &own, env, context);
            context.memory.give_back(own);
        }
    }

    /// Makes of packets that were kept what the destination gets, if it has a transform.
    pub(super) fn protect_cached_for(
        &mut self,
        id: DestinationId,
        batch: &mut PacketBuffer,
        context: &mut SendContext<'_>,
    ) {
        let Some(transform) = self.own_transform(id) else { return };
        let mut own = context.memory.take();
        own.clear();
        transform.protect_batch(batch, 0..batch.spans().len(), &mut own);
        std::mem::swap(batch, &mut own);
        context.memory.give_back(own);
    }

    /// Makes of an RTCP packet what the destination gets, if it has a transform.
    pub(crate) fn protect_report_for(&mut self, id: DestinationId, report: &mut Vec<u8>) {
        if let Some(transform) = self.own_transform(id) {
            transform.protect_report(report);
        }
    }

    /// Sends an RTCP packet to a destination as its transform makes it.
    pub(super) fn send_own_rtcp(
        &mut self,
        id: DestinationId,
        packet: &[u8],
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        let Some(transport) = self.table.get(id).map(|d| d.transport) else { return };
        let mut report = std::mem::take(&mut self.own_report);
        report.clear();
        report.extend_from_slice(packet);
        self.protect_report_for(id, &mut report);
        self.send_rtcp_over(transport, &report, env, context);
        self.own_report = report;
    }
}

/// What goes to a connection in one write: the packets of a batch, and the report behind them if
/// there is one, as `transform` makes them. Returns where the report begins with its prefix.
pub(super) fn protect_for_connection(
    transform: &mut dyn PacketTransform,
    batch: &PacketBuffer,
    report_at: Option<usize>,
    mut memory: PacketBuffer,
    report: &mut Vec<u8>,
) -> (PacketBuffer, Option<usize>) {
    memory.clear();
    transform.protect_batch(batch, 0..batch.spans().len(), &mut memory);
    report.clear();
    let plain = report_at.and_then(|at| batch.bytes().get(at + PREFIX_LEN..));
    report.extend_from_slice(plain.unwrap_or_default());
    transform.protect_report(report);
    let Some(len) = u16::try_from(report.len()).ok().filter(|len| *len > 0) else {
        return (memory, None);
    };
    let [high, low] = len.to_be_bytes();
    let at = memory.append_interleaved(&[b'$', 0, high, low]);
    memory.append_interleaved(report);
    (memory, Some(at))
}
