//! [`AacPacketizer`]: RFC 3640 sections 3.2.1, 3.2.3 and 3.3.6 (AAC-hbr).

use crate::frame::Frame;
use crate::payload::gather::Gather;
use crate::payload::packet_buffer::PacketBuffer;
use crate::payload::packetizer::Packetizer;

/// Length of `AU-headers-length`, which precedes the AU headers.
const LENGTH_LEN: usize = 2;
/// Length of an AU header: 13 bits of size, 3 bits of index.
const AU_HEADER_LEN: usize = 2;
/// Largest access unit size that 13 bits can state.
const MAX_AU: usize = 0x1fff;

/// Cuts access units into payloads: as many per packet as fit and span at most 0.1 s.
///
/// ```
/// use riverrun::Frame;
/// use riverrun::payload::aac::AacPacketizer;
/// use riverrun::payload::{PacketBuffer, Packetizer};
/// use std::time::Duration;
///
/// let mut packetizer = AacPacketizer::new(48_000);
/// let mut packets = PacketBuffer::new(1400);
/// let unit = Frame::new(vec![0; 300], Duration::ZERO, Duration::from_nanos(21_333_333));
/// packetizer.packetize(&unit, &mut packets);
/// assert!(packets.is_empty() && packetizer.holds_back());
/// packetizer.flush(&mut packets);
/// assert_eq!(packets.payload(0).unwrap().len(), 2 + 2 + 300);
/// ```
#[derive(Debug)]
pub struct AacPacketizer {
    gather: Gather,
}

impl AacPacketizer {
    /// Creates a packetizer for one stream with an RTP clock of `sampling_rate` Hz.
    pub const fn new(sampling_rate: u32) -> Self {
        Self { gather: Gather::new(sampling_rate) }
    }

    fn put_units(&mut self, out: &mut PacketBuffer) {
        if self.gather.is_empty() {
            return;
        }
        out.begin_packet();
        let bits = self.gather.count() * AU_HEADER_LEN * 8;
        out.put(&(bits as u16).to_be_bytes());
        for len in self.gather.lengths() {
            // AU-Index of the first and AU-Index-delta of the others are 0: no interleaving.
            out.put(&au_header(len));
        }
        out.put(self.gather.bytes());
        out.finish_packet(true, self.gather.lag());
        self.gather.clear();
    }

    /// Appends the fragments of an access unit. All have its size and timestamp; the last is
    /// marked.
    fn put_fragments(frame: &Frame, out: &mut PacketBuffer) {
        let room = out.max_payload().saturating_sub(LENGTH_LEN + AU_HEADER_LEN).max(1);
        for fragment in frame.data.chunks(room) {
            out.begin_packet();
            out.put(&(AU_HEADER_LEN as u16 * 8).to_be_bytes());
            out.put(&au_header(frame.data.len()));
            out.put(fragment);
            out.finish_packet(false, 0);
        }
        out.mark_last();
    }
}

/// The AU header for `size`, which is at most [`MAX_AU`].
const fn au_header(size: usize) -> [u8; 2] {
    ((size as u16) << 3).to_be_bytes()
}

impl Packetizer for AacPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        self.gather.handle_frame(frame);
        let len = frame.data.len();
        if len == 0 || len > MAX_AU {
            self.put_units(out);
            log::debug!("an access unit of {len} bytes cannot be sent in AAC-hbr");
            return;
        }
        let header = LENGTH_LEN + (self.gather.count() + 1) * AU_HEADER_LEN;
        if !self.gather.continues_with(frame)
            || header + self.gather.bytes().len() + len > out.max_payload()
        {
            self.put_units(out);
        }
        if LENGTH_LEN + AU_HEADER_LEN + len > out.max_payload() {
            Self::put_fragments(frame, out);
            return;
        }
        self.gather.push(frame);
        if self.gather.is_full() {
            self.put_units(out);
        }
    }

    fn flush(&mut self, out: &mut PacketBuffer) {
        self.put_units(out);
    }

    fn reset(&mut self) {
        self.gather.clear();
    }

    fn holds_back(&self) -> bool {
        !self.gather.is_empty()
    }
}
