//! Speex: each packet, of one or more frames, is one payload.
//!
//! Reference: RFC 5574, sections 3 (payload) and 4.1.1 (parameters).

use super::depacketizer::Depacketizer;
use super::entry::FormatEntry;
use super::error::FormatError;
use super::format::PayloadFormat;
use super::packetizer::Packetizer;
use super::whole::{WholeDepacketizer, WholePacketizer};
use crate::codec::CodecParameters;

const NAME: &str = "speex";

/// The registry entry of Speex.
pub(super) struct Entry;

impl FormatEntry for Entry {
    fn media(&self) -> &str {
        "audio"
    }

    fn encoding_names(&self) -> &[&str] {
        &[NAME]
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let CodecParameters::Speex { sampling_rate } = *parameters else { return None };
        Some(PayloadFormat::new("audio", NAME, sampling_rate, payload_type))
    }

    /// The parameters `vbr`, `cng` and `mode` are wishes for the encoder of the other end.
    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        match format.clock_rate {
            8_000 | 16_000 | 32_000 => {
                Ok(CodecParameters::Speex { sampling_rate: format.clock_rate })
            }
            _ => Err(FormatError::unsupported(NAME, "that sampling rate")),
        }
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(WholePacketizer::new())
    }

    fn depacketizer(&self, _: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Ok(Box::new(WholeDepacketizer::new("Speex packet", |_| true)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::testing::{audio_frames, outgoing, transmits};

    #[test]
    fn what_goes_in_comes_out_and_losses_are_seen() {
        for sampling_rate in [8_000, 16_000, 32_000] {
            let frames = audio_frames(30, 110, sampling_rate / 50, sampling_rate, 5);
            for max_payload in [110, 1400] {
                transmits(&CodecParameters::Speex { sampling_rate }, &frames, max_payload, 0);
            }
        }
    }

    #[test]
    fn descriptions() {
        let wide = CodecParameters::Speex { sampling_rate: 16_000 };
        let (format, _) = outgoing(&wide);
        assert_eq!((&*format.encoding_name, format.clock_rate), ("speex", 16_000));
        // The example of RFC 5574 section 5.
        let told = format.with_fmtp("mode=\"10,any\";vbr=on");
        assert_eq!(Entry.parameters(&told), Ok(wide));
        let odd = PayloadFormat::new("audio", "SPEEX", 11_025, 97);
        let said = Entry.parameters(&odd).unwrap_err().to_string();
        assert!(said.contains("sampling rate"), "{said}");
    }
}
