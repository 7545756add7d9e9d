//! Text in SDP (RFC 4103 sections 7.2 and 10.2) and in the registry.

use super::{CLOCK_RATE, GENERATIONS, TextDepacketizer, TextPacketizer};
use crate::codec::CodecParameters;
use crate::payload::depacketizer::Depacketizer;
use crate::payload::entry::FormatEntry;
use crate::payload::error::FormatError;
use crate::payload::format::PayloadFormat;
use crate::payload::packetizer::Packetizer;

const NAME: &str = "t140";
/// Payload type of the text in payloads with redundancy. It is the last that a session gives to a
/// track; one that has it is sent plain text.
const TEXT_TYPE: u8 = 127;

/// The registry entry of plain text, for an application that does not want redundancy:
///
/// ```
/// use riverrun::codec::CodecParameters;
/// use riverrun::payload::FormatRegistry;
/// use riverrun::payload::text::PlainText;
///
/// let formats = FormatRegistry::new().with(PlainText);
/// assert_eq!(formats.format(&CodecParameters::Text, 96)?.encoding_name, "t140");
/// # Ok::<(), riverrun::payload::FormatError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to say")]
pub struct PlainText;

impl FormatEntry for PlainText {
    fn media(&self) -> &str {
        "text"
    }

    fn encoding_names(&self) -> &[&str] {
        &[NAME]
    }

    fn clock_rate(&self) -> Option<u32> {
        Some(CLOCK_RATE)
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let is_own = matches!(parameters, CodecParameters::Text);
        is_own.then(|| PayloadFormat::new("text", NAME, CLOCK_RATE, payload_type))
    }

    fn parameters(&self, _: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        Ok(CodecParameters::Text)
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(TextPacketizer::new())
    }

    fn depacketizer(&self, _: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Ok(Box::new(TextDepacketizer::new()))
    }
}

/// The registry entry of text with redundancy, which is what text without any agreement is sent with
/// (section 4).
pub(in crate::payload) struct RedundantEntry;

impl FormatEntry for RedundantEntry {
    fn media(&self) -> &str {
        "text"
    }

    fn encoding_names(&self) -> &[&str] {
        &["red"]
    }

    fn clock_rate(&self) -> Option<u32> {
        Some(CLOCK_RATE)
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let is_own = matches!(parameters, CodecParameters::Text) && payload_type != TEXT_TYPE;
        let format = is_own.then(|| PayloadFormat::new("text", "red", CLOCK_RATE, payload_type))?;
        // As many payload types as blocks.
        let blocks = vec![TEXT_TYPE.to_string(); GENERATIONS + 1].join("/");
        Some(format.with_fmtp(blocks).with_repeated(TEXT_TYPE, NAME))
    }

    fn parameters(&self, _: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        Ok(CodecParameters::Text)
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(TextPacketizer::redundant(TEXT_TYPE))
    }

    fn depacketizer(&self, _: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Ok(Box::new(TextDepacketizer::redundant()))
    }
}
