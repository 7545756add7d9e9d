//! [`LatmPacketizer`]: RFC 6416 sections 6.1 to 6.3.

use crate::frame::Frame;
use crate::payload::packet_buffer::PacketBuffer;
use crate::payload::packetizer::Packetizer;

/// Largest access unit: larger ones than this are no AAC of any number of channels.
const MAX_UNIT: usize = 64 << 10;

/// Cuts access units of AAC into RTP payloads: each is an AudioMuxElement without a StreamMuxConfig,
/// which has a packet of its own, or several.
#[derive(Debug, Default)]
pub struct LatmPacketizer {
    /// PayloadLengthInfo of an access unit. The memory is reused.
    length: Vec<u8>,
}

impl LatmPacketizer {
    /// Creates a packetizer for one stream.
    pub const fn new() -> Self {
        Self { length: Vec::new() }
    }
}

impl Packetizer for LatmPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let len = frame.data.len();
        if len == 0 || len > MAX_UNIT {
            log::debug!("an access unit of {len} bytes cannot be sent in LATM");
            return;
        }
        // A byte of 255 is followed by another one.
        self.length.clear();
        self.length.resize(len / 255, 255);
        self.length.push((len % 255) as u8);
        let (mut length, mut data) = (&self.length[..], &frame.data[..]);
        let room = out.max_payload().max(1);
        while !data.is_empty() {
            let (of_length, length_later) = length.split_at(room.min(length.len()));
            let (of_data, data_later) = data.split_at((room - of_length.len()).min(data.len()));
            out.begin_packet();
            out.put(of_length);
            out.put(of_data);
            out.finish_packet(false, 0);
            (length, data) = (length_later, data_later);
        }
        out.mark_last();
    }
}
