//! [`NalRules`]: the differences between the payload formats of H.264 and H.265.

use std::fmt;

/// The structure of a payload, by the type in its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// One NAL unit.
    Single,
    /// Several NAL units with their lengths.
    Aggregate,
    /// A fragment of a NAL unit.
    Fragment,
    /// An unsupported or undefined structure, with its name.
    Other(&'static str),
}

/// The rules of one codec. Headers are passed as two bytes, of which the first
/// [`HEADER_LEN`](Self::HEADER_LEN) are used.
pub trait NalRules: fmt::Debug + 'static {
    /// Length of the header of a NAL unit, and of a payload, in bytes.
    const HEADER_LEN: usize;
    /// Name of a payload in errors.
    const PAYLOAD: &'static str;
    /// Mask of the NAL unit type in the FU header.
    const FU_TYPE: u8;
    /// The kinds of parameter sets that decoding needs, each a bit.
    const PARAMETER_SETS: u8;

    /// Returns the structure of a payload with this header.
    fn structure(header: &[u8]) -> Structure;

    /// Returns whether bytes begin with the header of a NAL unit that RTP carries unchanged.
    fn is_nal(nal: &[u8]) -> bool;

    /// Returns whether a device has sent a NAL unit after a start code, whose first byte was taken
    /// for the header.
    fn is_behind_start_code(header: &[u8], body: &[u8]) -> bool {
        let _ = (header, body);
        false
    }

    /// Returns whether decoding can start with the access unit of this NAL unit.
    fn starts_decoding(nal: &[u8]) -> bool;

    /// Returns whether the NAL unit is a slice of a picture.
    fn is_slice(nal: &[u8]) -> bool;

    /// Returns the bit of a parameter set's kind; 0 for another NAL unit.
    fn parameter_set(nal: &[u8]) -> u8;

    /// Returns the header of an aggregation packet with these NAL units.
    fn aggregate_header<'a>(nals: impl Iterator<Item = &'a [u8]>) -> [u8; 2];

    /// Returns the header of packets with fragments of a NAL unit, and the type for the FU header.
    fn fragment_header(nal: &[u8]) -> ([u8; 2], u8);

    /// Returns the header of a fragmented NAL unit, from the payload header and the type in the FU
    /// header.
    fn nal_header(payload_header: &[u8], nal_type: u8) -> [u8; 2];
}
