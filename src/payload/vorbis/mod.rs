//! Vorbis: several packets in a payload, or a fragment of one. The headers are in SDP.
//!
//! Reference: RFC 5215, sections 2.2 (payload header), 2.3 and 2.4 (payloads), 3 (configuration) and 5
//! (fragments).

mod configuration;
mod depacketizer;
mod packetizer;
mod sdp;
#[cfg(test)]
mod tests;

pub use depacketizer::VorbisDepacketizer;
pub use packetizer::VorbisPacketizer;
pub(super) use sdp::Entry;

/// Length of the payload header: 24 bits of ident, 2 of fragment type, 2 of data type, 4 of packets.
const HEADER_LEN: usize = 4;
/// Length of a packet's length, which precedes it.
const LENGTH_LEN: usize = 2;

/// Fragment types.
const WHOLE: u8 = 0;
const FIRST: u8 = 1;
const MIDDLE: u8 = 2;
const LAST: u8 = 3;

/// Data types.
const AUDIO: u8 = 0;
const CONFIGURATION: u8 = 1;
