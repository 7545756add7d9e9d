//! [`Assembler`]: assembles an access unit from the NAL units and fragments in packets.

use super::sdp::byte_stream_units;
use crate::framer::annexb;
use crate::payload::depacketizer::{DepacketizedFrame, DepacketizedFrames};
use crate::payload::frame_buffers;

/// Size of the largest access unit that a depacketizer assembles, in bytes.
pub(super) const MAX_ACCESS_UNIT: usize = 16 << 20;

/// Bytes at the beginning of a slice that are searched for a start code: a header, and what may
/// precede the header that belongs to the slice.
const SLICE_START: usize = 8;

/// What a depacketizer needs to know of a NAL unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct NalClass {
    /// Whether decoding can start with its access unit.
    pub(super) key: bool,
    /// Whether it is a slice of a picture.
    pub(super) is_slice: bool,
    /// The bit of its kind, if it is a parameter set; else 0.
    pub(super) parameter_set: u8,
}

/// Classifies a NAL unit: `None` if the codec has no such NAL unit in RTP.
pub(super) type Classify = fn(&[u8]) -> Option<NalClass>;

/// Assembles access units in Annex B form.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// Whole NAL units of the access unit, followed by the fragmented one. Without memory between
    /// access units: one whose packets come together is given out at once, and what it leaves behind
    /// is used for that of the next stream, while it is in the processor's cache.
    bytes: Vec<u8>,
    /// Start of the NAL unit that is being assembled from fragments (its start code).
    fragment: Option<usize>,
    timestamp: Option<u32>,
    key: bool,
    /// Whether something was lost since the last access unit was returned.
    lossy: bool,
    /// Whether a part of the present access unit is missing, or may be.
    damaged: bool,
    /// The sender marks the last packet of an access unit.
    marks: bool,
    /// The kinds of parameter sets that decoding cannot start without and that have not come.
    missing_sets: u8,
    deviations: u64,
    /// Lengths of the last two access units.
    last_lens: [usize; 2],
}

impl Assembler {
    /// Takes access units for damaged with which decoding cannot start, since parameter sets of these
    /// kinds have not come.
    pub(super) const fn expect_parameter_sets(&mut self, kinds: u8) {
        self.missing_sets = kinds;
    }

    /// Announces a packet with its `timestamp`; `lost` if packets before it are missing.
    pub(super) fn handle_packet(
        &mut self,
        timestamp: u32,
        lost: bool,
        out: &mut DepacketizedFrames,
    ) {
        if lost {
            self.drop_fragment();
        }
        if self.timestamp.is_some_and(|current| current != timestamp) {
            // The marked packet was lost, or the sender marks none.
            self.drop_fragment();
            if lost {
                self.note_damage();
            }
            self.finish(out);
        }
        // The loss may reach into this access unit too.
        if lost {
            self.note_damage();
        }
        self.timestamp = Some(timestamp);
    }

    /// Appends a whole NAL unit that the caller has classified, or several with start codes between
    /// them.
    pub(super) fn push_nal(&mut self, nal: &[u8], classify: Classify) {
        self.drop_fragment();
        if has_start_code(nal, classify(nal)) {
            self.push_byte_stream(nal, classify);
        } else {
            self.push_one(nal, classify);
        }
    }

    fn push_one(&mut self, nal: &[u8], classify: Classify) {
        let Some(class) = classify(nal) else { return self.note_damage() };
        if self.is_full(nal.len()) {
            return;
        }
        self.push_start_code();
        self.bytes.extend_from_slice(nal);
        self.note_use(class);
    }

    const fn note_use(&mut self, class: NalClass) {
        self.key |= class.key;
        self.missing_sets &= !class.parameter_set;
    }

    /// Appends bytes with start codes in them: no NAL unit contains one (section 7.4.1.1 of the
    /// standards), so these are several, or one whose start code was sent too.
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

