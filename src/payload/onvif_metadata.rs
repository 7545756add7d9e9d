//! ONVIF metadata, not compressed: ONVIF Streaming Specification section 5.1.2.1.1. An XML document
//! is cut into packets, and the last one is marked. The timestamps of a document may differ: they
//! have no particular meaning.

use super::depacketizer::Depacketizer;
use super::entry::FormatEntry;
use super::error::FormatError;
use super::format::PayloadFormat;
use super::packetizer::Packetizer;
use super::units::{Beginning, UnitDepacketizer, UnitPacketizer, UnitRules};
use crate::codec::{CodecParameters, onvif_metadata};

const NAME: &str = "vnd.onvif.metadata";
const CLOCK_RATE: u32 = 90_000;

const RULES: UnitRules = UnitRules {
    payload: "ONVIF metadata payload",
    has_one_timestamp: false,
    beginning: |data| {
        if onvif_metadata::begins_document(data) {
            Beginning::Certain
        } else if data.first() == Some(&b'<') {
            Beginning::Possible
        } else {
            Beginning::No
        }
    },
};

/// Creates a depacketizer for one stream of metadata. A document ends with the marker bit, or where
/// another one begins.
pub const fn depacketizer() -> UnitDepacketizer {
    UnitDepacketizer::new(&RULES)
}

/// The registry entry of ONVIF metadata.
pub(super) struct Entry;

impl FormatEntry for Entry {
    fn media(&self) -> &str {
        "application"
    }

    fn encoding_names(&self) -> &[&str] {
        &[NAME]
    }

    fn clock_rate(&self) -> Option<u32> {
        Some(CLOCK_RATE)
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let is_own = matches!(parameters, CodecParameters::OnvifMetadata);
        is_own.then(|| PayloadFormat::new("application", NAME, CLOCK_RATE, payload_type))
    }

    fn parameters(&self, _: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        Ok(CodecParameters::OnvifMetadata)
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(UnitPacketizer::new())
    }

    fn depacketizer(&self, _: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Ok(Box::new(depacketizer()))
    }
}
