//! RTP and RTCP machines: time and bytes in, packets and reports out. No sockets, no clock.
//!
//! * [`RtpSink`] makes packets of frames, once for all destinations.
//! * [`RtpSource`] makes frames of packets: order, loss, statistics.
//! * [`StreamReceiver`] is an [`RtpSource`] with the RTCP that belongs to it.
//! * [`RtcpInstance`] writes and reads the reports of a stream at the times RFC 3550 wants them.

#[cfg(test)]
mod formats_tests;
pub mod receiver;
pub mod rtcp;
#[cfg(test)]
mod simulation;
pub mod sink;
pub mod source;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod transform;

pub use receiver::{StreamReceiver, StreamReceiverConfig};
pub use rtcp::{RtcpConfig, RtcpEvent, RtcpInstance, RtcpOutcome, SenderFacts};
pub use sink::{DEFAULT_MAX_PACKET, RtpSink};
pub use source::{ReceivedFrame, RtpSource, RtpSourceConfig};

/// Bytes of an IPv4 and a UDP header, which RFC 3550 section 6.2 counts as part of an RTCP
/// packet. Those of IPv6 and TCP differ too little to matter to an interval of seconds.
const LOWER_LAYER_OVERHEAD: usize = 28;
