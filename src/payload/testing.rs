//! Helpers of the payload formats' tests.

use super::depacketizer::{DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload};
use super::format::PayloadFormat;
use super::gather::rtp_units;
use super::packet_buffer::PacketBuffer;
use super::packetizer::Packetizer;
use super::registry::FormatRegistry;
use crate::codec::CodecParameters;
use crate::frame::Frame;
use crate::wire::ParseError;
use std::time::Duration;

/// A small seeded generator (xorshift64*).
pub(crate) struct XorShift(u64);

impl XorShift {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// The format and the packetizer of a codec that the standard registry knows.
pub(crate) fn outgoing(parameters: &CodecParameters) -> (PayloadFormat, Box<dyn Packetizer>) {
    FormatRegistry::standard().sender(parameters, 96).unwrap()
}

/// A depacketizer with its frames.
pub(crate) struct Received<D> {
    depacketizer: D,
    frames: DepacketizedFrames,
}

impl<D: Depacketizer> Received<D> {
    pub(crate) const fn new(depacketizer: D) -> Self {
        Self { depacketizer, frames: DepacketizedFrames::new() }
    }

    pub(crate) fn handle_payload(
        &mut self,
        data: &[u8],
        marker: bool,
        timestamp: u32,
        lost: bool,
    ) -> Result<(), ParseError> {
        let payload = RtpPayload::new(data, timestamp).with_marker(marker).after_loss(lost);
        self.depacketizer.handle_payload(&payload, &mut self.frames)
    }

    pub(crate) fn handle_end(&mut self) {
        self.depacketizer.handle_end(&mut self.frames);
    }

    pub(crate) fn poll_frame(&mut self) -> Option<DepacketizedFrame> {
        self.frames.pop()
    }

    pub(crate) fn deviations(&self) -> u64 {
        self.depacketizer.deviations()
    }
}

/// Frame `n` of a stream of `samples` a frame.
pub(crate) fn timed(data: Vec<u8>, n: u64, samples: u32, rate: u32) -> Frame {
    let at = |n: u64| {
        Duration::from_nanos(
            (u128::from(n) * u128::from(samples) * 1_000_000_000 / u128::from(rate)) as u64,
        )
    };
    Frame::new(data, at(n), at(n + 1) - at(n))
}

/// `count` frames of 1 to `max_len` random bytes.
pub(crate) fn audio_frames(
    count: u64,
    max_len: u64,
    samples: u32,
    rate: u32,
    seed: u64,
) -> Vec<Frame> {
    let mut random = XorShift::new(seed);
    (0..count)
        .map(|n| {
            let len = random.below(max_len) as usize + 1;
            timed(random.bytes(len), n, samples, rate)
        })
        .collect()
}

/// The packets of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) payload: Vec<u8>,
    pub(crate) marker: bool,
    pub(crate) timestamp: u32,
}

/// The RTP timestamp at the start of a source's time line.
const BASE: u32 = 0xffff_f000;

/// The RTP timestamp of a frame.
pub(crate) fn timestamp_of(frame: &Frame, clock_rate: u32) -> u32 {
    BASE.wrapping_add(rtp_units(frame.pts, clock_rate))
}

/// The packets that a packetizer makes of frames, none of them too long.
pub(crate) fn packets_of(
    packetizer: &mut dyn Packetizer,
    frames: &[Frame],
    clock_rate: u32,
    max_payload: usize,
) -> Vec<Packet> {
    let mut out = PacketBuffer::new(max_payload);
    let mut packets = Vec::new();
    let mut take = |out: &mut PacketBuffer, at: u32| {
        assert!(out.is_well_formed() || out.is_empty());
        packets.extend(out.spans().iter().enumerate().map(|(i, span)| Packet {
            payload: out.payload(i).unwrap().to_vec(),
            marker: span.marker,
            timestamp: at.wrapping_sub(span.timestamp_lag),
        }));
        out.clear();
    };
    let mut at = BASE;
    for frame in frames {
        at = timestamp_of(frame, clock_rate);
        packetizer.packetize(frame, &mut out);
        take(&mut out, at);
    }
    packetizer.flush(&mut out);
    take(&mut out, at);
    packets
}

/// The frames that a depacketizer makes of packets. If one is lost, what is malformed without it is
/// left out.
pub(crate) fn frames_of(
    depacketizer: impl Depacketizer,
    packets: &[Packet],
    lost: Option<usize>,
) -> Vec<DepacketizedFrame> {
    let mut depacketizer = Received::new(depacketizer);
    let mut back = Vec::new();
    let mut gap = false;
    for (i, Packet { payload, marker, timestamp }) in packets.iter().enumerate() {
        if lost == Some(i) {
            gap = true;
            continue;
        }
        let handled = depacketizer.handle_payload(payload, *marker, *timestamp, gap);
        assert!(handled.is_ok() || lost.is_some(), "{handled:?}");
        gap = false;
        back.extend(std::iter::from_fn(|| depacketizer.poll_frame()));
    }
    depacketizer.handle_end();
    back.extend(std::iter::from_fn(|| depacketizer.poll_frame()));
    back
}

