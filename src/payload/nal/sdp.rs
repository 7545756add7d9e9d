//! Parameter sets in `a=fmtp`: lists of NAL units in base64.

use crate::framer::annexb;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

/// Iterates over the NAL units of bytes that may contain start codes; bytes before the first start
/// code are one too. Trailing zero bytes are removed.
pub(in crate::payload) fn byte_stream_units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let first = annexb::find_start_code(bytes, 0).unwrap_or(bytes.len());
    let head = bytes.get(..first).unwrap_or_default();
    let len = head.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let head = head.get(..len).filter(|head| !head.is_empty());
    head.into_iter().chain(annexb::nal_units(bytes))
}

/// Encodes NAL units as a comma-separated list in base64.
pub(in crate::payload) fn base64_list<'a>(nals: impl Iterator<Item = &'a Bytes>) -> String {
    let encoded: Vec<_> = nals.map(|nal| BASE64.encode(nal)).collect();
    encoded.join(",")
}

/// Decodes such a list; padding may be missing, and invalid items are skipped. Devices write start
/// codes before parameter sets, after them, or between several in one item.
pub(in crate::payload) fn from_base64_list(list: &str) -> impl Iterator<Item = Bytes> + '_ {
    list.split(',').flat_map(|item| {
        let item = BASE64.decode(item.trim()).unwrap_or_default();
        let nals: Vec<_> = byte_stream_units(&item).map(Bytes::copy_from_slice).collect();
        nals
    })
}

/// The standard alphabet with optional padding, which some cameras omit.
pub(in crate::payload) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
