//! [`ReceivedFrame`]: a frame that an [`RtpSource`](super::RtpSource) has assembled.

use super::timeline::Line;
use crate::frame::Frame;
use crate::rtp::rtcp::NtpTime;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// A frame assembled from packets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedFrame {
    /// Data, as in [`Frame::data`](crate::Frame::data).
    pub data: Bytes,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Time of arrival of the packet that completed the frame.
    pub arrived_at: Instant,
    /// Presentation time, on a time line that starts with the first frame (or as set by
    /// [`RtpSource::set_reference`](super::RtpSource::set_reference)) and continues when the sender
    /// starts over. Each stream has its own time line until a
    /// [`SessionClock`](crate::rtp::SessionClock) converts the time to that of the session.
    pub pts: Duration,
    /// Whether `pts` is synchronized with the other streams of the session by the sender's reports
    /// (RFC 3550 section 6.4.1). If not, it relates to theirs by the time of arrival or by RTSP's
    /// `RTP-Info`. A [`SessionClock`](crate::rtp::SessionClock) sets it.
    pub synchronized: bool,
    /// Capture time on the sender's wall clock, once the sender has stated it: in its reports, or with
    /// the frame itself (ONVIF Streaming Specification, "RTP header extension").
    pub wall_clock: Option<NtpTime>,
    /// Whether decoding can start with the frame.
    pub key: bool,
    /// Whether the frame ends its access unit; see
    /// [`DepacketizedFrame::ends_access_unit`](crate::payload::DepacketizedFrame::ends_access_unit).
    pub ends_access_unit: bool,
    /// Whether something was lost before or in this frame.
    pub discontinuity: bool,
    /// Whether the frame is, or may be, incomplete; see
    /// [`DepacketizedFrame::damaged`](crate::payload::DepacketizedFrame::damaged).
    pub damaged: bool,
    /// Which time line `pts` lies on.
    pub(in crate::rtp) line: Line,
    /// As `wall_clock`, by the reports alone.
    pub(in crate::rtp) reported: Option<NtpTime>,
}

impl ReceivedFrame {
    /// Converts to a frame that can be sent, due at `dts` on the time line of [`pts`](Self::pts).
    /// RTP does not state when a frame is due: for a stream that is forwarded as it arrives, pass
    /// the time of arrival, and the frame's `pts` if no pictures are reordered.
    pub fn into_frame(self, dts: Duration) -> Frame {
        let mut frame = Frame::new(self.data, self.pts, Duration::ZERO);
        frame.dts = dts;
        frame.wall_clock = self.wall_clock.map(NtpTime::to_unix);
        frame.flags.key = self.key;
        frame.flags.ends_access_unit = self.ends_access_unit;
        frame.flags.discontinuity = self.discontinuity;
        frame
    }
}
