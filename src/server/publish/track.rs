//! [`PublishedTrack`]: how the packets of a track arrive, and the receiver that puts them in order
//! and reports on them.

use crate::description::MediaSubsession;
use crate::error::Error;
use crate::ids::ConnectionId;
use crate::provide::RelayedTrack;
use crate::rtp::receiver::KeyFrameMessage;
use crate::rtp::transform::PacketTransform;
use crate::rtp::{StreamReceiver, StreamReceiverConfig};
use crate::stream::destination::DestinationTransport;
use crate::wire::rtp::PacketKind;
use std::time::{Duration, Instant};

/// A track of a publication that is set up.
#[derive(Debug)]
pub(crate) struct PublishedTrack {
    /// How packets arrive; reports go back the same way.
    pub(crate) transport: DestinationTransport,
    pub(crate) receiver: StreamReceiver,
    /// Takes the protection off the publisher's packets, and protects the reports to it (SRTP).
    pub(crate) protection: Option<Box<dyn PacketTransform>>,
    /// Packets that were dropped because they are not what the publisher sent.
    pub(crate) refused: u64,
    /// Number of the track in the stream that viewers watch.
    pub(crate) place: usize,
}

impl PublishedTrack {
    /// Takes the protection off a packet, in `memory`, if it has one. `None`: it is dropped.
    pub(crate) fn unprotect<'a>(
        &mut self,
        kind: PacketKind,
        packet: &'a [u8],
        memory: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        let Some(protection) = &mut self.protection else { return Some(packet) };
        let plain = protection.unprotect(kind, packet, memory).ok();
        self.refused += u64::from(plain.is_none());
        plain
    }

    /// Protects a report, if the track is protected; one that cannot be is emptied.
    pub(crate) fn protect_report(&mut self, report: &mut Vec<u8>) {
        if let Some(protection) = &mut self.protection {
            protection.protect_report(report);
        }
    }

    /// The RTSP connection over which packets arrive.
    pub(crate) const fn connection(&self) -> Option<ConnectionId> {
        match self.transport {
            DestinationTransport::Tcp { connection, .. } => Some(connection),
            DestinationTransport::Udp { .. } => None,
        }
    }
}

/// A track as viewers see it.
pub(crate) fn relayed_track(described: &MediaSubsession) -> RelayedTrack {
    let track = RelayedTrack::new(described.format.clone()).with_attributes(&described.attributes);
    let kbps = described.bandwidth.and_then(|bits| u32::try_from(bits / 1000).ok());
    match kbps.filter(|kbps| *kbps > 0) {
        Some(kbps) => track.with_bandwidth_kbps(kbps),
        None => track,
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
