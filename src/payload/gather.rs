//! [`Gather`]: small audio frames that wait to share a packet.

use crate::frame::Frame;
use std::time::Duration;

/// Longest span of audio in one packet, for which its first frame waits. RFC 3551 section 4.2
/// recommends at most 200 ms; half of that is well below the patience of players that join, at next
/// to no overhead.
pub(super) const MAX_SPAN: Duration = Duration::from_millis(100);

/// Converts `time` to units of a clock of `rate` Hz, rounded, modulo 2³².
pub(super) fn rtp_units(time: Duration, rate: u32) -> u32 {
    let units = (time.as_nanos() * u128::from(rate) + 500_000_000) / 1_000_000_000;
    units as u32
}

/// A waiting frame.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    len: usize,
    pts: Duration,
    duration: Duration,
}

/// Waiting frames. Their bytes are copied into one buffer: they are few, and a retained frame would
/// retain all memory that was read with it.
#[derive(Debug)]
pub(super) struct Gather {
    frames: Vec<Waiting>,
    bytes: Vec<u8>,
    /// Presentation time of the frame that the packetizer was given last, the reference of a
    /// packet's lag.
    now: Duration,
    clock_rate: u32,
    /// Longest span of audio in one packet.
    span: Duration,
}

impl Gather {
    pub(super) const fn new(clock_rate: u32) -> Self {
        Self::with_span(clock_rate, MAX_SPAN)
    }

    pub(super) const fn with_span(clock_rate: u32, span: Duration) -> Self {
        Self { frames: Vec::new(), bytes: Vec::new(), now: Duration::ZERO, clock_rate, span }
    }

    /// Sets the frame that is being packetized.
    pub(super) const fn handle_frame(&mut self, frame: &Frame) {
        self.now = frame.pts;
    }

    /// Appends a frame; the caller has checked that all waiting frames fit into a packet.
    pub(super) fn push(&mut self, frame: &Frame) {
        self.push_part(frame, &frame.data);
    }

    /// Appends the bytes of a frame that are to be sent.
    pub(super) fn push_part(&mut self, frame: &Frame, data: &[u8]) {
        let Frame { pts, duration, .. } = *frame;
        self.bytes.extend_from_slice(data);
        self.frames.push(Waiting { len: data.len(), pts, duration });
    }

    /// Number of frames.
    pub(super) fn count(&self) -> usize {
        self.frames.len()
    }

    /// Iterates over the lengths of the frames.
    pub(super) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.frames.iter().map(|frame| frame.len)
    }

    /// The bytes of all frames, concatenated.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether `frame` follows the waiting frames without a gap, so that a receiver can derive its
    /// time from theirs, and soon enough.
    pub(super) fn continues_with(&self, frame: &Frame) -> bool {
        /// Tolerance: containers round times and durations to milliseconds.
        const SLACK: Duration = Duration::from_millis(2);
        let Some((first, last)) = self.frames.first().zip(self.frames.last()) else { return true };
        let due = last.pts + last.duration;
        !frame.flags.discontinuity
            && frame.pts.abs_diff(due) <= SLACK
            && frame.pts.saturating_sub(first.pts) + frame.duration <= self.span
    }

    /// Whether one more frame like the last would exceed the longest span.
    pub(super) fn is_full(&self) -> bool {
        self.frames.first().zip(self.frames.last()).is_some_and(|(first, last)| {
            last.duration.is_zero()
                || last.pts.saturating_sub(first.pts) + 2 * last.duration > self.span
        })
    }

    /// RTP units from the first waiting frame to the frame being packetized.
    pub(super) fn lag(&self) -> u32 {
        self.frames.first().map_or(0, |first| {
            rtp_units(self.now, self.clock_rate).wrapping_sub(rtp_units(first.pts, self.clock_rate))
        })
    }

    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.bytes.clear();
    }
}
