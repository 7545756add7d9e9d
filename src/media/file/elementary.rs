//! Files of self-framing audio (ADTS, MPEG audio and others) and of pictures. The probe reads all
//! frames once, the only way to an exact duration and exact positions, whatever the headers of the
//! file claim. It keeps a sparse index of bounded size.

use super::shared::{CUT_SHORT, SharedFile, read_at};
use super::{MediaFile, Probe, ProbeError, ProbePoll, Track};
use crate::codec::CodecParameters;
use crate::debug::debug_by_name;
use crate::frame::Frame;
use crate::framer::sync::{Unit, UnitFramer, UnitHeader, frame_time};
use crate::media::scale::{nearest_of_sound, scaled};
use crate::media::{Ending, FramePoll, FramedSource, SeekError, SourceContext, Wait};
use bytes::Bytes;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

mod index;
use index::{Index, Stretches};

/// Bytes a source reads at once, and about what it holds: a quarter of a second of music.
const READ_LEN: usize = 4 * 1024;
/// Bytes a probe reads at once.
const PROBE_READ_LEN: usize = 64 * 1024;
/// Reads in one `poll_frame`, on the way to a position or through garbage.
const READS_PER_POLL: usize = 32;
/// A file without a frame in so many bytes holds none.
const MAX_GARBAGE: u64 = 4 * 1024 * 1024;
/// Descriptions among which the one of a file is chosen.
const MAX_DESCRIPTIONS: usize = 16;

/// A format whose frames bring their own headers.
pub(super) trait Elementary: Send + Sync {
    /// For messages.
    fn name(&self) -> &'static str;
    /// Bytes a source reads at once.
    fn read_len(&self) -> usize {
        READ_LEN
    }
    fn framer(&self) -> Box<dyn UnitFramer>;
    /// What a receiver must know, from a frame; or why it cannot be served.
    fn parameters(&self, unit: &Unit) -> Result<CodecParameters, String>;
    /// Whether what a receiver knows of a stream with the header `other` is true of one with `header`.
    fn same_parameters(&self, _header: &UnitHeader, _other: &UnitHeader) -> bool {
        true
    }
    /// Whether the first frame holds information instead of sound.
    fn is_info(&self, _first: &Unit) -> bool {
        false
    }
    /// What is sent of a frame; `None` if it cannot be.
    fn payload(&self, unit: &Unit) -> Option<Bytes> {
        Some(unit.data.clone())
    }
    /// Whether frames can be skipped or repeated, to play at another scale.
    fn can_skip(&self) -> bool {
        false
    }
    /// Why a file that begins like this has no frame, if that can be told.
    fn complaint(&self, _start: &[u8]) -> Option<&'static str> {
        None
    }
}

debug_by_name!(dyn Elementary);

/// What a receiver may be told of a file.
struct Description {
    header: UnitHeader,
    parameters: Result<CodecParameters, String>,
    /// How much of the file it is true of.
    time: Duration,
}

/// Looks at a file.
pub(super) struct ElementaryProbe {
    format: &'static dyn Elementary,
    file: Arc<File>,
    shared: Option<SharedFile>,
    len: u64,
    sync: Box<dyn UnitFramer>,
    offset: u64,
    descriptions: Vec<Description>,
    index: Index,
    stretches: Stretches,
    /// Frames so far; one with several access units counts as several.
    frames: u64,
    bytes: u64,
    /// Bytes read before the first frame.
    fruitless: u64,
    /// Nothing is left to read.
    drained: bool,
    /// Where the last frame ends.
    end: u64,
    start: Vec<u8>,
}

impl fmt::Debug for ElementaryProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElementaryProbe")
            .field("shared", &self.shared)
            .field("offset", &self.offset)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

impl ElementaryProbe {
    pub(super) fn new(path: &Path, format: &'static dyn Elementary) -> Result<Self, ProbeError> {
        let (shared, file) = SharedFile::open_first(path)?;
        Ok(Self {
            format,
            file,
            len: shared.len(),
            shared: Some(shared),
            sync: format.framer(),
            offset: 0,
            descriptions: Vec::new(),
            index: Index::new(),
            stretches: Stretches::new(),
            frames: 0,
            bytes: 0,
            fruitless: 0,
            drained: false,
            end: 0,
            start: Vec::new(),
        })
    }

