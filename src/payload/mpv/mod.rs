//! MPEG-1 and MPEG-2 video: whole slices, as many per packet as fit, or a fragment of one.
//!
//! Reference: RFC 2250, sections 3.1 (fragmentation), 3.3 (RTP header) and 3.4 (MPEG video-specific
//! header).

mod depacketizer;
mod header;
mod packetizer;
mod sdp;
#[cfg(test)]
mod tests;

pub use depacketizer::MpvDepacketizer;
pub use packetizer::MpvPacketizer;
pub(super) use sdp::ENTRY;
