//! What readers of containers share: windows over a file, codings of frames, and how stored frames
//! become those of [`crate::Frame`].

pub(crate) mod audio_clock;
pub(crate) mod coding;
pub(crate) mod frame_maker;
pub(crate) mod nal_units;
pub(crate) mod window;

/// Frames that are larger are left out.
pub(crate) const MAX_FRAME: u64 = 32 << 20;
