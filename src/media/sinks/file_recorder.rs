//! [`FileRecorder`]: a file for each track, named as openRTSP names its files.

use super::file_form::FileForm;
use super::file_sink::{FileSink, FramePerFileSink};
use super::recorder::{MediaSink, Recorder};
use crate::codec::CodecParameters;
use crate::error::Error;
use crate::frame::Frame;
use crate::payload::FormatRegistry;
use std::path::PathBuf;
use std::time::Duration;

/// Most bytes of a codec's name in the name of a file.
const MAX_NAME: usize = 40;

/// What a [`FileRecorder`] writes, and how the files are called.
///
/// The name of a file is `<prefix><medium>-<codec>-<number>`, for example `door-video-H264-1` with
/// the prefix `door-`; the codec's name is that of SDP, and tracks are counted from 1.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FileRecorderConfig {
    /// What stands in front of each name, with the folder.
    pub prefix: PathBuf,
    /// Writes the plain bytes of the frames ([`FileForm::Raw`]) rather than files that can be
    /// played.
    pub raw: bool,
    /// Writes each frame into a file of its own, as [`FramePerFileSink`] does. It has no periods.
    pub file_per_frame: bool,
    /// Begins new files each time that so much has been recorded, by the times of the frames; video
    /// at the first key frame from there on. The names get `-<from>-<to>` in seconds behind them,
    /// with five digits. `None`, and less than a second: one file a track.
    pub period: Option<Duration>,
    /// Puts the usual ending behind each name: `.h264`, `.aac`. openRTSP has none.
    pub extensions: bool,
}

impl FileRecorderConfig {
    /// One file a track, in forms that can be played.
    pub fn new(prefix: impl Into<PathBuf>) -> Self {
        Self {
            prefix: prefix.into(),
            raw: false,
            file_per_frame: false,
            period: None,
            extensions: false,
        }
    }

    fn period_seconds(&self) -> Option<u64> {
        self.period.map(|period| period.as_secs()).filter(|&seconds| seconds > 0)
    }
}

#[derive(Debug)]
enum TrackFile {
    Whole(FileSink),
    PerFrame(FramePerFileSink),
}

#[derive(Debug)]
struct Track {
    file: TrackFile,
    parameters: CodecParameters,
    /// Medium, codec and number.
    name: String,
    /// Which period the file is of.
    period: u64,
    /// Each frame is a whole one, whatever its flags say: audio, of which the payloads of a codec that
    /// is not known have no mark.
    is_audio: bool,
    /// The frame before was a piece of an access unit that goes on.
    goes_on: bool,
    ended: bool,
}

/// Writes a file for each track, as openRTSP does. A track whose file fails has ended; the others go
/// on.
///
/// ```no_run
/// use riverrun::codec::CodecParameters;
/// use riverrun::media::sinks::{FileRecorder, FileRecorderConfig, Recorder};
/// # fn received() -> Vec<(usize, riverrun::Frame)> { Vec::new() }
///
/// # fn main() -> Result<(), riverrun::Error> {
/// let mut recorder = FileRecorder::new(FileRecorderConfig::new("door-"));
/// recorder.add_track(&CodecParameters::MpegAudio)?; // the file "door-audio-MPA-1"
/// for (track, frame) in received() {
///     recorder.handle_frame(track, &frame)?;
/// }
/// recorder.finish()
/// # }
/// ```
#[derive(Debug)]
pub struct FileRecorder {
    config: FileRecorderConfig,
    /// Knows the names of all codecs.
    names: FormatRegistry,
    tracks: Vec<Track>,
    /// Presentation time of the first frame.
    start: Option<Duration>,
}

impl FileRecorder {
    /// A recorder without tracks. Files are made as tracks are added.
    pub fn new(config: FileRecorderConfig) -> Self {
        let names = FormatRegistry::new().pass_unknown();
        Self { config, names, tracks: Vec::new(), start: None }
    }

    /// The path of a track's files without what tells the period.
    fn path(&self, name: &str) -> PathBuf {
        let mut path = self.config.prefix.clone().into_os_string();
        path.push(name);
        path.into()
    }

