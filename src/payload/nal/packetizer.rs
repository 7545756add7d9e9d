//! [`NalPacketizer`]: RFC 6184 sections 5.6 to 5.8, RFC 7798 section 4.4.

use super::rules::NalRules;
use crate::frame::Frame;
use crate::framer::annexb;
use crate::payload::packet_buffer::PacketBuffer;
use crate::payload::packetizer::{Packetizer, UnsentData};
use std::marker::PhantomData;
use std::ops::Range;

/// Bits of the FU header: first and last fragment.
pub(super) const FU_START: u8 = 0x80;
pub(super) const FU_END: u8 = 0x40;

/// Cuts access units into RTP payloads: NAL units that fit into a packet together are aggregated,
/// and larger ones are cut into fragments that fill it.
///
/// ```
/// use riverrun::Frame;
/// use riverrun::payload::h264::{H264Depacketizer, H264Packetizer};
/// use riverrun::payload::{DepacketizedFrames, Depacketizer, PacketBuffer, Packetizer, RtpPayload};
/// use std::time::Duration;
///
/// let slice = [&[0, 0, 0, 1, 0x65][..], &[0xaa; 3000]].concat();
/// let frame = Frame::new(slice, Duration::ZERO, Duration::ZERO);
/// let mut packets = PacketBuffer::new(1400);
/// H264Packetizer::new().packetize(&frame, &mut packets);
/// assert_eq!(packets.spans().len(), 3);
///
/// let mut depacketizer = H264Depacketizer::new();
/// let mut frames = DepacketizedFrames::new();
/// for (i, span) in packets.spans().iter().enumerate() {
///     let payload = packets.payload(i).unwrap();
///     let payload = RtpPayload::new(payload, 90_000).with_marker(span.marker);
///     depacketizer.handle_payload(&payload, &mut frames)?;
/// }
/// assert_eq!(frames.pop().unwrap().data, frame.data);
/// # Ok::<(), riverrun::wire::ParseError>(())
/// ```
#[derive(Debug)]
pub struct NalPacketizer<R> {
    nals: NalTable,
    /// Each NAL unit has a packet of its own; those that do not fit are dropped.
    is_single: bool,
    unsent: UnsentData,
    rules: PhantomData<R>,
}

impl<R: NalRules> Default for NalPacketizer<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: NalRules> NalPacketizer<R> {
    /// Creates a packetizer for one stream.
    pub const fn new() -> Self {
        Self::with_mode(false)
    }

    /// Creates a packetizer that sends each NAL unit in a packet of its own.
    pub(in crate::payload) const fn of_single_units() -> Self {
        Self::with_mode(true)
    }

    const fn with_mode(is_single: bool) -> Self {
        let nals = NalTable { ranges: Vec::new() };
        Self {
            nals,
            is_single,
            unsent: UnsentData { too_large: 0, unsupported: 0 },
            rules: PhantomData,
        }
    }

    /// Puts each NAL unit into a packet of its own, and drops those that do not fit.
    fn put_single_units(&mut self, data: &[u8], out: &mut PacketBuffer) {
        for range in &self.nals.ranges {
            let (len, most) = (range.len(), out.max_payload());
            if len <= most {
                put_single(data.get(range.clone()).unwrap_or_default(), out);
                continue;
            }
            if self.unsent.too_large == 0 {
                log::warn!(
                    "a NAL unit of {len} bytes does not fit into a packet of {most}, and there are no \
                     fragments in single NAL unit mode: it is dropped, as all like it will be"
                );
            }
            self.unsent.too_large += 1;
        }
    }

    fn put_groups(&self, data: &[u8], out: &mut PacketBuffer) {
        for group in self.nals.groups(out.max_payload(), R::HEADER_LEN) {
            match group {
                Group::Single(index) => put_single(self.nals.nal(data, index), out),
                Group::Aggregated(range) => self.put_aggregate(data, range, out),
                Group::Fragmented(index) => Self::put_fragments(self.nals.nal(data, index), out),
            }
        }
    }

