//! [`RtcpEvent`]: what receivers say of our stream. RFC 3550 section 6.4.1, RFC 4585 section 6 and
//! RFC 5104 section 4.3.1.

use super::{Nack, ReceptionStatistics};

/// A receiver's message about our stream, as
/// [`RtcpInstance::poll_event`](super::RtcpInstance::poll_event) returns it. One packet may contain
/// several.
///
/// `from` is the key that the caller handed to
/// [`handle_packet`](super::RtcpInstance::handle_packet) with the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RtcpEvent {
    /// A receiver has reported how our stream arrives (RFC 3550 section 6.4.1).
    #[non_exhaustive]
    ReceptionReport {
        /// Where the report came from.
        from: u64,
        /// What it says; `statistics.reporter` is the receiver's SSRC.
        statistics: ReceptionStatistics,
    },
    /// A receiver cannot go on decoding until it gets a key frame. Every request makes an
    /// event, however fast requests follow one another; only a repetition of the same full intra
    /// request makes none. Limiting the rate is left to the owner of the encoder.
    #[non_exhaustive]
    KeyFrameWanted {
        /// Where the request came from.
        from: u64,
        /// SSRC of the receiver.
        requester: u32,
        /// The message that asked for it.
        request: KeyFrameRequest,
    },
    /// A receiver misses packets (generic NACK, RFC 4585 section 6.2.1).
    #[non_exhaustive]
    PacketsLost {
        /// Where the message came from.
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
    /// Picture loss indication (RFC 4585 section 6.3.1): the receiver has lost coded video data,
    /// and leaves it to the sender what to do about it.
    PictureLoss,
    /// Full intra request (RFC 5104 section 4.3.1): the sender must send a decoder refresh point
    /// as soon as it can.
    FullIntra {
        /// Command sequence number: a receiver's next request has the next number, modulo 256; a
        /// repetition of the same request has the same number.
        sequence: u8,
    },
}
