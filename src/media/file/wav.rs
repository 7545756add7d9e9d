//! WAV files (.wav), whose positions are computed.

use super::shared::{CUT_SHORT, SharedFile, fill_at, read_window};
use super::{MediaFile, Probe, ProbeError, ProbePoll, Track};
use crate::codec::CodecParameters;
#[cfg(feature = "more-files")]
use crate::codec::PcmEncoding;
use crate::frame::Frame;
use crate::framer::sync::{frame_at, frame_time};
use crate::framer::wav::{WavHeader, WavParser};
use crate::media::scale::{nearest_of_sound, scaled};
use crate::media::{Ending, FramePoll, FramedSource, SeekError, SourceContext};
use bytes::BytesMut;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Bytes a probe reads at once: chunks before the samples are small, or skipped.
const PROBE_READ_LEN: usize = 4 * 1024;
/// Bytes a source reads at once, if that is no less than a frame, and what it holds.
const READ_LEN: usize = 8 * 1024;
/// Frames that it reads at once: a third of a second.
const READ_FRAMES: usize = 16;
/// Bytes a second that a source reads at most to play faster.
const MAX_RATE: f32 = 16e6;
/// Bits of a position between two samples.
const FRACTION: u32 = 24;

/// Starts a probe of a WAV file.
pub fn probe_wav(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    let (shared, file) = SharedFile::open_first(path)?;
    Ok(Box::new(WavProbe { file, shared: Some(shared), parser: WavParser::new(), offset: 0 }))
}

#[derive(Debug)]
struct WavProbe {
    file: Arc<File>,
    shared: Option<SharedFile>,
    parser: WavParser,
    offset: u64,
}

impl WavProbe {
    fn go_on(&mut self, budget: usize) -> Result<Option<Arc<WavFile>>, ProbeError> {
        let mut left = budget.max(1);
        while left > 0 {
            self.offset = self.offset.saturating_add(self.parser.take_skip());
            let bytes = read_window(&self.file, PROBE_READ_LEN, self.offset)?;
            if bytes.is_empty() {
                return Err(ProbeError::Content("no samples in the WAV file".into()));
            }
            self.offset += bytes.len() as u64;
            left = left.saturating_sub(bytes.len());
            self.parser.handle_bytes(&bytes);
            match self.parser.poll_header() {
                Ok(None) => {}
                Ok(Some(header)) => return self.finish(header).map(Some),
                Err(e) => return Err(ProbeError::Content(e.to_string())),
            }
        }
        Ok(None)
    }

    fn finish(&mut self, header: WavHeader) -> Result<Arc<WavFile>, ProbeError> {
        let Some(file) = self.shared.take() else {
            return Err(ProbeError::Content("the probe has ended".into()));
        };
        let parameters = CodecParameters::Pcm {
            encoding: header.encoding,
            sampling_rate: header.sampling_rate,
            channels: header.channels,
        };
        WavFile::new(file, header, parameters)
            .ok_or_else(|| ProbeError::Content("no samples in the WAV file".into()))
    }
}

impl WavFile {
    /// `None` if it has no samples.
    fn new(file: SharedFile, header: WavHeader, parameters: CodecParameters) -> Option<Arc<Self>> {
        let there = file.len().saturating_sub(header.data_offset);
        let len = header.data_len.map_or(there, |len| len.min(there));
        let samples = len / header.block_len() as u64;
        if samples == 0 {
            return None;
        }
        let duration = frame_time(samples, 1, header.sampling_rate);
        let track = Track {
            parameters,
            duration: Some(duration),
            seekable: true,
            bitrate: u32::try_from(header.block_len() as u64 * 8 * u64::from(header.sampling_rate))
                .ok(),
        };
        Some(Arc::new(Self { file, tracks: [track], header, samples, duration }))
    }
}

/// A file of octets at a constant rate, from its start to its end.
#[cfg(feature = "more-files")]
pub(super) fn constant_rate(
    path: &Path,
    parameters: CodecParameters,
    octets_per_second: u32,
) -> Result<Arc<WavFile>, ProbeError> {
    let (file, _) = SharedFile::open_first(path)?;
    let header = WavHeader {
        encoding: PcmEncoding::Pcmu,
        sampling_rate: octets_per_second,
        channels: 1,
        data_offset: 0,
        data_len: None,
    };
    WavFile::new(file, header, parameters)
        .ok_or_else(|| ProbeError::Content("the file is empty".into()))
}

impl Probe for WavProbe {
    fn poll_probe(&mut self, budget: usize) -> ProbePoll {
        self.go_on(budget).into()
    }
}

#[derive(Debug)]
pub(super) struct WavFile {
    file: SharedFile,
    tracks: [Track; 1],
    header: WavHeader,
    /// Sampling instants.
    samples: u64,
    duration: Duration,
}

impl MediaFile for WavFile {
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
        Ok(Box::new(WavSource {
            of: self,
            file,
            chunk: BytesMut::new(),
            next: 0,
            jumped: false,
            failed: None,
            skipping: None,
        }))
    }
}

/// Reads the samples of a file.
struct WavSource {
    of: Arc<WavFile>,
    file: Arc<File>,
    /// Samples that are read, whole sampling instants, in network byte order. Frames are parts of
    /// its memory; when they are gone, what is read next takes their place.
    chunk: BytesMut,
    /// Number of the first sampling instant in `chunk`.
    next: u64,
    jumped: bool,
    failed: Option<String>,
    /// Samples are skipped or repeated.
    skipping: Option<Skipping>,
}

/// Where a source is that is played at another scale.
#[derive(Clone, Copy, Debug)]
struct Skipping {
    scale: f32,
    /// From one sample that is played to the next, in parts of a sampling instant; negative backwards.
    step: i64,
    /// Of the next sample that is played, in such parts.
    at: i128,
}

