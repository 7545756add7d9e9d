//! Parsers for the parts of bitstreams that streaming needs: parameter sets, configurations, frame
//! headers. And [`CodecParameters`], what a receiver must know of a track.

pub mod aac;
pub mod bits;
mod check;
pub mod h264;
pub mod h265;
pub mod mpeg_audio;
mod parameters;
mod set_table;

pub use parameters::{CodecParameters, OtherCodec, PcmEncoding};
pub(crate) use set_table::MAX_PARAMETER_SET;
