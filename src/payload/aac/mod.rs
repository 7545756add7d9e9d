//! AAC: several access units in a packet, or a fragment of one. Packets are sent in mode AAC-hbr,
//! and received in every mode.
//!
//! Reference: RFC 3640, sections 3.2.1 (AU headers), 3.2.3 (fragments), 3.3.6 (AAC-hbr) and 4.1
//! (parameters).

mod depacketizer;
mod headers;
mod packetizer;
mod parameters;
mod sdp;
#[cfg(test)]
mod tests;

pub use depacketizer::AacDepacketizer;
pub use headers::AuHeaderLayout;
pub use packetizer::AacPacketizer;
pub use parameters::{AacParameters, parameters_from_fmtp, samples_per_unit};
pub(super) use sdp::Entry;
#[cfg(feature = "audio-formats")]
pub(super) use sdp::described;
