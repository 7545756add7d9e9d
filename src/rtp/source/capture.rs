//! [`CaptureTimes`]: capture times that the packets themselves tell. Read the ONVIF Streaming
//! Specification, section "RTP header extension", before changing it.

use crate::rtp::rtcp::NtpTime;
use crate::wire::rtp::RtpPacket;

/// The profile number of ONVIF's header extension.
const ONVIF_PROFILE: u16 = 0xabac;
/// Times that are remembered: a frame may be completed by a packet of the next one.
const REMEMBERED: usize = 4;

/// The capture times of the last frames that had one.
#[derive(Clone, Debug, Default)]
pub(super) struct CaptureTimes {
    known: [Option<(u32, NtpTime)>; REMEMBERED],
    next: usize,
}

impl CaptureTimes {
    pub(super) fn handle_packet(&mut self, packet: &RtpPacket<'_>) {
        let Some((ONVIF_PROFILE, data)) = packet.extension else { return };
        let Some(&ntp) = data.first_chunk() else { return };
        let time = (packet.timestamp, NtpTime(u64::from_be_bytes(ntp)));
        if self.known.contains(&Some(time)) {
            return;
        }
        if let Some(slot) = self.known.get_mut(self.next) {
            *slot = Some(time);
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// When the frame of that timestamp was captured.
    pub(super) fn of(&self, timestamp: u32) -> Option<NtpTime> {
        let of_it = self.known.iter().flatten().find(|(of, _)| *of == timestamp);
        of_it.map(|(_, ntp)| *ntp)
    }
}
