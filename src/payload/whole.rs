//! Audio codecs of which each packet is one payload, neither gathered nor cut.

use super::depacketizer::{DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload};
use super::packet_buffer::PacketBuffer;
use super::packetizer::Packetizer;
use super::talk_spurt::TalkSpurts;
use crate::frame::Frame;
use crate::wire::ParseError;
use bytes::Bytes;

/// Sends each frame as one payload. The first packet of a talk spurt has the marker bit: frames that
/// an encoder leaves out during silence show as a gap.
///
/// Frames that do not fit into a packet are dropped.
#[derive(Debug)]
pub(super) struct WholePacketizer {
    spurts: TalkSpurts,
}

impl WholePacketizer {
    pub(super) const fn new() -> Self {
        Self { spurts: TalkSpurts::new() }
    }
}

impl Packetizer for WholePacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let len = frame.data.len();
        if len == 0 || len > out.max_payload() {
            log::debug!("an audio packet of {len} bytes does not fit in {}", out.max_payload());
            return;
        }
        out.begin_packet();
        out.put(&frame.data);
        out.finish_packet(self.spurts.handle_frame(frame), 0);
    }

    fn reset(&mut self) {
        self.spurts.reset();
    }
}

/// Returns each payload as a frame.
#[derive(Debug)]
pub(super) struct WholeDepacketizer<F> {
    what: &'static str,
    /// Whether a payload can be a packet of the codec; none is empty.
    is_valid: F,
}

impl<F: Fn(&[u8]) -> bool> WholeDepacketizer<F> {
    pub(super) const fn new(what: &'static str, is_valid: F) -> Self {
        Self { what, is_valid }
    }
}

impl<F: Fn(&[u8]) -> bool> Depacketizer for WholeDepacketizer<F> {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let RtpPayload { data, timestamp, lost, .. } = *payload;
        if lost {
            out.note_loss();
        }
        if data.is_empty() || !(self.is_valid)(data) {
            out.note_loss();
            return Err(ParseError::Invalid { what: self.what, at: 0 });
        }
        out.push(DepacketizedFrame::new(Bytes::copy_from_slice(data), timestamp));
        Ok(())
    }
}
