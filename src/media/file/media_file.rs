//! [`MediaFile`] and [`Probe`]: what all kinds of media files have in common.

use crate::codec::CodecParameters;
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
    /// What a receiver must know of the track.
    pub parameters: CodecParameters,
    /// Length, if known.
    pub duration: Option<Duration>,
    /// Whether [`FramedSource::seek`] works.
    pub seekable: bool,
    /// Average rate in bits per second, if known.
    pub bitrate: Option<u32>,
}

impl Track {
    /// A track of unknown length and rate that cannot seek.
    pub const fn new(parameters: CodecParameters) -> Self {
        Self { parameters, duration: None, seekable: false, bitrate: None }
    }
}

/// A file that was probed. It is immutable, and all streams of the file share it.
pub trait MediaFile: fmt::Debug + Send + Sync {
    /// The tracks that can be streamed; never empty.
    fn tracks(&self) -> &[Track];

    /// Opens track `track` for reading from the start. `consumer` names who plays: the tracks of
    /// one file that are opened for the same consumer share one demultiplexer where the format
    /// needs one.
    fn open_track(
        self: Arc<Self>,
        track: usize,
        consumer: u64,
        cx: &mut SourceContext<'_>,
    ) -> io::Result<Box<dyn FramedSource>>;
}

/// Examines a file, with a bounded amount of work per call.
pub trait Probe: fmt::Debug {
    /// Continues, and reads at most about `budget` bytes.
    fn poll_probe(&mut self, budget: usize) -> ProbePoll;
}

/// The state of a probe.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "callers handle every outcome")]
pub enum ProbePoll {
    /// Call again.
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
    /// No known ending of the name.
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
