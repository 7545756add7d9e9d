//! [`Frame`]: the unit of media that sources produce and sinks consume.

use bytes::Bytes;
use std::time::Duration;

/// A frame: an access unit of video, an audio frame, or a run of PCM samples or of transport stream
/// packets. Frames are never truncated.
///
/// H.264 and H.265 frames are access units in Annex B form (a start code of three or four bytes
/// before each NAL unit), whatever the form in their container. An encoder that delivers slice by
/// slice may split an access unit into several frames; all but the last then lack
/// [`FrameFlags::ends_access_unit`].
///
/// Create one with [`Frame::new`], and change the fields that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// Data, without container or transport framing (ADTS headers are removed; MPEG audio frames
    /// keep their header, which RFC 2250 requires).
    pub data: Bytes,
    /// Presentation time on the source's own time line (for a file: normal play time, RFC 2326
    /// section 3.6).
    pub pts: Duration,
    /// Decoding time on the same time line: when the frame is due to be sent. It never decreases
    /// between two seeks, and equals `pts` if frames are not reordered.
    pub dts: Duration,
    /// Duration of the frame; zero if unknown.
    pub duration: Duration,
    /// Wall-clock time at which the frame was captured, since the Unix epoch, if the source knows
    /// it. Sender reports of a live stream state it (RFC 3550 section 6.4.1).
    pub wall_clock: Option<Duration>,
    /// Further properties of the frame.
    pub flags: FrameFlags,
}

/// Properties of a [`Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameFlags {
    /// Whether decoding can start with the frame; true for every audio frame.
    pub key: bool,
    /// Whether the frame ends its access unit (sets the RTP marker bit for video).
    pub ends_access_unit: bool,
    /// Whether frames are missing before this one, or the time line jumps.
    pub discontinuity: bool,
}

impl Default for FrameFlags {
    fn default() -> Self {
        Self { key: true, ends_access_unit: true, discontinuity: false }
    }
}

impl Frame {
    /// Creates a key frame whose decoding time is its presentation time.
    pub fn new(data: impl Into<Bytes>, pts: Duration, duration: Duration) -> Self {
        let (data, flags) = (data.into(), FrameFlags::default());
        Self { data, pts, dts: pts, duration, wall_clock: None, flags }
    }
}
