//! AC-3 and Enhanced AC-3: several frames in a packet, or a fragment of one. Both have the same
//! mechanism; the payload headers differ in the kinds of fragments that they tell.
//!
//! References: RFC 4184 section 4 (AC-3), RFC 4598 section 4 (Enhanced AC-3).

mod depacketizer;
mod header;
mod packetizer;
mod sdp;
#[cfg(test)]
mod tests;

pub use depacketizer::Ac3Depacketizer;
pub use packetizer::Ac3Packetizer;
pub(super) use sdp::{AC3, EAC3};
