//! Fragmented MP4 (ISO/IEC 14496-12, 14496-14, 14496-15): a file that can be played while it is
//! written, and as far as it was written when the program is killed.
//!
//! The file begins with a header that names the tracks, and goes on with fragments of a second or
//! two, each written with one call, and then made known with another: a player sees whole fragments
//! only. At the end the header gets the duration and the file an index, neither of which a player
//! needs.
//!
//! * Times: a file's time begins with its first sample, and tracks that begin later begin later in
//!   the file. Decoding times of pictures are found from their presentation times (`times`). Where
//!   pictures are reordered the first is presented a few frames after the file's beginning, and so
//!   is the audio that belongs to it; there is no edit list, and no negative composition offset,
//!   which FFmpeg takes for a shift of the whole track. A sample lasts until the next one; gaps
//!   stay. Audio whose times are those of the samples to 2 ms is put together without seams.
//! * Parameter sets stand in the header. What becomes of others is told in `pictures`.
//! * G.711 is written as linear 16-bit samples: MP4 has no form for it that all players know.
//! * The wall-clock time of capture of each fragment's first samples stands in front of the fragment
//!   (`prft`), and that of the first in the header, as the time of creation.

mod boxes;
mod config;
mod fragment;
mod header;
mod pictures;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod reader;
mod recorder;
mod sample_entry;
mod segment;
mod segments;
mod sound;
mod times;
mod track;
mod unit;

pub use config::Mp4Config;
pub use recorder::Mp4Recorder;
pub use segments::{NumberedFiles, OneFile, SegmentFiles};
