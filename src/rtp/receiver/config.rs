//! [`StreamReceiverConfig`]: how a [`StreamReceiver`](super::StreamReceiver) behaves.

use crate::error::Error;
use crate::rtp::{RtcpConfig, RtpSourceConfig};
use std::time::Duration;

/// Least and most time between two requests for a key frame that can be asked for.
const REQUEST_INTERVALS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(60)];

/// The RTCP message by which a sender is asked for a key frame. The stream's SDP tells which one its
/// sender understands: `a=rtcp-fb:96 nack pli`, or `a=rtcp-fb:96 ccm fir` (RFC 4585 section 4.2,
/// RFC 5104 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFrameMessage {
    /// Picture loss indication (RFC 4585 section 6.3.1).
    PictureLoss,
    /// Full intra request (RFC 5104 section 4.3.1).
    FullIntra,
}

/// How a [`StreamReceiver`](super::StreamReceiver) behaves. [`new`](Self::new) gives the defaults,
/// and each field can then be set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamReceiverConfig {
    /// How packets become frames.
    pub source: RtpSourceConfig,
    /// How reports are made.
    pub rtcp: RtcpConfig,
    /// The message that asks for a key frame when one is needed; none by default.
    pub key_frame_message: Option<KeyFrameMessage>,
    /// Least time between two requests for a key frame: one second by default, from 100 ms to one
    /// minute.
    pub key_frame_interval: Duration,
}

impl StreamReceiverConfig {
    /// The defaults for a stream of that payload type and clock rate (RTP timestamp units a
    /// second), received under that canonical name (RFC 3550 section 6.5.1).
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
        }
    }

    /// Checks that a receiver can work so.
    ///
    /// # Errors
    /// [`Error::Usage`]: as [`RtpSourceConfig::check`], or `key_frame_interval` is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        self.source.check()?;
        let [least, most] = REQUEST_INTERVALS;
        if (least..=most).contains(&self.key_frame_interval) {
            return Ok(());
        }
        Err(Error::Usage("a key frame is asked for every 100 ms to 60 s"))
    }
}
