//! NAL unit headers (7.3.1.2 and table 7-1).

/// Values of `nal_unit_type` (table 7-1).
pub mod nal_type {
    /// RADL_N: a random access decodable leading picture, which is skipped together with the random
    /// access point before it.
    pub const RADL_N: u8 = 6;
    /// RASL_R: the last of the leading picture types.
    pub const RASL_R: u8 = 9;
    /// The first of the intra random access point (IRAP) types.
    pub const BLA_W_LP: u8 = 16;
    /// The last of the broken link access picture types.
    pub const BLA_N_LP: u8 = 18;
    /// IDR picture that may have leading pictures.
    pub const IDR_W_RADL: u8 = 19;
    /// IDR picture without leading pictures.
    pub const IDR_N_LP: u8 = 20;
    /// Clean random access picture.
    pub const CRA: u8 = 21;
    /// The last of the intra random access point (IRAP) types.
    pub const RSV_IRAP_VCL23: u8 = 23;
    /// The last of the slice types.
    pub const LAST_VCL: u8 = 31;
    /// Video parameter set.
    pub const VPS: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
    /// Access unit delimiter.
    pub const AUD: u8 = 35;
    /// End of sequence.
    pub const EOS: u8 = 36;
    /// End of bitstream.
    pub const EOB: u8 = 37;
    /// SEI before the picture.
    pub const PREFIX_SEI: u8 = 39;
}

/// Returns the `nal_unit_type` of a NAL unit; 63 (unspecified) if it is empty.
pub fn nal_unit_type(nal: &[u8]) -> u8 {
    nal.first().map_or(63, |header| (header >> 1) & 0x3f)
}

/// Returns the `nuh_layer_id` of a NAL unit.
pub fn nuh_layer_id(nal: &[u8]) -> u8 {
    match nal {
        [first, second, ..] => ((first & 1) << 5) | (second >> 3),
        _ => 0,
    }
}

/// Returns the TemporalId of a NAL unit.
pub fn temporal_id(nal: &[u8]) -> u8 {
    nal.get(1).map_or(0, |second| (second & 7).saturating_sub(1))
}

/// Returns whether a type is that of a slice.
pub const fn is_vcl(nal_type: u8) -> bool {
    nal_type <= nal_type::LAST_VCL
}

/// Returns whether a type is that of a slice of an intra random access point picture.
pub const fn is_irap(nal_type: u8) -> bool {
    nal_type >= nal_type::BLA_W_LP && nal_type <= nal_type::RSV_IRAP_VCL23
}

/// Returns whether a type is that of a slice of an IDR picture.
pub const fn is_idr(nal_type: u8) -> bool {
    matches!(nal_type, nal_type::IDR_W_RADL | nal_type::IDR_N_LP)
}