    fn handle_unit(&mut self, unit: &Unit) -> Result<(), ProbeError> {
        if self.descriptions.is_empty() {
            let parameters = Ok(self.format.parameters(unit).map_err(ProbeError::Content)?);
            self.descriptions.push(Description {
                header: unit.header,
                parameters,
                time: Duration::ZERO,
            });
            if self.format.is_info(unit) {
                return Ok(());
            }
        }
        self.stretches.push(self.frames, unit.header);
        self.index.push(self.frames, unit.offset, unit.header);
        self.frames += u64::from(unit.header.blocks);
        if self.format.payload(unit).is_some() {
            self.describe(unit);
        }
        self.bytes += unit.data.len() as u64;
        self.end = unit.offset + unit.data.len() as u64;
        Ok(())
    }

    /// Counts what `unit` adds to the description that is true of it.
    fn describe(&mut self, unit: &Unit) {
        let header = unit.header;
        let is_true = |d: &Description| self.format.same_parameters(&header, &d.header);
        let known = self.descriptions.iter().position(is_true);
        if known.is_none() && self.descriptions.len() < MAX_DESCRIPTIONS {
            let parameters = self.format.parameters(unit);
            self.descriptions.push(Description { header, parameters, time: Duration::ZERO });
        }
        let known = known.unwrap_or(self.descriptions.len() - 1);
        let Some(found) = self.descriptions.get_mut(known) else { return };
        if !self.format.same_parameters(&header, &found.header) {
            return;
        }
        found.time += frame_time(1, header.samples, header.sampling_rate);
        if found.parameters.is_err() {
            found.parameters = self.format.parameters(unit);
        }
    }

    fn go_on(&mut self, budget: usize) -> Result<Option<Arc<ElementaryFile>>, ProbeError> {
        let mut left = budget.max(1);
        loop {
            while let Some(unit) = self.sync.poll_unit() {
                self.handle_unit(&unit)?;
            }
            if self.drained {
                return self.finish().map(Some);
            }
            if left == 0 {
                return Ok(None);
            }
            self.offset = self.offset.saturating_add(self.sync.take_skip());
            let want = PROBE_READ_LEN.min(left);
            let want =
                want.min(usize::try_from(self.len.saturating_sub(self.offset)).unwrap_or(want));
            let (file, offset) = (&self.file, self.offset);
            let got = match want {
                0 => 0,
                want => self.sync.handle_read(want, &mut |bytes| {
                    let got = read_at(file, bytes, offset)?;
                    if self.start.is_empty() {
                        self.start = bytes.iter().copied().take(16).collect();
                    }
                    Ok(got)
                })?,
            };
            self.offset += got as u64;
            left -= got.min(left);
            if got == 0 {
                self.sync.handle_end();
                self.drained = true;
            }
            if self.descriptions.is_empty() {
                self.fruitless += got as u64;
                if self.fruitless > MAX_GARBAGE {
                    return Err(self.no_frames());
                }
            }
        }
    }

    fn no_frames(&self) -> ProbeError {
        let why =
            self.format.complaint(&self.start).map_or_else(String::new, |why| format!(": {why}"));
        ProbeError::Content(format!("no {} frames found{why}", self.format.name()))
    }

