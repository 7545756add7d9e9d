//! Matroska and WebM files (RFC 9559, EBML: RFC 8794).
//!
//! [`probe_matroska`] looks at a file step by step and finds its tracks, duration and an index
//! of the places where decoding can start: from the Cues, or by walking the whole file if there
//! are none. All who play the file share what was found, and the open file. The tracks that one
//! consumer plays share a demultiplexer, which stands in the
//! [`DemuxTable`](crate::media::demux::DemuxTable).

use super::{MediaFile, Probe, ProbeError, Track};
use crate::media::demux::OutletSource;
use crate::media::{FramedSource, SourceContext};
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

mod cursors;
mod demuxer;
mod ebml;
mod foreign;
mod headers;
mod index;
mod nal_units;
mod probe;
#[cfg(test)]
mod tests;
mod timing;
mod track;
mod walker;
mod window;

use demuxer::Demuxer;
use headers::TrackInfo;
use index::Index;
use probe::MatroskaProbe;
use window::Input;

/// Blocks that are larger are left out.
const MAX_BLOCK: u64 = 32 << 20;

/// Starts a probe of a Matroska file.
pub fn probe_matroska(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    let file = super::open_regular(path)?;
    Ok(Box::new(MatroskaProbe::new(Input::File(Arc::new(file)), path.display().to_string())?))
}

/// As [`probe_matroska`], for a file in memory.
pub fn probe_matroska_bytes(bytes: Bytes) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(MatroskaProbe::new(Input::Memory(bytes), "in memory".into())?))
}

/// The time line of a segment.
#[derive(Clone, Copy, Debug)]
struct TimeLine {
    /// Nanoseconds a unit.
    scale: u64,
    /// What is normal play time zero, in nanoseconds.
    origin: i128,
}

impl TimeLine {
    /// Normal play time of a timestamp less `delay`; what lies before zero becomes zero.
    fn npt(self, time: i64, delay: Duration) -> Duration {
        // The product is less than 2^63 · 2^64 and so in range.
        let nanos = (i128::from(time) * i128::from(self.scale)).saturating_sub(self.origin);
        let nanos = nanos.saturating_sub_unsigned(delay.as_nanos()).max(0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    const fn span(self, units: u64) -> Duration {
        Duration::from_nanos(units.saturating_mul(self.scale))
    }
}

/// What a probe found.
#[derive(Debug)]
struct MatroskaMedia {
    /// Tells files apart in the table of demultiplexers.
    identity: u64,
    input: Input,
    segment_end: u64,
    first_cluster: u64,
    time_line: TimeLine,
    tracks: Vec<Track>,
    infos: Vec<TrackInfo>,
    /// For each track, what its first frames show.
    starts: Vec<TrackStart>,
    index: Index,
    duration: Option<Duration>,
}

/// What the first frames of a track show.
#[derive(Clone, Copy, Debug, Default)]
struct TrackStart {
    /// Normal play time of the earliest frame.
    first: Duration,
    /// Frames by which pictures are reordered.
    reorder: usize,
    /// Of one frame; zero if unknown.
    frame_duration: Duration,
}

impl MatroskaMedia {
    fn new_identity() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }
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
