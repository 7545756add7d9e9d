//! RTP payload format for H.265: RFC 7798 (single NAL units, AP, FU). It is sent without decoding order
//! numbers, and received with them too.

mod rules;
mod sdp;
#[cfg(test)]
mod tests;

pub use rules::{H265Depacketizer, H265DonDepacketizer, H265Packetizer, H265Rules};
pub(super) use sdp::Entry;
pub use sdp::{H265Parameters, parameters_from_fmtp};