    fn open(
        &self,
        name: &str,
        parameters: &CodecParameters,
        period: u64,
    ) -> Result<TrackFile, Error> {
        let form = if self.config.raw { FileForm::Raw } else { FileForm::of(parameters) };
        if self.config.file_per_frame {
            let sink = FramePerFileSink::new(form, self.path(name), parameters)?;
            return Ok(TrackFile::PerFrame(sink));
        }
        let mut path = self.path(name).into_os_string();
        if let Some(seconds) = self.config.period_seconds() {
            let from = period.saturating_mul(seconds);
            path.push(format!("-{from:05}-{:05}", from.saturating_add(seconds)));
        }
        if let Some(ending) = form.extension(parameters).filter(|_| self.config.extensions) {
            path.push(format!(".{ending}"));
        }
        FileSink::create_as(form, path.as_ref(), parameters).map(TrackFile::Whole)
    }

    /// Begins the next file of a track if `frame` is the one to begin it with.
    fn turn_over(&mut self, index: usize, frame: &Frame) -> Result<(), Error> {
        let start = *self.start.get_or_insert(frame.pts);
        let Some(seconds) = self.config.period_seconds() else { return Ok(()) };
        let period = frame.pts.saturating_sub(start).as_secs() / seconds;
        let Some(track) = self.tracks.get(index) else { return Ok(()) };
        let TrackFile::Whole(file) = &track.file else { return Ok(()) };
        if track.goes_on || !frame.flags.key || period <= track.period {
            return Ok(());
        }
        let parameters = file.parameters().unwrap_or_else(|| track.parameters.clone());
        let next = self.open(&track.name, &parameters, period);
        let Some(track) = self.tracks.get_mut(index) else { return Ok(()) };
        track.file.sink().finish()?;
        (track.file, track.parameters, track.period) = (next?, parameters, period);
        Ok(())
    }

    /// Does `action` with a track that has not ended, which an error ends.
    fn with_track(
        &mut self,
        index: usize,
        action: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.tracks.get(index).is_none_or(|track| track.ended) {
            return Ok(());
        }
        let done = action(self);
        if let (Err(_), Some(track)) = (&done, self.tracks.get_mut(index)) {
            track.ended = true;
        }
        done
    }
}

impl TrackFile {
    fn sink(&mut self) -> &mut dyn MediaSink {
        match self {
            Self::Whole(sink) => sink,
            Self::PerFrame(sink) => sink,
        }
    }
}

impl Recorder for FileRecorder {
    fn add_track(&mut self, parameters: &CodecParameters) -> Result<usize, Error> {
        let format = self.names.format(parameters, 96);
        let format = format.map_err(|e| Error::Format(e.to_string()))?;
        let number = self.tracks.len() + 1;
        let (medium, codec) = (file_name(&format.media), file_name(&format.encoding_name));
        let name = format!("{medium}-{}-{number}", codec.to_ascii_uppercase());
        let file = self.open(&name, parameters, 0)?;
        let parameters = parameters.clone();
        let is_audio = format.media.eq_ignore_ascii_case("audio");
        let (period, goes_on, ended) = (0, false, false);
        let track = Track { file, parameters, name, period, is_audio, goes_on, ended };
        self.tracks.push(track);
        Ok(number - 1)
    }

    fn handle_frame(&mut self, track: usize, frame: &Frame) -> Result<(), Error> {
        self.with_track(track, |this| {
            this.turn_over(track, frame)?;
            let Some(track) = this.tracks.get_mut(track) else { return Ok(()) };
            if track.is_audio && !frame.flags.ends_access_unit {
                let mut whole = frame.clone();
                whole.flags.ends_access_unit = true;
                return track.file.sink().handle_frame(&whole);
            }
            track.goes_on = !frame.flags.ends_access_unit;
            track.file.sink().handle_frame(frame)
        })
    }

    fn handle_parameters(
        &mut self,
        track: usize,
        parameters: &CodecParameters,
    ) -> Result<(), Error> {
        self.with_track(track, |this| {
            let Some(track) = this.tracks.get_mut(track) else { return Ok(()) };
            track.parameters = parameters.clone();
            track.file.sink().handle_parameters(parameters)
        })
    }

    fn finish_track(&mut self, track: usize) -> Result<(), Error> {
        self.with_track(track, |this| {
            let Some(track) = this.tracks.get_mut(track) else { return Ok(()) };
            track.ended = true;
            track.file.sink().finish()
        })
    }

    fn finish(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        for track in 0..self.tracks.len() {
            let finished = self.finish_track(track);
            result = result.and(finished);
        }
        result
    }
}

/// A name of SDP as a part of a file's name.
fn file_name(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_graphic() && c != '/' { c } else { '_' };
    name.chars().take(MAX_NAME).map(kept).collect()
}

#[cfg(test)]
mod tests;
