//! What becomes of a packet that is next in order: it goes to the depacketizer, whose frames are kept
//! until they are polled, or it is passed on.

use super::RtpSource;
use super::event::SourceEvent;
use super::frame::ReceivedFrame;
use super::packet::{Gap, ReceivedPacket};
use super::reorder::Released;
use super::sender_clock::SenderClock;
use super::timeline::Presentation;
use crate::payload::RtpPayload;
use crate::wire::rtp::RtpPacket;
use std::time::Instant;

/// The number of ONVIF's header extension of JPEG (ONVIF Streaming Specification, section "JPEG over
/// RTP").
const JPEG_EXTENSION: u16 = 0xffd8;

impl RtpSource {
    pub(super) fn deliver_released(
        &mut self,
        released: &Released,
        take: &mut impl FnMut(&ReceivedPacket<'_>),
    ) {
        // It was parsed when it came.
        let Ok(packet) = RtpPacket::parse(&released.packet) else { return };
        if released.missing > 0 {
            self.gap.lost += released.missing;
            self.counters.missing += released.missing;
            let sequence = packet.sequence_number;
            self.note(SourceEvent::PacketsLost {
                count: released.missing,
                first: sequence.wrapping_sub(released.missing as u16),
                last: sequence.wrapping_sub(1),
            });
        }
        if packet.payload_type == self.config.payload_type {
            self.deliver(&packet, released.sequence, released.arrived, take);
        }
    }

    pub(super) fn deliver(
        &mut self,
        packet: &RtpPacket<'_>,
        sequence: u64,
        arrived: Instant,
        take: &mut impl FnMut(&ReceivedPacket<'_>),
    ) {
        let gap = std::mem::take(&mut self.gap);
        self.capture.handle_packet(packet);
        let Some(depacketizer) = &mut self.depacketizer else {
            return take(&self.passed_on(packet, sequence, gap, arrived));
        };
        let payload = RtpPayload::new(packet.payload, packet.timestamp)
            .with_marker(packet.marker)
            .after_missing(if gap.restarted { 0 } else { gap.lost })
            .after_loss(gap.is_loss())
            .with_extension(packet.extension);
        if let Err(e) = depacketizer.handle_payload(&payload, &mut self.depacketized) {
            log::trace!("{:08x} packet {}: {e}", packet.ssrc, packet.sequence_number);
            self.counters.malformed_payloads += 1;
        }
        if !self.depacketized.is_empty() {
            self.take_frames(Some(packet.timestamp), arrived);
        }
    }

    /// The next packet in order, as it is passed on.
    fn passed_on<'a>(
        &mut self,
        packet: &RtpPacket<'a>,
        sequence: u64,
        gap: Gap,
        arrived: Instant,
    ) -> ReceivedPacket<'a> {
        let timestamp = packet.timestamp;
        let place = self.place(timestamp, timestamp, arrived);
        let reported = self.sender_clock.wall_clock(timestamp, arrived);
        ReceivedPacket {
            payload: packet.payload,
            extension: packet.extension.filter(|(profile, _)| *profile == JPEG_EXTENSION),
            marker: packet.marker,
            timestamp,
            sequence,
            ssrc: packet.ssrc,
            lost_before: gap.lost,
            restarted: gap.restarted || place.jumps,
            pts: place.pts,
            capture_time: self.capture.of(timestamp).or(reported),
            arrived_at: arrived,
        }
    }

    /// Puts a timestamp on the time line. `packet` is the one of the packet with which it came.
    fn place(&mut self, timestamp: u32, packet: u32, arrived: Instant) -> Presentation {
        let place = self.timeline.presentation(timestamp, packet, arrived);
        if place.jumps {
            // What was reported is about other timestamps.
            self.sender_clock = SenderClock::new(self.config.clock_rate);
            self.counters.restarts += 1;
            self.note(SourceEvent::Restarted);
        }
        place
    }

    /// Takes the depacketizer's frames into the bounded queue.
    pub(super) fn take_frames(&mut self, packet: Option<u32>, arrived: Instant) {
        while let Some(frame) = self.depacketized.pop() {
            self.counters.frames += 1;
            self.frame_bytes += frame.data.len();
            let timestamp = frame.timestamp;
            let packet = packet.unwrap_or(timestamp);
            let place = self.place(timestamp, packet, arrived);
            let reported = self.sender_clock.wall_clock(timestamp, arrived);
            self.frames.push_back(ReceivedFrame {
                pts: place.pts,
                synchronized: false,
                wall_clock: self.capture.of(timestamp).or(reported),
                data: frame.data,
                timestamp,
                arrived_at: arrived,
                key: frame.key,
                ends_access_unit: frame.ends_access_unit,
                discontinuity: frame.discontinuity,
                damaged: frame.damaged,
                line: self.timeline.line(),
                reported,
            });
            while self.frames.len() > self.config.max_frames
                || self.frame_bytes > self.config.max_frame_bytes
            {
                let Some(dropped) = self.frames.pop_front() else { break };
                self.frame_bytes -= dropped.data.len();
                self.counters.dropped_frames += 1;
                self.dropped = true;
            }
        }
    }

    /// Returns the next frame.
    pub fn poll_frame(&mut self) -> Option<ReceivedFrame> {
        let mut frame = self.frames.pop_front()?;
        self.frame_bytes -= frame.data.len();
        frame.discontinuity |= std::mem::take(&mut self.dropped);
        Some(frame)
    }
}
