//! What RFC 6184 and RFC 7798 have in common: cutting an access unit into its NAL units, and
//! putting one together again from what the packets bring.

use super::DepacketizedFrame;
use crate::framer::annexb;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Range;

/// Largest access unit that a depacketizer puts together.
pub(super) const MAX_ACCESS_UNIT: usize = 16 << 20;

/// Most access units that wait to be asked for; the oldest are dropped beyond.
const MAX_READY: usize = 64;

/// A run of NAL units that share a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// One NAL unit larger than a packet.
    Fragmented(usize),
    /// One that fills a packet alone.
    Single(usize),
    /// Several in one packet.
    Aggregated(Range<usize>),
}

/// The NAL units of a frame. The memory is kept from frame to frame.
#[derive(Debug, Default)]
pub(super) struct NalTable {
    ranges: Vec<Range<usize>>,
}

impl NalTable {
    /// Finds the NAL units of `data` for which `wanted` holds.
    pub(super) fn scan(&mut self, data: &[u8], wanted: impl Fn(&[u8]) -> bool) {
        self.ranges.clear();
        let ranges = annexb::nal_ranges(data);
        self.ranges.extend(ranges.filter(|range| data.get(range.clone()).is_some_and(&wanted)));
    }

    /// NAL unit `index` of the `data` that was scanned.
    pub(super) fn nal<'a>(&self, data: &'a [u8], index: usize) -> &'a [u8] {
        self.ranges.get(index).and_then(|range| data.get(range.clone())).unwrap_or_default()
    }

    /// The groups in which the NAL units are sent, in order: `header` bytes at the start of a
    /// packet that aggregates, two bytes of length before each NAL unit in it.
    pub(super) fn groups(&self, max_payload: usize, header: usize) -> impl Iterator<Item = Group> {
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

/// What a NAL unit is: `None`: none of the codec's that may come in RTP by itself; else whether
/// decoding can start with its access unit.
pub(super) type Classify = fn(&[u8]) -> Option<bool>;

/// Puts access units together, in Annex B form.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// Whole NAL units of the access unit, and behind them the fragmented one.
    bytes: Vec<u8>,
    /// Where the NAL unit that is being put together from fragments starts (its start code).
    fragment: Option<usize>,
    timestamp: Option<u32>,
    key: bool,
    /// Something was lost since the last access unit was given out.
    lossy: bool,
    /// Something of the present access unit is missing, or may be.
    damaged: bool,
    deviations: u64,
    ready: VecDeque<DepacketizedFrame>,
}

impl Assembler {
    /// A packet came: `lost` if some before it did not, `timestamp` its own.
    pub(super) fn handle_packet(&mut self, timestamp: u32, lost: bool) {
        if lost {
            self.drop_fragment();
        }
        if self.timestamp.is_some_and(|current| current != timestamp) {
            // The marked packet was lost, or the sender marks none.
            self.drop_fragment();
            if lost {
                self.note_damage();
            }
            self.finish();
        }
        // The loss may reach into this access unit too.
        if lost {
            self.note_damage();
        }
        self.timestamp = Some(timestamp);
    }

    /// A whole NAL unit, which the caller has found to be one of the codec's; or several with start
    /// codes between them.
    pub(super) fn push_nal(&mut self, nal: &[u8], classify: Classify) {
        self.drop_fragment();
        if annexb::find_start_code(nal, 0).is_some() {
            self.push_byte_stream(nal, classify);
        } else {
            self.push_one(nal, classify);
        }
    }

    fn push_one(&mut self, nal: &[u8], classify: Classify) {
        let Some(key) = classify(nal) else { return self.note_damage() };
        if self.is_full(nal.len()) {
            return;
        }
        self.bytes.extend_from_slice(&annexb::START_CODE);
        self.bytes.extend_from_slice(nal);
        self.key |= key;
    }

    /// No NAL unit has a start code in it (section 7.4.1.1 of the standards): these are several,
    /// or one whose start code was sent along.
    fn push_byte_stream(&mut self, bytes: &[u8], classify: Classify) {
        self.deviations += 1;
        let mut units = byte_stream_units(bytes).peekable();
        while let Some(unit) = units.next() {
            // The header that a fragment's own fields tell, before the unit that has it again.
            let is_repeated = unit.len() <= 2 && units.peek().is_some_and(|n| n.starts_with(unit));
            if !is_repeated {
                self.push_one(unit, classify);
            }
        }
    }

    /// The first fragment of a NAL unit, with its header put right.
    pub(super) fn start_fragment(&mut self, header: &[u8], body: &[u8]) {
        self.drop_fragment();
        if self.is_full(header.len() + body.len()) {
            return;
        }
        self.fragment = Some(self.bytes.len());
        self.bytes.extend_from_slice(&annexb::START_CODE);
        self.bytes.extend_from_slice(header);
        self.bytes.extend_from_slice(body);
    }

    /// A further fragment; without its beginning it is dropped.
    pub(super) fn continue_fragment(&mut self, body: &[u8]) {
        if self.fragment.is_none() {
            self.note_damage();
        } else if !self.is_full(body.len()) {
            self.bytes.extend_from_slice(body);
        }
    }

