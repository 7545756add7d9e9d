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

/// Checks that what comes out is what went in, bytes and timestamps.
pub(crate) fn round_trip(
    packetizer: &mut dyn Packetizer,
    depacketizer: impl Depacketizer,
    frames: &[Frame],
    clock_rate: u32,
    max_payload: usize,
) {
    let mut depacketizer = Received::new(depacketizer);
    let base = 0xffff_f000u32;
    let mut out = PacketBuffer::new(max_payload);
    let mut back = Vec::new();
    let mut feed = |out: &mut PacketBuffer, at: u32| {
        for (i, span) in out.spans().iter().enumerate() {
            let payload = out.payload(i).unwrap();
            assert!(payload.len() <= max_payload);
            let timestamp = at.wrapping_sub(span.timestamp_lag);
            depacketizer.handle_payload(payload, span.marker, timestamp, false).unwrap();
            back.extend(std::iter::from_fn(|| depacketizer.poll_frame()));
        }
        out.clear();
    };
    let mut at = base;
    for frame in frames {
        at = base.wrapping_add(rtp_units(frame.pts, clock_rate));
        packetizer.packetize(frame, &mut out);
        feed(&mut out, at);
    }
    packetizer.flush(&mut out);
    feed(&mut out, at);
    depacketizer.handle_end();
    back.extend(std::iter::from_fn(|| depacketizer.poll_frame()));
    assert_eq!(back.len(), frames.len());
    for (back, frame) in back.iter().zip(frames) {
        assert_eq!(back.data, frame.data);
        let expected = base.wrapping_add(rtp_units(frame.pts, clock_rate));
        // Rounding of each frame's own time may differ by a unit where the rate is no divisor.
        let off = back.timestamp.wrapping_sub(expected).wrapping_add(1);
        assert!(off <= 2, "{} is not {expected}", back.timestamp);
        assert!(!back.discontinuity);
    }
}
