//! ONVIF metadata, not compressed: ONVIF Streaming Specification section 5.1.2.1.1. An XML document
//! is cut into packets, and the last one is marked. The timestamps of a document may differ: they
//! have no particular meaning.

use super::plain_entry::PlainEntry;
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
pub(super) const ENTRY: PlainEntry = PlainEntry {
    media: "application",
    names: &[NAME],
    clock_rate: CLOCK_RATE,
    fmtp: |parameters| matches!(parameters, CodecParameters::OnvifMetadata).then_some(None),
    parameters: |_| CodecParameters::OnvifMetadata,
    packetizer: |_| Box::new(UnitPacketizer::new()),
    depacketizer: |_| Box::new(depacketizer()),
    key_frame_test: None,
    payload_test: None,
};