    /// Starts a NAL unit with its first fragment and its restored header.
    pub(super) fn start_fragment(&mut self, header: &[u8], body: &[u8]) {
        self.drop_fragment();
        if self.is_full(header.len() + body.len()) {
            return;
        }
        self.fragment = Some(self.bytes.len());
        self.push_start_code();
        self.bytes.extend_from_slice(header);
        self.bytes.extend_from_slice(body);
    }

    fn push_start_code(&mut self) {
        if self.bytes.capacity() == 0 {
            self.bytes = frame_buffers::take_like(self.last_lens);
        }
        self.bytes.extend_from_slice(&annexb::START_CODE);
    }

    /// Appends a further fragment; it is dropped if the beginning is missing.
    pub(super) fn continue_fragment(&mut self, body: &[u8]) {
        if self.fragment.is_none() {
            self.note_damage();
        } else if !self.is_full(body.len()) {
            self.bytes.extend_from_slice(body);
        }
    }

    /// Completes the fragmented NAL unit.
    pub(super) fn end_fragment(&mut self, classify: Classify) {
        let Some(start) = self.fragment.take() else { return };
        let nal = self.bytes.get(start + annexb::START_CODE.len()..).unwrap_or_default();
        let class = classify(nal);
        if let Some(used) = class.filter(|_| !has_start_code(nal, class)) {
            return self.note_use(used);
        }
        let nal = nal.to_vec();
        self.bytes.truncate(start);
        self.push_nal(&nal, classify);
    }

    /// Records that a packet was malformed and its content lost.
    pub(super) fn handle_damage(&mut self) {
        self.drop_fragment();
        self.note_damage();
    }

    /// Counts a packet that was accepted although it violates the RFC.
    pub(super) const fn count_deviation(&mut self) {
        self.deviations += 1;
    }

    /// Number of packets that were accepted although they violate the RFC.
    pub(super) const fn deviations(&self) -> u64 {
        self.deviations
    }

    const fn note_damage(&mut self) {
        self.lossy = true;
        self.damaged = true;
    }

    /// Ends the access unit, because its marked packet has arrived.
    pub(super) fn finish_marked(&mut self, out: &mut DepacketizedFrames) {
        self.marks = true;
        self.finish(out);
    }

    /// Ends the stream. Where the sender marks the last packet of an access unit, and has not sent
    /// it, the access unit may be incomplete.
    pub(super) fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        if self.marks && !self.bytes.is_empty() {
            self.note_damage();
        }
        self.finish(out);
    }

    fn finish(&mut self, out: &mut DepacketizedFrames) {
        self.drop_fragment();
        let timestamp = self.timestamp.take();
        let key = std::mem::take(&mut self.key);
        let cannot_be_decoded = key && self.missing_sets != 0;
        let damaged = std::mem::take(&mut self.damaged) || cannot_be_decoded;
        let Some(timestamp) = timestamp.filter(|_| !self.bytes.is_empty()) else {
            return;
        };
        self.last_lens = [self.bytes.len(), self.last_lens[0]];
        let data = frame_buffers::share(std::mem::take(&mut self.bytes));
        let discontinuity = std::mem::take(&mut self.lossy);
        out.push(DepacketizedFrame {
            key,
            discontinuity,
            damaged,
            ..DepacketizedFrame::new(data, timestamp)
        });
    }

    /// Drops the NAL unit of which a fragment is missing.
    fn drop_fragment(&mut self) {
        if let Some(start) = self.fragment.take() {
            self.bytes.truncate(start);
            self.note_damage();
        }
    }

    /// Whether the access unit has no room for `more` bytes; its content is dropped in that case.
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

/// Whether a NAL unit of this class is in fact several with start codes between them, or begins with a
/// start code. Slices, which are nearly all of a stream, are searched at their beginning alone:
/// what may follow a slice in its access unit is another slice of the same kind, and both are given
/// out with the start code between them.
fn has_start_code(nal: &[u8], class: Option<NalClass>) -> bool {
    let is_slice = class.is_some_and(|class| class.is_slice);
    let searched = if is_slice { nal.get(..SLICE_START).unwrap_or(nal) } else { nal };
    annexb::find_start_code(searched, 0).is_some()
}
