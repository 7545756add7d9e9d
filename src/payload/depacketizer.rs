//! [`Depacketizer`]: assembles frames from RTP payloads.

use crate::wire::ParseError;
use bytes::Bytes;
use std::collections::VecDeque;

/// The payload of an RTP packet with the relevant fields of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RtpPayload<'a> {
    /// The bytes after the RTP header, without padding.
    pub data: &'a [u8],
    /// The marker bit.
    pub marker: bool,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Whether packets before this one are missing.
    pub lost: bool,
    /// Number of those, if it is known; else 0.
    pub missing: u64,
    /// Header extension of the packet: the number that the profile defines, and the data (RFC 3550
    /// section 5.3.1).
    pub extension: Option<(u16, &'a [u8])>,
}

impl<'a> RtpPayload<'a> {
    /// Creates a payload without marker bit that follows the previous one.
    pub const fn new(data: &'a [u8], timestamp: u32) -> Self {
        Self { data, marker: false, timestamp, lost: false, missing: 0, extension: None }
    }

    /// Sets the marker bit.
    pub const fn with_marker(mut self, marker: bool) -> Self {
        self.marker = marker;
        self
    }

    /// Sets whether packets before this one are missing; how many is not known.
    pub const fn after_loss(mut self, lost: bool) -> Self {
        self.lost = lost;
        self
    }

    /// Sets how many packets before this one are missing.
    pub const fn after_missing(mut self, missing: u64) -> Self {
        self.missing = missing;
        self.lost = missing > 0;
        self
    }

    /// Sets the header extension of the packet.
    pub const fn with_extension(mut self, extension: Option<(u16, &'a [u8])>) -> Self {
        self.extension = extension;
        self
    }
}

/// A frame that a depacketizer has assembled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DepacketizedFrame {
    /// Data, in the form of [`Frame::data`](crate::Frame::data).
    pub data: Bytes,
    /// RTP timestamp of the frame's first sample.
    pub timestamp: u32,
    /// Whether decoding can start with the frame.
    pub key: bool,
    /// Whether the frame ends its access unit. Only formats that pass on parts of access units
    /// return frames without it.
    pub ends_access_unit: bool,
    /// Whether something was lost before or in this frame.
    pub discontinuity: bool,
    /// Whether the frame is, or may be, incomplete: a packet was lost or malformed while the frame
    /// was assembled, or just before its first packet; or decoding would start with the frame and
    /// lacks what the description and the stream should have told before. The data that are present
    /// are well-formed.
    pub damaged: bool,
}

impl DepacketizedFrame {
    /// Creates a complete frame with which decoding can start.
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

/// A queue of assembled frames that the caller has not taken yet, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DepacketizedFrames {
    frames: VecDeque<DepacketizedFrame>,
    lossy: bool,
}

impl DepacketizedFrames {
    /// Creates an empty queue.
    pub const fn new() -> Self {
        Self { frames: VecDeque::new(), lossy: false }
    }

    /// Appends a frame.
    pub fn push(&mut self, mut frame: DepacketizedFrame) {
        frame.discontinuity |= std::mem::take(&mut self.lossy);
        self.frames.push_back(frame);
    }

    /// Marks the next appended frame as [discontinuous](DepacketizedFrame::discontinuity).
    pub const fn note_loss(&mut self) {
        self.lossy = true;
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Removes and returns the oldest frame.
    pub fn pop(&mut self) -> Option<DepacketizedFrame> {
        self.frames.pop_front()
    }
}

/// Assembles the frames of one stream from RTP payloads in sequence order.
///
/// The caller owns the queue of frames and empties it as often as it likes; the number of frames
/// that one call appends is bounded by the length of the payload.
pub trait Depacketizer {
    /// Processes the payload of one packet and appends the frames that it completes to `out`. If
    /// packets before it are missing, a partly assembled frame is dropped or marked as damaged, and
    /// the next frame is marked as discontinuous.
    ///
    /// # Errors
    /// The payload was malformed and has been dropped; the depacketizer continues with the next.
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError>;

    /// Ends the stream: appends the last frame to `out` if it is complete.
    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        let _ = out;
    }

    /// Returns the number of packets that were accepted although they violate the RFC of their
    /// format, because the meaning of such packets from certain devices is known.
    fn deviations(&self) -> u64 {
        0
    }
}