/// Checks that what comes out is what went in, bytes and timestamps.
pub(crate) fn round_trip(
    packetizer: &mut dyn Packetizer,
    depacketizer: impl Depacketizer,
    frames: &[Frame],
    clock_rate: u32,
    max_payload: usize,
) {
    let packets = packets_of(packetizer, frames, clock_rate, max_payload);
    let back = frames_of(depacketizer, &packets, None);
    assert_eq!(back.len(), frames.len());
    for (back, frame) in back.iter().zip(frames) {
        assert_eq!(back.data, frame.data);
        assert!(is_near(back.timestamp, timestamp_of(frame, clock_rate), 1));
        assert!(!back.discontinuity && !back.damaged);
    }
}

/// Whether a timestamp is right. Rounding of each frame's own time may differ by a unit where the rate
/// is no divisor.
fn is_near(timestamp: u32, expected: u32, slack: u32) -> bool {
    timestamp.wrapping_sub(expected).wrapping_add(slack) <= 2 * slack
}

/// Checks that what is described by SDP is understood again and that frames of a codec that the
/// standard registry knows come out as they went in. Then each packet is lost in turn: what comes out
/// is a frame that was sent, or is marked as damaged, and the gap is marked. Timestamps may be off by
/// `slack` after a loss.
pub(crate) fn transmits(
    parameters: &CodecParameters,
    frames: &[Frame],
    max_payload: usize,
    slack: u32,
) {
    transmits_by(FormatRegistry::standard(), parameters, frames, max_payload, slack);
}

/// The same with the formats of another registry.
pub(crate) fn transmits_by(
    formats: &FormatRegistry,
    parameters: &CodecParameters,
    frames: &[Frame],
    max_payload: usize,
    slack: u32,
) {
    let (format, mut packetizer) = formats.sender(parameters, 96).unwrap();
    assert_eq!(formats.parameters(&format).as_ref(), Ok(parameters));
    let receiver = || formats.depacketizer(&format).unwrap();
    let clock_rate = format.clock_rate;
    round_trip(&mut *packetizer, receiver(), frames, clock_rate, max_payload);
    packetizer.reset();
    let packets = packets_of(&mut *packetizer, frames, clock_rate, max_payload);
    for lost in 0..packets.len() {
        let (mut next, mut is_told) = (0, false);
        for back in frames_of(receiver(), &packets, Some(lost)) {
            is_told |= back.discontinuity;
            if back.damaged {
                continue;
            }
            let is_it = |frame: &Frame| {
                let expected = timestamp_of(frame, clock_rate);
                back.data == frame.data && is_near(back.timestamp, expected, slack.max(1))
            };
            let at = frames.iter().skip(next).position(is_it);
            let skipped = at.unwrap_or_else(|| panic!("without packet {lost}: {back:?}"));
            assert!(skipped == 0 || is_told, "without packet {lost}");
            next += skipped + 1;
            is_told = false;
        }
    }
}

/// The same for video in packets of several sizes: every tenth picture begins as the first of `kinds`
/// and is a key frame, the others begin as the second.
#[cfg(feature = "video-formats")]
pub(crate) fn transmits_pictures(parameters: &CodecParameters, kinds: [&[u8]; 2]) {
    for (max_payload, seed) in [(64, 1), (100, 2), (500, 3), (1400, 4), (9000, 5)] {
        let mut random = XorShift::new(seed);
        let picture = |n| {
            let [key, other] = kinds;
            let mut data = if n % 10 == 0 { key.to_vec() } else { other.to_vec() };
            let len = random.below(5000) as usize;
            data.extend(random.bytes(len));
            let mut frame = timed(data, n, 3000, 90_000);
            frame.flags.key = n % 10 == 0;
            frame
        };
        let frames: Vec<_> = (0..12).map(picture).collect();
        transmits(parameters, &frames, max_payload, 0);
    }
}

impl Depacketizer for Box<dyn Depacketizer> {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        (**self).handle_payload(payload, out)
    }

    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        (**self).handle_end(out);
    }

    fn deviations(&self) -> u64 {
        (**self).deviations()
    }
}

/// Payloads and marker bits of a frame.
pub(crate) fn payloads_of(
    packetizer: &mut dyn Packetizer,
    frame: &Frame,
    max_payload: usize,
) -> Vec<(Vec<u8>, bool)> {
    let mut out = PacketBuffer::new(max_payload);
    packetizer.packetize(frame, &mut out);
    let spans = out.spans().iter().enumerate();
    spans.map(|(i, span)| (out.payload(i).unwrap().to_vec(), span.marker)).collect()
}

/// Feeds garbage; the depacketizer must take it, and work on afterwards.
pub(crate) fn survives_garbage(depacketizer: impl Depacketizer) {
    let mut depacketizer = Received::new(depacketizer);
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
