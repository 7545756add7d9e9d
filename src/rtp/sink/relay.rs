//! Packets that are passed on: their payloads as they came, under the sink's own header.

use super::RtpSink;
use crate::payload::{PacketBuffer, Packetizer};
use crate::rtp::ReceivedPacket;
use std::time::Duration;

impl RtpSink {
    /// Whether so many bytes of payload and header extension fit into a packet.
    pub(crate) const fn fits(&self, len: usize) -> bool {
        len <= self.max_payload
    }

    /// Removes the packets of `batch`, to which packets are [appended](Self::relay) then.
    pub(crate) fn begin_relay(&self, batch: &mut PacketBuffer) {
        batch.begin(self.max_payload);
    }

    /// Sets the timestamp of the packets that follow: that of a frame with `pts` which is presented
    /// at `running_time`. Timestamps follow the differences of `pts` to the unit, as long as both
    /// time lines keep their relation. Returns the timestamp.
    pub(crate) fn set_time(&mut self, pts: Duration, running_time: Duration) -> u32 {
        let alignment = self.align(pts, running_time);
        self.alignment = Some(alignment);
        self.timestamp = self.units(pts).wrapping_add(alignment.shift);
        self.timestamp
    }

    /// Leaves out sequence numbers, for packets that were lost before they came here.
    pub(crate) const fn skip_numbers(&mut self, count: u16) {
        self.sequence = self.sequence.wrapping_add(count);
    }

    /// Appends a packet to `batch`: payload and extension, which must [fit](Self::fits), are copied
    /// once, behind a header with the next sequence number and the timestamp that was
    /// [set](Self::set_time).
    pub(crate) fn relay(&mut self, packet: &ReceivedPacket<'_>, batch: &mut PacketBuffer) {
        batch.begin_packet();
        if let Some((profile, data)) = packet.extension.filter(|(_, data)| data.len() % 4 == 0) {
            batch.put_extension(profile, data);
        }
        batch.put(packet.payload);
        batch.finish_packet(packet.marker, 0);
        if let Some(&span) = batch.spans().last() {
            self.fill_in_header(batch, span);
        }
    }

    /// Replaces the packetizer, which must be of the same format and hold nothing back.
    pub(crate) fn set_packetizer(&mut self, packetizer: Box<dyn Packetizer>) {
        self.packetizer = packetizer;
    }
}
