//! [`MatroskaMedia`]: the results of a probe of a file.

use super::headers::TrackInfo;
use crate::media::file::container::index::Index;
use crate::media::file::container::window::Input;
use crate::media::file::media_file::Track;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The time line of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeLine {
    /// Nanoseconds a unit.
    pub(super) scale: u64,
    /// What is normal play time zero, in nanoseconds.
    pub(super) origin: i128,
}

impl TimeLine {
    /// Normal play time of a timestamp less `delay`; what lies before zero becomes zero.
    pub(super) fn npt(self, time: i64, delay: Duration) -> Duration {
        // The product is less than 2^63 · 2^64 and so in range.
        let nanos = (i128::from(time) * i128::from(self.scale)).saturating_sub(self.origin);
        let nanos = nanos.saturating_sub_unsigned(delay.as_nanos()).max(0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    pub(super) const fn span(self, units: u64) -> Duration {
        Duration::from_nanos(units.saturating_mul(self.scale))
    }
}

/// The results of a probe.
#[derive(Debug)]
pub(super) struct MatroskaMedia {
    /// Tells files apart in the table of demultiplexers.
    pub(super) identity: u64,
    pub(super) input: Input,
    pub(super) segment_end: u64,
    pub(super) first_cluster: u64,
    pub(super) time_line: TimeLine,
    pub(super) tracks: Vec<Track>,
    pub(super) infos: Vec<TrackInfo>,
    /// For each track, what its first frames show.
    pub(super) starts: Vec<TrackStart>,
    pub(super) index: Index,
    pub(super) duration: Option<Duration>,
}

/// Facts that the first frames of a track show.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TrackStart {
    /// Normal play time of the earliest frame.
    pub(super) first: Duration,
    /// Frames by which pictures are reordered.
    pub(super) reorder: usize,
    /// Of one frame; zero if unknown.
    pub(super) frame_duration: Duration,
}

impl MatroskaMedia {
    pub(super) fn new_identity() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }
}
