//! Payloads that are forwarded unchanged: each frame is one payload.
//!
//! For relays of formats that this crate does not implement, and for an application's own codec
//! whose frames fit into a packet.

use super::depacketizer::{DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload};
use super::entry::{FormatEntry, described};
use super::error::FormatError;
use super::format::PayloadFormat;
use super::packet_buffer::PacketBuffer;
use super::packetizer::{Packetizer, UnsentData};
use crate::codec::CodecParameters;
use crate::frame::Frame;
use crate::wire::ParseError;
use bytes::Bytes;

/// Sends each frame as one payload. The last frame of an access unit has the marker bit.
///
/// Frames that do not fit into a packet are dropped and [counted](Packetizer::unsent).
#[derive(Debug, Default)]
pub struct OpaquePacketizer {
    unsent: UnsentData,
}

impl OpaquePacketizer {
    /// Creates a packetizer for one stream.
    pub const fn new() -> Self {
        Self { unsent: UnsentData { too_large: 0, unsupported: 0 } }
    }
}

impl Packetizer for OpaquePacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let len = frame.data.len();
        if len > out.max_payload() {
            log::debug!("a payload of {len} bytes does not fit in {}", out.max_payload());
            self.unsent.too_large += 1;
            return;
        }
        out.begin_packet();
        out.put(&frame.data);
        out.finish_packet(frame.flags.ends_access_unit, 0);
    }

    fn unsent(&self) -> UnsentData {
        self.unsent
    }
}

/// Returns each payload as a frame, with the marker bit as
/// [`ends_access_unit`](DepacketizedFrame::ends_access_unit).
#[derive(Debug, Default)]
pub struct OpaqueDepacketizer {
    _private: (),
}

impl OpaqueDepacketizer {
    /// Creates a depacketizer for one stream.
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl Depacketizer for OpaqueDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        if payload.lost {
            out.note_loss();
        }
        let mut frame =
            DepacketizedFrame::new(Bytes::copy_from_slice(payload.data), payload.timestamp);
        frame.ends_access_unit = payload.marker;
        out.push(frame);
        Ok(())
    }
}

/// The registry entry of all formats that have no other entry.
pub(super) struct Entry;

impl FormatEntry for Entry {
    fn media(&self) -> &str {
        "*"
    }

    fn encoding_names(&self) -> &[&str] {
        &[]
    }

    fn handles(&self, _media: &str, _encoding_name: &str, _clock_rate: u32) -> bool {
        true
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let CodecParameters::Other(codec) = parameters else { return None };
        Some(described(codec, payload_type))
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(OpaquePacketizer::new())
    }

    fn depacketizer(&self, _: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Ok(Box::new(OpaqueDepacketizer::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn payloads_and_marker_bits_pass_unchanged() {
        let mut packetizer = OpaquePacketizer::new();
        let mut depacketizer = OpaqueDepacketizer::new();
        let mut packets = PacketBuffer::new(20);
        let mut frames = DepacketizedFrames::new();
        for (len, marker) in [(1, false), (20, true), (0, true), (21, true)] {
            let mut frame = Frame::new(vec![7; len], Duration::ZERO, Duration::ZERO);
            frame.flags.ends_access_unit = marker;
            packets.clear();
            packetizer.packetize(&frame, &mut packets);
            if len > 20 {
                assert!(packets.is_empty());
                assert_eq!(packetizer.unsent().too_large, 1);
                continue;
            }
            let data = packets.payload(0).unwrap();
            let payload = RtpPayload::new(data, 9)
                .with_marker(packets.spans()[0].marker)
                .after_loss(len == 20);
            depacketizer.handle_payload(&payload, &mut frames).unwrap();
            let back = frames.pop().unwrap();
            assert_eq!((&back.data, back.timestamp), (&frame.data, 9));
            assert_eq!((back.ends_access_unit, back.discontinuity), (marker, len == 20));
        }
    }
}
