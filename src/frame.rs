//! [`Frame`]: what flows from a source to a sink.

use bytes::Bytes;
use std::time::Duration;

/// One frame: a whole access unit of video, a whole audio frame, or a run of PCM samples or of
/// transport stream packets. Never truncated.
///
/// H.264 and H.265 frames are access units in Annex B form (start code before each NAL unit,
/// three or four bytes long), whatever their container had. An encoder that hands over slice by
/// slice may split an access unit over several frames; all but the last then lack
/// [`FrameFlags::ends_access_unit`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The bytes, without container or transport framing (ADTS headers are taken off; MPEG audio
    /// frames keep their header, which RFC 2250 wants).
    pub data: Bytes,
    /// When the frame is to be presented, on the source's own time line (for a file: normal play
    /// time, RFC 2326 section 3.6).
    pub pts: Duration,
    /// When the frame is due to be sent: decoding time on the same time line. Never decreases
    /// between two seeks; equals `pts` where frames are not reordered.
    pub dts: Duration,
    /// How long the frame lasts; zero if unknown.
    pub duration: Duration,
    /// What the wall clock showed when the frame was captured, as the time since the Unix epoch,
    /// if the source knows. Sender reports of a live stream state it (RFC 3550 section 6.4.1).
    pub wall_clock: Option<Duration>,
    /// Further facts about the frame.
    pub flags: FrameFlags,
}

/// Facts about a [`Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameFlags {
    /// Decoding can start here. True for every frame of audio.
    pub key: bool,
    /// Nothing of the same access unit follows (sets the RTP marker bit for video).
    pub ends_access_unit: bool,
    /// Frames are missing before this one, or the time line jumps.
    pub discontinuity: bool,
}

impl Default for FrameFlags {
    fn default() -> Self {
        Self { key: true, ends_access_unit: true, discontinuity: false }
    }
}

impl Frame {
    /// A key frame that is presented when it is decoded.
    pub fn new(data: impl Into<Bytes>, pts: Duration, duration: Duration) -> Self {
        let (data, flags) = (data.into(), FrameFlags::default());
        Self { data, pts, dts: pts, duration, wall_clock: None, flags }
    }
}
