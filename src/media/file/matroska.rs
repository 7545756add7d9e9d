//! Matroska and WebM files (RFC 9559, EBML: RFC 8794).
//!
//! [`probe_matroska`] examines a file step by step and finds its tracks, duration and an index of
//! the positions at which decoding can start: from the Cues, or by reading the whole file if there
//! are none. All sources of the file share the results, and the open file. The tracks that one
//! consumer plays share a demultiplexer in the [`DemuxTable`](crate::media::demux::DemuxTable).

use super::{MediaFile, Probe, ProbeError, Track};
use crate::media::demux::OutletSource;
use crate::media::{FramedSource, SourceContext};
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::sync::Arc;

mod cursors;
mod demuxer;
mod ebml;
mod foreign;
mod headers;
mod media;
mod probe;
#[cfg(test)]
mod tests;
mod timing;
mod track;
mod walker;

use super::container::window::Input;
use demuxer::Demuxer;
use media::MatroskaMedia;
use probe::MatroskaProbe;

/// Starts a probe of a Matroska file.
pub fn probe_matroska(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(MatroskaProbe::new(Input::open(path)?, path.display().to_string())?))
}

/// Like [`probe_matroska`], for a file in memory.
pub fn probe_matroska_bytes(bytes: Bytes) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(MatroskaProbe::new(Input::Memory(bytes), "in memory".into())?))
}

impl MediaFile for MatroskaMedia {
    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn open_track(
        self: Arc<Self>,
        track: usize,
        consumer: u64,
        cx: &mut SourceContext<'_>,
    ) -> io::Result<Box<dyn FramedSource>> {
        if track >= self.infos.len() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no such track"));
        }
        let demuxer = Demuxer::new(Arc::clone(&self))?;
        let key = (self.identity, consumer);
        let id = cx.demuxers.acquire(Some(key), || Box::new(demuxer));
        let queue = OutletSource::track_queue();
        let source = OutletSource::open(cx.demuxers, id, track, queue, self.duration, true);
        Ok(Box::new(source))
    }
}
