//! RTP payload format for H.264: RFC 6184, packetization modes 1 (single NAL units, STAP-A, FU-A) and 0
//! (single NAL units).

mod rules;
mod sdp;
#[cfg(test)]
mod tests;

pub use rules::{H264Depacketizer, H264Packetizer, H264Rules};
pub(super) use sdp::Entry;
pub use sdp::{H264Parameters, SingleNalUnitMode, parameters_from_fmtp};
