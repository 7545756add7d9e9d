//! Files of self-framing audio (ADTS, MPEG audio). The probe walks over all frames once: only that
//! gives an exact duration and exact positions, whatever the headers of the file claim. It keeps
//! a sparse index of bounded size.

use super::shared::{CUT_SHORT, SharedFile, read_at};
use super::{MediaFile, Probe, ProbeError, ProbePoll, Track};
use crate::codec::CodecParameters;
use crate::frame::Frame;
use crate::framer::sync::{SyncFramer, SyncHeader, Unit, frame_at, frame_time};
use crate::media::{Ending, FramePoll, FramedSource, SeekError, SourceContext, Wait};
use bytes::Bytes;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Bytes a source reads at once, and about what it holds: a quarter of a second of music.
const READ_LEN: usize = 4 * 1024;
/// Bytes a probe reads at once.
const PROBE_READ_LEN: usize = 64 * 1024;
/// Reads in one `poll_frame`, on the way to a position or through garbage.
const READS_PER_POLL: usize = 32;
/// A file without a frame in so many bytes holds none.
const MAX_GARBAGE: u64 = 4 * 1024 * 1024;

/// An audio format whose frames bring their own headers.
pub(super) trait Elementary: SyncHeader + Send + Sync + 'static {
    /// For messages.
    const NAME: &'static str;
    /// What a receiver must know, from the first frame; or why it cannot be served.
    fn parameters(first: &Unit<Self>) -> Result<CodecParameters, String>;
    /// Whether the first frame holds information instead of sound.
    fn is_info(first: &Unit<Self>) -> bool;
    /// What is sent of a frame; `None` if it cannot be.
    fn payload(unit: &Unit<Self>) -> Option<Bytes>;
    /// Frame times that pass with it.
    fn blocks(&self) -> u64;
    /// Why a file that begins like this has no frame, if that can be told.
    fn complaint(start: &[u8]) -> Option<&'static str>;
}

/// Where some of the frames begin.
#[derive(Debug)]
struct Index {
    /// Number and offset.
    entries: Vec<(u64, u64)>,
    /// Least distance of two entries, in frames.
    every: u64,
}

impl Index {
    /// 64 KiB; beyond it the index becomes sparser.
    const MAX_ENTRIES: usize = 4096;

    const fn new() -> Self {
        Self { entries: Vec::new(), every: 16 }
    }

    fn push(&mut self, number: u64, offset: u64) {
        if self.entries.last().is_some_and(|&(last, _)| number < last + self.every) {
            return;
        }
        self.entries.push((number, offset));
        if self.entries.len() > Self::MAX_ENTRIES {
            self.every *= 2;
            let mut keep = false;
            self.entries.retain(|_| {
                keep = !keep;
                keep
            });
        }
    }

    /// The last entry at or before frame `number`.
    fn before(&self, number: u64) -> Option<(u64, u64)> {
        let i = self.entries.partition_point(|&(n, _)| n <= number).checked_sub(1)?;
        self.entries.get(i).copied()
    }
}

/// Looks at a file of `H`'s format.
pub(super) struct ElementaryProbe<H> {
    file: Arc<File>,
    shared: Option<SharedFile>,
    len: u64,
    sync: SyncFramer<H>,
    offset: u64,
    parameters: Option<CodecParameters>,
    index: Index,
    /// Frame times so far.
    frames: u64,
    /// Frames that can be sent.
    playable: u64,
    bytes: u64,
    /// Bytes read before the first frame.
    fruitless: u64,
    /// Nothing is left to read.
    drained: bool,
    /// Where the last frame ends.
    end: u64,
    start: Vec<u8>,
}

impl<H> fmt::Debug for ElementaryProbe<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElementaryProbe")
            .field("shared", &self.shared)
            .field("offset", &self.offset)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

impl<H: Elementary> ElementaryProbe<H> {
    pub(super) fn new(path: &Path) -> Result<Self, ProbeError> {
        let (shared, file) = SharedFile::open_first(path)?;
        Ok(Self {
            file,
            len: shared.len(),
            shared: Some(shared),
            sync: SyncFramer::new(),
            offset: 0,
            parameters: None,
            index: Index::new(),
            frames: 0,
            playable: 0,
            bytes: 0,
            fruitless: 0,
            drained: false,
            end: 0,
            start: Vec::new(),
        })
    }

    fn handle_unit(&mut self, unit: &Unit<H>) -> Result<(), ProbeError> {
        if self.parameters.is_none() {
            self.parameters = Some(H::parameters(unit).map_err(ProbeError::Content)?);
            if H::is_info(unit) {
                return Ok(());
            }
        }
        self.index.push(self.frames, unit.offset);
        self.frames += unit.header.blocks();
        self.playable += u64::from(H::payload(unit).is_some());
        self.bytes += unit.data.len() as u64;
        self.end = unit.offset + unit.data.len() as u64;
        Ok(())
    }

