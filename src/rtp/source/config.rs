//! [`RtpSourceConfig`]: how an [`RtpSource`](super::RtpSource) behaves.

use crate::error::Error;
use std::time::Duration;

/// Longest time that a missing packet may be waited for.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// How an [`RtpSource`](super::RtpSource) behaves. [`new`](Self::new) gives the defaults, and each
/// field can then be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RtpSourceConfig {
    /// Payload type of the stream; packets of other types are dropped.
    pub payload_type: u8,
    /// RTP timestamp units a second.
    pub clock_rate: u32,
    /// Packets in sequence before a source is trusted (MIN_SEQUENTIAL of RFC 3550 appendix A.1
    /// is 2); those before are lost. 0, the default, where the transport vouches for the source, as
    /// RTSP does.
    pub min_sequential: u16,
    /// How long to wait for a packet that is missing: 100 ms by default, one minute at most. Zero
    /// where the transport keeps the order.
    pub max_delay: Duration,
    /// Most packets kept behind one that is missing. 512 by default.
    pub max_packets: usize,
    /// Most bytes of packets kept behind one that is missing. 4 MiB by default.
    pub max_bytes: usize,
    /// Most frames kept until polled; when there are more, the oldest are dropped. 512 by default.
    pub max_frames: usize,
    /// Most bytes of frames kept until polled. 16 MiB by default.
    pub max_frame_bytes: usize,
    /// How long the SSRC in use must be silent before another may take its place. 500 ms by
    /// default.
    pub ssrc_silence: Duration,
}

impl RtpSourceConfig {
    /// The defaults for a stream of that payload type and clock rate (RTP timestamp units a
    /// second).
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

    /// Checks that a source can work so.
    ///
    /// # Errors
    /// [`Error::Usage`]: the clock rate or a limit is 0, the payload type is none that RTP packets
    /// have, or `max_delay` is longer than a minute.
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
