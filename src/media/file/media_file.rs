//! [`MediaFile`] and [`Probe`]: the common interface of all kinds of media files.

use crate::codec::CodecParameters;
use crate::debug::debug_by_name;
use crate::media::{FramedSource, SourceContext};
use std::fs::File;
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

/// One track of a media file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Track {
    /// Codec and codec parameters of the track.
    pub parameters: CodecParameters,
    /// Duration, if known.
    pub duration: Option<Duration>,
    /// Whether [`FramedSource::seek`] works.
    pub seekable: bool,
    /// Average bit rate in bit/s, if known.
    pub bitrate: Option<u32>,
}

impl Track {
    /// Creates a track of unknown duration and bit rate that cannot seek.
    pub const fn new(parameters: CodecParameters) -> Self {
        Self { parameters, duration: None, seekable: false, bitrate: None }
    }
}

/// A probed file. It is immutable, and shared by all streams of the file.
pub trait MediaFile: Send + Sync {
    /// Returns the tracks that can be streamed; never empty.
    fn tracks(&self) -> &[Track];

    /// Opens track `track` for reading from the start. `consumer` identifies the consumer: the
    /// tracks of a file that are opened for the same consumer share one demultiplexer if the format
    /// needs one.
    fn open_track(
        self: Arc<Self>,
        track: usize,
        consumer: u64,
        cx: &mut SourceContext<'_>,
    ) -> io::Result<Box<dyn FramedSource>>;

    /// Returns whether the file is of a kind that can be played while it is written, so that
    /// [`follow_track`](Self::follow_track) waits for more. Default: it is not.
    fn can_be_followed(&self) -> bool {
        false
    }

    /// Like [`open_track`](Self::open_track), for a file that is still being written: at its present
    /// end the source waits for more, and ends when the file has not grown for `patience`. The
    /// default ends where the file ends.
    fn follow_track(
        self: Arc<Self>,
        track: usize,
        consumer: u64,
        patience: Duration,
        cx: &mut SourceContext<'_>,
    ) -> io::Result<Box<dyn FramedSource>> {
        let _ = patience;
        self.open_track(track, consumer, cx)
    }
}

/// Examines a file, with a bounded amount of work per call.
pub trait Probe {
    /// Continues the probe, and reads at most about `budget` bytes.
    fn poll_probe(&mut self, budget: usize) -> ProbePoll;
}

debug_by_name!(dyn MediaFile, dyn Probe);

/// The result of [`Probe::poll_probe`].
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "callers handle every outcome")]
pub enum ProbePoll {
    /// The probe is not finished: poll again.
    Pending,
    /// The file can be served.
    Ready(Arc<dyn MediaFile>),
    /// The file cannot be served.
    Failed(ProbeError),
}

impl<M: MediaFile + 'static> From<Result<Option<Arc<M>>, ProbeError>> for ProbePoll {
    /// `Ok(None)` is [`Pending`](Self::Pending).
    fn from(outcome: Result<Option<Arc<M>>, ProbeError>) -> Self {
        match outcome {
            Ok(None) => Self::Pending,
            Ok(Some(file)) => Self::Ready(file),
            Err(e) => Self::Failed(e),
        }
    }
}

/// The reason for which a file cannot be served.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProbeError {
    /// The file name has no known extension.
    UnknownType,
    /// The file cannot be read.
    Io(io::Error),
    /// The content does not match the name, or contains nothing that can be streamed.
    Content(String),
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType => f.write_str("not a known type of media file"),
            Self::Io(e) => write!(f, "{e}"),
            Self::Content(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for ProbeError {}

impl From<io::Error> for ProbeError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

/// Opens a regular file for reading, and nothing else: what `path` names may have changed since
/// it was looked at.
pub(crate) fn open_regular(path: &Path) -> Result<File, ProbeError> {
    let mut options = File::options();
    options.read(true);
    // Without this the open of a FIFO would wait for a writer. It changes nothing for files.
    #[cfg(unix)]
    options.custom_flags(nix::libc::O_NONBLOCK);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(ProbeError::Content("not a regular file".into()));
    }
    Ok(file)
}
