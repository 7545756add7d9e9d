//! [`Av1Packetizer`]: sections 4.4, 4.5 and 5.

use super::{N, W_SHIFT, Y, Z};
use crate::codec::av1::{self, Obu, leb128_len, obu_type, obus, write_leb128};
use crate::frame::Frame;
use crate::payload::packet_buffer::PacketBuffer;
use crate::payload::packetizer::{Packetizer, UnsentData};
use bytes::Bytes;

/// Most elements of a packet: so many can be counted in its header, so that the last needs no length.
const MAX_ELEMENTS: usize = 3;
/// Smallest fragment that is put behind other elements.
const MIN_FRAGMENT: usize = 32;

/// Cuts temporal units of AV1 into RTP payloads: OBUs that fit into a packet together share it, larger
/// ones are cut into fragments that fill it. Temporal delimiters and tile lists are left out, and so
/// are the lengths of OBUs.
///
/// A key frame without a sequence header gets the one of the codec parameters, which the description
/// of the stream cannot state.
#[derive(Debug, Default)]
pub struct Av1Packetizer {
    sequence_header: Bytes,
    unsent: UnsentData,
}

impl Av1Packetizer {
    /// Creates a packetizer for one stream. `sequence_header` is an OBU with its header and length;
    /// empty if it is unknown.
    pub const fn new(sequence_header: Bytes) -> Self {
        Self { sequence_header, unsent: UnsentData { too_large: 0, unsupported: 0 } }
    }
}

impl Packetizer for Av1Packetizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let unit = &frame.data;
        if obus(unit).any(|obu| obu.is_err()) {
            log::debug!("a temporal unit of {} bytes is no sequence of OBUs", unit.len());
            self.unsent.unsupported += 1;
            return;
        }
        let is_key = av1::is_key(unit);
        let has_header = av1::sequence_header_range(unit).is_some();
        let missing = if is_key && !has_header { &self.sequence_header[..] } else { &[] };
        let is_start = is_key && (has_header || !missing.is_empty());
        let before = out.spans().len();
        let mut packet = Packet::new(if is_start { N } else { 0 });
        for obu in obus(missing).chain(obus(unit)).flatten() {
            if !matches!(obu.obu_type(), obu_type::TEMPORAL_DELIMITER | obu_type::TILE_LIST) {
                packet.put(&obu, out);
            }
        }
        packet.finish(0, out);
        if frame.flags.ends_access_unit && out.spans().len() > before {
            out.mark_last();
        }
    }

    fn unsent(&self) -> UnsentData {
        self.unsent
    }
}

/// A part of an OBU without `obu_size`.
#[derive(Clone, Copy, Debug, Default)]
struct Part<'a> {
    header: ([u8; 2], usize),
    payload: &'a [u8],
    /// Where the part begins and ends in the bytes of header and payload.
    from: usize,
    to: usize,
}

impl<'a> Part<'a> {
    fn whole(obu: &Obu<'a>) -> Self {
        let header = obu.header_without_size();
        Self { header, payload: obu.payload, from: 0, to: header.1 + obu.payload.len() }
    }

    const fn len(&self) -> usize {
        self.to - self.from
    }

    fn write(&self, out: &mut PacketBuffer) {
        let (header, header_len) = self.header;
        let header = header.get(self.from..header_len.min(self.to)).unwrap_or_default();
        let behind = |at: usize| at.saturating_sub(header_len);
        let payload = self.payload.get(behind(self.from)..behind(self.to)).unwrap_or_default();
        out.put(header);
        out.put(payload);
    }
}

/// The packet that is being filled.
struct Packet<'a> {
    parts: [Part<'a>; MAX_ELEMENTS],
    count: usize,
    /// Bytes of the parts, each with its length in front.
    len: usize,
    /// Bits of the aggregation header.
    flags: u8,
    /// The layer of the OBUs that have one.
    layer: Option<u8>,
}

impl<'a> Packet<'a> {
    fn new(flags: u8) -> Self {
        Self { parts: [Part::default(); MAX_ELEMENTS], count: 0, len: 0, flags, layer: None }
    }

    /// Puts an OBU into this packet and others.
    fn put(&mut self, obu: &Obu<'a>, out: &mut PacketBuffer) {
        // Those of a packet have one layer (section 5).
        let is_other_layer =
            self.layer.is_some() && obu.extension.is_some_and(|layer| self.layer != Some(layer));
        if self.count == MAX_ELEMENTS || is_other_layer {
            self.finish(0, out);
        }
        let mut part = Part::whole(obu);
        loop {
            self.layer = self.layer.or(obu.extension);
            // Less the aggregation header.
            let room = out.max_payload().saturating_sub(1 + self.len);
            if part.len() <= room {
                return self.push(part);
            }
            if self.count > 0 && room < MIN_FRAGMENT {
                self.finish(0, out);
                continue;
            }
            let cut = part.from + room.max(1);
            self.push(Part { to: cut, ..part });
            self.finish(Y, out);
            self.flags = Z;
            part.from = cut;
        }
    }

    fn push(&mut self, part: Part<'a>) {
        if let Some(place) = self.parts.get_mut(self.count) {
            *place = part;
            self.count += 1;
            self.len += leb128_len(part.len()) + part.len();
        }
    }

    /// Writes the packet, if there is anything in it, and begins another.
    fn finish(&mut self, flags: u8, out: &mut PacketBuffer) {
        let Some(parts) = self.parts.get(..self.count).filter(|parts| !parts.is_empty()) else {
            return;
        };
        out.begin_packet();
        out.put(&[self.flags | flags | (self.count as u8) << W_SHIFT]);
        for (i, part) in (1..).zip(parts) {
            if i < self.count {
                write_leb128(part.len(), |byte| out.put(&[byte]));
            }
            part.write(out);
        }
        out.finish_packet(false, 0);
        *self = Self::new(0);
    }
}
