//! RTP and RTCP state machines: time and bytes in, packets and reports out. They use no sockets and
//! no clock.
//!
//! * [`RtpSink`] cuts frames into packets, once for all destinations.
//! * [`RtpSource`] puts packets in order and assembles frames from them: order, loss, statistics.
//! * [`SessionClock`] puts the frames of several sources on one time line.
//! * [`FrameTap`] makes frames of packets that a pass-through source passes on.
//! * [`StreamReceiver`] is an [`RtpSource`] with its RTCP.
//! * [`RtcpInstance`] writes and reads the reports of a stream, at the times of RFC 3550.

#[cfg(test)]
mod day_of_two_streams;
#[cfg(test)]
mod formats_tests;
mod frame_tap;
pub mod receiver;
pub mod rtcp;
mod session_clock;
#[cfg(test)]
mod simulation;
pub mod sink;
pub mod source;
#[cfg(feature = "srtp")]
pub mod srtp;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod transform;

pub use frame_tap::FrameTap;
pub use receiver::{StreamReceiver, StreamReceiverConfig};
pub use rtcp::{RtcpConfig, RtcpEvent, RtcpInstance, RtcpOutcome, SenderFacts};
pub use session_clock::SessionClock;
pub use sink::{DEFAULT_MAX_PACKET, RtpSink};
pub use source::{ReceivedFrame, ReceivedPacket, RtpSource, RtpSourceConfig, SourceEvent};

/// Bytes of an IPv4 and a UDP header, which RFC 3550 section 6.2 counts as part of an RTCP packet.
/// IPv6 and TCP differ too little to affect an interval of seconds.
const LOWER_LAYER_OVERHEAD: usize = 28;
