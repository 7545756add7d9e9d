//! [`NalRules`]: what the payload formats of H.264 and H.265 differ in.

use std::fmt;

/// What a payload contains, by the type in its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// One NAL unit.
    Single,
    /// Several NAL units with their lengths.
    Aggregate,
    /// A part of a NAL unit.
    Fragment,
    /// Something that is not supported or not defined, and what.
    Other(&'static str),
}

/// The rules of one codec. Headers are passed as two bytes, of which the first
/// [`HEADER_LEN`](Self::HEADER_LEN) count.
pub trait NalRules: fmt::Debug + 'static {
    /// Bytes of the header of a NAL unit, and of a payload.
    const HEADER_LEN: usize;
    /// What errors call a payload.
    const PAYLOAD: &'static str;
    /// The bits of the FU header that have the type of the NAL unit.
    const FU_TYPE: u8;

    /// What a payload with this header contains.
    fn structure(header: &[u8]) -> Structure;

    /// Whether bytes begin with the header of a NAL unit that RTP carries as it is.
    fn is_nal(nal: &[u8]) -> bool;

    /// Whether a device has sent a NAL unit with a start code in front, the first byte of which
    /// was taken for the header.
    fn is_behind_start_code(header: &[u8], body: &[u8]) -> bool {
        let _ = (header, body);
        false
    }

    /// Whether decoding can start with the access unit that has this NAL unit.
    fn starts_decoding(nal: &[u8]) -> bool;

    /// The header of a packet that aggregates these NAL units.
    fn aggregate_header<'a>(nals: impl Iterator<Item = &'a [u8]>) -> [u8; 2];

    /// The header of packets with fragments of a NAL unit, and the type for the FU header.
    fn fragment_header(nal: &[u8]) -> ([u8; 2], u8);

    /// The header of the NAL unit whose fragment has this payload header and this type in the FU
    /// header.
    fn nal_header(payload_header: &[u8], nal_type: u8) -> [u8; 2];
}
