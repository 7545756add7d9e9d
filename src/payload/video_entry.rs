//! [`VideoEntry`]: the registry entry of a video codec with an RTP clock of 90 kHz whose description
//! says nothing that a depacketizer needs.

use super::depacketizer::Depacketizer;
use super::entry::FormatEntry;
use super::error::FormatError;
use super::format::PayloadFormat;
use super::key_frames::{KeyFrameTest, PayloadTest};
use super::packetizer::Packetizer;
use crate::codec::CodecParameters;

pub(super) const CLOCK_RATE: u32 = 90_000;

/// What differs between VP8, VP9 and AV1.
pub(super) struct VideoEntry {
    /// Encoding names, the one that is sent first.
    pub(super) names: &'static [&'static str],
    /// The format parameters of a track, if there are any; `None` if it has another codec.
    pub(super) fmtp: fn(&CodecParameters) -> Option<Option<String>>,
    pub(super) parameters: fn(&PayloadFormat) -> CodecParameters,
    pub(super) packetizer: fn(&CodecParameters) -> Box<dyn Packetizer>,
    pub(super) depacketizer: fn() -> Box<dyn Depacketizer>,
    pub(super) key_frame_test: KeyFrameTest,
    pub(super) payload_test: PayloadTest,
}

impl FormatEntry for VideoEntry {
    fn media(&self) -> &str {
        "video"
    }

    fn encoding_names(&self) -> &[&str] {
        self.names
    }

    fn clock_rate(&self) -> Option<u32> {
        Some(CLOCK_RATE)
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let fmtp = (self.fmtp)(parameters)?;
        let format = PayloadFormat::new("video", *self.names.first()?, CLOCK_RATE, payload_type);
        Some(PayloadFormat { fmtp, ..format })
    }

    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        Ok((self.parameters)(format))
    }

    fn packetizer(&self, parameters: &CodecParameters) -> Box<dyn Packetizer> {
        (self.packetizer)(parameters)
    }

    fn depacketizer(&self, _: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Ok((self.depacketizer)())
    }

    fn key_frame_test(&self) -> Option<KeyFrameTest> {
        Some(self.key_frame_test)
    }

    fn payload_test(&self, _: &PayloadFormat) -> Option<PayloadTest> {
        Some(self.payload_test)
    }
}
