//! [`Ac3Packetizer`]: RFC 4184 sections 4.1 to 4.3, RFC 4598 sections 4.1 to 4.3.

use super::header::{HEADER_LEN, Kind};
use crate::codec::ac3::SyncFrame;
use crate::frame::Frame;
use crate::payload::gather::Gather;
use crate::payload::packet_buffer::PacketBuffer;
use crate::payload::packetizer::Packetizer;

/// Most frames in a packet, and fragments of one: their number has a byte.
const MAX_COUNT: usize = 255;

/// Cuts access units of AC-3 or Enhanced AC-3 into RTP payloads: as many per packet as fit and span
/// at most 0.1 s.
#[derive(Debug)]
pub struct Ac3Packetizer {
    gather: Gather,
    /// Number of synchronization frames in what waits.
    waiting: usize,
    enhanced: bool,
}

impl Ac3Packetizer {
    /// Creates a packetizer for one stream of AC-3 with an RTP clock of `sampling_rate` Hz.
    pub const fn new(sampling_rate: u32) -> Self {
        Self::of_kind(sampling_rate, false)
    }

    /// Creates a packetizer for one stream of Enhanced AC-3 with an RTP clock of `sampling_rate` Hz.
    pub const fn enhanced(sampling_rate: u32) -> Self {
        Self::of_kind(sampling_rate, true)
    }

    const fn of_kind(sampling_rate: u32, enhanced: bool) -> Self {
        Self { gather: Gather::new(sampling_rate), waiting: 0, enhanced }
    }

    fn put_packet(&self, kind: Kind, count: usize, bytes: &[u8], out: &mut PacketBuffer) {
        out.begin_packet();
        out.put(&[kind.to_byte(self.enhanced), count.min(MAX_COUNT) as u8]);
        out.put(bytes);
    }

    fn put_units(&mut self, out: &mut PacketBuffer) {
        if self.gather.is_empty() {
            return;
        }
        self.put_packet(Kind::Frames, self.waiting, self.gather.bytes(), out);
        out.finish_packet(true, self.gather.lag());
        self.gather.clear();
        self.waiting = 0;
    }

    /// Appends an access unit that is larger than a packet, frame by frame.
    fn put_large(&self, unit: &[u8], out: &mut PacketBuffer) {
        let mut rest = unit;
        while !rest.is_empty() {
            let (frame, behind) = next_frame(rest);
            if HEADER_LEN + frame.len() > out.max_payload() {
                self.put_fragments(frame, out);
            } else {
                self.put_packet(Kind::Frames, 1, frame, out);
                out.finish_packet(true, 0);
            }
            rest = behind;
        }
    }

    /// Appends the fragments of a frame; the last one is marked.
    fn put_fragments(&self, frame: &[u8], out: &mut PacketBuffer) {
        let room = out.max_payload().saturating_sub(HEADER_LEN).max(1);
        let count = frame.len().div_ceil(room);
        if count > MAX_COUNT {
            log::debug!("an AC-3 frame of {} bytes has more than 255 fragments", frame.len());
            return;
        }
        let five_eighths = frame.len() / 2 + frame.len() / 8;
        let first = Kind::First { has_five_eighths: room >= five_eighths };
        for (i, fragment) in frame.chunks(room).enumerate() {
            self.put_packet(if i == 0 { first } else { Kind::Later }, count, fragment, out);
            out.finish_packet(i + 1 == count, 0);
        }
    }
}

/// Splits off the synchronization frame at the start of `bytes`; all of them if there is none.
fn next_frame(bytes: &[u8]) -> (&[u8], &[u8]) {
    let header = SyncFrame::parse(bytes).ok();
    header.and_then(|header| bytes.split_at_checked(header.frame_len)).unwrap_or((bytes, &[]))
}

/// Number of synchronization frames in an access unit.
fn count_frames(unit: &[u8]) -> usize {
    let mut rest = unit;
    std::iter::from_fn(|| (!rest.is_empty()).then(|| rest = next_frame(rest).1)).count()
}

impl Packetizer for Ac3Packetizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        self.gather.handle_frame(frame);
        let len = frame.data.len();
        let count = count_frames(&frame.data);
        if !self.gather.continues_with(frame)
            || HEADER_LEN + self.gather.bytes().len() + len > out.max_payload()
            || self.waiting + count > MAX_COUNT
        {
            self.put_units(out);
        }
        if len == 0 || HEADER_LEN + len > out.max_payload() || count > MAX_COUNT {
            self.put_large(&frame.data, out);
            return;
        }
        self.gather.push(frame);
        self.waiting += count;
        if self.gather.is_full() {
            self.put_units(out);
        }
    }

    fn flush(&mut self, out: &mut PacketBuffer) {
        self.put_units(out);
    }

    fn reset(&mut self) {
        self.gather.clear();
        self.waiting = 0;
    }

    fn holds_back(&self) -> bool {
        !self.gather.is_empty()
    }
}
