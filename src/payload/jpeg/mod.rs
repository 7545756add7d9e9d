//! RTP payload format for JPEG: RFC 2435, and for larger pictures the header extension of the ONVIF
//! Streaming Specification, section "JPEG over RTP".

mod depacketizer;
mod packetizer;
mod picture;
mod sdp;
#[cfg(test)]
mod tests;

pub use depacketizer::JpegDepacketizer;
pub use packetizer::JpegPacketizer;
pub(super) use sdp::ENTRY;

/// Length of the main header (section 3.1).
const MAIN_HEADER_LEN: usize = 8;
/// Length of the restart marker header (section 3.1.7).
const RESTART_HEADER_LEN: usize = 4;
/// Length of the quantization table header without tables (section 3.1.8).
const TABLE_HEADER_LEN: usize = 4;
/// Bit of the types that have a restart marker header.
const HAS_RESTARTS: u8 = 0x40;
/// Q of pictures that bring their quantization tables (section 4.2).
const OWN_TABLES: u8 = 255;
/// The first Q with tables in the stream.
const FIRST_WITH_TABLES: u8 = 128;
/// Largest width and height of the main header (section 3.1.5).
const MAX_SIZE: u16 = 2040;
/// Identifies ONVIF's header extension, which has marker segments.
const ONVIF_EXTENSION: u16 = 0xffd8;
