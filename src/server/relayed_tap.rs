//! [`RelayTap`]: who listens to a relayed stream beside its viewers.

use crate::payload::PayloadFormat;
use crate::provide::RelayedTrack;
use crate::rtp::ReceivedPacket;
use std::fmt;

/// Listens to a relayed stream beside its viewers, with or without any: for example to record it. A
/// [`FrameTap`](crate::rtp::FrameTap) makes frames of what it is given.
///
/// It is called in the middle of the server's work, for each packet. What takes time, such as
/// writing files, belongs on another thread. It is dropped with its stream.
pub trait RelayTap {
    /// The source of the stream is there: packets of tracks with these formats follow. The formats
    /// may be others than before.
    fn source_described(&mut self, formats: &[PayloadFormat]);

    /// The next packet of a track, by its number from 0.
    fn packet(&mut self, track: usize, packet: &ReceivedPacket<'_>);

    /// The source is away.
    fn source_lost(&mut self);
}

/// The tap of a relayed stream, if it has one.
#[derive(Default)]
pub(super) struct Tap(pub(super) Option<Box<dyn RelayTap>>);

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Tap" } else { "none" })
    }
}

impl Tap {
    pub(super) fn describe<'a>(&mut self, tracks: impl Iterator<Item = &'a RelayedTrack>) {
        if let Some(tap) = &mut self.0 {
            let formats: Vec<_> = tracks.map(|track| track.format().clone()).collect();
            tap.source_described(&formats);
        }
    }

    pub(super) fn packet(&mut self, track: usize, packet: &ReceivedPacket<'_>) {
        if let Some(tap) = &mut self.0 {
            tap.packet(track, packet);
        }
    }

    pub(super) fn lose(&mut self) {
        if let Some(tap) = &mut self.0 {
            tap.source_lost();
        }
    }
}
