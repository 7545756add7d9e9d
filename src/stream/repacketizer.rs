//! [`Repacketizer`]: makes frames of the packets of a relayed stream, so that they can be cut into
//! smaller ones.

use crate::error::Error;
use crate::payload::{
    DepacketizedFrame, DepacketizedFrames, Depacketizer, FormatError, FormatRegistry, Packetizer,
    PayloadFormat, RtpPayload,
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
    /// The registry cannot receive the format, or sends its codec in another one.
    pub(crate) fn new(
        format: &PayloadFormat,
        formats: &FormatRegistry,
    ) -> Result<(Self, Box<dyn Packetizer>), Error> {
        let (sent, packetizer) =
            formats.sender(&formats.parameters(format)?, format.payload_type)?;
        if !sent.encoding_name.eq_ignore_ascii_case(&format.encoding_name) {
            // Viewers have been told the format of the source.
            return Err(FormatError::unsupported(&format.encoding_name, "sending").into());
        }
        let depacketizer = formats.depacketizer(format)?;
        Ok((Self { depacketizer, frames: DepacketizedFrames::new() }, packetizer))
    }

    /// Takes the next packet. `lost`: packets before it are missing.
    pub(crate) fn handle_packet(&mut self, packet: &ReceivedPacket<'_>, lost: bool) {
        let payload = RtpPayload::new(packet.payload, packet.timestamp)
            .with_marker(packet.marker)
            .with_extension(packet.extension)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_sent_in_the_format_that_viewers_were_told() {
        let can = |format: PayloadFormat| {
            Repacketizer::new(&format, FormatRegistry::standard())
                .map(drop)
                .map_err(|e| e.to_string())
        };
        assert_eq!(can(PayloadFormat::new("video", "h264", 90_000, 96)), Ok(()));
        #[cfg(feature = "audio-formats")]
        {
            // AAC is sent as MPEG4-GENERIC.
            let latm = PayloadFormat::new("audio", "MP4A-LATM", 44_100, 96);
            let said = can(latm.with_fmtp("cpresent=0;config=400024203fc0")).unwrap_err();
            assert!(said.contains("MP4A-LATM"), "{said}");
        }
    }
}
