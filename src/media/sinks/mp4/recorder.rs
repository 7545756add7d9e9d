//! [`Mp4Recorder`]: the tracks of a presentation in one fragmented MP4 file after the other.

use super::super::recorder::{Recorder, TrackSink};
use super::config::Mp4Config;
use super::fragment::{Part, Run};
use super::segment::Segment;
use super::segments::{NumberedFiles, SegmentFiles};
use super::track::{Next, Track};
use crate::codec::CodecParameters;
use crate::error::Error;
use crate::frame::Frame;
use std::path::Path;
use std::time::Duration;

/// Records the tracks of a presentation in fragmented MP4 files.
///
/// Tracks are added first, then frames are handed over as they come; see [`Recorder`]. A track whose
/// parameter sets are not known is waited for. Once the header is written, a track that comes late
/// is in the next segment.
///
/// ```no_run
/// use riverrun::codec::CodecParameters;
/// use riverrun::media::sinks::{Mp4Config, Mp4Recorder, Recorder};
/// # fn received() -> Vec<(usize, riverrun::Frame)> { Vec::new() }
/// # fn described() -> Vec<CodecParameters> { Vec::new() }
///
/// # fn main() -> Result<(), riverrun::Error> {
/// let mut config = Mp4Config::default();
/// config.segment_duration = Some(std::time::Duration::from_secs(600));
/// // door-00001.mp4, door-00002.mp4, …
/// let mut recorder = Mp4Recorder::create("door.mp4".as_ref(), config)?;
/// for parameters in described() {
///     recorder.add_track(&parameters)?;
/// }
/// for (track, frame) in received() {
///     recorder.handle_frame(track, &frame)?;
/// }
/// recorder.finish()
/// # }
/// ```
#[derive(Debug)]
pub struct Mp4Recorder<S: SegmentFiles = NumberedFiles> {
    config: Mp4Config,
    files: S,
    /// The file that is being written; `None` at the end.
    file: Option<Segment<S::File>>,
    tracks: Vec<Track>,
    /// Distance of the recording's times from those of the source, which may have begun anew.
    shared_offset: i64,
    /// A track has come late: the next key frame begins another segment.
    wants_segment: bool,
}

impl Mp4Recorder {
    /// Records in the file at `path`, which is replaced; in numbered files if the configuration cuts
    /// the recording into segments ([`NumberedFiles`]).
    ///
    /// # Errors
    /// The first file cannot be made; or as [`Mp4Config::check`].
    pub fn create(path: &Path, config: Mp4Config) -> Result<Self, Error> {
        let numbered = config.segment_duration.is_some() || config.segment_bytes.is_some();
        Self::new(NumberedFiles::new(path, numbered), config)
    }
}

impl<S: SegmentFiles> Mp4Recorder<S> {
    /// Records in `files`.
    ///
    /// # Errors
    /// As [`create`](Mp4Recorder::create).
    pub fn new(mut files: S, config: Mp4Config) -> Result<Self, Error> {
        config.check()?;
        let file = Some(Segment::open(&mut files, 1)?);
        let tracks = Vec::new();
        Ok(Self { config, files, file, tracks, shared_offset: 0, wants_segment: false })
    }

    /// The files, after [`finish`](Recorder::finish).
    pub fn into_files(self) -> S {
        self.files
    }

    /// A recorder with one track, as a [`MediaSink`](super::super::MediaSink).
    ///
    /// # Errors
    /// As [`Recorder::add_track`].
    pub fn into_sink(self, parameters: &CodecParameters) -> Result<TrackSink<Self>, Error> {
        TrackSink::new(self, parameters)
    }

    /// Takes what has a decoding time by now.
    fn take_all(&mut self, index: usize) -> Result<(), Error> {
        while let Some(next) = self.tracks.get_mut(index).and_then(Track::poll) {
            self.take(index, next)?;
        }
        Ok(())
    }

    /// Takes a track's next sample, which is the end of the one before. That may end a fragment or
    /// a segment.
    fn take(&mut self, index: usize, next: Next) -> Result<(), Error> {
        if let Some(track) = self.tracks.get_mut(index) {
            track.close_sample(next.dts);
        }
        let turns = self.begins_segment(index, &next)?;
        if turns {
            self.turn_over(index, next.pts)?;
        } else if self.is_fragment_due(index, &next) {
            self.write_fragment()?;
        }
        if let Some(track) = self.tracks.get_mut(index) {
            track.open_sample(next);
        }
        Ok(())
    }

