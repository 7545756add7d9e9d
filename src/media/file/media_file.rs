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
pub struct Track {
    /// What a receiver must know.
    pub parameters: CodecParameters,
    /// Length, if known.
    pub duration: Option<Duration>,
    /// Whether [`FramedSource::seek`] works.
    pub seekable: bool,
    /// Average rate in bits a second, if known.
    pub bitrate: Option<u32>,
}

/// What a probe found out about a file. Immutable, shared by all who stream the file.
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

/// Looks at a file with a bounded amount of work a call.
pub trait Probe: fmt::Debug {
    /// Goes on looking, reading about `budget` bytes at the most.
    fn poll_probe(&mut self, budget: usize) -> ProbePoll;
}

/// How far a probe has come.
#[derive(Debug)]
pub enum ProbePoll {
    /// Call again.
    Pending,
    /// The file can be served.
    Ready(Arc<dyn MediaFile>),
    /// It cannot, and why.
    Failed(ProbeError),
}

/// Why a file cannot be served.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProbeError {
    /// No known ending of the name.
    UnknownType,
    /// The file cannot be read.
    Io(io::Error),
    /// Its content is not what its name promises, or holds nothing that can be streamed.
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
