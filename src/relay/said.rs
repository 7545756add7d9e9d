//! What a viewer says, on its way from the server to the camera: [`Ear`] hears it, [`Voice`] says it
//! again.

use crate::env::EventTrigger;
use crate::rtp::ReceivedPacket;
use crate::server::BackChannelSink;
use crate::server::pool::SessionInfo;
use crate::wire::rtp::{HEADER_LEN, write_header};
use std::fmt;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

/// Most packets that one loss skips.
const MAX_SKIPPED: u64 = 1000;

/// A packet that a client has said.
#[derive(Debug)]
pub(super) struct Said {
    payload: Vec<u8>,
    marker: bool,
    timestamp: u32,
    ssrc: u32,
    lost_before: u64,
    restarted: bool,
    at: Instant,
}

/// Puts packets into a queue, and wakes whoever takes them out.
pub(super) struct Ear {
    sender: SyncSender<Said>,
    trigger: EventTrigger,
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ear").finish_non_exhaustive()
    }
}

impl Ear {
    pub(super) const fn new(sender: SyncSender<Said>, trigger: EventTrigger) -> Self {
        Self { sender, trigger }
    }
}

impl BackChannelSink for Ear {
    fn wanted(&mut self) {
        self.trigger.trigger();
    }

    fn talker_came(&mut self, _: &SessionInfo) {
        self.trigger.trigger();
    }

    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        let said = Said {
            payload: packet.payload.to_vec(),
            marker: packet.marker,
            timestamp: packet.timestamp,
            ssrc: packet.ssrc,
            lost_before: packet.lost_before,
            restarted: packet.restarted,
            at: packet.arrived_at,
        };
        // Where too many wait, they are late already.
        if self.sender.try_send(said).is_err() {
            log::debug!("more is said than goes to the camera");
        }
        self.trigger.trigger();
    }

    fn talker_left(&mut self, _: &SessionInfo) {
        self.trigger.trigger();
    }
}

/// One RTP stream for the camera, whoever talks: its sequence numbers and timestamps go on.
#[derive(Debug)]
pub(super) struct Voice {
    ssrc: u32,
    clock_rate: u32,
    /// Number of the next packet.
    sequence: u16,
    /// Added to the timestamps of who talks now.
    offset: u32,
    /// The last packet: its SSRC, its timestamp as it was sent, and when it came.
    last: Option<(u32, u32, Instant)>,
    packet: Vec<u8>,
}

impl Voice {
    pub(super) fn new(clock_rate: u32, mut random: impl FnMut() -> u32) -> Self {
        Self {
            ssrc: random().max(1),
            clock_rate,
            sequence: random() as u16,
            offset: random(),
            last: None,
            packet: Vec::new(),
        }
    }

    /// The packet that the camera is sent.
    pub(super) fn packet(&mut self, payload_type: u8, said: &Said) -> &[u8] {
        if let Some((ssrc, timestamp, at)) = self.last {
            if said.restarted || ssrc != said.ssrc {
                let passed = said.at.saturating_duration_since(at);
                let units = passed.as_micros() * u128::from(self.clock_rate) / 1_000_000;
                let next = timestamp.wrapping_add((units as u32).max(1));
                self.offset = next.wrapping_sub(said.timestamp);
            } else {
                self.sequence =
                    self.sequence.wrapping_add(said.lost_before.min(MAX_SKIPPED) as u16);
            }
        }
        let timestamp = said.timestamp.wrapping_add(self.offset);
        self.last = Some((said.ssrc, timestamp, said.at));
        let mut header = [0; HEADER_LEN];
        write_header(&mut header, said.marker, payload_type, self.sequence, timestamp, self.ssrc);
        self.sequence = self.sequence.wrapping_add(1);
        self.packet.clear();
        self.packet.extend_from_slice(&header);
        self.packet.extend_from_slice(&said.payload);
        &self.packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rtp::RtpPacket;
    use std::time::Duration;

    #[test]
    fn one_stream_goes_on_whoever_talks() {
        let now = Instant::now();
        let mut voice = Voice::new(8000, || 0xffff_ff00);
        let mut say = |ssrc, timestamp, lost_before, ms: u64| {
            let at = now + Duration::from_millis(ms);
            let payload = vec![7; 3];
            let restarted = false;
            let said = Said { payload, marker: false, timestamp, ssrc, lost_before, restarted, at };
            let packet = RtpPacket::parse(voice.packet(8, &said)).unwrap();
            assert_eq!((packet.payload, packet.payload_type), (&[7; 3][..], 8));
            (packet.sequence_number, packet.timestamp.wrapping_sub(0xffff_ff00), packet.ssrc)
        };
        let ssrc = 0xffff_ff00;
        assert_eq!(say(1, 0, 0, 0), (0xff00, 0, ssrc));
        assert_eq!(say(1, 160, 0, 20), (0xff01, 160, ssrc));
        assert_eq!(say(1, 640, 2, 80), (0xff04, 640, ssrc), "two were lost");
        // Another client, two seconds later.
        assert_eq!(say(2, 5, 9, 2080), (0xff05, 640 + 16_000, ssrc));
        assert_eq!(say(2, 165, 0, 2100), (0xff06, 640 + 16_160, ssrc));
    }
}
