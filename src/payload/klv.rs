//! KLV metadata (SMPTE ST 336): RFC 6597. A KLV unit, which is what is presented at one time, is cut
//! into fragments of one timestamp, and the last one is marked (section 4.2).

use super::depacketizer::Depacketizer;
use super::entry::FormatEntry;
use super::error::FormatError;
use super::format::PayloadFormat;
use super::packetizer::Packetizer;
use super::units::{Beginning, UnitDepacketizer, UnitPacketizer, UnitRules};
use crate::codec::{CodecParameters, klv};

const NAME: &str = "SMPTE336M";

const RULES: UnitRules = UnitRules {
    payload: "KLV payload",
    has_one_timestamp: true,
    // A unit may have several items, and a fragment may begin with one that is not the first.
    beginning: |data| if klv::begins_item(data) { Beginning::Possible } else { Beginning::No },
};

/// Creates a depacketizer for one stream of KLV. A unit ends with the marker bit or with a change of
/// timestamp.
pub const fn depacketizer() -> UnitDepacketizer {
    UnitDepacketizer::new(&RULES)
}

/// The registry entry of KLV.
pub(super) struct Entry;

impl FormatEntry for Entry {
    fn media(&self) -> &str {
        "application"
    }

    fn encoding_names(&self) -> &[&str] {
        &[NAME]
    }

    fn format(&self, parameters: &CodecParameters, payload_type: u8) -> Option<PayloadFormat> {
        let CodecParameters::Klv { clock_rate } = *parameters else { return None };
        Some(PayloadFormat::new("application", NAME, clock_rate, payload_type))
    }

    fn parameters(&self, format: &PayloadFormat) -> Result<CodecParameters, FormatError> {
        Ok(CodecParameters::Klv { clock_rate: format.clock_rate })
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(UnitPacketizer::new())
    }

    fn depacketizer(&self, _: &PayloadFormat) -> Result<Box<dyn Depacketizer>, FormatError> {
        Ok(Box::new(depacketizer()))
    }
}
