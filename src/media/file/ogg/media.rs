//! [`OggMedia`]: the results of a probe of a file.

use crate::codec::CodecParameters;
use crate::media::file::container::sounds::{FrameLengths, SoundCodec};
use crate::media::file::container::window::Input;
use crate::media::file::media_file::Track;
use std::time::Duration;

/// The results of a probe.
#[derive(Debug)]
pub(super) struct OggMedia {
    pub(super) input: Input,
    pub(super) tracks: Vec<Track>,
    pub(super) streams: Vec<Stream>,
    /// Normal play time zero, in nanoseconds of the streams' own time.
    pub(super) origin: i64,
    /// The position behind the last page of these streams. Streams that follow them (a chained
    /// file) are not played.
    pub(super) end: u64,
    pub(super) duration: Option<Duration>,
}

/// A logical stream that can be sent.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) serial: u32,
    pub(super) codec: SoundCodec,
    pub(super) parameters: CodecParameters,
    pub(super) lengths: FrameLengths,
    /// Granule positions a second.
    pub(super) rate: u32,
    /// The granule position of what is heard first.
    pub(super) pre_skip: i64,
    /// Position behind the page with the last header.
    pub(super) data: u64,
    /// The granule positions at which the first packet begins and the last ends.
    pub(super) first: i64,
    pub(super) last: Option<i64>,
}

impl Stream {
    /// The time of a granule position, in nanoseconds. It may lie before zero.
    pub(super) fn nanos(&self, granule: i64) -> i64 {
        let since = i128::from(granule) - i128::from(self.pre_skip);
        let nanos = since * 1_000_000_000 / i128::from(self.rate.max(1));
        // Longer than anybody plays; keeps arithmetic in range.
        const MOST: i128 = 10 * 366 * 24 * 3600 * 1_000_000_000;
        nanos.clamp(-MOST, MOST) as i64
    }
}

impl OggMedia {
    /// The normal play time of a granule position of `stream`; what lies before zero becomes zero.
    pub(super) fn npt(&self, stream: &Stream, granule: i64) -> Duration {
        let nanos = stream.nanos(granule).saturating_sub(self.origin);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }
}
