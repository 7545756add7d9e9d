//! Framers, which cut byte streams into [`Frame`](crate::Frame)s with times.
//!
//! All are incremental: pass bytes with `handle_bytes`, take frames with `poll_frame` until it
//! returns `None`. Start with [`h264::H264Framer`] for H.264, [`h265::H265Framer`] for H.265,
//! [`adts::AdtsFramer`] for AAC, [`mpeg_audio::MpegAudioFramer`], [`mpeg_ts::TsFramer`] or
//! [`wav::WavFramer`].

mod access_unit;
pub mod adts;
mod ahead;
pub mod annexb;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod drive;
pub mod h264;
pub mod h265;
mod input;
pub(crate) mod leading;
pub mod mpeg_audio;
pub mod mpeg_ts;
mod order;
pub(crate) mod sync;
#[cfg(test)]
pub(crate) mod testing;
mod timeline;
pub mod video;
pub mod wav;
