//! [`Depacketizer`]: RTP payloads in, frames out.

use crate::wire::ParseError;
use bytes::Bytes;
use std::collections::VecDeque;

/// The payload of one RTP packet and what the packet's header says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RtpPayload<'a> {
    /// The bytes behind the RTP header, without padding.
    pub data: &'a [u8],
    /// The marker bit.
    pub marker: bool,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Packets before this one are missing.
    pub lost: bool,
}

impl<'a> RtpPayload<'a> {
    /// A payload without marker bit that follows the one before it.
    pub const fn new(data: &'a [u8], timestamp: u32) -> Self {
        Self { data, marker: false, timestamp, lost: false }
    }

    /// Sets the marker bit.
    pub const fn with_marker(mut self, marker: bool) -> Self {
        self.marker = marker;
        self
    }

    /// Says whether packets before this one are missing.
    pub const fn after_loss(mut self, lost: bool) -> Self {
        self.lost = lost;
        self
    }
}

/// A frame that a depacketizer has put together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DepacketizedFrame {
    /// The bytes, in the form of [`Frame::data`](crate::Frame::data).
    pub data: Bytes,
    /// RTP timestamp of the frame's first sample.
    pub timestamp: u32,
    /// Decoding can start here.
    pub key: bool,
    /// Nothing of the same access unit follows. Only formats that pass parts of access units on
    /// give out frames without it.
    pub ends_access_unit: bool,
    /// Something was lost before or in this frame.
    pub discontinuity: bool,
    /// The frame is not whole, or may not be: a packet was lost or malformed while the frame was
    /// put together, or just before its first packet. The bytes that there are, are well-formed.
    pub damaged: bool,
}

impl DepacketizedFrame {
    /// A whole frame that decoding can start with.
    pub fn new(data: impl Into<Bytes>, timestamp: u32) -> Self {
        Self {
            data: data.into(),
            timestamp,
            key: true,
            ends_access_unit: true,
            discontinuity: false,
            damaged: false,
        }
    }
}

/// The frames that a depacketizer has put together and that nobody has taken yet, the oldest
/// first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DepacketizedFrames {
    frames: VecDeque<DepacketizedFrame>,
    lossy: bool,
}

impl DepacketizedFrames {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { frames: VecDeque::new(), lossy: false }
    }

    /// Appends a frame.
    pub fn push(&mut self, mut frame: DepacketizedFrame) {
        frame.discontinuity |= std::mem::take(&mut self.lossy);
        self.frames.push_back(frame);
    }

    /// Marks the next frame that is appended as [discontinuous](DepacketizedFrame::discontinuity).
    pub const fn note_loss(&mut self) {
        self.lossy = true;
    }

    /// Takes the oldest frame out.
    pub fn pop(&mut self) -> Option<DepacketizedFrame> {
        self.frames.pop_front()
    }
}

/// Puts the frames of one stream together from RTP payloads in sequence order.
///
/// The caller owns the queue of frames and empties it as often as it likes; the number of frames
/// that a call appends is bounded by the length of the payload.
pub trait Depacketizer {
    /// Takes the payload of one packet and appends the frames that it completes to `out`. Where
    /// packets are missing before it, the frame that was half put together is dropped or marked as
    /// damaged, and the next frame is marked as discontinuous.
    ///
    /// # Errors
    /// The payload was malformed and has been dropped; the depacketizer goes on with the next.
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError>;

    /// The stream has ended: appends what is complete to `out`.
    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        let _ = out;
    }

    /// How many packets broke their format's RFC and were taken all the same, because it is known
    /// what the devices that send them mean.
    fn deviations(&self) -> u64 {
        0
    }
}