    /// The track by which fragments and segments are cut.
    fn lead(&self) -> Option<usize> {
        let begun = self.file.as_ref().is_some_and(Segment::is_begun);
        let counts = |track: &&Track| {
            let is_there = if begun { track.id.is_some() } else { track.description.is_some() };
            is_there && !track.finished
        };
        let position =
            |wanted: &dyn Fn(&&Track) -> bool| self.tracks.iter().position(|track| wanted(&track));
        position(&|track| counts(track) && track.is_video()).or_else(|| position(&counts))
    }

    /// Whether another file begins with a track's next sample.
    fn begins_segment(&mut self, index: usize, next: &Next) -> Result<bool, Error> {
        let (Some(track), Some(file)) = (self.tracks.get(index), &self.file) else {
            return Ok(false);
        };
        let (several, is_lead) = (self.files.may_be_several(), self.lead() == Some(index));
        if next.change.is_some() {
            let is_in_use = track.id.is_some() || !track.run.samples.is_empty();
            if track.description.is_some() && is_in_use {
                return if several { Ok(true) } else { Err(self.refuse("the format changes")) };
            }
            if file.is_begun() {
                match (several, track.is_video()) {
                    (true, true) => return Ok(true),
                    (true, false) => self.wants_segment = true,
                    (false, _) => log::warn!("a track comes too late to be recorded"),
                }
            }
        }
        let (Some(start), true) = (self.start(), several) else { return Ok(false) };
        let (Some(track), Some(file)) = (self.tracks.get(index), &self.file) else {
            return Ok(false);
        };
        let lasted = lasted(start, next.dts);
        let bytes = file.len().saturating_add(self.bytes() as u64);
        let longer_than = |duration: Duration| lasted >= duration;
        let due = self.wants_segment
            || self.config.segment_duration.is_some_and(longer_than)
            || self.config.segment_bytes.is_some_and(|most| bytes >= most);
        // Where the video has stopped, audio goes on alone.
        let stopped = !track.is_video()
            && self.config.segment_duration.is_some_and(|d| longer_than(d.saturating_mul(2)));
        Ok((due && next.key && is_lead) || stopped)
    }

    /// Whether a fragment ends before a track's next sample.
    fn is_fragment_due(&self, index: usize, next: &Next) -> bool {
        let runs = self.tracks.iter().filter_map(|track| track.run.samples.first());
        let Some(start) = runs.map(|first| first.dts).min() else { return false };
        let lasted = lasted(start, next.dts);
        let longest = self.config.fragment_duration;
        if self.bytes() >= self.config.max_fragment_bytes {
            return true;
        }
        let unknown = |track: &Track| track.description.is_none() && !track.finished;
        let waits = self.file.as_ref().is_some_and(|file| !file.is_begun())
            && self.tracks.iter().any(unknown);
        if waits && lasted < self.config.max_wait {
            return false;
        }
        let is_lead = self.lead() == Some(index);
        let is_video = self.tracks.get(index).is_some_and(Track::is_video);
        match (is_lead, is_video && next.key) {
            (true, true) => lasted >= longest / 4,
            (true, false) => lasted >= longest,
            // The lead has stopped, or its pictures come late.
            (false, _) => lasted >= longest.saturating_mul(2),
        }
    }

    /// Where the time of the present file begins.
    fn start(&self) -> Option<i64> {
        let zero = self.file.as_ref().and_then(Segment::zero);
        zero.or_else(|| {
            let described = self.tracks.iter().filter(|track| track.description.is_some());
            described.filter_map(Track::begins_at).min()
        })
    }

    /// Bytes that are to go into the next fragment.
    fn bytes(&self) -> usize {
        self.tracks.iter().map(|track| track.run.bytes()).sum()
    }

    fn write_fragment(&mut self) -> Result<(), Error> {
        let (Some(zero), Some(file)) = (self.start(), &mut self.file) else { return Ok(()) };
        let empty = |track: &Track| track.run.samples.is_empty();
        if self.tracks.iter().all(empty) {
            return Ok(());
        }
        if !file.is_begun() {
            let described = self.tracks.iter_mut().filter(|track| track.description.is_some());
            for (track, id) in described.zip(1..) {
                track.id = Some(id);
            }
            let firsts = self.tracks.iter().filter_map(|track| track.run.samples.first());
            let wall_clocks = firsts.filter_map(|first| first.wall_clock);
            let headers = self
                .tracks
                .iter()
                .filter_map(|track| Some((track.id?, track.description.as_ref()?)));
            let headers: Vec<_> = headers.collect();
            file.begin(&headers, zero, wall_clocks.min());
        }
        let parts = self.tracks.iter().filter(|track| !track.run.samples.is_empty());
        let parts = parts.filter_map(|track| {
            let timescale = track.description.as_ref()?.timescale;
            Some(Part { id: track.id?, timescale, is_video: track.is_video(), run: &track.run })
        });
        let mut parts: Vec<_> = parts.collect();
        // Video first: the index is that of the first part.
        parts.sort_by_key(|part| !part.is_video);
        let written = if parts.is_empty() { Ok(()) } else { file.write_fragment(&parts) };
        self.tracks.iter_mut().for_each(|track| track.run.clear());
        written
    }

