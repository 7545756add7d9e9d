//! Statistics of one destination of a stream, and the events of streams.

#[cfg(feature = "srtp")]
use crate::ids::MediaSessionId;
use crate::ids::StreamId;
use crate::rtp::rtcp::ReceptionStatistics;

/// Counts of what a client was sent of one track, and its receiver's last report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryStatistics {
    /// RTP packets that were sent to the client since SETUP.
    pub packets: u64,
    /// Bytes of these packets, RTP headers included.
    pub octets: u64,
    /// Frames that were not sent because the client's connection did not keep up.
    pub dropped_frames: u64,
    /// The client's last receiver report (RFC 3550 section 6.4.1): loss, jitter, round trip.
    /// `None` before its first.
    pub reception: Option<ReceptionStatistics>,
}

/// An event of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamEvent {
    /// A viewer of live video cannot go on without a key frame, and the encoder is asked for one.
    KeyFrameWanted { stream: StreamId },
    /// The key of the protected stream that clients of a track share must not be used again.
    #[cfg(feature = "srtp")]
    KeyUsedUp { track: (MediaSessionId, usize) },
}
