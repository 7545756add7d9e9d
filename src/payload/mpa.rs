//! MPEG-1, MPEG-2 and MPEG-2.5 audio: whole frames, or a fragment of one.
//!
//! References: RFC 2250, sections 3.3 (RTP header) and 3.5 (MPEG audio-specific header), and RFC
//! 3551 section 4.5.13.

use super::depacketizer::{DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload};
use super::gather::Gather;
use super::packet_buffer::PacketBuffer;
use super::packetizer::Packetizer;
use super::plain_entry::PlainEntry;
use crate::codec::CodecParameters;
use crate::codec::mpeg_audio::FrameHeader;
use crate::frame::Frame;
use crate::wire::{ParseError, Reader};
use bytes::Bytes;

const CLOCK_RATE: u32 = 90_000;
/// Length of the header: sixteen bits that must be zero, sixteen of fragment offset.
const HEADER_LEN: usize = 4;
/// An upper bound of the length of a frame.
const MAX_FRAME: usize = 4096;

/// Cuts frames of MPEG audio into RTP payloads: as many per packet as fit and span at most 0.1 s.
#[derive(Debug)]
pub struct MpaPacketizer {
    gather: Gather,
    /// Whether the next packet is the first of a talk spurt.
    start: bool,
}

impl Default for MpaPacketizer {
    fn default() -> Self {
        Self::new()
    }
}

impl MpaPacketizer {
    /// Creates a packetizer for one stream.
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

/// Assembles frames of MPEG audio from RTP payloads; the frames' headers state their lengths.
#[derive(Debug, Default)]
pub struct MpaDepacketizer {
    /// Fragments of a frame: its timestamp, its length, the bytes so far.
    partial: Option<(u32, usize, Vec<u8>)>,
}

impl MpaDepacketizer {
    /// Creates a depacketizer for one stream.
    pub const fn new() -> Self {
        Self { partial: None }
    }

    fn handle_whole_frames(
        &mut self,
        mut data: &[u8],
        timestamp: u32,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        if self.partial.take().is_some() {
            out.note_loss();
        }
        let mut at = timestamp;
        // 90 kHz units that a frame of a rate like 44.1 kHz lasts are no whole number: count
        // samples and divide late.
        let mut samples: u64 = 0;
        while !data.is_empty() {
            let header = FrameHeader::parse(data).inspect_err(|_| out.note_loss())?;
            let Some((frame, rest)) = data.split_at_checked(header.frame_len) else {
                // The start of a frame that goes on in the next packet.
                if header.frame_len <= MAX_FRAME {
                    self.partial = Some((at, header.frame_len, data.to_vec()));
                }
                return Ok(());
            };
            out.push(DepacketizedFrame::new(Bytes::copy_from_slice(frame), at));
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
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        const WHAT: &str = "MPEG audio payload";
        let timestamp = payload.timestamp;
        if payload.lost {
            self.partial = None;
            out.note_loss();
        }
        let mut r = Reader::new(payload.data);
        // The first half must be zero, and is to be ignored.
        let header = r.u32(WHAT).inspect_err(|_| out.note_loss())?;
        let offset = usize::from(header as u16);
        if r.is_empty() {
            out.note_loss();
            return Err(r.invalid(WHAT));
        }
        if offset == 0 {
            return self.handle_whole_frames(r.rest(), timestamp, out);
        }
        let fits = self.partial.as_ref().is_some_and(|(at, len, bytes)| {
            *at == timestamp && bytes.len() == offset && offset + r.remaining().len() <= *len
        });
        if !fits {
            self.partial = None;
            out.note_loss();
            return Err(r.invalid(WHAT));
        }
        if let Some((at, len, mut bytes)) = self.partial.take() {
            bytes.extend_from_slice(r.rest());
            if bytes.len() == len {
                out.push(DepacketizedFrame::new(bytes, at));
            } else {
                self.partial = Some((at, len, bytes));
            }
        }
        Ok(())
    }

    fn handle_end(&mut self, _: &mut DepacketizedFrames) {
        self.partial = None;
    }
}

/// The registry entry of MPEG audio.
pub(super) const ENTRY: PlainEntry = PlainEntry {
    media: "audio",
    names: &["MPA"],
    clock_rate: CLOCK_RATE,
    fmtp: |parameters| matches!(parameters, CodecParameters::MpegAudio).then_some(None),
    parameters: |_| CodecParameters::MpegAudio,
    packetizer: |_| Box::new(MpaPacketizer::new()),
    depacketizer: |_| Box::new(MpaDepacketizer::new()),
    key_frame_test: None,
    payload_test: None,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::testing::{Received, XorShift, round_trip, timed};

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
            let d = MpaDepacketizer::new();
            round_trip(&mut p, d, &frames(150, 3), 90_000, max_payload);
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
    fn garbage_is_an_error_and_a_loss() {
        let good = [&[0; 4][..], &frames(1, 1)[0].data].concat();
        for payload in [&[][..], &[0, 0, 0], &[0; 4], &[0; 9], &[0, 0, 0, 1, 5]] {
            let mut d = Received::new(MpaDepacketizer::new());
            assert!(d.handle_payload(payload, true, 0, false).is_err(), "{payload:?}");
            d.handle_payload(&good, true, 0, false).unwrap();
            assert!(d.poll_frame().unwrap().discontinuity, "{payload:?}");
        }
    }
}
