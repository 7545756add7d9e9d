//! [`RecordingTap`]: hands the frames of a relayed stream to its recording.

use crate::recording::Feed;
use riverrun::payload::{FormatRegistry, PayloadFormat};
use riverrun::rtp::{FrameTap, ReceivedPacket};
use riverrun::server::RelayTap;

/// Listens to a stream that is recorded.
pub(crate) struct RecordingTap {
    feed: Feed,
    frames: Option<FrameTap>,
}

impl RecordingTap {
    pub(crate) const fn new(feed: Feed) -> Self {
        Self { feed, frames: None }
    }
}

impl RelayTap for RecordingTap {
    fn source_described(&mut self, formats: &[PayloadFormat]) {
        let registry = FormatRegistry::standard();
        let parameters = formats.iter().map(|format| registry.parameters(format).ok());
        self.feed.begin(parameters.collect());
        self.frames = Some(FrameTap::new(registry, formats));
    }

    fn packet(&mut self, track: usize, packet: &ReceivedPacket<'_>) {
        let Self { feed, frames } = self;
        if let Some(frames) = frames {
            frames.handle_packet(track, packet, |frame| feed.handle_frame(track, frame));
        }
    }

    fn source_lost(&mut self) {
        self.frames = None;
        self.feed.end();
    }
}
