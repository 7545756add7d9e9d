//! MPEG-2 transport streams: whole packets of 188 bytes, as many as fit.
//!
//! Reference: RFC 2250, section 2.

use super::depacketizer::{DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload};
use super::packet_buffer::PacketBuffer;
use super::packetizer::Packetizer;
use super::plain_entry::PlainEntry;
use crate::codec::CodecParameters;
use crate::frame::Frame;
use crate::wire::ParseError;
use bytes::Bytes;

/// Length of a transport stream packet in bytes.
pub const TS_PACKET_LEN: usize = 188;
/// Most transport stream packets in an RTP packet: as many as fit into an Ethernet frame.
pub const MAX_PACKETS: usize = 7;

/// Cuts frames of transport stream packets into RTP payloads.
#[derive(Debug, Default)]
pub struct Mp2tPacketizer {
    /// Whether the next packet is marked because the timestamps jump (section 2.1), also after a
    /// seek.
    jump: bool,
}

impl Mp2tPacketizer {
    /// Creates a packetizer for one stream.
    pub const fn new() -> Self {
        Self { jump: false }
    }
}

impl Packetizer for Mp2tPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let packets = (out.max_payload() / TS_PACKET_LEN).min(MAX_PACKETS);
        if packets == 0 {
            log::debug!("no transport stream packet fits in {} bytes", out.max_payload());
            return;
        }
        self.jump |= frame.flags.discontinuity;
        let whole = frame.data.len() - frame.data.len() % TS_PACKET_LEN;
        for payload in frame.data.get(..whole).unwrap_or_default().chunks(packets * TS_PACKET_LEN) {
            out.begin_packet();
            out.put(payload);
            out.finish_packet(std::mem::take(&mut self.jump), 0);
        }
    }

    fn reset(&mut self) {
        self.jump = true;
    }
}

/// Returns the transport stream packets of each RTP payload as a frame.
#[derive(Debug, Default)]
pub struct Mp2tDepacketizer {
    _private: (),
}

impl Mp2tDepacketizer {
    /// Creates a depacketizer for one stream.
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl Depacketizer for Mp2tDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let RtpPayload { data, marker, timestamp, lost, .. } = *payload;
        if marker || lost {
            out.note_loss();
        }
        let whole = !data.is_empty() && data.len() % TS_PACKET_LEN == 0;
        if !whole || data.chunks(TS_PACKET_LEN).any(|packet| packet.first() != Some(&0x47)) {
            out.note_loss();
            return Err(ParseError::Invalid { what: "MPEG-2 transport stream payload", at: 0 });
        }
        out.push(DepacketizedFrame::new(Bytes::copy_from_slice(data), timestamp));
        Ok(())
    }
}

/// The registry entry of MPEG-2 transport streams.
pub(super) const ENTRY: PlainEntry = PlainEntry {
    media: "video",
    names: &["MP2T"],
    clock_rate: 90_000,
    fmtp: |parameters| matches!(parameters, CodecParameters::Mp2t).then_some(None),
    parameters: |_| CodecParameters::Mp2t,
    packetizer: |_| Box::new(Mp2tPacketizer::new()),
    depacketizer: |_| Box::new(Mp2tDepacketizer::new()),
    key_frame_test: None,
    payload_test: None,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::testing::{Received, XorShift};
    use std::time::Duration;

    fn packets(n: usize) -> Vec<u8> {
        let mut data = XorShift::new(n as u64 + 1).bytes(n * TS_PACKET_LEN);
        for packet in data.chunks_mut(TS_PACKET_LEN) {
            packet[0] = 0x47;
        }
        data
    }

    #[test]
    fn what_goes_in_comes_out_in_whole_packets() {
        for max_payload in [188, 200, 600, 1316, 1400, 9000] {
            for n in 0..30 {
                let data = packets(n);
                let mut p = Mp2tPacketizer::new();
                let mut out = PacketBuffer::new(max_payload);
                p.packetize(&Frame::new(data.clone(), Duration::ZERO, Duration::ZERO), &mut out);
                let mut d = Received::new(Mp2tDepacketizer::new());
                let mut back = Vec::new();
                for i in 0..out.spans().len() {
                    let payload = out.payload(i).unwrap();
                    assert!(payload.len() <= max_payload.min(1316));
                    d.handle_payload(payload, false, 0, false).unwrap();
                    back.extend_from_slice(&d.poll_frame().unwrap().data);
                }
                assert_eq!(back, data);
            }
        }
    }

    #[test]
    fn half_packets_are_neither_sent_nor_accepted() {
        let mut p = Mp2tPacketizer::new();
        let mut out = PacketBuffer::new(1400);
        let mut data = packets(3);
        data.truncate(500);
        p.packetize(&Frame::new(data.clone(), Duration::ZERO, Duration::ZERO), &mut out);
        assert_eq!(out.payload(0).unwrap().len(), 376);
        let mut d = Received::new(Mp2tDepacketizer::new());
        assert!(d.handle_payload(&data, false, 0, false).is_err());
        assert!(d.handle_payload(&[], false, 0, false).is_err());
        assert!(d.handle_payload(&[0; 188], false, 0, false).is_err());
        d.handle_payload(&packets(1), false, 0, false).unwrap();
        assert!(d.poll_frame().unwrap().discontinuity);
    }

    #[test]
    fn a_jump_is_marked_once() {
        let mut p = Mp2tPacketizer::new();
        let mut out = PacketBuffer::new(1400);
        p.reset();
        let frame = Frame::new(packets(14), Duration::ZERO, Duration::ZERO);
        p.packetize(&frame, &mut out);
        assert_eq!(out.spans().iter().map(|s| s.marker).collect::<Vec<_>>(), [true, false]);
    }
}
