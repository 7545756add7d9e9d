//! [`TextPacketizer`]: RFC 4103 sections 3 to 5, RFC 2198 section 3.

use super::{BUFFERING_TIME, CLOCK_RATE, GENERATIONS};
use crate::frame::Frame;
use crate::payload::gather::rtp_units;
use crate::payload::packet_buffer::PacketBuffer;
use crate::payload::packetizer::Packetizer;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// Length of the header of a block that is repeated, and of the last one's.
const BLOCK_HEADER_LEN: usize = 4;
const LAST_HEADER_LEN: usize = 1;
/// Longest block that can be repeated: its length has ten bits.
const MAX_BLOCK: usize = 0x3ff;
/// Greatest age of a block that can be repeated: it has 14 bits.
const MAX_AGE: u32 = 0x3fff;

/// The text of a packet.
#[derive(Debug)]
struct Block {
    /// Time of the packet in RTP units.
    at: u32,
    text: Bytes,
}

/// Sends text: each frame in a packet, or in several if it does not fit, never cut within a
/// character. The first packet after a pause is marked (RFC 4103 section 3.5).
///
/// With redundancy, each packet repeats the text of the [`GENERATIONS`] packets before it. In a pause
/// nothing would follow that repeats the last text: the source gives frames without text then, one
/// every [`BUFFERING_TIME`] (section 5.2). Each makes a packet as long as one is of use.
#[derive(Debug, Default)]
pub struct TextPacketizer {
    /// Payload type of the text in payloads with redundancy.
    redundant: Option<u8>,
    /// When there was text last.
    last: Option<Duration>,
    /// The last packets, the oldest first.
    before: VecDeque<Block>,
}

impl TextPacketizer {
    /// Creates a packetizer for one stream of plain text (`t140`).
    pub const fn new() -> Self {
        Self { redundant: None, last: None, before: VecDeque::new() }
    }

    /// Creates a packetizer for one stream of text with redundancy (`red`), in which the text has this
    /// payload type.
    pub const fn redundant(text_type: u8) -> Self {
        Self { redundant: Some(text_type), last: None, before: VecDeque::new() }
    }

    /// Most bytes of text in a packet: of text that is repeated, so many that three fit.
    fn most_text(&self, max_payload: usize) -> usize {
        let headers = GENERATIONS * BLOCK_HEADER_LEN + LAST_HEADER_LEN;
        match self.redundant {
            Some(_) => (max_payload.saturating_sub(headers) / (GENERATIONS + 1)).min(MAX_BLOCK),
            None => max_payload,
        }
    }

    /// Whether a packet without text is of use: it repeats text, or tells of the loss of the last.
    fn owes_packet(&self) -> bool {
        self.before.iter().any(|block| !block.text.is_empty())
    }

    /// Drops the oldest blocks that cannot be repeated: they are too old or too long, or there are too
    /// many.
    fn forget(&mut self, at: u32, room: usize) {
        while self.before.front().is_some_and(|oldest| {
            let len: usize =
                self.before.iter().map(|block| BLOCK_HEADER_LEN + block.text.len()).sum();
            at.wrapping_sub(oldest.at) > MAX_AGE || self.redundant.is_some() && len > room
        }) {
            self.before.pop_front();
        }
    }

    fn put(&mut self, text: Bytes, marker: bool, frame: &Frame, out: &mut PacketBuffer) {
        let due = rtp_units(frame.pts, CLOCK_RATE);
        // Packets have different timestamps (section 3.5).
        let after = self.before.back().map(|block| block.at.wrapping_add(1));
        let at = after.filter(|after| after.wrapping_sub(due) <= MAX_AGE).unwrap_or(due);
        self.forget(at, out.max_payload().saturating_sub(LAST_HEADER_LEN + text.len()));
        out.begin_packet();
        if let Some(text_type) = self.redundant {
            for block in &self.before {
                let fields = at.wrapping_sub(block.at) << 10 | block.text.len() as u32;
                let [_, fields @ ..] = fields.to_be_bytes();
                out.put(&[0x80 | text_type]);
                out.put(&fields);
            }
            out.put(&[text_type & 0x7f]);
            self.before.iter().for_each(|block| out.put(&block.text));
        }
        out.put(&text);
        out.finish_packet(marker, due.wrapping_sub(at));
        let kept = self.redundant.map_or(1, |_| GENERATIONS);
        if self.before.len() >= kept {
            self.before.pop_front();
        }
        self.before.push_back(Block { at, text });
    }
}

impl Packetizer for TextPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let mut rest = frame.data.clone();
        if rest.is_empty() {
            if self.owes_packet() {
                self.put(rest, false, frame, out);
            }
            return;
        }
        let goes_on =
            self.last.is_some_and(|last| frame.pts.saturating_sub(last) <= BUFFERING_TIME);
        self.last = Some(frame.pts);
        let mut is_first = !goes_on || frame.flags.discontinuity;
        while !rest.is_empty() {
            let len = fitting(&rest, self.most_text(out.max_payload()));
            self.put(rest.split_to(len), std::mem::take(&mut is_first), frame, out);
        }
    }

    fn reset(&mut self) {
        self.last = None;
        self.before.clear();
    }
}

/// Number of bytes of `text`, at most `most`, after which a character ends.
fn fitting(text: &[u8], most: usize) -> usize {
    let most = most.max(4);
    if text.len() <= most {
        return text.len();
    }
    let is_inside = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    // Of a character there are three such bytes at most.
    let cut = (most - 3..=most).rev().find(|at| !is_inside(at));
    cut.unwrap_or(most)
}
