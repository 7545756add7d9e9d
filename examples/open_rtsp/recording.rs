//! What becomes of the frames.

use crate::options::{Options, Target};
use crate::report;
use crate::support::Failure;
use riverrun::client::{MediaSession, TrackChoice};
use riverrun::codec::CodecParameters;
use riverrun::media::sinks::{
    FileForm, FileRecorder, FileRecorderConfig, FileSink, MediaSink, Mp4Config, Mp4Recorder,
    OneFile, Pipe, Recorder,
};
use riverrun::rtp::ReceivedFrame;
use riverrun::{Error, Frame};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// Time from the last frame of a play to the first of the next.
const PAUSE: Duration = Duration::from_millis(40);

/// The recorder, and the tracks of the description in it.
pub(crate) struct Recording {
    /// `None` if nothing is to be written.
    recorder: Option<Box<dyn Recorder>>,
    /// All tracks are in one file.
    is_one_file: bool,
    choice: TrackChoice,
    skipped_bytes: usize,
    /// By their numbers in the description.
    tracks: BTreeMap<usize, Track>,
    /// What could not be written.
    faults: u32,
    /// Where the time line of the present play begins on that of the recording.
    origin: Duration,
    end: Duration,
}

#[derive(Debug)]
struct Track {
    /// Its number in the recorder; `None` if that has not taken it.
    number: Option<usize>,
    /// Its format is not known.
    is_raw: bool,
    has_failed: bool,
}

impl Recording {
    pub(crate) fn new(options: &Options) -> Result<Self, Failure> {
        let mut mp4 = Mp4Config::default();
        let recorder: Option<Box<dyn Recorder>> = match &options.output {
            Target::Nothing => None,
            Target::Stdout => Some(Box::new(ToStandardOutput(None))),
            Target::Mp4Stdout => {
                let file = OneFile::pipe(standard_output()?, "standard output");
                Some(Box::new(Mp4Recorder::new(file, mp4)?))
            }
            Target::Mp4(path) => {
                mp4.segment_duration = options.period;
                Some(Box::new(Mp4Recorder::create(path, mp4)?))
            }
            Target::Files => {
                let mut config = FileRecorderConfig::new(&options.prefix);
                (config.period, config.file_per_frame) = (options.period, options.is_per_frame);
                Some(Box::new(FileRecorder::new(config)))
            }
        };
        Ok(Self {
            recorder,
            is_one_file: options.output != Target::Files,
            choice: options.config.tracks.clone(),
            skipped_bytes: options.skipped_bytes,
            tracks: BTreeMap::new(),
            faults: 0,
            origin: Duration::ZERO,
            end: Duration::ZERO,
        })
    }

    /// The frames that follow are of another play, whose times begin anew.
    pub(crate) fn begin_play(&mut self) {
        self.origin = self.end;
    }

    /// Takes the description of the tracks, which may come again.
    pub(crate) fn describe(&mut self, media: &MediaSession) {
        let Some(recorder) = &mut self.recorder else { return };
        let mut results = Vec::new();
        for described in self.choice.chosen(media) {
            match self.tracks.get(&described.number) {
                Some(Track { number: Some(number), .. }) => {
                    let result = recorder.handle_parameters(*number, &described.parameters);
                    results.push((described.number, result));
                }
                Some(_) => {}
                None => {
                    let added = recorder.add_track(&described.parameters);
                    let track = Track {
                        number: added.as_ref().ok().copied(),
                        is_raw: described.is_raw,
                        has_failed: false,
                    };
                    self.tracks.insert(described.number, track);
                    results.push((described.number, added.map(drop)));
                }
            }
        }
        // The other tracks are recorded.
        for (track, result) in results {
            self.judge(track, result);
        }
    }

    /// Takes a frame of a track of the description.
    pub(crate) fn handle_frame(&mut self, track: usize, frame: ReceivedFrame) {
        let time = self.origin.saturating_add(frame.pts);
        self.end = self.end.max(time.saturating_add(PAUSE));
        let (Some(recorder), Some(known)) = (&mut self.recorder, self.tracks.get(&track)) else {
            return;
        };
        let Some(number) = known.number else { return };
        let mut frame = frame.into_frame(time);
        frame.pts = time;
        if known.is_raw {
            frame.data = frame.data.slice(self.skipped_bytes.min(frame.data.len())..);
        }
        let result = recorder.handle_frame(number, &frame);
        self.judge(track, result);
    }

    /// Completes all files.
    ///
    /// # Errors
    /// Something could not be written, now or before; what it was has been told.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let finished = self.recorder.as_mut().map_or(Ok(()), |recorder| recorder.finish());
        if let Err(e) = finished {
            report::say(&e);
            self.faults += 1;
        }
        if self.faults == 0 { Ok(()) } else { Err("the recording is not complete".into()) }
    }

    /// Whether nothing that still comes could be written.
    pub(crate) fn is_over(&self) -> bool {
        let mut tracks = self.tracks.values();
        let is_lost = |track: &Track| track.has_failed || track.number.is_none();
        self.recorder.is_some() && self.faults > 0 && tracks.all(is_lost)
    }

    fn judge(&mut self, track: usize, result: Result<(), Error>) {
        let Err(e) = result else { return };
        report::say(&e);
        self.faults += 1;
        let was_taken = self.tracks.get(&track).is_some_and(|known| known.number.is_some());
        // With the one file all tracks have ended.
        let all = self.is_one_file && was_taken;
        let ended = self.tracks.iter_mut().filter(|(number, _)| all || **number == track);
        ended.for_each(|(_, known)| known.has_failed = true);
    }
}

/// Records the one track that is chosen.
struct ToStandardOutput(Option<FileSink<Pipe<File>>>);

/// Standard output without a buffer: each frame is there when it has been written.
fn standard_output() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

impl Recorder for ToStandardOutput {
    fn add_track(&mut self, parameters: &CodecParameters) -> Result<usize, Error> {
        if self.0.is_some() {
            return Err(Error::Usage("standard output takes one track"));
        }
        let form = FileForm::of(parameters);
        let output = Pipe(standard_output()?);
        self.0 = Some(FileSink::new(form, output, "standard output", parameters)?);
        Ok(0)
    }

    fn handle_frame(&mut self, track: usize, frame: &Frame) -> Result<(), Error> {
        let sink = self.0.as_mut().filter(|_| track == 0);
        sink.map_or(Ok(()), |sink| sink.handle_frame(frame))
    }

    fn handle_parameters(&mut self, _: usize, parameters: &CodecParameters) -> Result<(), Error> {
        self.0.as_mut().map_or(Ok(()), |sink| sink.handle_parameters(parameters))
    }

    fn finish_track(&mut self, _: usize) -> Result<(), Error> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.0.as_mut().map_or(Ok(()), MediaSink::finish)
    }
}
