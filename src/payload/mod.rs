//! RTP payload formats: each with packetizer, depacketizer, SDP parameters and its entry in the
//! [`FormatRegistry`].
//!
//! Start with [`FormatRegistry`], which selects by name, and [`FormatEntry`], with which an
//! application adds its own format. [`Packetizer`] and [`Depacketizer`] are the two directions of a
//! stream.

pub mod aac;
#[cfg(feature = "audio-formats")]
pub mod ac3;
#[cfg(feature = "audio-formats")]
pub mod amr;
#[cfg(feature = "video-formats")]
pub mod av1;
pub mod blocks;
mod depacketizer;
mod entry;
mod error;
mod fmtp;
mod format;
#[cfg(feature = "video-formats")]
mod fragments;
mod frame_buffers;
mod gather;
pub mod h264;
pub mod h265;
#[cfg(feature = "video-formats")]
pub mod jpeg;
mod key_frames;
#[cfg(feature = "data-formats")]
pub mod klv;
#[cfg(feature = "audio-formats")]
pub mod latm;
pub mod mp2t;
#[cfg(feature = "video-formats")]
pub mod mp4v;
pub mod mpa;
#[cfg(feature = "video-formats")]
pub mod mpv;
mod nal;
#[cfg(feature = "data-formats")]
pub mod onvif_metadata;
pub mod opaque;
#[cfg(feature = "audio-formats")]
mod opus;
mod packet_buffer;
mod packetizer;
pub mod pcm;
#[cfg(feature = "video-formats")]
mod pictures;
mod plain_entry;
mod registry;
#[cfg(feature = "audio-formats")]
mod speex;
mod static_types;
mod talk_spurt;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(feature = "data-formats")]
pub mod text;
#[cfg(feature = "data-formats")]
mod units;
#[cfg(feature = "audio-formats")]
pub mod voice;
#[cfg(feature = "audio-formats")]
pub mod vorbis;
#[cfg(feature = "video-formats")]
pub mod vp8;
#[cfg(feature = "video-formats")]
pub mod vp9;
#[cfg(feature = "audio-formats")]
mod whole;

pub use depacketizer::{DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload};
pub use entry::FormatEntry;
pub use error::FormatError;
pub use format::PayloadFormat;
pub use key_frames::{KeyFrameTest, PayloadFacts, PayloadTest, PictureFacts};
pub use nal::{DonDepacketizer, NalDepacketizer, NalPacketizer};
pub use packet_buffer::{PacketBuffer, PacketSpan, RTP_HEADER_LEN, TCP_PREFIX_LEN};
pub use packetizer::{Packetizer, UnsentData};
pub use registry::FormatRegistry;
#[cfg(feature = "data-formats")]
pub use units::{UnitDepacketizer, UnitPacketizer};
