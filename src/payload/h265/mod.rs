//! RTP payload format for H.265: RFC 7798, without decoding order numbers (single NAL units, AP,
//! FU).

mod rules;
mod sdp;
#[cfg(test)]
mod tests;

pub use rules::{H265Depacketizer, H265Packetizer, H265Rules};
pub(super) use sdp::Entry;
pub use sdp::{H265Parameters, parameters_from_fmtp};
