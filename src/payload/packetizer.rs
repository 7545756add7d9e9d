//! [`Packetizer`]: frames in, RTP payloads out.

use super::packet_buffer::PacketBuffer;
use crate::frame::Frame;

/// Cuts the frames of one stream into RTP payloads.
pub trait Packetizer {
    /// Appends the packets of `frame` to `out`. Each packet has at most `out.max_payload()` bytes
    /// of payload: the RTP sink drops the packets of a call that breaks this. A packetizer that
    /// gathers several frames in a packet may append nothing, and on a later call packets whose
    /// timestamp lies before `frame`'s (see [`PacketBuffer::finish_packet`]).
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer);

    /// Appends the frames that were held back, at the end of the stream or before a pause.
    fn flush(&mut self, out: &mut PacketBuffer) {
        let _ = out;
    }

    /// Forgets the frames that were held back, at a seek.
    fn reset(&mut self) {}

    /// Whether frames wait inside to share a packet with later ones. A call of
    /// [`packetize`](Self::packetize) that appends packets leaves at most its own frame waiting.
    fn holds_back(&self) -> bool {
        false
    }
}