    /// The last fragment of a NAL unit just came.
    pub(super) fn end_fragment(&mut self, classify: Classify) {
        let Some(start) = self.fragment.take() else { return };
        let nal = self.bytes.get(start + annexb::START_CODE.len()..).unwrap_or_default();
        let key = classify(nal).filter(|_| annexb::find_start_code(nal, 0).is_none());
        if let Some(key) = key {
            self.key |= key;
            return;
        }
        let nal = nal.to_vec();
        self.bytes.truncate(start);
        self.push_nal(&nal, classify);
    }

    /// A packet was malformed: what it had to say is lost.
    pub(super) fn handle_damage(&mut self) {
        self.drop_fragment();
        self.note_damage();
    }

    /// A packet was taken that breaks the RFC.
    pub(super) const fn count_deviation(&mut self) {
        self.deviations += 1;
    }

    /// How many there were.
    pub(super) const fn deviations(&self) -> u64 {
        self.deviations
    }

    const fn note_damage(&mut self) {
        self.lossy = true;
        self.damaged = true;
    }

    /// Ends the access unit: its marked packet came, or nothing more will.
    pub(super) fn finish(&mut self) {
        self.drop_fragment();
        let timestamp = self.timestamp.take();
        let key = std::mem::take(&mut self.key);
        let damaged = std::mem::take(&mut self.damaged);
        let Some(timestamp) = timestamp.filter(|_| !self.bytes.is_empty()) else {
            return;
        };
        // Frames are of a size, mostly; what one huge frame took is not kept.
        let capacity = self.bytes.len().min(256 << 10);
        let data = Bytes::from(std::mem::replace(&mut self.bytes, Vec::with_capacity(capacity)));
        let discontinuity = std::mem::take(&mut self.lossy);
        if self.ready.len() >= MAX_READY {
            self.ready.pop_front();
            if let Some(next) = self.ready.front_mut() {
                next.discontinuity = true;
            }
        }
        self.ready.push_back(DepacketizedFrame { data, timestamp, key, discontinuity, damaged });
    }

    /// The next whole access unit.
    pub(super) fn poll(&mut self) -> Option<DepacketizedFrame> {
        self.ready.pop_front()
    }

    /// Forgets the NAL unit of which a fragment is missing.
    fn drop_fragment(&mut self) {
        if let Some(start) = self.fragment.take() {
            self.bytes.truncate(start);
            self.note_damage();
        }
    }

    /// Whether the access unit has no room for `more` bytes; it then loses all it has.
    fn is_full(&mut self, more: usize) -> bool {
        let full = self.bytes.len().saturating_add(more) > MAX_ACCESS_UNIT;
        if full {
            self.bytes.clear();
            self.fragment = None;
            self.note_damage();
        }
        full
    }
}

/// The NAL units of bytes that may have start codes among them: what stands before the first is
/// one too. Zero bytes at the end of each are the byte stream's.
pub(super) fn byte_stream_units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let first = annexb::find_start_code(bytes, 0).unwrap_or(bytes.len());
    let head = bytes.get(..first).unwrap_or_default();
    let len = head.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let head = head.get(..len).filter(|head| !head.is_empty());
    head.into_iter().chain(annexb::nal_units(bytes))
}

/// Whether `bytes`, with `zeros` zero bytes in front, begin with a start code.
pub(super) fn starts_with_code(bytes: &[u8], zeros: usize) -> bool {
    let more = bytes.iter().take_while(|&&byte| byte == 0).count();
    (2..=3).contains(&(zeros + more)) && bytes.get(more) == Some(&1)
}

/// Whether there is nothing, or nothing but zeros.
pub(super) fn is_padding(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// NAL units as a comma-separated list in base64.
pub(super) fn base64_list<'a>(nals: impl Iterator<Item = &'a Bytes>) -> String {
    let encoded: Vec<_> = nals.map(|nal| BASE64.encode(nal)).collect();
    encoded.join(",")
}

/// The NAL units of such a list; padding may be missing, what is no base64 is left out. Devices
/// write start codes in front of parameter sets, behind them, or between several in one item.
pub(super) fn from_base64_list(list: &str) -> impl Iterator<Item = Bytes> + '_ {
    list.split(',').flat_map(|item| {
        let item = BASE64.decode(item.trim()).unwrap_or_default();
        let nals: Vec<_> = byte_stream_units(&item).map(Bytes::copy_from_slice).collect();
        nals
    })
}

/// The `name=value` pairs of an fmtp.
pub(super) fn fmtp_parameters(fmtp: &str) -> impl Iterator<Item = (&str, &str)> {
    fmtp.split(';').filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        Some((name.trim(), value.trim()))
    })
}

