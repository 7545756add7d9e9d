//! H.264 and H.265 byte stream files (`.264`, `.h264`, `.265`, `.h265`, `.hevc`), and what files of
//! other video whose structures begin with start codes have in common with them.
//!
//! The probe reads the whole file once, to find its duration, the pictures with which decoding can
//! start, and a table of all access units; sources then read it through one shared descriptor.

mod file;
mod index;
mod indexed;
mod source;
mod times;
mod units;

use super::shared::{SharedFile, read_at};
use super::{MediaFile, Probe, ProbeError, ProbePoll, Track};
use crate::frame::Frame;
use crate::framer::video::{
    AnyVideoFramer, DEFAULT_MAX_ACCESS_UNIT, PictureDuration, PicturePosition,
};
use crate::media::access_unit::NalCodec;
use crate::media::{FramedSource, SourceContext};
pub(super) use file::Codec;
#[cfg(feature = "more-files")]
pub(super) use file::behind_headers;
use file::{CHUNK, H26xFile};
use index::{Index, Point};
use indexed::IndexedSource;
use source::ParsingSource;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use times::TimesBuilder;
use units::{Unit, Units};

/// A file without a start code in its first bytes is no byte stream.
const MAX_GARBAGE: u64 = 1 << 20;
/// Pictures of which it is remembered that they refer to no other.
const MAX_INTRA_UNITS: usize = 1 << 16;
/// Distinct sets of parameter sets that the index tells apart.
const MAX_SETS: usize = 256;

/// Starts a probe of an H.264 file.
pub fn probe_h264(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(H26xProbe::open(path, &NalCodec::H264)?))
}

/// Starts a probe of an H.265 file.
pub fn probe_h265(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(H26xProbe::open(path, &NalCodec::H265)?))
}

/// Looks at a byte stream file.
#[derive(Debug)]
pub(super) struct H26xProbe {
    codec: &'static dyn Codec,
    file: Arc<File>,
    shared: Option<SharedFile>,
    /// Size when the probe began; what is written behind it later is not served.
    len: u64,
    read: u64,
    framer: Box<AnyVideoFramer>,
    index: Index,
    /// Also the pictures that refer to no other, but do not say that decoding can start there.
    intra: Index,
    /// In decoding order, those that are in `intra` alone.
    intra_units: Vec<u32>,
    sparse: Sparse,
    units: Units,
    times: TimesBuilder,
    pictures: u64,
}

/// Whether the pictures that say that decoding can start there are too few to seek by.
#[derive(Debug, Default)]
struct Sparse {
    /// When the last one is presented, and the longest time without one, in units of time.
    last: u64,
    longest: u64,
    count: u64,
}

impl Sparse {
    const LONG: Duration = Duration::from_secs(20);

    fn note(&mut self, time: u64) {
        self.longest = self.longest.max(time.saturating_sub(self.last));
        self.last = self.last.max(time);
        self.count += 1;
    }

    /// Whether it is so in a file of that length.
    fn is_so(&self, unit: PictureDuration, end: u64) -> bool {
        let longest = self.longest.max(end.saturating_sub(self.last));
        self.count <= 1 || unit.times(longest) > Self::LONG
    }
}

impl H26xProbe {
    pub(super) fn open(path: &Path, codec: &'static dyn Codec) -> Result<Self, ProbeError> {
        let (shared, file) = SharedFile::open_first(path)?;
        let mut framer = codec.framer(DEFAULT_MAX_ACCESS_UNIT);
        framer.record_parameter_sets();
        Ok(Self {
            codec,
            file,
            len: shared.len(),
            shared: Some(shared),
            read: 0,
            framer,
            index: Index::default(),
            intra: Index::default(),
            intra_units: Vec::new(),
            sparse: Sparse::default(),
            units: Units::default(),
            times: TimesBuilder::default(),
            pictures: 0,
        })
    }

    fn step(&mut self, budget: usize) -> Result<Option<Arc<H26xFile>>, ProbeError> {
        let mut left = budget.max(1);
        while left > 0 && self.read < self.len {
            let want = CHUNK.min(left).min(usize::try_from(self.len - self.read).unwrap_or(CHUNK));
            let (file, offset) = (&self.file, self.read);
            let got = self.framer.handle_input_with(want, |into| read_at(file, into, offset))?;
            if got == 0 {
                // It got shorter; what there was decides.
                self.len = self.read;
            }
            self.read += got as u64;
            left = left.saturating_sub(got.max(1));
            self.take_pictures()?;
            if !self.framer.has_nal_units() && self.read >= MAX_GARBAGE {
                break;
            }
        }
        if !self.framer.has_nal_units() && (self.read >= self.len || self.read >= MAX_GARBAGE) {
            return Err(self.content("no start code found"));
        }
        if self.read < self.len {
            return Ok(None);
        }
        self.framer.handle_end();
        self.take_pictures()?;
        self.finish().map(Some)
    }