    fn finish(&mut self) -> Result<Arc<ElementaryFile>, ProbeError> {
        let Some(file) = self.shared.take() else { return Err(self.no_frames()) };
        // What one description can carry: most of the file. The first of several, by and large.
        let mut chosen: Option<Description> = None;
        let mut all = Duration::ZERO;
        for description in self.descriptions.drain(..) {
            all += description.time;
            let least = chosen.as_ref().map_or(Duration::ZERO, |chosen| chosen.time);
            if description.parameters.is_ok() && description.time > least {
                chosen = Some(description);
            }
        }
        let Some(Description { header: described, parameters: Ok(parameters), time }) = chosen
        else {
            return Err(self.no_frames());
        };
        if time < all {
            log::warn!(
                "{}: {:.1} s of {:.1} s of {} have other parameters than most of the file; they \
                 are left out, as one description cannot carry both",
                file.path().display(),
                (all - time).as_secs_f64(),
                all.as_secs_f64(),
                self.format.name()
            );
        }
        let duration = self.stretches.time_of(self.frames);
        let bitrate = u128::from(self.bytes) * 8_000_000_000 / duration.as_nanos().max(1);
        let track = Track {
            parameters,
            duration: Some(duration),
            seekable: true,
            bitrate: u32::try_from(bitrate).ok(),
        };
        Ok(Arc::new(ElementaryFile {
            format: self.format,
            file,
            tracks: [track],
            described,
            index: std::mem::replace(&mut self.index, Index::new()),
            stretches: std::mem::replace(&mut self.stretches, Stretches::new()),
            frames: self.frames,
            end: self.end,
            duration,
        }))
    }
}

impl Probe for ElementaryProbe {
    fn poll_probe(&mut self, budget: usize) -> ProbePoll {
        self.go_on(budget).into()
    }
}

/// What is known of a file.
#[derive(Debug)]
struct ElementaryFile {
    format: &'static dyn Elementary,
    file: SharedFile,
    tracks: [Track; 1],
    /// Header of a frame of which the parameters are true.
    described: UnitHeader,
    index: Index,
    stretches: Stretches,
    frames: u64,
    end: u64,
    duration: Duration,
}

impl MediaFile for ElementaryFile {
    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn open_track(
        self: Arc<Self>,
        _track: usize,
        _consumer: u64,
        _cx: &mut SourceContext<'_>,
    ) -> io::Result<Box<dyn FramedSource>> {
        let file = self.file.open()?;
        let mut source = ElementarySource {
            sync: self.format.framer(),
            of: self,
            file,
            offset: 0,
            next: 0,
            target: 0,
            gap: false,
            drained: false,
            ended: None,
            skipping: None,
        };
        source.go_to(0);
        Ok(Box::new(source))
    }
}

/// Reads the frames of a file.
struct ElementarySource {
    of: Arc<ElementaryFile>,
    file: Arc<File>,
    sync: Box<dyn UnitFramer>,
    /// Where the next read begins.
    offset: u64,
    /// Number of the next frame that comes out of `sync`.
    next: u64,
    /// First frame that is wanted.
    target: u64,
    /// The next frame is marked as following a gap.
    gap: bool,
    drained: bool,
    ended: Option<Ending>,
    skipping: Option<Skipping>,
}

/// Where a source is that is played at another scale: runs of frames are played as they are, and begin
/// as far from each other as the scale says.
#[derive(Clone, Copy, Debug)]
struct Skipping {
    scale: f32,
    /// Normal play time of what is played next.
    at: Duration,
    /// Frames of the run that are left.
    left: u32,
}

/// Frames of a run: the first of them may need what was not sent before them (the bit reservoir of
/// layer III).
const RUN: u32 = 8;

impl ElementarySource {
    fn time(&self, number: u64) -> Duration {
        self.of.stretches.time_of(number)
    }

    fn go_to(&mut self, number: u64) {
        let (next, offset, header) =
            self.of.index.before(number).unwrap_or((0, 0, self.of.described));
        self.sync.resume(offset, header);
        self.offset = offset;
        self.next = next;
        self.target = number;
        self.drained = false;
        self.ended = None;
    }

    /// Gives a frame its time at another scale, and goes on to the next run behind the last of one.
    fn place(&mut self, frame: &mut Frame) {
        let Some(skipping) = &mut self.skipping else { return };
        let lasts = scaled(frame.duration, skipping.scale);
        (frame.pts, frame.dts, frame.duration) = (skipping.at, skipping.at, lasts);
        let next = match skipping.scale < 0.0 {
            true => skipping.at.checked_sub(lasts),
            false => Some(skipping.at.saturating_add(lasts)),
        };
        let Some(next) = next else {
            self.ended = Some(Ending::EndOfStream);
            return;
        };
        skipping.at = next;
        skipping.left -= 1;
        if skipping.left == 0 {
            skipping.left = RUN;
            self.begin_run(next);
        }
    }

