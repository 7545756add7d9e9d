//! MPEG-2 transport streams: whole packets of 188 bytes, as many as fit.
//!
//! Read RFC 2250, section 2.

use super::{DepacketizedFrame, Depacketizer, PacketBuffer, Packetizer, PayloadFormat};
use crate::frame::Frame;
use crate::wire::ParseError;
use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes of a transport stream packet.
pub const TS_PACKET_LEN: usize = 188;
/// Most transport stream packets in an RTP packet: what an Ethernet frame holds.
pub const MAX_PACKETS: usize = 7;

/// SDP parameters: the static payload type 33.
pub const fn format() -> PayloadFormat {
    PayloadFormat {
        media: "video",
        payload_type: 33,
        encoding_name: "MP2T",
        clock_rate: 90_000,
        channels: None,
        fmtp: None,
    }
}

/// Cuts runs of transport stream packets into payloads.
#[derive(Debug, Default)]
pub struct Mp2tPacketizer {
    /// The marker says that the timestamps jump (section 2.1), also after a seek.
    jump: bool,
}

impl Mp2tPacketizer {
    /// At the start of a stream.
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

/// Gives out the transport stream packets of each payload.
#[derive(Debug, Default)]
pub struct Mp2tDepacketizer {
    frames: VecDeque<DepacketizedFrame>,
    discontinuity: bool,
}

impl Mp2tDepacketizer {
    /// At the start of a stream.
    pub const fn new() -> Self {
        Self { frames: VecDeque::new(), discontinuity: false }
    }
}

impl Depacketizer for Mp2tDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &[u8],
        marker: bool,
        timestamp: u32,
        lost: bool,
    ) -> Result<(), ParseError> {
        self.discontinuity |= marker || lost;
        let whole = !payload.is_empty() && payload.len() % TS_PACKET_LEN == 0;
        if !whole || payload.chunks(TS_PACKET_LEN).any(|packet| packet.first() != Some(&0x47)) {
            self.discontinuity = true;
            return Err(ParseError::Invalid { what: "MPEG-2 transport stream payload", at: 0 });
        }
        let discontinuity = std::mem::take(&mut self.discontinuity);
        let data = Bytes::copy_from_slice(payload);
        self.frames.push_back(DepacketizedFrame {
            data,
            timestamp,
            key: true,
            discontinuity,
            damaged: false,
        });
        Ok(())
    }

    fn poll_frame(&mut self) -> Option<DepacketizedFrame> {
        self.frames.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::testing::XorShift;
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
                let mut d = Mp2tDepacketizer::new();
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
        let mut d = Mp2tDepacketizer::new();
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