    fn take_pictures(&mut self) -> Result<(), ProbeError> {
        while let Some((frame, position)) = self.next_picture()? {
            self.pictures += 1;
            let (len, key) = (frame.data.len(), frame.flags.key);
            let unit = Unit { len, key, output_index: position.output_index };
            self.units.push(position.offset, unit);
            self.times.push(position.output_index, position.time, position.duration);
            self.take_point(key, position);
        }
        Ok(())
    }

    fn next_picture(&mut self) -> Result<Option<(Frame, PicturePosition)>, ProbeError> {
        self.framer.poll_positioned().map_err(|e| self.content(&e.to_string()))
    }

    fn take_point(&mut self, key: bool, position: PicturePosition) {
        if !key && !position.intra {
            return;
        }
        let decode_index = position.decode_index;
        let point = Point {
            offset: position.offset,
            decode_index,
            output_index: position.output_index,
            time: self.framer.time_of(decode_index.min(position.output_index)),
            own_time: position.time,
            version: self.index.version_of(position.parameter_sets, MAX_SETS),
        };
        self.intra.push(point);
        if key {
            self.sparse.note(position.time);
            self.index.push(point);
        } else if let (Ok(n), true) =
            (u32::try_from(decode_index), self.intra_units.len() < MAX_INTRA_UNITS)
        {
            self.intra_units.push(n);
        }
    }

    fn content(&self, what: &str) -> ProbeError {
        ProbeError::Content(format!("{}: {what}", self.codec.name()))
    }

    fn finish(&mut self) -> Result<Arc<H26xFile>, ProbeError> {
        let Some(file) = self.shared.take() else {
            return Err(self.content("probe has ended"));
        };
        if self.pictures == 0 {
            return Err(self.content("no picture found"));
        }
        let mut index = std::mem::take(&mut self.index);
        let unit = self.framer.time_unit();
        let times = std::mem::take(&mut self.times);
        // Encoders with open groups of pictures may never send a recovery point. What such an I
        // picture is followed by refers to it as a rule, which beats no seeking at all.
        let intra_is_key = self.sparse.is_so(unit, times.end()) && !self.intra_units.is_empty();
        if intra_is_key {
            index.replace_points(std::mem::take(&mut self.intra));
            self.intra_units.iter().for_each(|&n| self.units.mark_key(u64::from(n)));
        }
        let times = times.finish(unit);
        let sets = match index.points().first() {
            Some(point) => index.version(point.version).to_vec(),
            // Gradual refresh without a word about where it begins can be played from the start.
            None => self.framer.parameter_sets(),
        };
        if sets.is_empty() {
            return Err(self.content("no parameter sets found"));
        }
        let duration = times.total();
        let bits = u128::from(self.len) * 8 * 1_000_000;
        let bitrate = u32::try_from(bits / duration.as_micros().max(1)).ok();
        let track = Track {
            parameters: self.codec.parameters(sets),
            duration: Some(duration),
            seekable: !index.points().is_empty(),
            bitrate,
        };
        Ok(Arc::new(H26xFile {
            codec: self.codec,
            file,
            len: self.len,
            tracks: [track],
            index,
            units: std::mem::take(&mut self.units).finish().map(Arc::new),
            times,
            time_unit: unit,
            intra_is_key,
            reorder_delay: self.framer.reorder_depth_seen(),
        }))
    }
}

impl Probe for H26xProbe {
    fn poll_probe(&mut self, budget: usize) -> ProbePoll {
        self.step(budget).into()
    }
}

impl MediaFile for H26xFile {
    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn open_track(
        self: Arc<Self>,
        track: usize,
        _consumer: u64,
        _cx: &mut SourceContext<'_>,
    ) -> io::Result<Box<dyn FramedSource>> {
        if track != 0 {
            return Err(io::ErrorKind::NotFound.into());
        }
        let Some(units) = self.units.clone() else {
            return Ok(Box::new(ParsingSource::open(self)?));
        };
        let file = self.file.open()?;
        Ok(Box::new(IndexedSource::new(self, units, file)))
    }
}

#[cfg(test)]
mod tests;
