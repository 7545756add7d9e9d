//! RTP payload format for H.265: RFC 7798, without decoding order numbers (single NAL units, AP,
//! FU).

mod depacketizer;
mod sdp;

pub use depacketizer::H265Depacketizer;
pub use sdp::{H265Parameters, format, parameters_from_fmtp};

use super::access_unit::{Group, NalTable};
use super::{PacketBuffer, Packetizer};
use crate::codec::h265::nal_unit_type;
use crate::frame::Frame;

/// Types of payload structures (RFC 7798 section 4.4).
const AP: u8 = 48;
const FU: u8 = 49;
/// Of the FU header (section 4.4.3).
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;

/// Cuts access units into RTP payloads: NAL units that fit a packet together are aggregated,
/// those larger than a packet are cut into fragments that fill it.
#[derive(Debug, Default)]
pub struct H265Packetizer {
    nals: NalTable,
}

impl H265Packetizer {
    /// A packetizer for one stream.
    pub fn new() -> Self {
        Self::default()
    }

    fn put_aggregate(&self, data: &[u8], range: std::ops::Range<usize>, out: &mut PacketBuffer) {
        let nals = range.map(|index| self.nals.nal(data, index));
        // Section 4.4.2: F is set if any is, LayerId and TID are the lowest of all.
        let (mut forbidden, mut layer, mut tid) = (0, 0x1f8, 7);
        for nal in nals.clone() {
            if let [first, second, ..] = *nal {
                let header = u16::from_be_bytes([first, second]);
                forbidden |= header & 0x8000;
                layer = layer.min(header & 0x1f8);
                tid = tid.min(header & 7);
            }
        }
        out.begin_packet();
        out.put(&(forbidden | (u16::from(AP) << 9) | layer | tid).to_be_bytes());
        for nal in nals {
            // Groups hold no NAL unit longer than 65,535 bytes.
            out.put(&(nal.len() as u16).to_be_bytes());
            out.put(nal);
        }
        out.finish_packet(false, 0);
    }
}

fn put_fragments(nal: &[u8], out: &mut PacketBuffer) {
    let Some((&[first, second], body)) = nal.split_first_chunk() else { return };
    let nal_type = nal_unit_type(nal);
    let size = out.max_payload().saturating_sub(3).max(1);
    let last = body.len().div_ceil(size).saturating_sub(1);
    for (index, fragment) in body.chunks(size).enumerate() {
        let start = if index == 0 { FU_START } else { 0 };
        let end = if index == last { FU_END } else { 0 };
        out.begin_packet();
        out.put(&[(first & 0x81) | (FU << 1), second, start | end | nal_type]);
        out.put(fragment);
        out.finish_packet(false, 0);
    }
}

impl Packetizer for H265Packetizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let data = &frame.data;
        // Types 48 to 63 mean something else in RTP; a NAL unit header has two bytes.
        self.nals.scan(data, |nal| nal.len() >= 2 && nal_unit_type(nal) < AP);
        let before = out.spans().len();
        for group in self.nals.groups(out.max_payload(), 2) {
            match group {
                Group::Single(index) => {
                    out.begin_packet();
                    out.put(self.nals.nal(data, index));
                    out.finish_packet(false, 0);
                }
                Group::Aggregated(range) => self.put_aggregate(data, range, out),
                Group::Fragmented(index) => put_fragments(self.nals.nal(data, index), out),
            }
        }
        if frame.flags.ends_access_unit && out.spans().len() > before {
            out.mark_last();
        }
    }
}

#[cfg(test)]
mod tests;