    /// Completes the present file and opens the next, which is to begin with a sample of the track
    /// `index` that is presented at `time`. What the other tracks have from there on goes with it.
    fn turn_over(&mut self, index: usize, time: i64) -> Result<(), Error> {
        let others =
            self.tracks.iter_mut().enumerate().map(|(i, track)| {
                if i == index { Run::default() } else { track.run.split_off(time) }
            });
        let others: Vec<Run> = others.collect();
        self.write_fragment()?;
        let number = self.file.as_ref().map_or(1, Segment::number).saturating_add(1);
        self.complete_file()?;
        self.file = Some(Segment::open(&mut self.files, number)?);
        self.wants_segment = false;
        for (track, run) in self.tracks.iter_mut().zip(others) {
            track.run = run;
        }
        Ok(())
    }

    fn complete_file(&mut self) -> Result<(), Error> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let completed = file.complete();
        self.close(file);
        completed
    }

    fn close(&mut self, file: Segment<S::File>) {
        self.tracks.iter_mut().for_each(|track| track.id = None);
        let number = file.number();
        self.files.segment_closed(number, file.into_writer());
    }

    /// Ends because of what the stream has become; what was recorded is completed.
    fn refuse(&mut self, why: &str) -> Error {
        let name = self.file.as_ref().map(|file| file.name().to_owned()).unwrap_or_default();
        self.tracks.iter_mut().for_each(Track::close_last_sample);
        let completed = self.write_fragment().and_then(|()| self.complete_file());
        completed.err().unwrap_or_else(|| Error::Media(format!("{name}: {why}")))
    }

    /// After the first error nothing is done.
    fn until_error(
        &mut self,
        action: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.file.is_none() {
            return Ok(());
        }
        let done = action(self);
        if done.is_err() {
            if let Some(file) = self.file.take() {
                self.close(file);
            }
        }
        done
    }
}

fn lasted(from: i64, to: i64) -> Duration {
    Duration::from_nanos(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

impl<S: SegmentFiles> Recorder for Mp4Recorder<S> {
    /// H.264, H.265, AAC, MPEG audio, Opus, AC-3, Enhanced AC-3, PCM and G.711 go into MP4, the last as
    /// linear samples.
    fn add_track(&mut self, parameters: &CodecParameters) -> Result<usize, Error> {
        let name = self.file.as_ref().map_or("MP4", Segment::name);
        let track = Track::new(parameters, self.files.may_be_several());
        let track = track.map_err(|why| Error::Media(format!("{name}: {why}")))?;
        if self.file.as_ref().is_some_and(Segment::is_begun) && track.description.is_some() {
            self.wants_segment = true;
        }
        self.tracks.push(track);
        Ok(self.tracks.len() - 1)
    }

    fn handle_frame(&mut self, track: usize, frame: &Frame) -> Result<(), Error> {
        self.until_error(|this| {
            let Some(taker) = this.tracks.get_mut(track).filter(|track| !track.finished) else {
                return Ok(());
            };
            taker.handle_frame(frame, &mut this.shared_offset);
            this.take_all(track)
        })
    }

    fn handle_parameters(
        &mut self,
        track: usize,
        parameters: &CodecParameters,
    ) -> Result<(), Error> {
        self.until_error(|this| {
            let several = this.files.may_be_several();
            let Some(taker) = this.tracks.get_mut(track) else { return Ok(()) };
            taker.end_queue();
            this.take_all(track)?;
            let Some(taker) = this.tracks.get_mut(track) else { return Ok(()) };
            taker.change(parameters, several).map_err(|why| this.refuse(why))
        })
    }

    fn finish_track(&mut self, track: usize) -> Result<(), Error> {
        self.until_error(|this| {
            let Some(taker) = this.tracks.get_mut(track) else { return Ok(()) };
            taker.end_queue();
            this.take_all(track)?;
            if let Some(taker) = this.tracks.get_mut(track) {
                taker.close_last_sample();
                taker.finished = true;
            }
            Ok(())
        })
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.until_error(|this| {
            for track in 0..this.tracks.len() {
                this.finish_track(track)?;
            }
            this.write_fragment()?;
            this.complete_file()
        })
    }
}

#[cfg(test)]
mod tests;
