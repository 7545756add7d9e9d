//! Text conversation: RFC 4103, with redundancy (`red`, RFC 2198) and plain (`t140`).
//!
//! A payload is text in UTF-8 without any header. With redundancy it is preceded by the text of the
//! packets before it, so that what is lost comes again with the next packets. Text is sent with
//! redundancy, unless an application chooses [`PlainText`], and received in both ways.

mod depacketizer;
mod packetizer;
mod sdp;
#[cfg(test)]
mod tests;

pub use depacketizer::TextDepacketizer;
pub use packetizer::TextPacketizer;
pub use sdp::PlainText;
pub(super) use sdp::RedundantEntry;

use std::time::Duration;

const CLOCK_RATE: u32 = 1000;
const WHAT: &str = "text payload";

/// The usual interval of packets, and the time without text after which a pause begins (RFC 4103
/// section 5.1).
pub const BUFFERING_TIME: Duration = Duration::from_millis(300);

/// Number of packets before a packet whose text it repeats (RFC 4103 section 4).
pub const GENERATIONS: usize = 2;
