//! [`StreamReceiverConfig`]: the configuration of a [`StreamReceiver`](super::StreamReceiver).

use crate::error::Error;
use crate::rtp::{RtcpConfig, RtpSourceConfig};
use std::time::Duration;

/// The permitted range of `key_frame_interval`.
const REQUEST_INTERVALS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(60)];

/// The permitted range of `nack_interval`.
const NACK_INTERVALS: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(60)];

/// The RTCP message with which a key frame is requested. The stream's SDP states which one its
/// sender supports: `a=rtcp-fb:96 nack pli`, or `a=rtcp-fb:96 ccm fir` (RFC 4585 section 4.2, RFC
/// 5104 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFrameMessage {
    /// Picture loss indication (RFC 4585 section 6.3.1).
    PictureLoss,
    /// Full intra request (RFC 5104 section 4.3.1).
    FullIntra,
}

/// The configuration of a [`StreamReceiver`](super::StreamReceiver). [`new`](Self::new) sets the
/// defaults; each field can then be changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamReceiverConfig {
    /// Conversion of packets to frames.
    pub source: RtpSourceConfig,
    /// Reports.
    pub rtcp: RtcpConfig,
    /// The message that requests a key frame when one is needed; `None`, the default, for no
    /// requests.
    pub key_frame_message: Option<KeyFrameMessage>,
    /// Least time between two requests for a key frame, from 100 ms to one minute. Default: one
    /// second.
    pub key_frame_interval: Duration,
    /// Whether missing packets are requested again (generic NACK, RFC 4585 section 6.2.1). The SDP
    /// states whether the sender supports it: `a=rtcp-fb:96 nack`. A packet that arrives within
    /// [`max_delay`](RtpSourceConfig::max_delay) is used as if it had only been reordered. Default:
    /// false.
    pub nack: bool,
    /// Time for which a packet must have been missing before it is requested, so that reordered packets
    /// are not. Default: 10 ms.
    pub nack_delay: Duration,
    /// Least time between two requests for missing packets, from 10 ms to one minute; it should be the
    /// round-trip time. Default: 50 ms.
    pub nack_interval: Duration,
}

impl StreamReceiverConfig {
    /// Creates the default configuration for a stream with this payload type and clock rate (in
    /// Hz), whose reports have this canonical name (RFC 3550 section 6.5.1).
    pub fn new(payload_type: u8, clock_rate: u32, cname: impl Into<String>) -> Self {
        let rtcp = RtcpConfig {
            cname: cname.into(),
            clock_rate,
            is_sender: false,
            max_destinations: 1024,
            ..RtcpConfig::default()
        };
        Self {
            source: RtpSourceConfig::new(payload_type, clock_rate),
            rtcp,
            key_frame_message: None,
            key_frame_interval: Duration::from_secs(1),
            nack: false,
            nack_delay: Duration::from_millis(10),
            nack_interval: Duration::from_millis(50),
        }
    }

    /// Checks that a receiver can work with the configuration.
    ///
    /// # Errors
    /// [`Error::Usage`]: as [`RtpSourceConfig::check`], or an interval is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        self.source.check()?;
        let ([least, most], [least_nack, most_nack]) = (REQUEST_INTERVALS, NACK_INTERVALS);
        Err(Error::Usage(match () {
            () if !(least..=most).contains(&self.key_frame_interval) => {
                "a key frame is asked for every 100 ms to 60 s"
            }
            () if !(least_nack..=most_nack).contains(&self.nack_interval)
                || self.nack_delay > most_nack =>
            {
                "missing packets are asked for every 10 ms to 60 s"
            }
            () => return Ok(()),
        }))
    }
}
