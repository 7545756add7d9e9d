//! Framers, which cut byte streams into [`Frame`](crate::Frame)s with times.
//!
//! All are incremental: pass bytes with `handle_bytes`, take frames with `poll_frame` until it
//! returns `None`. Start with [`h264::H264Framer`] for H.264, [`h265::H265Framer`] for H.265,
//! [`adts::AdtsFramer`] for AAC, [`mpeg_audio::MpegAudioFramer`], [`mpeg_ts::TsFramer`] or
//! [`wav::WavFramer`].

#[cfg(feature = "more-files")]
pub(crate) mod ac3;
mod access_unit;
pub mod adts;
mod ahead;
#[cfg(feature = "more-files")]
pub(crate) mod amr;
pub mod annexb;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod drive;
pub mod h264;
pub mod h265;
mod input;
pub(crate) mod leading;
#[cfg(feature = "more-files")]
pub(crate) mod mjpeg;
pub mod mpeg_audio;
#[cfg(feature = "more-files")]
pub(crate) mod mpeg_ps;
pub mod mpeg_ts;
#[cfg(feature = "more-files")]
pub mod mpeg_video;
mod order;
#[cfg(feature = "more-files")]
pub(crate) mod pes;
pub(crate) mod sync;
#[cfg(test)]
pub(crate) mod testing;
mod timeline;
pub mod video;
pub mod wav;
