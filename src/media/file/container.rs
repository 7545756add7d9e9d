//! Parts that readers of containers share: windows over a file, descriptions of codecs, and the
//! making of [`Frame`](crate::Frame)s from stored ones.

pub(crate) mod audio_clock;
pub(crate) mod coding;
pub(crate) mod descriptions;
pub(crate) mod frame_maker;
pub(crate) mod index;
pub(crate) mod nal_units;
pub(crate) mod pictures;
pub(crate) mod sounds;
pub(crate) mod steps;
pub(crate) mod window;

/// Frames that are larger are left out.
pub(crate) const MAX_FRAME: u64 = 32 << 20;
