//! MPEG-1, MPEG-2 and MPEG-2.5 audio: whole frames, or a fragment of one.
//!
//! Read RFC 2250, sections 3.3 (RTP header) and 3.5 (MPEG audio-specific header), and RFC 3551
//! section 4.5.13.

use super::gather::Gather;
use super::{DepacketizedFrame, Depacketizer, PacketBuffer, Packetizer, PayloadFormat};
use crate::codec::mpeg_audio::FrameHeader;
use crate::frame::Frame;
use crate::wire::{ParseError, Reader};
use bytes::Bytes;
use std::collections::VecDeque;

const CLOCK_RATE: u32 = 90_000;
/// Sixteen bits that must be zero, sixteen of fragment offset.
const HEADER_LEN: usize = 4;
/// Longer than any frame that a header can state.
const MAX_FRAME: usize = 4096;

/// SDP parameters: the static payload type 14.
pub const fn format() -> PayloadFormat {
    PayloadFormat {
        media: "audio",
        payload_type: 14,
        encoding_name: "MPA",
        clock_rate: CLOCK_RATE,
        channels: None,
        fmtp: None,
    }
}

/// Cuts frames into payloads.
#[derive(Debug)]
pub struct MpaPacketizer {
    gather: Gather,
    /// The next packet is the first of a talk spurt.
    start: bool,
}

impl Default for MpaPacketizer {
    fn default() -> Self {
        Self::new()
    }
}

impl MpaPacketizer {
    /// At the start of a stream.
    pub const fn new() -> Self {
        Self { gather: Gather::new(CLOCK_RATE), start: true }
    }

    fn put_frames(&mut self, out: &mut PacketBuffer) {
        if self.gather.is_empty() {
            return;
        }
        out.begin_packet();
        out.put(&[0; HEADER_LEN]);
        out.put(self.gather.bytes());
        out.finish_packet(std::mem::take(&mut self.start), self.gather.lag());
        self.gather.clear();
    }

    fn put_fragments(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let room = out.max_payload().saturating_sub(HEADER_LEN).max(1);
        let mut offset: u16 = 0;
        for fragment in frame.data.chunks(room) {
            out.begin_packet();
            out.put(&[0, 0]);
            out.put(&offset.to_be_bytes());
            out.put(fragment);
            out.finish_packet(std::mem::take(&mut self.start), 0);
            offset = offset.saturating_add(fragment.len() as u16);
        }
    }
}

impl Packetizer for MpaPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        self.gather.handle_frame(frame);
        let len = frame.data.len();
        if !self.gather.continues_with(frame)
            || HEADER_LEN + self.gather.bytes().len() + len > out.max_payload()
        {
            self.put_frames(out);
        }
        if frame.flags.discontinuity {
            self.start = true;
        }
        if len == 0 || len > usize::from(u16::MAX) {
            log::debug!("an MPEG audio frame of {len} bytes cannot be sent");
        } else if HEADER_LEN + len > out.max_payload() {
            self.put_fragments(frame, out);
        } else {
            self.gather.push(frame);
            if self.gather.is_full() {
                self.put_frames(out);
            }
        }
    }

    fn flush(&mut self, out: &mut PacketBuffer) {
        self.put_frames(out);
    }

    fn reset(&mut self) {
        self.gather.clear();
        self.start = true;
    }

    fn holds_back(&self) -> bool {
        !self.gather.is_empty()
    }
}

/// Takes frames apart by their own headers.
#[derive(Debug, Default)]
pub struct MpaDepacketizer {
    frames: VecDeque<DepacketizedFrame>,
    /// Fragments of a frame: its timestamp, its length, bytes so far.
    partial: Option<(u32, usize, Vec<u8>)>,
    discontinuity: bool,
}

impl MpaDepacketizer {
    /// At the start of a stream.
    pub const fn new() -> Self {
        Self { frames: VecDeque::new(), partial: None, discontinuity: false }
    }

    fn push(&mut self, data: Bytes, timestamp: u32) {
        let discontinuity = std::mem::take(&mut self.discontinuity);
        self.frames.push_back(DepacketizedFrame {
            data,
            timestamp,
            key: true,
            discontinuity,
            damaged: false,
        });
    }

