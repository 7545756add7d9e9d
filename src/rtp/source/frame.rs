//! [`ReceivedFrame`]: what comes out of an [`RtpSource`](super::RtpSource).

use super::timeline::Line;
use crate::frame::Frame;
use crate::rtp::rtcp::NtpTime;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// A frame put together from packets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedFrame {
    /// As [`Frame::data`](crate::Frame::data).
    pub data: Bytes,
    /// RTP timestamp.
    pub timestamp: u32,
    /// When the packet that completed the frame arrived.
    pub arrived_at: Instant,
    /// When it is to be presented, on a time line that starts with the first frame (or as
    /// [`RtpSource::set_reference`](super::RtpSource::set_reference) told) and goes on when the
    /// sender starts anew. Each stream has such a line of its own, until a
    /// [`SessionClock`](crate::rtp::SessionClock) puts the frame on the one of its session.
    pub pts: Duration,
    /// Whether the sender's reports have told how this stream's time relates to that of the other
    /// streams of its session. If not, `pts` relates to theirs by the time of arrival alone (RFC
    /// 3550 section 6.4.1). A [`SessionClock`](crate::rtp::SessionClock) sets it.
    pub synchronized: bool,
    /// When it was captured, in the sender's wall-clock time, once the sender has told: by its
    /// reports, or with the frame itself (ONVIF Streaming Specification, "RTP header extension").
    pub wall_clock: Option<NtpTime>,
    /// Decoding can start here.
    pub key: bool,
    /// Nothing of the same access unit follows; see
    /// [`DepacketizedFrame::ends_access_unit`](crate::payload::DepacketizedFrame::ends_access_unit).
    pub ends_access_unit: bool,
    /// Something was lost before or in this frame.
    pub discontinuity: bool,
    /// The frame is not whole, or may not be; see
    /// [`DepacketizedFrame::damaged`](crate::payload::DepacketizedFrame::damaged).
    pub damaged: bool,
    /// Which time line `pts` lies on.
    pub(in crate::rtp) line: Line,
    /// As `wall_clock`, by the reports alone.
    pub(in crate::rtp) reported: Option<NtpTime>,
}

impl ReceivedFrame {
    /// The frame as one that can be sent on, due at `dts` on the time line of
    /// [`pts`](Self::pts). RTP does not tell when a frame is due: for a stream that is sent on as it
    /// comes that is the time of its arrival, and the frame's `pts` if no pictures are reordered.
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
