//! Audio that consists of blocks of one size: samples, groups of samples that fill whole bytes, or the
//! frames of a codec with a constant bit rate. Payloads contain whole blocks and nothing else (RFC
//! 3551 sections 4.2 to 4.4).

use super::depacketizer::{DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload};
use super::gather::{Gather, MAX_SPAN};
use super::packet_buffer::PacketBuffer;
use super::packetizer::Packetizer;
use super::talk_spurt::TalkSpurts;
use crate::frame::Frame;
use crate::wire::ParseError;
use bytes::Bytes;
use std::time::Duration;

/// The audio of one packet unless something else is agreed on (RFC 3551 section 4.2).
pub const PTIME: Duration = Duration::from_millis(20);

/// The blocks of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blocks {
    /// Size of a block in bytes.
    pub len: usize,
    /// Duration of a block in RTP units.
    pub units: u32,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Whether each block is a [`Frame`] when it is received. Otherwise the blocks of a payload are
    /// one frame.
    pub are_frames: bool,
}

impl Blocks {
    /// Creates blocks of samples.
    pub const fn new(len: usize, units: u32, clock_rate: u32) -> Self {
        Self { len: if len == 0 { 1 } else { len }, units, clock_rate, are_frames: false }
    }

    /// Creates blocks that are frames of a codec.
    pub const fn frames(len: usize, units: u32, clock_rate: u32) -> Self {
        Self { are_frames: true, ..Self::new(len, units, clock_rate) }
    }

    /// The number of blocks that last at most `span`, at least one.
    fn in_span(&self, span: Duration) -> usize {
        let units = span.as_nanos() * u128::from(self.clock_rate) / 1_000_000_000;
        let blocks = units / u128::from(self.units.max(1));
        usize::try_from(blocks).unwrap_or(usize::MAX).max(1)
    }
}

/// Cuts blocks into RTP payloads. Short frames are sent together, frames that are longer than a packet
/// may be in packets of equal size. The first packet of a talk spurt has the marker bit.
#[derive(Debug)]
pub struct BlockPacketizer {
    blocks: Blocks,
    /// Most blocks in a packet.
    most: usize,
    gather: Gather,
    ptime: Duration,
    spurts: Option<TalkSpurts>,
    /// Whether the next packet is the first of a talk spurt.
    start: bool,
}

impl BlockPacketizer {
    /// Creates a packetizer that makes packets of [`PTIME`] of shorter frames, and leaves others as
    /// they are up to 0.1 s.
    pub fn new(blocks: Blocks) -> Self {
        Self::with_ptime(blocks, PTIME)
    }

    /// Creates a packetizer that makes packets of `ptime` of shorter frames.
    pub fn with_ptime(blocks: Blocks, ptime: Duration) -> Self {
        Self {
            blocks,
            most: blocks.in_span(ptime.max(MAX_SPAN)),
            gather: Gather::with_span(blocks.clock_rate, ptime),
            ptime,
            spurts: Some(TalkSpurts::new()),
            start: false,
        }
    }

    /// Creates a packetizer for samples without silence suppression: each frame has packets of its
    /// own, of any duration, and the marker stays zero.
    pub(super) const fn of_samples(blocks: Blocks) -> Self {
        Self {
            blocks,
            most: usize::MAX,
            gather: Gather::with_span(blocks.clock_rate, Duration::ZERO),
            ptime: Duration::ZERO,
            spurts: None,
            start: false,
        }
    }

    fn put_gathered(&mut self, out: &mut PacketBuffer) {
        if self.gather.is_empty() {
            return;
        }
        out.begin_packet();
        out.put(self.gather.bytes());
        out.finish_packet(std::mem::take(&mut self.start), self.gather.lag());
        self.gather.clear();
    }

    /// Appends packets of at most `most` blocks.
    fn put_blocks(&mut self, data: &[u8], most: usize, out: &mut PacketBuffer) {
        let blocks = data.len() / self.blocks.len;
        // Packets of one size, but for the last: 20 ms become 3 × 6.7, not 2 × 8 and a rest.
        let each = blocks.div_ceil(blocks.div_ceil(most));
        let mut offset: u32 = 0;
        for payload in data.chunks(each * self.blocks.len) {
            out.begin_packet();
            out.put(payload);
            out.finish_packet(std::mem::take(&mut self.start), offset.wrapping_neg());
            offset = offset.wrapping_add((each as u32).wrapping_mul(self.blocks.units));
        }
    }
}

impl Packetizer for BlockPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        self.gather.handle_frame(frame);
        let len = frame.data.len() - frame.data.len() % self.blocks.len;
        let most = (out.max_payload() / self.blocks.len).min(self.most);
        if !self.gather.continues_with(frame)
            || self.gather.bytes().len() + len > most * self.blocks.len
        {
            self.put_gathered(out);
        }
        let whole = frame.data.get(..len).unwrap_or_default();
        if whole.is_empty() || most == 0 {
            log::debug!("no block of {} bytes fits in a packet", self.blocks.len);
            return;
        }
        self.start |= self.spurts.as_mut().is_some_and(|spurts| spurts.handle_frame(frame));
        // A frame that shares a packet with none is not copied into the memory of waiting ones.
        let is_alone = frame.duration.is_zero() || 2 * frame.duration > self.ptime;
        if self.gather.is_empty() && (is_alone || len > most * self.blocks.len) {
            self.put_blocks(whole, most, out);
            return;
        }
        self.gather.push_part(frame, whole);
        if self.gather.is_full() {
            self.put_gathered(out);
        }
    }

    fn flush(&mut self, out: &mut PacketBuffer) {
        self.put_gathered(out);
    }

    fn reset(&mut self) {
        self.gather.clear();
        self.start = false;
        if let Some(spurts) = &mut self.spurts {
            spurts.reset();
        }
    }

    fn holds_back(&self) -> bool {
        !self.gather.is_empty()
    }
}

/// Returns the blocks of RTP payloads: each as a frame, or all blocks of a payload as one.
#[derive(Debug)]
pub struct BlockDepacketizer {
    blocks: Blocks,
}

impl BlockDepacketizer {
    /// Creates a depacketizer for one stream.
    pub const fn new(blocks: Blocks) -> Self {
        Self { blocks }
    }
}

impl Depacketizer for BlockDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let RtpPayload { data, timestamp, lost, .. } = *payload;
        if lost {
            out.note_loss();
        }
        if data.is_empty() || data.len() % self.blocks.len != 0 {
            out.note_loss();
            return Err(ParseError::Invalid { what: "payload of whole blocks", at: data.len() });
        }
        let each = if self.blocks.are_frames { self.blocks.len } else { data.len() };
        let mut at = timestamp;
        for frame in data.chunks(each) {
            out.push(DepacketizedFrame::new(Bytes::copy_from_slice(frame), at));
            at = at.wrapping_add(self.blocks.units);
        }
        Ok(())
    }
}