    fn drop_partial(&mut self) {
        if self.partial.take().is_some() {
            self.discontinuity = true;
        }
    }

    fn handle_whole_frames(&mut self, mut data: &[u8], timestamp: u32) -> Result<(), ParseError> {
        self.drop_partial();
        let mut at = timestamp;
        // 90 kHz units that a frame of a rate like 44.1 kHz lasts are no whole number: count
        // samples and divide late.
        let mut samples: u64 = 0;
        while !data.is_empty() {
            let header = FrameHeader::parse(data).inspect_err(|_| self.discontinuity = true)?;
            let Some((frame, rest)) = data.split_at_checked(header.frame_len) else {
                // The start of a frame that goes on in the next packet.
                if header.frame_len <= MAX_FRAME {
                    self.partial = Some((at, header.frame_len, data.to_vec()));
                }
                return Ok(());
            };
            let frame = Bytes::copy_from_slice(frame);
            self.push(frame, at);
            samples += u64::from(header.samples());
            let units = (samples * u64::from(CLOCK_RATE) + u64::from(header.sampling_rate) / 2)
                / u64::from(header.sampling_rate);
            at = timestamp.wrapping_add(units as u32);
            data = rest;
        }
        Ok(())
    }
}

impl Depacketizer for MpaDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &[u8],
        _marker: bool,
        timestamp: u32,
        lost: bool,
    ) -> Result<(), ParseError> {
        const WHAT: &str = "MPEG audio payload";
        if lost {
            self.partial = None;
            self.discontinuity = true;
        }
        let mut r = Reader::new(payload);
        r.u16(WHAT)?; // must be zero, to be ignored
        let offset = usize::from(r.u16(WHAT)?);
        if r.is_empty() {
            return Err(r.invalid(WHAT));
        }
        if offset == 0 {
            return self.handle_whole_frames(r.rest(), timestamp);
        }
        let fits = self.partial.as_ref().is_some_and(|(at, len, bytes)| {
            *at == timestamp && bytes.len() == offset && offset + r.remaining().len() <= *len
        });
        if !fits {
            self.partial = None;
            self.discontinuity = true;
            return Err(r.invalid(WHAT));
        }
        if let Some((at, len, mut bytes)) = self.partial.take() {
            bytes.extend_from_slice(r.rest());
            if bytes.len() == len {
                self.push(bytes.into(), at);
            } else {
                self.partial = Some((at, len, bytes));
            }
        }
        Ok(())
    }

    fn poll_frame(&mut self) -> Option<DepacketizedFrame> {
        self.frames.pop_front()
    }

    fn handle_end(&mut self) {
        self.partial = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::testing::{XorShift, round_trip, timed};

    fn frames(n: u64, seed: u64) -> Vec<Frame> {
        let mut random = XorShift::new(seed);
        (0..n)
            .map(|i| {
                let head = [0xff, 0xfb, (random.below(14) as u8 + 1) << 4, 0x44];
                let mut data = random.bytes(FrameHeader::parse(&head).unwrap().frame_len);
                data[..4].copy_from_slice(&head);
                timed(data, i, 1152, 44_100)
            })
            .collect()
    }

    #[test]
    fn what_goes_in_comes_out() {
        for max_payload in [30, 100, 500, 1400, 9000] {
            let mut p = MpaPacketizer::new();
            let mut d = MpaDepacketizer::new();
            round_trip(&mut p, &mut d, &frames(150, 3), 90_000, max_payload);
        }
    }

    #[test]
    fn only_the_start_of_a_talk_spurt_is_marked() {
        let mut p = MpaPacketizer::new();
        let mut out = PacketBuffer::new(600);
        let mut frames = frames(20, 9);
        frames[10].flags.discontinuity = true;
        for frame in &frames {
            p.packetize(frame, &mut out);
        }
        p.flush(&mut out);
        assert!(out.spans()[0].marker);
        assert_eq!(out.spans().iter().filter(|s| s.marker).count(), 2);
    }

    #[test]
    fn garbage_is_an_error() {
        let mut d = MpaDepacketizer::new();
        for payload in [&[][..], &[0, 0, 0], &[0; 4], &[0; 9], &[0, 0, 0, 1, 5]] {
            assert!(d.handle_payload(payload, true, 0, false).is_err(), "{payload:?}");
        }
    }
}