impl WavSource {
    fn time(&self, sample: u64) -> Duration {
        frame_time(sample, 1, self.of.header.sampling_rate)
    }

    /// Reads some frames' worth of samples; none are left in `chunk`.
    fn read(&mut self) -> io::Result<()> {
        let header = &self.of.header;
        let block = header.block_len();
        let frame = header.samples_per_frame() as usize * block;
        let frames = (READ_LEN / frame).clamp(1, READ_FRAMES);
        let left = (self.of.samples - self.next).saturating_mul(block as u64);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(frames * frame);
        let offset = header.data_offset + self.next * block as u64;
        self.chunk.resize(len, 0);
        let filled = fill_at(&self.file, &mut self.chunk, offset);
        let whole = filled.as_ref().map_or(0, |filled| filled - filled % block);
        self.chunk.truncate(whole);
        filled?;
        if self.chunk.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, CUT_SHORT));
        }
        header.reorder(&mut self.chunk);
        Ok(())
    }
}

impl WavSource {
    /// The next frame at another scale: some of the samples, each as it is.
    fn skip(&mut self, skipping: Skipping) -> io::Result<Option<Frame>> {
        let header = &self.of.header;
        let (block, end) = (header.block_len(), i128::from(self.of.samples) << FRACTION);
        let Skipping { at, step, scale } = skipping;
        let wanted = i128::from(header.samples_per_frame());
        let left = if step < 0 {
            at / i128::from(-step) + 1
        } else {
            (end - 1 - at) / i128::from(step) + 1
        };
        let count = wanted.min(left);
        if at < 0 || at >= end || count <= 0 {
            return Ok(None);
        }
        let sample = |n: i128| (at + n * i128::from(step)) >> FRACTION;
        let (from, to) = (sample(0).min(sample(count - 1)), sample(0).max(sample(count - 1)));
        // All of these are within the file.
        let index = |n: i128| usize::try_from(sample(n) - from).unwrap_or(0) * block;
        let len = usize::try_from(to - from + 1).unwrap_or(0) * block;
        let offset = u64::try_from(from).unwrap_or(0) * block as u64;
        let mut read = vec![0; len];
        if fill_at(&self.file, &mut read, header.data_offset + offset)? < len {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, CUT_SHORT));
        }
        let mut data = Vec::with_capacity(usize::try_from(count).unwrap_or(0) * block);
        for n in 0..count {
            data.extend_from_slice(read.get(index(n)..index(n) + block).unwrap_or_default());
        }
        header.reorder(&mut data);
        let nanos = at * 1_000_000_000 / (i128::from(header.sampling_rate.max(1)) << FRACTION);
        let pts = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
        let lasts = scaled(self.time(u64::try_from(count).unwrap_or(0)), scale);
        let at = at + count * i128::from(step);
        self.skipping = Some(Skipping { at, ..skipping });
        let mut frame = Frame::new(data, pts, lasts);
        frame.flags.discontinuity = std::mem::take(&mut self.jumped);
        Ok(Some(frame))
    }
}

impl FramedSource for WavSource {
    fn poll_frame(&mut self, _cx: &mut SourceContext<'_>) -> FramePoll {
        if let Some(why) = &self.failed {
            return FramePoll::Ended(Ending::Failed(why.clone()));
        }
        if let Some(skipping) = self.skipping {
            return match self.skip(skipping) {
                Ok(frame) => frame.map_or(FramePoll::Ended(Ending::EndOfStream), FramePoll::Ready),
                Err(e) => {
                    self.failed = Some(e.to_string());
                    FramePoll::Ended(Ending::Failed(e.to_string()))
                }
            };
        }
        if self.chunk.is_empty() {
            if self.next >= self.of.samples {
                return FramePoll::Ended(Ending::EndOfStream);
            }
            if let Err(e) = self.read() {
                self.failed = Some(e.to_string());
                return FramePoll::Ended(Ending::Failed(e.to_string()));
            }
        }
        let block = self.of.header.block_len();
        let len = (self.of.header.samples_per_frame() as usize * block).min(self.chunk.len());
        let data = self.chunk.split_to(len).freeze();
        let pts = self.time(self.next);
        self.next += (len / block) as u64;
        let mut frame = Frame::new(data, pts, self.time(self.next) - pts);
        frame.flags.discontinuity = std::mem::take(&mut self.jumped);
        FramePoll::Ready(frame)
    }

    fn seek(&mut self, npt: Duration, _cx: &mut SourceContext<'_>) -> Result<Duration, SeekError> {
        let sample = frame_at(npt, 1, self.of.header.sampling_rate);
        if sample >= self.of.samples {
            return Err(SeekError::OutOfRange);
        }
        self.next = sample;
        if let Some(skipping) = &mut self.skipping {
            skipping.at = i128::from(sample) << FRACTION;
        }
        self.chunk.clear();
        self.failed = None;
        self.jumped = true;
        Ok(self.time(sample))
    }

    fn test_scale_factor(&self, scale: f32) -> Option<f32> {
        let header = &self.of.header;
        let rate = header.block_len() as f32 * header.sampling_rate as f32;
        let most = (MAX_RATE / rate).max(1.0);
        Some(nearest_of_sound(scale).clamp(-most, most))
    }

    fn set_scale(&mut self, scale: f32) {
        let at = i128::from(self.next) << FRACTION;
        let step = (f64::from(scale) * f64::from(1 << FRACTION)) as i64;
        self.skipping = (scale != 1.0 && step != 0).then_some(Skipping { scale, step, at });
        self.chunk.clear();
    }

    fn duration(&self) -> Option<Duration> {
        Some(self.of.duration)
    }
}

#[cfg(test)]
mod tests;
