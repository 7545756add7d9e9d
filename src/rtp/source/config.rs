//! [`RtpSourceConfig`]: the configuration of an [`RtpSource`](super::RtpSource).

use crate::error::Error;
use std::time::Duration;

/// Longest permitted wait for a missing packet.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// The configuration of an [`RtpSource`](super::RtpSource). [`new`](Self::new) sets the defaults;
/// each field can then be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RtpSourceConfig {
    /// Payload type of the stream; packets of other types are dropped.
    pub payload_type: u8,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Number of packets in sequence before a source is accepted (MIN_SEQUENTIAL of RFC 3550
    /// appendix A.1 is 2); those before are dropped. Default: 0, for transports that identify the
    /// source, such as RTSP.
    pub min_sequential: u16,
    /// Time to wait for a missing packet, at most one minute; zero if the transport keeps the
    /// order. Default: 100 ms.
    pub max_delay: Duration,
    /// Most packets kept behind a missing one. Default: 512.
    pub max_packets: usize,
    /// Most bytes of packets kept behind a missing one. Default: 4 MiB.
    pub max_bytes: usize,
    /// Most frames kept until polled; beyond, the oldest are dropped. Default: 512.
    pub max_frames: usize,
    /// Most bytes of frames kept until polled. Default: 16 MiB.
    pub max_frame_bytes: usize,
    /// Time for which the present SSRC must be silent before another may replace it. Default: 500
    /// ms.
    pub ssrc_silence: Duration,
}

impl RtpSourceConfig {
    /// Creates the default configuration for a stream with this payload type and clock rate (in
    /// Hz).
    pub const fn new(payload_type: u8, clock_rate: u32) -> Self {
        Self {
            payload_type,
            clock_rate,
            min_sequential: 0,
            max_delay: Duration::from_millis(100),
            max_packets: 512,
            max_bytes: 4 << 20,
            max_frames: 512,
            max_frame_bytes: 16 << 20,
            ssrc_silence: Duration::from_millis(500),
        }
    }

    /// Checks that a source can work with the configuration.
    ///
    /// # Errors
    /// [`Error::Usage`]: the clock rate or a limit is 0, the payload type is not one of RTP
    /// packets, or `max_delay` is longer than a minute.
    pub fn check(&self) -> Result<(), Error> {
        let limits = [self.max_packets, self.max_bytes, self.max_frames, self.max_frame_bytes];
        Err(Error::Usage(match self.payload_type {
            // With the marker these are the types of RTCP packets.
            72..=76 => "payload types 72 to 76 cannot be told from RTCP (RFC 3551 section 6)",
            128.. => "an RTP payload type is a number up to 127",
            _ if self.clock_rate == 0 => "an RTP clock rate is at least 1 Hz",
            _ if limits.contains(&0) => "an RTP source needs room for packets and for frames",
            _ if self.max_delay > LONGEST_DELAY => {
                "an RTP source waits at most a minute for a packet"
            }
            _ => return Ok(()),
        }))
    }
}
