//! AAC in LATM: an AudioMuxElement in a packet, or a fragment of one. The standard registry receives
//! it; AAC is sent as [`aac`](super::aac), unless an application adds [`LatmEntry`].
//!
//! Reference: RFC 6416, sections 6 (packets) and 7.3 (parameters); ISO/IEC 14496-3 section 1.7.3.

mod depacketizer;
mod packetizer;
mod sdp;
#[cfg(test)]
mod tests;

pub use depacketizer::LatmDepacketizer;
pub use packetizer::LatmPacketizer;
pub use sdp::LatmEntry;
pub(super) use sdp::RECEIVED;
