//! [`PublishedTrack`]: how the packets of a track arrive, and the receiver that puts them in order
//! and reports on them.

use crate::description::MediaSubsession;
use crate::error::Error;
use crate::ids::ConnectionId;
use crate::rtp::receiver::KeyFrameMessage;
use crate::rtp::{StreamReceiver, StreamReceiverConfig};
use crate::stream::destination::DestinationTransport;
use std::time::{Duration, Instant};

/// A track of a publication that is set up.
#[derive(Debug)]
pub(crate) struct PublishedTrack {
    /// How packets arrive; reports go back the same way.
    pub(crate) transport: DestinationTransport,
    pub(crate) receiver: StreamReceiver,
    /// Number of the track in the stream that viewers watch.
    pub(crate) place: usize,
}

impl PublishedTrack {
    /// The RTSP connection over which packets arrive.
    pub(crate) const fn connection(&self) -> Option<ConnectionId> {
        match self.transport {
            DestinationTransport::Tcp { connection, .. } => Some(connection),
            DestinationTransport::Udp { .. } => None,
        }
    }
}

/// The configuration of the receiver of a track. Over UDP it waits for a missing packet for
/// `max_delay`.
pub(crate) fn receiver_config(
    track: &MediaSubsession,
    cname: String,
    is_udp: bool,
    max_delay: Duration,
) -> StreamReceiverConfig {
    let format = &track.format;
    let mut config = StreamReceiverConfig::new(format.payload_type, format.clock_rate, cname);
    config.source.max_delay = if is_udp { max_delay } else { Duration::ZERO };
    config.nack = track.feedback.nack && is_udp;
    config.key_frame_message = if track.feedback.pli {
        Some(KeyFrameMessage::PictureLoss)
    } else {
        track.feedback.fir.then_some(KeyFrameMessage::FullIntra)
    };
    if let Some(bandwidth) = track.bandwidth.filter(|bps| *bps > 0) {
        config.rtcp.session_bandwidth_bps = bandwidth;
    }
    config
}

/// The receiver of a track.
///
/// # Errors
/// [`Error::Usage`]: no packets of this format can be received.
pub(crate) fn receiver(
    config: StreamReceiverConfig,
    now: Instant,
    random: [u8; 12],
) -> Result<StreamReceiver, Error> {
    StreamReceiver::pass_through(config, now, random)
}