    /// Goes to the run that is played at `at` at another scale: backwards that is what lies before it.
    fn begin_run(&mut self, at: Duration) {
        let number = self.of.stretches.frame_at(at);
        let is_backwards = self.skipping.is_some_and(|skipping| skipping.scale < 0.0);
        let before = if is_backwards { u64::from(RUN) - 1 } else { 0 };
        self.go_to(number.saturating_sub(before));
        self.gap = true;
    }

    /// The next frame that is already read.
    fn take_frame(&mut self) -> Option<Frame> {
        loop {
            let unit = self.sync.poll_unit()?;
            let number = self.next;
            self.next += u64::from(unit.header.blocks);
            if number < self.target {
                continue;
            }
            self.gap |= unit.gap;
            let format = self.of.format;
            let carried = format.same_parameters(&unit.header, &self.of.described);
            let Some(data) = format.payload(&unit).filter(|_| carried) else {
                self.gap = true;
                continue;
            };
            let pts = self.time(number);
            let mut frame = Frame::new(data, pts, self.time(number + 1) - pts);
            frame.flags.discontinuity = std::mem::take(&mut self.gap);
            self.place(&mut frame);
            return Some(frame);
        }
    }

    /// Reads on; what is behind the last frame (tags) is left alone.
    fn read(&mut self) -> io::Result<()> {
        self.offset = self.offset.saturating_add(self.sync.take_skip());
        let left = self.of.end.saturating_sub(self.offset);
        // With what is there no more than that, so that its memory does not grow; but for frames
        // that are larger.
        let read_len = self.of.format.read_len();
        let most = read_len.saturating_sub(self.sync.buffered()).max(read_len / 4);
        let want = usize::try_from(left).unwrap_or(most).min(most);
        if want == 0 {
            self.sync.handle_end();
            self.drained = true;
            return Ok(());
        }
        let (file, offset) = (&self.file, self.offset);
        let got = self.sync.handle_read(want, &mut |bytes| read_at(file, bytes, offset))?;
        if got == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, CUT_SHORT));
        }
        self.offset += got as u64;
        Ok(())
    }
}

impl FramedSource for ElementarySource {
    fn poll_frame(&mut self, _cx: &mut SourceContext<'_>) -> FramePoll {
        if let Some(ending) = &self.ended {
            return FramePoll::Ended(ending.clone());
        }
        for _ in 0..READS_PER_POLL {
            if let Some(frame) = self.take_frame() {
                return FramePoll::Ready(frame);
            }
            let ending = match self.drained {
                true => Some(Ending::EndOfStream),
                false => self.read().err().map(|e| Ending::Failed(e.to_string())),
            };
            if let Some(ending) = ending {
                self.ended = Some(ending.clone());
                return FramePoll::Ended(ending);
            }
        }
        FramePoll::Pending(Wait::Work)
    }

    fn seek(&mut self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let number = self.of.stretches.frame_at(npt);
        if number >= self.of.frames {
            return Err(SeekError::OutOfRange);
        }
        self.go_to(number);
        self.gap = true;
        let at = self.time(number);
        if let Some(skipping) = &mut self.skipping {
            (skipping.at, skipping.left) = (at, RUN);
            self.begin_run(at);
        }
        Ok(at)
    }

    fn test_scale_factor(&self, scale: f32) -> Option<f32> {
        self.of.format.can_skip().then(|| nearest_of_sound(scale))
    }

    fn set_scale(&mut self, scale: f32) {
        let at = self.time(self.next.max(self.target));
        self.skipping = (scale != 1.0).then_some(Skipping { scale, at, left: RUN });
    }

    fn duration(&self) -> Option<Duration> {
        Some(self.of.duration)
    }
}

#[cfg(all(test, feature = "more-files"))]
mod more_tests;
#[cfg(test)]
mod tests;
