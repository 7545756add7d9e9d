//! The registry entry of JPEG (RFC 3551 section 4.2, payload type 26).

use super::{JpegDepacketizer, JpegPacketizer};
use crate::codec::CodecParameters;
use crate::payload::depacketizer::Depacketizer;
use crate::payload::format::PayloadFormat;
use crate::payload::plain_entry::PlainEntry;

/// The registry entry of JPEG. There is no test for key frames: each picture is one.
pub(in crate::payload) const ENTRY: PlainEntry = PlainEntry {
    media: "video",
    names: &["JPEG"],
    clock_rate: 90_000,
    fmtp: |parameters| matches!(parameters, CodecParameters::Jpeg).then_some(None),
    parameters: |_| CodecParameters::Jpeg,
    packetizer: |_| Box::new(JpegPacketizer::new()),
    depacketizer,
    key_frame_test: None,
    payload_test: None,
};

/// A size that JPEG cannot have is ignored.
fn depacketizer(format: &PayloadFormat) -> Box<dyn Depacketizer> {
    let size = format.dimensions.and_then(|(width, height)| {
        Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
    });
    let size = size.filter(|(width, height)| *width > 0 && *height > 0);
    Box::new(match size {
        Some((width, height)) => JpegDepacketizer::new().with_dimensions(width, height),
        None => JpegDepacketizer::new(),
    })
}
