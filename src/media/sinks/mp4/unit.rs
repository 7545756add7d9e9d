//! [`Unit`]: what one frame becomes in the file.

use super::sample_entry::Description;
use std::time::Duration;

/// A sample without its decoding time and duration.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) data: Vec<u8>,
    /// Presentation time in nanoseconds on the recording's line.
    pub(super) pts: i64,
    /// How long it lasts if nothing follows, in nanoseconds; zero if unknown.
    pub(super) duration: i64,
    pub(super) key: bool,
    pub(super) wall_clock: Option<Duration>,
    /// From here on the header has to say this of the track.
    pub(super) description: Option<Description>,
}
