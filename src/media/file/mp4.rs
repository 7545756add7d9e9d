//! MP4 and QuickTime files (ISO/IEC 14496-12, QuickTime File Format), fragmented or not.
//!
//! [`probe_mp4`] examines a file step by step: it finds its tracks, how long they last and, in
//! fragments, where decoding can start. All sources of the file share the results, and the open
//! file. The sample tables stay in the file, however long they are: each source reads them in small
//! windows as it goes along, and finds its way into them by a few hundred marks that the probe has
//! made. Each track is read by itself.
//!
//! * Edit lists: see `track_time`. What is decoded in front of the beginning that an edit names is
//!   played from the key frame before it on, and of audio the few frames that a decoder needs.
//! * Sample entries: a track is what its first sample entry says that can be streamed. Samples of
//!   others with the same video codec are played too, with their parameter sets in front of the
//!   key frames; all others are left out.
//! * Fragments are found by `mfra` or `sidx`, or by going through the file. A file that grows is
//!   played as far as it has grown when the source comes to its end, or, on request, followed: the
//!   source waits there for the next fragment.

use super::container::window::Input;
use super::{MediaFile, Probe, ProbeError, Track};
use crate::media::{FramedSource, SourceContext};
use bytes::Bytes;
use media::Mp4Media;
use probe::Mp4Probe;
use source::Mp4Source;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

mod boxes;
mod following;
mod fragment_index;
mod fragments;
mod media;
mod probe;
mod sample;
mod sample_cursor;
mod sample_entry;
mod sample_table;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod track_time;

/// Starts a probe of an MP4 or QuickTime file.
pub fn probe_mp4(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(Mp4Probe::new(Input::open(path)?, path.display().to_string())?))
}

/// Like [`probe_mp4`], for a file in memory.
pub fn probe_mp4_bytes(bytes: Bytes) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(Mp4Probe::new(Input::Memory(bytes), "in memory".into())?))
}

impl MediaFile for Mp4Media {
    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn open_track(
        self: Arc<Self>,
        track: usize,
        _consumer: u64,
        _cx: &mut SourceContext<'_>,
    ) -> io::Result<Box<dyn FramedSource>> {
        Ok(Box::new(Mp4Source::new(self, track)?))
    }

    fn can_be_followed(&self) -> bool {
        self.first_fragment.is_some()
    }

    fn follow_track(
        self: Arc<Self>,
        track: usize,
        _consumer: u64,
        patience: Duration,
        _cx: &mut SourceContext<'_>,
    ) -> io::Result<Box<dyn FramedSource>> {
        Ok(Box::new(Mp4Source::new(self, track)?.following(patience)))
    }
}
