//! Tracks of media files as subsessions, and [`FolderProvider`], which makes media sessions of
//! the files of a folder.

use crate::codec::CodecParameters;
use crate::error::Error;
use crate::media::file::{MediaFile, Track};
use crate::media::{FramedSource, SourceContext};
use crate::provide::served_folder::{FileSessionPoll, FileSessions, ServedFolder};
use crate::session::media_session::ServerMediaSession;
use crate::session::provider::{SessionPoll, SessionProvider};
use crate::session::subsession::{OnDemandServerMediaSubsession, StreamFactory, StreamRequest};
use crate::stream::fast_start::FastStart;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// First dynamic payload type (RFC 3551 section 6).
const FIRST_DYNAMIC: u8 = 96;
const LAST_DYNAMIC: u8 = 127;
/// Lower-layer headers and RTP on top of the media's own rate, in percent.
const OVERHEAD_PERCENT: u64 = 4;

/// Makes streams of one track of a media file.
#[derive(Clone, Debug)]
pub struct FileTrack {
    file: Arc<dyn MediaFile>,
    track: usize,
    repeat: bool,
}

impl FileTrack {
    /// Track `track` of `file`.
    pub fn new(file: Arc<dyn MediaFile>, track: usize) -> Self {
        Self { file, track, repeat: false }
    }

    /// Begins anew at the end.
    pub const fn repeat(mut self, repeat: bool) -> Self {
        self.repeat = repeat;
        self
    }

    fn facts(&self) -> Option<&Track> {
        self.file.tracks().get(self.track)
    }
}

impl StreamFactory for FileTrack {
    fn parameters(&self) -> Option<CodecParameters> {
        Some(self.facts()?.parameters.clone())
    }

    fn dynamic_payload_type(&self) -> u8 {
        let offset = u8::try_from(self.track).unwrap_or(u8::MAX);
        FIRST_DYNAMIC.saturating_add(offset).min(LAST_DYNAMIC)
    }

    fn create_new_stream_source(
        &mut self,
        request: &StreamRequest,
        cx: &mut SourceContext<'_>,
    ) -> Result<Box<dyn FramedSource>, Error> {
        let consumer = request.client_session;
        Ok(Arc::clone(&self.file).open_track(self.track, consumer, cx)?)
    }

    fn duration(&self) -> Option<Duration> {
        // Repeated, it has no end.
        if self.repeat { None } else { self.facts()?.duration }
    }

    fn bandwidth_kbps(&self) -> Option<u32> {
        let bits = u64::from(self.facts()?.bitrate?);
        let with_headers = bits + bits * OVERHEAD_PERCENT / 100;
        u32::try_from(with_headers.div_ceil(1000)).ok()
    }

    /// Nothing changes: another file at the same path is another track.
    fn revision(&self) -> Option<u64> {
        Some(0)
    }

    fn repeat_period(&self) -> Option<Duration> {
        if !self.repeat {
            return None;
        }
        self.file.tracks().iter().filter_map(|t| t.duration).max()
    }
}

/// How files are served.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSessionOptions {
    /// All clients share one stream a file.
    pub reuse_first_source: bool,
    /// Streams begin anew at the end.
    pub repeat: bool,
    /// What a newcomer to a shared stream of video gets first.
    pub fast_start: FastStart,
}

/// The media session for a file.
pub fn file_media_session(
    stream_name: &str,
    file: &Arc<dyn MediaFile>,
    options: FileSessionOptions,
) -> ServerMediaSession {
    let mut session =
        ServerMediaSession::new(stream_name, stream_name, "Session streamed by riverrun");
    let tracks = file.tracks().len();
    if tracks > 1 {
        session = session.with_aggregate_control_only();
    }
    for track in 0..tracks {
        let factory = FileTrack::new(Arc::clone(file), track).repeat(options.repeat);
        session = session.with_subsession(
            OnDemandServerMediaSubsession::new(factory)
                .reuse_first_source(options.reuse_first_source)
                .fast_start(options.fast_start),
        );
    }
    session
}

/// Makes media sessions of the files of a folder, by name.
pub struct FolderProvider {
    folder: ServedFolder,
    files: FileSessions,
    options: FileSessionOptions,
}

impl fmt::Debug for FolderProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderProvider").field("root", &self.folder.root()).finish_non_exhaustive()
    }
}

impl FolderProvider {
    /// Serves the files of the folder at `root`.
    ///
    /// # Errors
    /// There is no such folder, or it cannot be read.
    pub fn new(root: &Path, options: FileSessionOptions) -> Result<Self, Error> {
        let folder = ServedFolder::new(root)?;
        Ok(Self { folder, files: FileSessions::default(), options })
    }

    /// The names of the files that can be asked for.
    pub fn names(&self) -> Vec<String> {
        self.folder.files()
    }
}

impl SessionProvider for FolderProvider {
    fn poll_session(&mut self, name: &str, budget: &mut usize) -> SessionPoll {
        let Some(path) = self.folder.resolve(name) else { return SessionPoll::NotFound };
        let poll = self.files.poll(&path, *budget);
        match poll {
            FileSessionPoll::Pending => {
                // A probe reads about what it may.
                *budget = 0;
                SessionPoll::Pending
            }
            FileSessionPoll::Ready(file) => {
                SessionPoll::Found(Box::new(file_media_session(name, &file, self.options)))
            }
            FileSessionPoll::Failed(e) => SessionPoll::Unusable(e.to_string()),
        }
    }

    fn identity(&mut self, name: &str) -> Option<u64> {
        self.folder.resolve(name).and_then(|path| FileSessions::identity(&path))
    }
}