    fn put_aggregate(&self, data: &[u8], range: Range<usize>, out: &mut PacketBuffer) {
        let nals = range.map(|index| self.nals.nal(data, index));
        out.begin_packet();
        out.put(header::<R>(&R::aggregate_header(nals.clone())));
        for nal in nals {
            // Groups hold no NAL unit longer than 65,535 bytes.
            out.put(&(nal.len() as u16).to_be_bytes());
            out.put(nal);
        }
        out.finish_packet(false, 0);
    }

    fn put_fragments(nal: &[u8], out: &mut PacketBuffer) {
        let Some((_, body)) = nal.split_at_checked(R::HEADER_LEN) else { return };
        let (payload_header, nal_type) = R::fragment_header(nal);
        let size = out.max_payload().saturating_sub(R::HEADER_LEN + 1).max(1);
        let last = body.len().div_ceil(size).saturating_sub(1);
        for (index, fragment) in body.chunks(size).enumerate() {
            let start = if index == 0 { FU_START } else { 0 };
            let end = if index == last { FU_END } else { 0 };
            out.begin_packet();
            out.put(header::<R>(&payload_header));
            out.put(&[start | end | nal_type]);
            out.put(fragment);
            out.finish_packet(false, 0);
        }
    }
}

fn put_single(nal: &[u8], out: &mut PacketBuffer) {
    out.begin_packet();
    out.put(nal);
    out.finish_packet(false, 0);
}

/// The bytes of a header, which has one or two.
pub(super) fn header<R: NalRules>(bytes: &[u8; 2]) -> &[u8] {
    bytes.get(..R::HEADER_LEN).unwrap_or_default()
}

impl<R: NalRules> Packetizer for NalPacketizer<R> {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let data = &frame.data;
        self.nals.scan(data, R::is_nal);
        let before = out.spans().len();
        if self.is_single {
            self.put_single_units(data, out);
        } else {
            self.put_groups(data, out);
        }
        if frame.flags.ends_access_unit && out.spans().len() > before {
            out.mark_last();
        }
    }

    fn unsent(&self) -> UnsentData {
        self.unsent
    }
}

/// A run of NAL units that share a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Group {
    /// One NAL unit larger than a packet.
    Fragmented(usize),
    /// A NAL unit that has a packet of its own.
    Single(usize),
    /// Several NAL units in one packet.
    Aggregated(Range<usize>),
}

/// The positions of the NAL units of a frame. The memory is reused.
#[derive(Debug, Default)]
struct NalTable {
    ranges: Vec<Range<usize>>,
}

impl NalTable {
    /// Finds the NAL units of `data` for which `wanted` returns true.
    fn scan(&mut self, data: &[u8], wanted: impl Fn(&[u8]) -> bool) {
        self.ranges.clear();
        let ranges = annexb::nal_ranges(data);
        self.ranges.extend(ranges.filter(|range| data.get(range.clone()).is_some_and(&wanted)));
    }

    /// NAL unit `index` of the scanned `data`.
    fn nal<'a>(&self, data: &'a [u8], index: usize) -> &'a [u8] {
        self.ranges.get(index).and_then(|range| data.get(range.clone())).unwrap_or_default()
    }

    /// Iterates over the groups in which the NAL units are sent: an aggregation packet starts with
    /// `header` bytes, and each NAL unit in it with two bytes of length.
    fn groups(&self, max_payload: usize, header: usize) -> impl Iterator<Item = Group> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let first = next;
            let len = self.ranges.get(first)?.len();
            next += 1;
            if len > max_payload {
                return Some(Group::Fragmented(first));
            }
            let mut total = header + 2 + len;
            while let Some(range) = self.ranges.get(next) {
                total = total.saturating_add(2 + range.len());
                // The length field has two bytes.
                if total > max_payload || range.len() > 0xffff || len > 0xffff {
                    break;
                }
                next += 1;
            }
            Some(if next - first == 1 {
                Group::Single(first)
            } else {
                Group::Aggregated(first..next)
            })
        })
    }
}
