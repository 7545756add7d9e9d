//! Recordings: a thread for each stream that is recorded, so that a slow disk keeps no viewer
//! waiting, and the tap that feeds it.

use crate::config::Record;
use riverrun::codec::CodecParameters;
use riverrun::media::sinks::{Mp4Config, Mp4Recorder, Recorder, Retention, SegmentFolder};
use riverrun::wire::url::encode_segment;
use riverrun::{Error, Frame};
use std::io;
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel,
};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Frames that wait for the disk: some seconds of video with audio.
const QUEUE: usize = 512;
/// How often segments are looked for that are too old, while none begins.
const LOOK: Duration = Duration::from_secs(60);
/// How long after a failure recording is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// How long the end of the program waits for what is still to be written.
const PATIENCE: Duration = Duration::from_secs(10);

/// A message to the thread of a recording.
enum Message {
    /// The source is there, with these tracks; `None`: of a format that is not known.
    Begin(Vec<Option<CodecParameters>>),
    /// The next frame of one of them.
    Frame(usize, Frame),
    /// The source has gone.
    End,
}

/// All recordings of the program.
pub(crate) struct Recordings {
    /// Each thread has a copy for as long as it runs.
    running: Sender<()>,
    ended: Receiver<()>,
}

impl Recordings {
    pub(crate) fn new() -> Self {
        let (running, ended) = channel();
        Self { running, ended }
    }

    /// Starts the thread of a recording. It ends, with all that it was told written, when the
    /// recording and its feeds are gone.
    pub(crate) fn start(&self, stream: &str, record: Record) -> io::Result<Recording> {
        let (messages, receiver) = sync_channel(QUEUE);
        let (name, running) = (stream.to_owned(), self.running.clone());
        let writer = Writer::new(name.clone(), record);
        thread::Builder::new().name("recording".into()).spawn(move || {
            writer.run(&receiver);
            drop(running);
        })?;
        Ok(Recording { stream: name, messages })
    }

    /// Waits until all is written.
    pub(crate) fn finish(self) {
        let Self { running, ended } = self;
        drop(running);
        if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            log::error!("a recording is not complete: the disk is too slow");
        }
    }
}

/// The recording of a stream, whether there is a source or not.
pub(crate) struct Recording {
    stream: String,
    messages: SyncSender<Message>,
}

impl Recording {
    /// Returns the end that feeds the recording.
    pub(crate) fn feed(&self) -> Feed {
        Feed {
            stream: self.stream.clone(),
            messages: self.messages.clone(),
            untold: None,
            dropped: 0,
        }
    }
}

/// Feeds a recording.
pub(crate) struct Feed {
    stream: String,
    messages: SyncSender<Message>,
    /// A message for which there was no room yet.
    untold: Option<Message>,
    /// Frames that were dropped since the disk has fallen behind.
    dropped: u64,
}

impl Feed {
    /// A source is there: frames of these tracks follow.
    pub(crate) fn begin(&mut self, tracks: Vec<Option<CodecParameters>>) {
        self.untold = Some(Message::Begin(tracks));
        self.tell_untold();
    }

    /// The source has gone; the segment is completed.
    pub(crate) fn end(&mut self) {
        self.untold = Some(Message::End);
        self.tell_untold();
    }

    /// Takes the next frame of a track. While the disk is too slow frames are dropped, up to a key
    /// frame.
    pub(crate) fn handle_frame(&mut self, track: usize, frame: Frame) {
        if !self.tell_untold() || (self.dropped > 0 && !frame.flags.key) {
            self.dropped += 1;
            return;
        }
        match self.messages.try_send(Message::Frame(track, frame)) {
            Ok(()) if self.dropped > 0 => {
                let (stream, dropped) = (&self.stream, std::mem::take(&mut self.dropped));
                log::warn!("{stream}: {dropped} frames are not recorded: the disk is too slow");
            }
            Err(TrySendError::Full(_)) => self.dropped += 1,
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
        }
    }

    /// Whether the thread knows of all but frames.
    fn tell_untold(&mut self) -> bool {
        if let Some(message) = self.untold.take() {
            if let Err(TrySendError::Full(message)) = self.messages.try_send(message) {
                self.untold = Some(message);
            }
        }
        self.untold.is_none()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.end();
    }
}

