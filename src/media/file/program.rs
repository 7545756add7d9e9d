//! The elementary streams of transport streams and program streams as tracks.
//!
//! Each reader of a track reads the file for itself and passes over the packets of the others: the
//! tracks of a multiplex may lie any distance apart, and one that has stopped holds nothing. Where a
//! frame is in time follows from the time stamp of its PES packet and from the clock references
//! around it, of which the probe knows enough ([`Timeline`]) to see where the clock jumps.

use super::mpeg_ts::layout::{Layout, OVERLAP, WINDOW};
use super::mpeg_ts::timeline::Timeline;
use super::shared::{LastFound, SharedFile, read_window};
use super::{MediaFile, Track};
use crate::codec::CodecParameters;
use crate::framer::mpeg_ts::duration_to_ticks;
use crate::media::{FrameMemory, FramedSource, SeekError, SourceContext};
use carrier::Cursor;
use source::{Feeder, ProgramSource};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use stream::{ElementaryStream, Start};

mod carrier;
mod kind;
mod probe;
mod source;
mod stamps;
mod stream;
#[cfg(test)]
mod tests;

pub(super) use carrier::StreamId;
pub(super) use kind::{Kind, streams_of};
pub(super) use probe::TracksProbe;

/// Windows before a position in which a picture is looked for with which decoding can start, and
/// behind it if there is none.
const WINDOWS_BACK: u64 = 64;
const WINDOWS_AHEAD: u64 = 32;
/// How far before a position playing may begin, to begin at such a picture.
const MAX_BACK: Duration = Duration::from_secs(15);
/// Bytes in front of a window from which on a stream is read: the times of pictures without a time
/// stamp follow from those before.
const WARM_UP: usize = 32 * 1024;
/// How far before its clock reference a frame of sound may lie in the file, generously.
const SOUND_AHEAD: Duration = Duration::from_secs(3);

/// A multiplex as its elementary streams.
#[derive(Debug)]
pub(super) struct ProgramFile {
    file: Arc<SharedFile>,
    layout: Layout,
    timeline: Arc<Timeline>,
    tracks: Vec<Track>,
    streams: Vec<ProgramTrack>,
    /// When the first frame is decoded: normal play time zero.
    begins: Duration,
    duration: Option<Duration>,
    /// The last position that was sought, as the tracks of a session seek one after the other.
    last: LastFound<Duration, Place>,
}

/// A track: its stream in the multiplex, at its beginning.
#[derive(Debug)]
pub(super) struct ProgramTrack {
    id: StreamId,
    stream: Box<dyn ElementaryStream>,
}

/// Where to play from: the offset from which on to read, and the time of the picture that is sought,
/// from the first clock reference on.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    time: Duration,
}

impl ProgramFile {
    /// What the extent of the time stamps may differ by from what the clock says.
    const MAX_DIFFERENCE: Duration = Duration::from_secs(5);

    fn new(
        file: Arc<SharedFile>,
        layout: Layout,
        timeline: Arc<Timeline>,
        tracks: Vec<(CodecParameters, ProgramTrack)>,
        begins: Duration,
        duration: Option<Duration>,
    ) -> Self {
        let (parameters, streams): (Vec<_>, Vec<_>) = tracks.into_iter().unzip();
        let track = |parameters| Track {
            parameters,
            duration,
            seekable: duration.is_some(),
            bitrate: None,
        };
        let tracks = parameters.into_iter().map(track).collect();
        let last = LastFound::new();
        Self { file, layout, timeline, tracks, streams, begins, duration, last }
    }

    /// The track whose pictures are sought.
    fn video(&self) -> Option<usize> {
        self.streams.iter().position(|track| track.stream.is_video())
    }

    /// Where the clock says a time that is not behind `time`.
    fn offset_before(&self, file: &File, time: Duration) -> io::Result<u64> {
        let target = duration_to_ticks(time);
        let len = self.file.len();
        self.layout.clock_before(file, &self.timeline, len, target).map(|(offset, _)| offset)
    }

    /// Where to play from, so as to play from `npt` on.
    fn place(&self, file: &File, npt: Duration) -> Result<Place, SeekError> {
        if self.duration.is_none_or(|duration| npt >= duration) {
            return Err(match self.duration {
                Some(_) => SeekError::OutOfRange,
                None => SeekError::NotSeekable,
            });
        }
        self.last.get_or_find(npt, || {
            let target = self.begins.saturating_add(npt);
            let place = match self.video() {
                Some(video) => self.key_before(file, video, target),
                None => {
                    let from = target.saturating_sub(SOUND_AHEAD);
                    self.offset_before(file, from).map(|offset| Place { offset, time: target })
                }
            };
            place.map_err(|e| SeekError::Failed(e.to_string()))
        })
    }

    /// The last picture that is presented at or before `target` with which decoding can start. If
    /// there is none near, the first one behind.
    fn key_before(&self, file: &File, video: usize, target: Duration) -> io::Result<Place> {
        let low = self.offset_before(file, target)?;
        let first = self.timeline.first().map_or(0, |first| first.offset);
        let mut best: Option<Place> = None;
        for window in 0..WINDOWS_BACK {
            let offset = low.saturating_sub(window * WINDOW as u64);
            let pictures = self.pictures(file, video, offset)?;
            for (place, _) in
                pictures.iter().filter(|(place, is_key)| *is_key && place.time <= target)
            {
                if best.is_none_or(|best| place.time > best.time) {
                    best = Some(*place);
                }
            }
            let earliest = pictures.first().map_or(target, |(place, _)| place.time);
            if best.is_some() || offset <= first || earliest.saturating_add(MAX_BACK) < target {
                break;
            }
        }
        if let Some(best) = best {
            return Ok(best);
        }
        for window in 0..WINDOWS_AHEAD {
            let pictures = self.pictures(file, video, low + window * WINDOW as u64)?;
            if let Some((place, _)) = pictures.into_iter().find(|(_, is_key)| *is_key) {
                return Ok(Place { time: target, ..place });
            }
        }
        Ok(Place { offset: low, time: target })
    }

    /// The pictures that begin in a window or not far in front of it, as a reader finds them that
    /// begins at the place which is told, and whether decoding can start with them.
    fn pictures(&self, file: &File, track: usize, offset: u64) -> io::Result<Vec<(Place, bool)>> {
        let Some(track) = self.streams.get(track) else { return Ok(Vec::new()) };
        let offset = offset.saturating_sub(WARM_UP as u64);
        let bytes = read_window(file, WARM_UP + WINDOW + OVERLAP, offset)?;
        let mut cursor = Cursor::new(self.layout, std::iter::once(track.id));
        let mut stream = track.stream.begin();
        stream.restart(Start::Key);
        let mut feeder = Feeder { stream: &mut *stream, timeline: &self.timeline };
        cursor.handle_bytes(&bytes, offset, &mut feeder);
        // Of the last picture the beginning is enough.
        stream.handle_end();
        let mut memory = FrameMemory::default();
        let frames = std::iter::from_fn(|| stream.poll_frame(&mut memory));
        Ok(frames.map(|frame| (Place { offset, time: frame.pts }, frame.flags.key)).collect())
    }
}

impl MediaFile for ProgramFile {
    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn open_track(
        self: Arc<Self>,
        track: usize,
        _consumer: u64,
        _cx: &mut SourceContext<'_>,
    ) -> io::Result<Box<dyn FramedSource>> {
        let file = self.file.open()?;
        match ProgramSource::new(self, track, file) {
            Some(source) => Ok(Box::new(source)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
