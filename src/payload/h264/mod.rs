//! RTP payload format for H.264: RFC 6184, packetization mode 1 (single NAL units, STAP-A, FU-A).

mod depacketizer;
mod sdp;

pub use depacketizer::H264Depacketizer;
pub use sdp::{H264Parameters, format, parameters_from_fmtp};

use super::access_unit::{Group, NalTable};
use super::{PacketBuffer, Packetizer};
use crate::codec::h264::nal_unit_type;
use crate::frame::Frame;

/// Types of payload structures (RFC 6184 section 5.4).
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
/// Of the FU header (section 5.8).
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;

/// Cuts access units into RTP payloads: NAL units that fit a packet together are aggregated,
/// those larger than a packet are cut into fragments that fill it.
///
/// ```
/// use riverrun::Frame;
/// use riverrun::payload::h264::{H264Depacketizer, H264Packetizer};
/// use riverrun::payload::{Depacketizer, PacketBuffer, Packetizer};
/// use std::time::Duration;
///
/// let slice = [&[0, 0, 0, 1, 0x65][..], &[0xaa; 3000]].concat();
/// let frame = Frame::new(slice, Duration::ZERO, Duration::ZERO);
/// let mut packets = PacketBuffer::new(1400);
/// H264Packetizer::new().packetize(&frame, &mut packets);
/// assert_eq!(packets.spans().len(), 3);
///
/// let mut depacketizer = H264Depacketizer::new();
/// for (i, span) in packets.spans().iter().enumerate() {
///     let payload = packets.payload(i).unwrap();
///     depacketizer.handle_payload(payload, span.marker, 90_000, false)?;
/// }
/// assert_eq!(depacketizer.poll_frame().unwrap().data, frame.data);
/// # Ok::<(), riverrun::wire::ParseError>(())
/// ```
#[derive(Debug, Default)]
pub struct H264Packetizer {
    nals: NalTable,
}

impl H264Packetizer {
    /// A packetizer for one stream.
    pub fn new() -> Self {
        Self::default()
    }

    fn put_aggregate(&self, data: &[u8], range: std::ops::Range<usize>, out: &mut PacketBuffer) {
        let nals = range.map(|index| self.nals.nal(data, index));
        // Section 5.7: F is set if any is, NRI the maximum of all.
        let (forbidden, nri) = nals.clone().fold((0, 0), |(forbidden, nri), nal| {
            let header = nal.first().copied().unwrap_or_default();
            (forbidden | (header & 0x80), nri.max(header & 0x60))
        });
        out.begin_packet();
        out.put(&[forbidden | nri | STAP_A]);
        for nal in nals {
            // Groups hold no NAL unit longer than 65,535 bytes.
            out.put(&(nal.len() as u16).to_be_bytes());
            out.put(nal);
        }
        out.finish_packet(false, 0);
    }
}

fn put_fragments(nal: &[u8], out: &mut PacketBuffer) {
    let Some((&header, body)) = nal.split_first() else { return };
    let size = out.max_payload().saturating_sub(2).max(1);
    let last = body.len().div_ceil(size).saturating_sub(1);
    for (index, fragment) in body.chunks(size).enumerate() {
        let start = if index == 0 { FU_START } else { 0 };
        let end = if index == last { FU_END } else { 0 };
        out.begin_packet();
        out.put(&[(header & 0xe0) | FU_A, start | end | (header & 0x1f)]);
        out.put(fragment);
        out.finish_packet(false, 0);
    }
}

impl Packetizer for H264Packetizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let data = &frame.data;
        // Types 0 and 24 to 31 mean something else in RTP (section 5.2).
        self.nals.scan(data, |nal| matches!(nal_unit_type(nal), 1..=23));
        let before = out.spans().len();
        for group in self.nals.groups(out.max_payload(), 1) {
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
