//! [`AmrPacketizer`]: RFC 4867 sections 4.3 and 4.4.

use super::{AmrMode, FOLLOWED, NO_REQUEST, TYPE_AND_QUALITY};
use crate::codec::amr::{self, NO_DATA, frame_len, frame_type, speech_bits};
use crate::codec::bits::BitWriter;
use crate::frame::Frame;
use crate::payload::blocks::PTIME;
use crate::payload::gather::Gather;
use crate::payload::packet_buffer::PacketBuffer;
use crate::payload::packetizer::Packetizer;
use crate::payload::talk_spurt::TalkSpurts;
use std::time::Duration;

/// Puts frames into RTP payloads. The first packet of a talk spurt has the marker bit.
#[derive(Debug)]
pub struct AmrPacketizer {
    mode: AmrMode,
    gather: Gather,
    /// Bytes of the waiting frames that are sent. Frames without data at the end of a packet are not,
    /// nor is a packet of them (section 4.3.2).
    used: usize,
    spurts: TalkSpurts,
    /// Whether the next packet is the first of a talk spurt.
    start: bool,
    bits: BitWriter,
}

impl AmrPacketizer {
    /// Creates a packetizer for packets of one frame of each channel: 20 ms.
    pub const fn new(mode: AmrMode) -> Self {
        Self::with_ptime(mode, PTIME)
    }

    /// Creates a packetizer for packets of at most `ptime`.
    pub const fn with_ptime(mode: AmrMode, ptime: Duration) -> Self {
        Self {
            mode,
            gather: Gather::with_span(amr::sampling_rate(mode.wideband), ptime),
            used: 0,
            spurts: TalkSpurts::new(),
            start: false,
            bits: BitWriter::new(),
        }
    }

    /// The payload's length in bits with the waiting frames and, in storage form, `more`.
    fn payload_bits(&self, more: &[u8]) -> usize {
        let wideband = self.mode.wideband;
        let all = frames(self.gather.bytes(), wideband).chain(frames(more, wideband));
        if self.mode.octet_aligned {
            8 + all.map(|frame| 8 * frame.len()).sum::<usize>()
        } else {
            4 + all.map(|frame| 6 + speech(frame, wideband).1).sum::<usize>()
        }
    }

    fn put_frames(&mut self, out: &mut PacketBuffer) {
        if self.gather.is_empty() {
            return;
        }
        let wideband = self.mode.wideband;
        let used = self.gather.bytes().get(..self.used).unwrap_or_default();
        let all = || frames(used, wideband);
        let mut left = all().count();
        out.begin_packet();
        let mut entry = |frame: &[u8]| {
            left -= 1;
            let header = frame.first().copied().unwrap_or_default();
            header & TYPE_AND_QUALITY | if left > 0 { FOLLOWED } else { 0 }
        };
        if self.mode.octet_aligned {
            out.put(&[NO_REQUEST << 4]);
            all().for_each(|frame| out.put(&[entry(frame)]));
            all().for_each(|frame| out.put(speech(frame, wideband).0));
        } else {
            self.bits.clear();
            self.bits.put(NO_REQUEST.into(), 4);
            all().for_each(|frame| self.bits.put(u32::from(entry(frame)) >> 2, 6));
            for (speech, count) in all().map(|frame| speech(frame, wideband)) {
                for (byte, left) in speech.iter().zip((1..=count as u32).rev().step_by(8)) {
                    self.bits.put(u32::from(*byte) >> 8_u32.saturating_sub(left), left.min(8));
                }
            }
            out.put(self.bits.bytes());
        }
        out.finish_packet(std::mem::take(&mut self.start), self.gather.lag());
        self.gather.clear();
        self.used = 0;
    }
}

impl Packetizer for AmrPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        self.gather.handle_frame(frame);
        let fits = |packetizer: &Self| {
            packetizer.payload_bits(&frame.data).div_ceil(8) <= out.max_payload()
        };
        if !self.gather.continues_with(frame) || !fits(self) {
            self.put_frames(out);
        }
        let wideband = self.mode.wideband;
        let channels = frames(&frame.data, wideband).count();
        let len: usize = frames(&frame.data, wideband).map(<[u8]>::len).sum();
        if channels != usize::from(self.mode.channels) || len != frame.data.len() {
            log::debug!("{} bytes are no AMR frame for each channel", frame.data.len());
            return;
        }
        if self.payload_bits(&frame.data).div_ceil(8) > out.max_payload() {
            log::debug!("an AMR frame of {len} bytes does not fit in {}", out.max_payload());
            return;
        }
        let is_no_data = |frame: &[u8]| frame.first().is_some_and(|h| frame_type(*h) == NO_DATA);
        let has_data = !frames(&frame.data, wideband).all(is_no_data);
        if has_data {
            self.start |= self.spurts.handle_frame(frame);
        } else if self.gather.is_empty() {
            return;
        }
        self.gather.push(frame);
        if has_data {
            self.used = self.gather.bytes().len();
        }
        if self.gather.is_full() {
            self.put_frames(out);
        }
    }

    fn flush(&mut self, out: &mut PacketBuffer) {
        self.put_frames(out);
    }

    fn reset(&mut self) {
        self.gather.clear();
        self.used = 0;
        self.spurts.reset();
        self.start = false;
    }

    fn holds_back(&self) -> bool {
        !self.gather.is_empty()
    }
}

/// Splits frames in storage form, as far as they are whole.
fn frames(mut data: &[u8], wideband: bool) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let len = frame_len(*data.first()?, wideband)?;
        let (frame, rest) = data.split_at_checked(len)?;
        data = rest;
        Some(frame)
    })
}

/// The speech of a frame in storage form, and its number of bits.
fn speech(frame: &[u8], wideband: bool) -> (&[u8], usize) {
    let (header, speech) = frame.split_first().unwrap_or((&0, &[]));
    (speech, speech_bits(frame_type(*header), wideband).unwrap_or(0))
}