/// Standard alphabet; cameras are known to leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::frame::Frame;
    use crate::payload::testing::XorShift;
    use crate::payload::{Depacketizer, PacketBuffer, Packetizer};
    use std::time::Duration;

    /// A NAL unit of `len` bytes after `header` that has no start code in it.
    pub(crate) fn nal(header: &[u8], len: usize, random: &mut XorShift) -> Vec<u8> {
        let mut nal = header.to_vec();
        nal.extend(random.bytes(len).iter().map(|byte| byte | 1));
        nal
    }

    /// An access unit of `nals`, with start codes of three and four bytes.
    pub(crate) fn frame(nals: &[Vec<u8>], random: &mut XorShift) -> Frame {
        let mut data = Vec::new();
        for nal in nals {
            data.extend_from_slice(if random.below(2) == 0 { &[0, 0, 1] } else { &[0, 0, 0, 1] });
            data.extend_from_slice(nal);
        }
        Frame::new(data, Duration::ZERO, Duration::ZERO)
    }

    /// Payloads and marker bits of a frame.
    pub(crate) fn packets(
        packetizer: &mut dyn Packetizer,
        frame: &Frame,
        max_payload: usize,
    ) -> Vec<(Vec<u8>, bool)> {
        let mut out = PacketBuffer::new(max_payload);
        packetizer.packetize(frame, &mut out);
        let spans = out.spans().iter().enumerate();
        spans.map(|(i, span)| (out.payload(i).unwrap().to_vec(), span.marker)).collect()
    }

    /// Packetizes access units of random NAL units and checks that the same come back.
    pub(crate) fn round_trips(
        packetizer: &mut dyn Packetizer,
        depacketizer: &mut dyn Depacketizer,
        headers: &[&[u8]],
    ) {
        let mut random = XorShift::new(2);
        for round in 0..600u32 {
            let max_payload = 60 + random.below(1400) as usize;
            let mut nals = Vec::new();
            for _ in 0..=random.below(12) {
                let header = headers[random.below(headers.len() as u64) as usize];
                // Around the size of a packet as often as far below and above.
                let len = match random.below(4) {
                    0 => random.below(20) as usize,
                    1 => max_payload + 4 - random.below(10) as usize,
                    2 => random.below(300) as usize,
                    _ => random.below(20_000) as usize,
                };
                nals.push(nal(header, len.max(1), &mut random));
            }
            let frame = frame(&nals, &mut random);
            let packets = packets(packetizer, &frame, max_payload);
            let last = packets.len() - 1;
            for (i, (payload, marker)) in packets.iter().enumerate() {
                assert!(payload.len() <= max_payload && !payload.is_empty());
                assert_eq!(*marker, i == last, "only the last packet is marked");
                depacketizer.handle_payload(payload, *marker, round, false).unwrap();
            }
            let back = depacketizer.poll_frame().expect("an access unit");
            assert_eq!(back.data, annexb::from_nal_units(nals.iter().map(Vec::as_slice)));
            assert_eq!(back.timestamp, round);
            assert!(!back.discontinuity);
            assert_eq!(depacketizer.poll_frame(), None);
        }
    }

    /// Loses packets at random: what comes out are NAL units that went in, in order, and every
    /// access unit that lacks one is marked, or the next is.
    pub(crate) fn survives_loss(
        packetizer: &mut dyn Packetizer,
        depacketizer: &mut dyn Depacketizer,
        header: &[u8],
    ) {
        let mut random = XorShift::new(7);
        let (mut lost, mut lost_since_output) = (false, false);
        for timestamp in 0..400u32 {
            let nals: Vec<_> = (0..3)
                .map(|_| {
                    let len = 1 + random.below(500) as usize;
                    nal(header, len, &mut random)
                })
                .collect();
            let frame = frame(&nals, &mut random);
            for (payload, marker) in packets(packetizer, &frame, 100) {
                if random.below(20) == 0 {
                    (lost, lost_since_output) = (true, true);
                    continue;
                }
                let lost = std::mem::take(&mut lost);
                depacketizer.handle_payload(&payload, marker, timestamp, lost).unwrap();
                while let Some(back) = depacketizer.poll_frame() {
                    if back.timestamp == timestamp {
                        let mut sent = nals.iter();
                        for nal in annexb::nal_units(&back.data) {
                            assert!(sent.any(|s| s == nal), "a NAL unit that was not sent");
                        }
                        let whole = annexb::nal_units(&back.data).count() == nals.len();
                        assert!(whole || back.discontinuity);
                    }
                    if std::mem::take(&mut lost_since_output) {
                        assert!(back.discontinuity);
                    }
                }
            }
        }
    }

    /// Feeds garbage; the depacketizer must take it, and work on afterwards.
    pub(crate) fn survives_garbage(depacketizer: &mut dyn Depacketizer) {
        let mut random = XorShift::new(3);
        for _ in 0..20_000 {
            let len = random.below(40) as usize;
            let payload = random.bytes(len);
            let (marker, lost) = (random.below(5) == 0, random.below(9) == 0);
            let timestamp = random.below(4) as u32;
            let _ = depacketizer.handle_payload(&payload, marker, timestamp, lost);
            while let Some(frame) = depacketizer.poll_frame() {
                assert!(!frame.data.is_empty());
            }
        }
        depacketizer.handle_end();
        while depacketizer.poll_frame().is_some() {}
    }
}
