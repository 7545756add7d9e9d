//! AMR and AMR-WB: one or more frames in a packet, octet-aligned or bandwidth-efficient. Packets are
//! sent octet-aligned, unless an application chooses [`BandwidthEfficient`], and received in both
//! modes.
//!
//! Reference: RFC 4867, sections 4.3 (bandwidth-efficient mode), 4.4 (octet-aligned mode), 5.3 (storage
//! form of frames) and 8.1 (parameters). CRCs, robust sorting and interleaving are not supported.

mod depacketizer;
mod packetizer;
mod sdp;
#[cfg(test)]
mod tests;

pub use depacketizer::AmrDepacketizer;
pub use packetizer::AmrPacketizer;
pub use sdp::BandwidthEfficient;
pub(super) use sdp::Entry;

/// What both ends of a stream must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AmrMode {
    /// Whether it is AMR-WB instead of AMR.
    pub wideband: bool,
    /// Number of channels: a [`Frame`](crate::Frame) has a frame in storage form for each.
    pub channels: u8,
    /// Whether the fields of a payload fill whole bytes (`octet-align=1`).
    pub octet_aligned: bool,
}

impl AmrMode {
    /// Creates the mode of an octet-aligned stream of one channel.
    pub const fn new(wideband: bool) -> Self {
        Self { wideband, channels: 1, octet_aligned: true }
    }

    /// Sets the number of channels.
    pub const fn with_channels(mut self, channels: u8) -> Self {
        self.channels = channels;
        self
    }

    /// Makes the stream bandwidth-efficient.
    pub const fn bandwidth_efficient(mut self) -> Self {
        self.octet_aligned = false;
        self
    }
}

/// The codec mode request of a sender that requests none (section 4.3.1).
const NO_REQUEST: u8 = 15;
/// Bit of an octet-aligned table entry, and of the header byte of a frame that is followed by another.
const FOLLOWED: u8 = 0x80;
/// Bits of an octet-aligned table entry that are in the header byte of a frame in storage form: frame
/// type and quality.
const TYPE_AND_QUALITY: u8 = 0x7c;
