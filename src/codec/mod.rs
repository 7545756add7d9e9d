//! Parsers for the parts of bitstreams that streaming needs: parameter sets, decoder configurations
//! and frame headers.
//!
//! Start with [`CodecParameters`], the description of a track's codec, from which SDP, packetizers
//! and depacketizers are derived.

pub mod aac;
pub mod ac3;
pub mod amr;
pub mod av1;
pub mod bits;
mod check;
pub mod g711;
pub mod h264;
pub mod h265;
pub mod jpeg;
pub mod klv;
#[cfg(feature = "audio-formats")]
pub mod latm;
pub mod mpeg4_video;
pub mod mpeg_audio;
pub mod mpeg_video;
pub mod onvif_metadata;
pub mod opus;
mod parameters;
mod set_table;
pub mod start_codes;
mod video_facts;
pub mod vorbis;
pub mod vp8;
pub mod vp9;

pub use parameters::{CodecParameters, OpusMapping, OtherCodec, PcmEncoding};
pub(crate) use set_table::MAX_PARAMETER_SET;
pub use video_facts::VideoFacts;
