//! [`ReceivedPacket`]: a packet that a pass-through [`RtpSource`](super::RtpSource) passes on.

use crate::rtp::rtcp::NtpTime;
use crate::wire::rtp::EXTENSION_HEADER_LEN;
use std::time::{Duration, Instant};

/// A packet of a stream that is received in pass-through mode: its payload as it came, in the order
/// in which it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedPacket<'a> {
    /// Payload, without padding.
    pub payload: &'a [u8],
    /// Header extension of the payload format, with the number that the profile defines: that of
    /// ONVIF's JPEG (`0xffd8`), which has the parts of the picture that the payload has no room for.
    /// Others are about the source's own packets.
    pub extension: Option<(u16, &'a [u8])>,
    /// Marker bit.
    pub marker: bool,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Extended sequence number. The lower 16 bits are those of the packet. It rises from one packet
    /// to the next, also where the sender begins anew: then by an amount that has no meaning.
    pub sequence: u64,
    /// SSRC.
    pub ssrc: u32,
    /// Number of packets before this one that were sent and did not arrive in time.
    pub lost_before: u64,
    /// Whether the sender has begun anew with this packet: under another SSRC, or with a jump of its
    /// sequence numbers or timestamps. How many packets were lost before is not known then.
    pub restarted: bool,
    /// Time of the packet's timestamp on a time line as that of
    /// [`ReceivedFrame::pts`](super::ReceivedFrame::pts). It continues when the sender begins anew.
    pub pts: Duration,
    /// Capture time on the sender's wall clock, once the sender has stated it: in its reports (RFC
    /// 3550 section 6.4.1), or with the packet itself (ONVIF Streaming Specification, "RTP header
    /// extension").
    pub capture_time: Option<NtpTime>,
    /// Time of arrival.
    pub arrived_at: Instant,
}

impl<'a> ReceivedPacket<'a> {
    /// Creates a packet that follows the previous one, without marker bit and capture time. A
    /// program that receives packets in its own way sets the other fields that it knows.
    ///
    /// ```
    /// use riverrun::rtp::ReceivedPacket;
    /// use std::time::Instant;
    ///
    /// let mut packet = ReceivedPacket::new(&[0x65, 0x88], 90_000, Instant::now());
    /// packet.marker = true;
    /// packet.lost_before = 2;
    /// assert!(!packet.restarted);
    /// ```
    pub const fn new(payload: &'a [u8], timestamp: u32, arrived_at: Instant) -> Self {
        Self {
            payload,
            extension: None,
            marker: false,
            timestamp,
            sequence: 0,
            ssrc: 0,
            lost_before: 0,
            restarted: false,
            pts: Duration::ZERO,
            capture_time: None,
            arrived_at,
        }
    }
}

impl ReceivedPacket<'_> {
    /// Length of payload and header extension in bytes.
    pub(crate) fn content_len(&self) -> usize {
        let of_extension = |(_, data): (u16, &[u8])| EXTENSION_HEADER_LEN + data.len();
        self.payload.len() + self.extension.map_or(0, of_extension)
    }
}

/// What lies between two packets in order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gap {
    /// Packets that were given up.
    pub(super) lost: u64,
    /// The sender has begun anew.
    pub(super) restarted: bool,
}

impl Gap {
    /// Whether something may be missing.
    pub(super) const fn is_loss(self) -> bool {
        self.lost > 0 || self.restarted
    }
}
