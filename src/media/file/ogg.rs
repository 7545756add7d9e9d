//! Ogg files (RFC 3533) with Opus (RFC 7845) and Vorbis (Vorbis I specification, annex A).
//!
//! [`probe_ogg`] examines a file step by step: it reads the headers in front and the last pages, so
//! that it takes the same time whatever the length of the file. A source reads one logical stream;
//! a place is sought by bisection on the granule positions. Pages whose checksum is wrong are left
//! out, and what follows them is marked.
//!
//! Of a chained file the first link is played. The crate `ogg` reads whole packets however long
//! they are, and searches for a place in one go; a source here may do neither.

use super::container::window::Input;
use super::{MediaFile, Probe, ProbeError, Track};
use crate::media::{FramedSource, SourceContext};
use bytes::Bytes;
use media::OggMedia;
use probe::OggProbe;
use source::OggSource;
use std::io;
use std::path::Path;
use std::sync::Arc;

mod media;
mod packets;
mod page;
mod probe;
mod source;
#[cfg(test)]
mod tests;

/// Starts a probe of an Ogg file.
pub fn probe_ogg(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(OggProbe::new(Input::open(path)?, path.display().to_string())?))
}

/// Like [`probe_ogg`], for a file in memory.
pub fn probe_ogg_bytes(bytes: Bytes) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(OggProbe::new(Input::Memory(bytes), "in memory".into())?))
}

impl MediaFile for OggMedia {
    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn open_track(
        self: Arc<Self>,
        track: usize,
        _consumer: u64,
        _cx: &mut SourceContext<'_>,
    ) -> io::Result<Box<dyn FramedSource>> {
        Ok(Box::new(OggSource::new(self, track)?))
    }
}
