//! Facts read from bitstreams: parameter sets, configurations, frame headers.

pub mod aac;
pub mod bits;
mod check;
pub mod h264;
pub mod h265;
pub mod mpeg_audio;
mod parameters;

pub use parameters::{CodecParameters, OtherCodec, PcmEncoding};
