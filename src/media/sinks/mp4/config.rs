//! [`Mp4Config`]: how a recording is cut.

use crate::error::Error;
use std::time::Duration;

/// How an [`Mp4Recorder`](super::Mp4Recorder) cuts a recording into fragments and segments.
///
/// A fragment is what is written at once: what a crash can lose. A segment is a file. Both begin at
/// key frames of the first track of video; where there is none, anywhere.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Mp4Config {
    /// Longest fragment. A fragment of video ends before the next key frame if it has a quarter of
    /// this, and without a key frame when it has all of it. The default is 2 s.
    pub fragment_duration: Duration,
    /// Bytes after which a fragment ends, whatever it begins with; so many are kept in memory. The
    /// default is 16 MiB.
    pub max_fragment_bytes: usize,
    /// Begins another file at the first key frame after so much time. `None`, the default: never.
    pub segment_duration: Option<Duration>,
    /// Begins another file at the first key frame after so many bytes. `None`, the default: never.
    pub segment_bytes: Option<u64>,
    /// How much of the other tracks is kept at the beginning while the parameters of a track are not
    /// known. The default is 10 s.
    pub max_wait: Duration,
}

impl Default for Mp4Config {
    fn default() -> Self {
        Self {
            fragment_duration: Duration::from_secs(2),
            max_fragment_bytes: 16 << 20,
            segment_duration: None,
            segment_bytes: None,
            max_wait: Duration::from_secs(10),
        }
    }
}

impl Mp4Config {
    /// Checks that a recording can be cut so.
    ///
    /// # Errors
    /// [`Error::Usage`] names the field that is out of bounds.
    pub fn check(&self) -> Result<(), Error> {
        let hour = Duration::from_secs(3600);
        Err(Error::Usage(match self {
            Self { fragment_duration: d, .. } if d.is_zero() || *d > hour => {
                "a fragment of MP4 lasts up to an hour, and not no time"
            }
            Self { max_fragment_bytes: 0 | 0x4000_0001.., .. } => {
                "a fragment of MP4 has up to 1 GiB, and not none"
            }
            Self { segment_duration: Some(Duration::ZERO), .. }
            | Self { segment_bytes: Some(0), .. } => "a segment of a recording is not empty",
            _ => return Ok(()),
        }))
    }
}
