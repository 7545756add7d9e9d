//! Text conversation: RFC 4103, plain (`t140`) and with redundancy (`red`, RFC 2198).
//!
//! A payload is text in UTF-8 without any header. With redundancy it is preceded by the text of the
//! packets before it, so that what is lost comes again with the next packets.

use super::depacketizer::{DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload};
use super::entry::FormatEntry;
use super::error::FormatError;
use super::format::PayloadFormat;
use super::packet_buffer::PacketBuffer;
use super::packetizer::Packetizer;
use crate::codec::CodecParameters;
use crate::frame::Frame;
use crate::wire::{ParseError, Reader};
use std::borrow::Cow;
use std::time::Duration;

const CLOCK_RATE: u32 = 1000;
/// Time without text after which a packet begins anew: the usual interval of packets (RFC 4103
/// section 5.1).
const IDLE: Duration = Duration::from_millis(300);
/// Stands for text that was lost (RFC 4103 section 4.4).
const LOST_TEXT: &str = "\u{fffd}";
const WHAT: &str = "text payload";

/// Sends text as plain `t140`: each frame in a packet, or in several if it does not fit, never cut
/// within a character. The first packet after an idle time is marked (section 4.1).
#[derive(Debug, Default)]
pub struct TextPacketizer {
    last: Option<Duration>,
}

impl TextPacketizer {
    /// Creates a packetizer for one stream.
    pub const fn new() -> Self {
        Self { last: None }
    }
}

impl Packetizer for TextPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        if frame.data.is_empty() {
            return;
        }
        let goes_on = self.last.is_some_and(|last| frame.pts.saturating_sub(last) <= IDLE);
        self.last = Some(frame.pts);
        let mut is_first = !goes_on || frame.flags.discontinuity;
        let mut rest = &frame.data[..];
        while !rest.is_empty() {
            let (text, next) = rest.split_at(fitting(rest, out.max_payload()));
            rest = next;
            out.begin_packet();
            out.put(text);
            out.finish_packet(std::mem::take(&mut is_first), 0);
        }
    }

    fn reset(&mut self) {
        self.last = None;
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

/// Returns text, which is restored from redundancy where packets are missing. Text that remains
/// lost is replaced by U+FFFD in front of the next (RFC 4103 section 4.4), in a frame that is marked
/// as damaged.
#[derive(Debug, Default)]
pub struct TextDepacketizer {
    is_redundant: bool,
    has_lost_text: bool,
    deviations: u64,
}

impl TextDepacketizer {
    /// Creates a depacketizer for one stream of plain text (`t140`).
    pub const fn new() -> Self {
        Self { is_redundant: false, has_lost_text: false, deviations: 0 }
    }

    /// Creates a depacketizer for one stream of text with redundancy (`red`).
    pub const fn redundant() -> Self {
        Self { is_redundant: true, ..Self::new() }
    }

    fn note_lost_text(&mut self, out: &mut DepacketizedFrames) {
        self.has_lost_text = true;
        out.note_loss();
    }

    fn put_text(&mut self, text: &[u8], timestamp: u32, out: &mut DepacketizedFrames) {
        if text.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(text);
        self.deviations += u64::from(matches!(text, Cow::Owned(_)));
        let damaged = std::mem::take(&mut self.has_lost_text);
        let text = if damaged { [LOST_TEXT, &text].concat() } else { text.into_owned() };
        out.push(DepacketizedFrame { damaged, ..DepacketizedFrame::new(text, timestamp) });
    }

    /// RFC 2198 section 3. Each redundant block is the text of one packet, the oldest first.
    fn handle_blocks(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let mut headers = Reader::new(payload.data);
        let (mut blocks, mut len) = (0_u64, 0_usize);
        let mut r = headers.clone();
        while let Some(block) = Block::next(&mut r)? {
            blocks += 1;
            len += block.len;
        }
        if r.remaining().len() < len {
            return Err(ParseError::Incomplete { what: WHAT });
        }
        if payload.lost && (payload.missing == 0 || payload.missing > blocks) {
            self.note_lost_text(out);
        }
        for age in (1..=blocks).rev() {
            let Some(Block { offset, len }) = Block::next(&mut headers)? else { break };
            let text = r.take(len, WHAT)?;
            if age <= payload.missing {
                self.put_text(text, payload.timestamp.wrapping_sub(offset), out);
            }
        }
        self.put_text(r.rest(), payload.timestamp, out);
        Ok(())
    }
}

/// The header of a redundant block.
struct Block {
    /// RTP units by which it is older than the packet.
    offset: u32,
    len: usize,
}

impl Block {
    /// Reads the next header; `None` if it is that of the primary block.
    fn next(r: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        if r.u8(WHAT)? & 0x80 == 0 {
            return Ok(None);
        }
        let fields = r.u24(WHAT)?;
        Ok(Some(Self { offset: fields >> 10, len: (fields & 0x3ff) as usize }))
    }
}

impl Depacketizer for TextDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        if self.is_redundant {
            let result = self.handle_blocks(payload, out);
            if result.is_err() {
                self.note_lost_text(out);
            }
            return result;
        }
        if payload.lost {
            self.note_lost_text(out);
        }
        self.put_text(payload.data, payload.timestamp, out);
        Ok(())
    }

    fn deviations(&self) -> u64 {
        self.deviations
    }
}

/// The registry entry of plain text.
pub(super) struct Entry;

impl FormatEntry for Entry {
    fn media(&self) -> &str {
        "text"
    }

    fn encoding_names(&self) -> &[&str] {
        &["t140"]
    }

    fn clock_rate(&self) -> Option<u32> {
        Some(CLOCK_RATE)
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let is_own = matches!(parameters, CodecParameters::Text);
        is_own.then(|| PayloadFormat::new("text", "t140", CLOCK_RATE, payload_type))
    }

    fn parameters(&self, _: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        Ok(CodecParameters::Text)
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(TextPacketizer::new())
    }

    fn depacketizer(&self, _: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Ok(Box::new(TextDepacketizer::new()))
    }
}

/// The registry entry of text with redundancy, which is received only: its description has two
/// payload types, that of `red` and that of `t140`.
pub(super) struct RedundantEntry;

impl FormatEntry for RedundantEntry {
    fn media(&self) -> &str {
        "text"
    }

    fn encoding_names(&self) -> &[&str] {
        &["red"]
    }

    fn clock_rate(&self) -> Option<u32> {
        Some(CLOCK_RATE)
    }

    fn format(&self, _: &CodecParameters, _: u8) -> Option<PayloadFormat> {
        None
    }

    fn parameters(&self, _: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        Ok(CodecParameters::Text)
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(TextPacketizer::new())
    }

    fn depacketizer(&self, _: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Ok(Box::new(TextDepacketizer::redundant()))
    }
}

#[cfg(test)]
mod tests;
