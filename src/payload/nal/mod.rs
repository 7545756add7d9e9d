//! The common part of RFC 6184 (H.264) and RFC 7798 (H.265): access units are cut into NAL units,
//! small ones share a packet, large ones are fragmented.

mod assembler;
mod decoding_order;
mod depacketizer;
mod facts;
mod packetizer;
mod rules;
pub(super) mod sdp;
#[cfg(test)]
pub(super) mod testing;

pub use decoding_order::DonDepacketizer;
pub use depacketizer::NalDepacketizer;
pub(super) use facts::payload_facts;
pub use packetizer::NalPacketizer;
pub(super) use rules::{NalRules, Structure};
