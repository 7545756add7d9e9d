//! [`PlainEntry`]: the registry entry of a format with one RTP clock rate that every receiver can
//! take, whatever its description says.

use super::depacketizer::Depacketizer;
use super::entry::FormatEntry;
use super::error::FormatError;
use super::format::PayloadFormat;
use super::key_frames::{KeyFrameTest, PayloadTest};
use super::packetizer::Packetizer;
use crate::codec::CodecParameters;

/// What differs between formats of this kind.
pub(super) struct PlainEntry {
    /// Media type of the `m=` line.
    pub(super) media: &'static str,
    /// Encoding names, the one that is sent first.
    pub(super) names: &'static [&'static str],
    /// RTP clock rate in Hz.
    pub(super) clock_rate: u32,
    /// The format parameters of a track, if there are any; `None` if it has another codec.
    pub(super) fmtp: fn(&CodecParameters) -> Option<Option<String>>,
    pub(super) parameters: fn(&PayloadFormat) -> CodecParameters,
    pub(super) packetizer: fn(&CodecParameters) -> Box<dyn Packetizer>,
    pub(super) depacketizer: fn(&PayloadFormat) -> Box<dyn Depacketizer>,
    pub(super) key_frame_test: Option<KeyFrameTest>,
    pub(super) payload_test: Option<PayloadTest>,
}

impl FormatEntry for PlainEntry {
    fn media(&self) -> &str {
        self.media
    }

    fn encoding_names(&self) -> &[&str] {
        self.names
    }

    fn clock_rate(&self) -> Option<u32> {
        Some(self.clock_rate)
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let fmtp = (self.fmtp)(parameters)?;
        let name = *self.names.first()?;
        let format = PayloadFormat::new(self.media, name, self.clock_rate, payload_type);
        Some(PayloadFormat { fmtp, ..format })
    }

    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        Ok((self.parameters)(format))
    }

    fn packetizer(&self, parameters: &CodecParameters) -> Box<dyn Packetizer> {
        (self.packetizer)(parameters)
    }

    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Ok((self.depacketizer)(format))
    }

    fn key_frame_test(&self) -> Option<KeyFrameTest> {
        self.key_frame_test
    }

    fn payload_test(&self, _: &PayloadFormat) -> Option<PayloadTest> {
        self.payload_test
    }
}
