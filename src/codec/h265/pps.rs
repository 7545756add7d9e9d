//! Picture parameter sets, as far as slice headers depend on them (7.3.2.3).

use super::nal::{nal_type, nal_unit_type};
use crate::codec::bits::BitReader;
use crate::wire::ParseError;

/// The fields of a picture parameter set that this crate uses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pps {
    /// `pps_pic_parameter_set_id`.
    pub id: u8,
    /// `pps_seq_parameter_set_id`.
    pub sps_id: u8,
    /// `output_flag_present_flag`.
    pub output_flag_present: bool,
    /// `num_extra_slice_header_bits`.
    pub extra_slice_header_bits: u32,
}

impl Pps {
    /// Parses a NAL unit of type 34 and layer 0.
    pub fn parse(nal: &[u8]) -> Result<Self, ParseError> {
        let mut r = BitReader::new(nal.get(2..).unwrap_or_default());
        if nal_unit_type(nal) != nal_type::PPS {
            return Err(r.invalid("PPS NAL unit type"));
        }
        let id = r.ue_max(63, "pps_pic_parameter_set_id")? as u8;
        let sps_id = r.ue_max(15, "pps_seq_parameter_set_id")? as u8;
        r.flag("dependent_slice_segments_enabled_flag")?;
        let output_flag_present = r.flag("output_flag_present_flag")?;
        let extra_slice_header_bits = r.bits(3, "num_extra_slice_header_bits")?;
        Ok(Self { id, sps_id, output_flag_present, extra_slice_header_bits })
    }
}
