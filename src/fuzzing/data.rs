//! Bodies for the formats of data: KLV, ONVIF metadata, text.

use super::audio::{depacketizer, given};
use crate::codec::{klv, onvif_metadata};
use crate::payload::text::TextDepacketizer;
use crate::payload::{klv as klv_payload, onvif_metadata as metadata_payload};

/// RFC 6597.
pub fn klv_depacketizer(data: &[u8]) {
    depacketizer(data, &mut klv_payload::depacketizer());
    assert!(!klv::is_unit(data) || klv::begins_item(data));
}

/// ONVIF Streaming Specification section 5.1.2.1.1.
pub fn onvif_metadata_depacketizer(data: &[u8]) {
    depacketizer(data, &mut metadata_payload::depacketizer());
    let _ = (onvif_metadata::begins_document(data), onvif_metadata::is_document(data));
}

/// RFC 4103, plain and with redundancy. A byte that is no text becomes three, and so does what was
/// lost.
pub fn text_depacketizer(data: &[u8]) {
    for mut text in [TextDepacketizer::new(), TextDepacketizer::redundant()] {
        assert!(given(data, &mut text) <= 6 * data.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::testing::XorShift;

    #[test]
    fn noise() {
        let mut random = XorShift::new(8);
        for n in 0..600 {
            let mut data = random.bytes(n % 300);
            // Small lengths, so that there are many packets.
            data.iter_mut().skip(1).step_by(7).for_each(|byte| *byte %= 12);
            klv_depacketizer(&data);
            onvif_metadata_depacketizer(&data);
            text_depacketizer(&data);
        }
    }
}
