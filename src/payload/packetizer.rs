//! [`Packetizer`]: cuts frames into RTP payloads.

use super::packet_buffer::PacketBuffer;
use crate::frame::Frame;

/// Data of a stream that a packetizer has dropped because they cannot be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnsentData {
    /// Frames, or NAL units, that do not fit into a packet although the format, or its mode, has no
    /// fragments.
    pub too_large: u64,
    /// Frames of a kind that the format cannot carry, or that are malformed.
    pub unsupported: u64,
}

/// Cuts the frames of one stream into RTP payloads.
pub trait Packetizer {
    /// Appends the packets of `frame` to `out`. A packet has at most `out.max_payload()` bytes of
    /// payload: the RTP sink drops the packets of a call that violates this. A packetizer that
    /// gathers several frames into a packet may append nothing, and on a later call packets whose
    /// timestamp lies before that of its `frame` (see [`PacketBuffer::finish_packet`]).
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer);

    /// Appends packets with the frames held back, at the end of the stream or before a pause.
    fn flush(&mut self, out: &mut PacketBuffer) {
        let _ = out;
    }

    /// Drops the frames held back, at a seek.
    fn reset(&mut self) {}

    /// Returns whether frames are held back to share a packet with later ones. A call of
    /// [`packetize`](Self::packetize) that appends packets holds back at most its own frame.
    fn holds_back(&self) -> bool {
        false
    }

    /// Returns what has been dropped because it cannot be sent.
    fn unsent(&self) -> UnsentData {
        UnsentData::default()
    }
}
