//! The registry entry of JPEG (RFC 3551 section 4.2, payload type 26).

use super::{JpegDepacketizer, JpegPacketizer};
use crate::codec::CodecParameters;
use crate::payload::depacketizer::Depacketizer;
use crate::payload::entry::FormatEntry;
use crate::payload::error::FormatError;
use crate::payload::format::PayloadFormat;
use crate::payload::packetizer::Packetizer;

const NAME: &str = "JPEG";
const CLOCK_RATE: u32 = 90_000;

/// The registry entry of JPEG. There is no test for key frames: each picture is one.
pub(in crate::payload) struct Entry;

impl FormatEntry for Entry {
    fn media(&self) -> &str {
        "video"
    }

    fn encoding_names(&self) -> &[&str] {
        &[NAME]
    }

    fn clock_rate(&self) -> Option<u32> {
        Some(CLOCK_RATE)
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let is_own = matches!(parameters, CodecParameters::Jpeg);
        is_own.then(|| PayloadFormat::new("video", NAME, CLOCK_RATE, payload_type))
    }

    fn parameters(&self, _: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        Ok(CodecParameters::Jpeg)
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(JpegPacketizer::new())
    }

    /// A size that JPEG cannot have is ignored.
    fn depacketizer(&self, format: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        let size = format.dimensions.and_then(|(width, height)| {
            Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
        });
        let size = size.filter(|(width, height)| *width > 0 && *height > 0);
        Ok(Box::new(match size {
            Some((width, height)) => JpegDepacketizer::new().with_dimensions(width, height),
            None => JpegDepacketizer::new(),
        }))
    }
}