/// The writer of a recording, on its thread.
struct Writer {
    stream: String,
    record: Record,
    tracks: Vec<Option<CodecParameters>>,
    state: State,
    looked_at: Option<Instant>,
    has_failed: bool,
}

enum State {
    /// There is no source.
    Idle,
    /// Frames are written; the numbers of the tracks in the recorder, if that takes them.
    Writing(Box<Mp4Recorder<SegmentFolder>>, Vec<Option<usize>>),
    /// There is a source. Recording begins with its next frame, from then on.
    Waiting(Instant),
}

impl Writer {
    const fn new(stream: String, record: Record) -> Self {
        let tracks = Vec::new();
        Self { stream, record, tracks, state: State::Idle, looked_at: None, has_failed: false }
    }

    fn run(mut self, messages: &Receiver<Message>) {
        loop {
            self.look();
            match messages.recv_timeout(LOOK) {
                Ok(Message::Begin(tracks)) => {
                    self.finish();
                    self.tracks = tracks;
                    self.state = State::Waiting(Instant::now());
                }
                Ok(Message::Frame(track, frame)) => self.write(track, &frame),
                Ok(Message::End) => self.finish(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.finish(),
            }
        }
    }

    fn folder(&self) -> Result<SegmentFolder, Error> {
        let mut retention = Retention::default();
        retention.max_age = self.record.keep_time;
        retention.max_bytes = self.record.keep_size;
        let stem = encode_segment(&self.stream);
        SegmentFolder::new(&self.record.folder, stem, retention, SystemTime::now)
    }

    /// Removes what is too old. While something is written each new segment does that.
    fn look(&mut self) {
        let is_due = self.looked_at.is_none_or(|at| at.elapsed() >= LOOK);
        if !is_due || matches!(self.state, State::Writing(..)) {
            return;
        }
        self.looked_at = Some(Instant::now());
        if let Err(e) = self.folder().and_then(|mut folder| folder.remove_old()) {
            log::error!("{}: old segments stay: {e}", self.stream);
        }
    }

    fn begin(&mut self) {
        let mut config = Mp4Config::default();
        config.segment_duration = Some(self.record.segment_time);
        config.segment_bytes = self.record.segment_size;
        let recorder = self.folder().and_then(|folder| Mp4Recorder::new(folder, config));
        let mut recorder = match recorder {
            Ok(recorder) => recorder,
            Err(e) => return self.fail(&e),
        };
        let mut numbers = Vec::new();
        for (index, parameters) in self.tracks.iter().enumerate() {
            let unknown = || Error::Media("its format is not known".to_owned());
            let added = parameters.as_ref().ok_or_else(unknown);
            let added = added.and_then(|parameters| recorder.add_track(parameters));
            if let (Err(e), false) = (&added, self.has_failed) {
                log::warn!("{}: track {index} is not recorded: {e}", self.stream);
            }
            numbers.push(added.ok());
        }
        self.state = State::Writing(Box::new(recorder), numbers);
    }

    fn write(&mut self, track: usize, frame: &Frame) {
        match &self.state {
            State::Idle => return,
            State::Waiting(until) if Instant::now() < *until => return,
            State::Waiting(_) => self.begin(),
            State::Writing(..) => {}
        }
        let State::Writing(recorder, numbers) = &mut self.state else { return };
        let Some(Some(number)) = numbers.get(track) else { return };
        match recorder.handle_frame(*number, frame) {
            Ok(()) => {}
            Err(e) => self.fail(&e),
        }
    }

    fn finish(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Idle);
        if let State::Writing(mut recorder, _) = state {
            if let Err(e) = recorder.finish() {
                log::error!("{}: {e}", self.stream);
            }
        }
        self.has_failed = false;
    }

    /// Says what is wrong once, and tries again later.
    fn fail(&mut self, e: &Error) {
        if !self.has_failed {
            log::error!("{}: nothing is recorded: {e}", self.stream);
        }
        self.has_failed = true;
        self.state = State::Waiting(Instant::now() + AGAIN);
    }
}
