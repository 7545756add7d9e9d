//! [`VorbisPacketizer`]: RFC 5215 sections 2.2, 2.3 and 5.

use super::configuration::Configuration;
use super::{AUDIO, FIRST, HEADER_LEN, LAST, LENGTH_LEN, MIDDLE, WHOLE};
use crate::frame::Frame;
use crate::payload::gather::Gather;
use crate::payload::packet_buffer::PacketBuffer;
use crate::payload::packetizer::Packetizer;
use bytes::Bytes;

/// Most packets in a payload.
const MAX_PACKETS: usize = 15;

/// Puts Vorbis packets into RTP payloads: as many as fit and span at most 0.1 s.
#[derive(Debug)]
pub struct VorbisPacketizer {
    ident: [u8; 3],
    gather: Gather,
}

impl VorbisPacketizer {
    /// Creates a packetizer for a stream with these headers and an RTP clock of `sampling_rate` Hz.
    pub fn new(headers: &[Bytes; 3], sampling_rate: u32) -> Self {
        let [_, ident @ ..] = Configuration::new(headers).ident.to_be_bytes();
        Self { ident, gather: Gather::new(sampling_rate) }
    }

    /// Begins a payload.
    fn begin(&self, fragment: u8, packets: usize, out: &mut PacketBuffer) {
        out.begin_packet();
        out.put(&self.ident);
        out.put(&[fragment << 6 | AUDIO << 4 | packets as u8]);
    }

    fn put_packets(&mut self, out: &mut PacketBuffer) {
        if self.gather.is_empty() {
            return;
        }
        self.begin(WHOLE, self.gather.count(), out);
        let mut rest = self.gather.bytes();
        for len in self.gather.lengths() {
            let (packet, others) = rest.split_at_checked(len).unwrap_or_default();
            put(packet, out);
            rest = others;
        }
        out.finish_packet(false, self.gather.lag());
        self.gather.clear();
    }

    fn put_fragments(&self, packet: &[u8], out: &mut PacketBuffer) {
        let room = out.max_payload().saturating_sub(HEADER_LEN + LENGTH_LEN);
        let room = room.clamp(1, u16::MAX.into());
        let count = packet.len().div_ceil(room);
        for (i, fragment) in packet.chunks(room).enumerate() {
            let kind = match i {
                0 => FIRST,
                _ if i + 1 == count => LAST,
                _ => MIDDLE,
            };
            self.begin(kind, 0, out);
            put(fragment, out);
            out.finish_packet(false, 0);
        }
    }
}

/// Appends a packet, or a fragment, with its length.
fn put(packet: &[u8], out: &mut PacketBuffer) {
    out.put(&(packet.len() as u16).to_be_bytes());
    out.put(packet);
}

impl Packetizer for VorbisPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        self.gather.handle_frame(frame);
        let len = frame.data.len();
        let lengths = LENGTH_LEN * (self.gather.count() + 1);
        if !self.gather.continues_with(frame)
            || self.gather.count() == MAX_PACKETS
            || HEADER_LEN + lengths + self.gather.bytes().len() + len > out.max_payload()
        {
            self.put_packets(out);
        }
        if len == 0 {
            log::debug!("a Vorbis packet is empty");
        } else if HEADER_LEN + LENGTH_LEN + len > out.max_payload().min(u16::MAX.into()) {
            self.put_fragments(&frame.data, out);
        } else {
            self.gather.push(frame);
            if self.gather.is_full() {
                self.put_packets(out);
            }
        }
    }

    fn flush(&mut self, out: &mut PacketBuffer) {
        self.put_packets(out);
    }

    fn reset(&mut self) {
        self.gather.clear();
    }

    fn holds_back(&self) -> bool {
        !self.gather.is_empty()
    }
}
