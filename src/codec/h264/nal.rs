//! NAL unit headers (7.3.1 and table 7-1).

/// Values of `nal_unit_type` (table 7-1).
pub mod nal_type {
    /// Slice of a picture that is not an IDR picture.
    pub const SLICE: u8 = 1;
    /// Slice data partition A, which contains the slice header.
    pub const PARTITION_A: u8 = 2;
    /// Slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
    /// End of sequence.
    pub const END_OF_SEQUENCE: u8 = 10;
    /// Prefix NAL unit (annexes G and H).
    pub const PREFIX: u8 = 14;
}

/// Returns the `nal_unit_type` of a NAL unit; 0 (unspecified) if it is empty.
pub fn nal_unit_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}

/// Returns the `nal_ref_idc` of a NAL unit.
pub fn nal_ref_idc(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| (header >> 5) & 3)
}