    fn go_on(&mut self, budget: usize) -> Result<Option<Arc<dyn MediaFile>>, ProbeError> {
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
                want => self.sync.handle_read(want, |bytes| {
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
            if self.parameters.is_none() {
                self.fruitless += got as u64;
                if self.fruitless > MAX_GARBAGE {
                    return Err(self.no_frames());
                }
            }
        }
    }

    fn no_frames(&self) -> ProbeError {
        let why = H::complaint(&self.start).map_or_else(String::new, |why| format!(": {why}"));
        ProbeError::Content(format!("no {} frames found{why}", H::NAME))
    }

    fn finish(&mut self) -> Result<Arc<dyn MediaFile>, ProbeError> {
        let all = (self.parameters.take(), self.sync.stream(), self.shared.take());
        let (Some(parameters), Some(stream), Some(file)) = all else {
            return Err(self.no_frames());
        };
        if self.playable == 0 {
            return Err(self.no_frames());
        }
        let duration = frame_time(self.frames, stream.samples(), stream.sampling_rate());
        let bitrate = u128::from(self.bytes) * 8_000_000_000 / duration.as_nanos().max(1);
        let track = Track {
            parameters,
            duration: Some(duration),
            seekable: true,
            bitrate: u32::try_from(bitrate).ok(),
        };
        Ok(Arc::new(ElementaryFile {
            file,
            tracks: [track],
            stream,
            index: std::mem::replace(&mut self.index, Index::new()),
            frames: self.frames,
            end: self.end,
            duration,
        }))
    }
}

impl<H: Elementary> Probe for ElementaryProbe<H> {
    fn poll_probe(&mut self, budget: usize) -> ProbePoll {
        match self.go_on(budget) {
            Ok(None) => ProbePoll::Pending,
            Ok(Some(file)) => ProbePoll::Ready(file),
            Err(e) => ProbePoll::Failed(e),
        }
    }
}

/// What is known of a file.
#[derive(Debug)]
struct ElementaryFile<H> {
    file: SharedFile,
    tracks: [Track; 1],
    stream: H,
    index: Index,
    frames: u64,
    end: u64,
    duration: Duration,
}

impl<H: Elementary> MediaFile for ElementaryFile<H> {
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
            of: self,
            file,
            sync: SyncFramer::new(),
            offset: 0,
            next: 0,
            target: 0,
            gap: false,
            drained: false,
            ended: None,
        };
        source.go_to(0);
        Ok(Box::new(source))
    }
}

/// Reads the frames of a file.
struct ElementarySource<H> {
    of: Arc<ElementaryFile<H>>,
    file: Arc<File>,
    sync: SyncFramer<H>,
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
}

impl<H: Elementary> ElementarySource<H> {
    fn time(&self, number: u64) -> Duration {
        frame_time(number, self.of.stream.samples(), self.of.stream.sampling_rate())
    }

    fn go_to(&mut self, number: u64) {
        let (next, offset) = self.of.index.before(number).unwrap_or((0, 0));
        self.sync.resume(offset, self.of.stream);
        self.offset = offset;
        self.next = next;
        self.target = number;
        self.drained = false;
        self.ended = None;
    }

    /// The next frame that is already read.
    fn take_frame(&mut self) -> Option<Frame> {
        loop {
            let unit = self.sync.poll_unit()?;
            let number = self.next;
            self.next += unit.header.blocks();
            if number < self.target {
                continue;
            }
            self.gap |= unit.gap;
            let Some(data) = H::payload(&unit) else {
                self.gap = true;
                continue;
            };
            let pts = self.time(number);
            let mut frame = Frame::new(data, pts, self.time(number + 1) - pts);
            frame.flags.discontinuity = std::mem::take(&mut self.gap);
            return Some(frame);
        }
    }

    /// Reads on; what is behind the last frame (tags) is left alone.
    fn read(&mut self) -> io::Result<()> {
        self.offset = self.offset.saturating_add(self.sync.take_skip());
        let left = self.of.end.saturating_sub(self.offset);
        // With what is there no more than that, so that its memory does not grow; but for frames
        // that are larger.
        let most = READ_LEN.saturating_sub(self.sync.buffered()).max(READ_LEN / 4);
        let want = usize::try_from(left).unwrap_or(most).min(most);
        if want == 0 {
            self.sync.handle_end();
            self.drained = true;
            return Ok(());
        }
        let (file, offset) = (&self.file, self.offset);
        let got = self.sync.handle_read(want, |bytes| read_at(file, bytes, offset))?;
        if got == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, CUT_SHORT));
        }
        self.offset += got as u64;
        Ok(())
    }
}

impl<H: Elementary> FramedSource for ElementarySource<H> {
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
        let stream = self.of.stream;
        let number = frame_at(npt, stream.samples(), stream.sampling_rate());
        if number >= self.of.frames {
            return Err(SeekError::OutOfRange);
        }
        self.go_to(number);
        self.gap = true;
        Ok(self.time(number))
    }

    fn duration(&self) -> Option<Duration> {
        Some(self.of.duration)
    }
}

#[cfg(test)]
mod tests;
