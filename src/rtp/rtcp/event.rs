//! [`RtcpEvent`]: messages of receivers about our stream (RFC 3550 section 6.4.1, RFC 4585 section
//! 6, RFC 5104 section 4.3.1).

use super::{Nack, ReceptionStatistics};

/// A receiver's message about our stream, as returned by
/// [`RtcpInstance::poll_event`](super::RtcpInstance::poll_event). One packet may contain several.
///
/// `from` is the key that the caller passed to
/// [`handle_packet`](super::RtcpInstance::handle_packet) with the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RtcpEvent {
    /// A receiver has reported its reception of our stream (RFC 3550 section 6.4.1).
    #[non_exhaustive]
    ReceptionReport {
        /// Key of the report's origin.
        from: u64,
        /// Content of the report; `statistics.reporter` is the receiver's SSRC.
        statistics: ReceptionStatistics,
    },
    /// A receiver needs a key frame to continue decoding. Every request causes an event, however
    /// fast requests follow one another, except a repetition of the same full intra request. The
    /// owner of the encoder must limit the rate.
    #[non_exhaustive]
    KeyFrameWanted {
        /// Key of the request's origin.
        from: u64,
        /// SSRC of the receiver.
        requester: u32,
        /// The requesting message.
        request: KeyFrameRequest,
    },
    /// A receiver has reported missing packets (generic NACK, RFC 4585 section 6.2.1).
    #[non_exhaustive]
    PacketsLost {
        /// Key of the message's origin.
        from: u64,
        /// SSRC of the receiver.
        requester: u32,
        /// The sequence numbers of the packets.
        nack: Nack,
    },
}

/// A message that asks a sender for a key frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFrameRequest {
    /// Picture loss indication (RFC 4585 section 6.3.1): the receiver has lost coded video data;
    /// the sender decides how to repair that.
    PictureLoss,
    /// Full intra request (RFC 5104 section 4.3.1): the sender must send a decoder refresh point as
    /// soon as possible.
    FullIntra {
        /// Command sequence number: incremented modulo 256 with each new request of a receiver, and
        /// unchanged in a repetition.
        sequence: u8,
    },
}
