//! [`Repacketizer`]: makes frames of the packets of a relayed stream, so that they can be cut into
//! smaller ones.

use crate::error::Error;
use crate::payload::{
    DepacketizedFrame, DepacketizedFrames, Depacketizer, FormatRegistry, Packetizer, PayloadFormat,
    RtpPayload,
};
use crate::rtp::ReceivedPacket;

/// Makes frames of packets.
pub(crate) struct Repacketizer {
    depacketizer: Box<dyn Depacketizer>,
    frames: DepacketizedFrames,
}

impl Repacketizer {
    /// A repacketizer for a stream of that format, and the packetizer for its frames.
    ///
    /// # Errors
    /// The registry cannot receive or send the format.
    pub(crate) fn new(
        format: &PayloadFormat,
        formats: &FormatRegistry,
    ) -> Result<(Self, Box<dyn Packetizer>), Error> {
        let packetizer = formats.packetizer(&formats.parameters(format)?)?;
        let depacketizer = formats.depacketizer(format)?;
        Ok((Self { depacketizer, frames: DepacketizedFrames::new() }, packetizer))
    }

    /// Takes the next packet. `lost`: packets before it are missing.
    pub(crate) fn handle_packet(&mut self, packet: &ReceivedPacket<'_>, lost: bool) {
        let payload = RtpPayload::new(packet.payload, packet.timestamp)
            .with_marker(packet.marker)
            .after_loss(lost);
        if let Err(e) = self.depacketizer.handle_payload(&payload, &mut self.frames) {
            log::trace!("a payload of a relayed stream: {e}");
        }
    }

    /// Returns the next frame that is complete.
    pub(crate) fn poll_frame(&mut self) -> Option<DepacketizedFrame> {
        self.frames.pop()
    }
}
