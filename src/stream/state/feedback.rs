//! What receivers send to a stream: RTP, reports, and requests for key frames.

use super::StreamState;
use crate::env::UsageEnvironment;
use crate::ids::DestinationId;
use crate::rtp::rtcp::{ReferenceTime, RtcpEvent, RtcpOutcome};
use crate::wire::rtp::{PacketKind, RtpPacket};
use std::time::Instant;

impl StreamState {
    /// Takes the protection off a packet from a destination, or from a member of a group, and
    /// checks RTP. Without a transform the packet is returned as it is, not copied. `None`: the
    /// packet is dropped, and counted.
    pub(crate) fn unprotect<'a>(
        &mut self,
        from: Option<DestinationId>,
        kind: PacketKind,
        packet: &'a [u8],
        memory: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        let packet = self.distribution.unprotect(from, kind, packet, memory);
        let is_valid =
            |packet: &&[u8]| kind == PacketKind::Rtcp || RtpPacket::parse(packet).is_ok();
        let packet = packet.filter(is_valid);
        self.rejected_packets += u64::from(packet.is_none());
        packet
    }

    /// Handles RTCP from a receiver, which is remembered under the key `from`.
    pub(crate) fn handle_rtcp(
        &mut self,
        env: &UsageEnvironment,
        data: &[u8],
        from: u64,
    ) -> RtcpOutcome {
        let ntp = self.sender_state(env).ntp;
        let outcome = self.reports.handle_packet(data, from, env.now(), ntp);
        self.rejected_packets += u64::from(!outcome.valid);
        while let Some(event) = self.reports.poll_event() {
            if matches!(event, RtcpEvent::KeyFrameWanted { .. }) {
                self.key_frame_requests.want();
            }
        }
        outcome
    }

    /// Owes the receiver at a destination an answer to the reference time that it has stated. It goes
    /// out with the next frame or report.
    pub(crate) fn note_reference_time(
        &mut self,
        id: DestinationId,
        reference: ReferenceTime,
        now: Instant,
    ) {
        self.distribution.destinations_mut().note_reference_time(id, reference, now);
    }

    /// Asks the source for a key frame if a viewer cannot go on without one, unless it was asked a
    /// moment ago. Returns whether an encoder was asked.
    pub(crate) fn poll_key_frame_request(&mut self, now: Instant) -> bool {
        if self.distribution.destinations_mut().take_key_frame_wish() {
            self.key_frame_requests.want();
        }
        let is_due = self.playback.is_video() && self.key_frame_requests.poll(now);
        if is_due {
            self.playback.source_mut().request_key_frame();
        }
        is_due && self.is_live()
    }
}
