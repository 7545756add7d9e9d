//! [`TextDepacketizer`]: RFC 4103 sections 4 and 5, RFC 2198 section 3.

use super::WHAT;
use crate::payload::depacketizer::{
    DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload,
};
use crate::wire::{ParseError, Reader};
use std::borrow::Cow;

/// Stands for text that was lost (RFC 4103 section 5.3).
const LOST_TEXT: &str = "\u{fffd}";

/// Returns text, which is restored from redundancy where packets are missing. Text that remains
/// lost is replaced by U+FFFD in front of the next (RFC 4103 section 5.3), in a frame that is marked
/// as damaged.
#[derive(Debug, Default)]
pub struct TextDepacketizer {
    is_redundant: bool,
    has_lost_text: bool,
    /// Number of blocks that the last payload repeated.
    blocks: Option<u64>,
    /// The same of the stream: two payloads in a row had so many. A payload has fewer where empty
    /// ones are too old (section 5.3).
    generations: u64,
    deviations: u64,
}

impl TextDepacketizer {
    /// Creates a depacketizer for one stream of plain text (`t140`).
    pub const fn new() -> Self {
        Self {
            is_redundant: false,
            has_lost_text: false,
            blocks: None,
            generations: 0,
            deviations: 0,
        }
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
        let known = blocks.max(self.generations);
        if payload.lost && (payload.missing == 0 || payload.missing > known) {
            self.note_lost_text(out);
        }
        if self.blocks.replace(blocks) == Some(blocks) {
            self.generations = blocks;
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
