//! Picture parameter sets, as far as slice headers depend on them (7.3.2.2).

use super::nal::{nal_type, nal_unit_type};
use crate::codec::bits::BitReader;
use crate::wire::ParseError;

/// The fields of a picture parameter set that this crate uses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pps {
    /// `pic_parameter_set_id`.
    pub id: u8,
    /// `seq_parameter_set_id`.
    pub sps_id: u8,
    /// `bottom_field_pic_order_in_frame_present_flag`.
    pub bottom_field_order_present: bool,
    /// The fields that the rest of a slice header depends on, if they can be read.
    pub prediction: Option<Prediction>,
}

/// The fields of a picture parameter set that concern prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prediction {
    /// `num_ref_idx_l0_default_active_minus1` and `num_ref_idx_l1_default_active_minus1`.
    pub default_active_minus1: [u32; 2],
    /// `weighted_pred_flag`.
    pub weighted: bool,
    /// `weighted_bipred_idc`.
    pub weighted_bipred_idc: u32,
    /// `redundant_pic_cnt_present_flag`.
    pub redundant_count_present: bool,
}

impl Prediction {
    fn parse(r: &mut BitReader<'_>) -> Result<Self, ParseError> {
        let groups = r.ue_max(7, "num_slice_groups_minus1")? + 1;
        if groups > 1 {
            skip_slice_groups(r, groups)?;
        }
        let default_active_minus1 = [r.ue_max(31, "num_ref_idx")?, r.ue_max(31, "num_ref_idx")?];
        let weighted = r.flag("weighted_pred_flag")?;
        let weighted_bipred_idc = r.bits(2, "weighted_bipred_idc")?;
        for _ in 0..3 {
            r.se("quantisation parameters")?;
        }
        r.skip(2, "deblocking_filter_control_present_flag, constrained_intra_pred_flag")?;
        let redundant_count_present = r.flag("redundant_pic_cnt_present_flag")?;
        Ok(Self { default_active_minus1, weighted, weighted_bipred_idc, redundant_count_present })
    }
}

/// Skips the fields from `slice_group_map_type` on.
fn skip_slice_groups(r: &mut BitReader<'_>, groups: u32) -> Result<(), ParseError> {
    match r.ue_max(6, "slice_group_map_type")? {
        0 => (0..groups).try_for_each(|_| r.ue("run_length_minus1").map(drop)),
        2 => (0..2 * (groups - 1)).try_for_each(|_| r.ue("top_left, bottom_right").map(drop)),
        3..=5 => {
            r.flag("slice_group_change_direction_flag")?;
            r.ue("slice_group_change_rate_minus1").map(drop)
        }
        6 => {
            let bits = u32::BITS - (groups - 1).leading_zeros();
            // Each takes a bit at least, so this ends with the input.
            let units = r.ue("pic_size_in_map_units_minus1")?;
            (0..=units).try_for_each(|_| r.skip(bits, "slice_group_id"))
        }
        _ => Ok(()),
    }
}

impl Pps {
    /// Parses a NAL unit of type 8.
    pub fn parse(nal: &[u8]) -> Result<Self, ParseError> {
        let mut r = BitReader::new(nal.get(1..).unwrap_or_default());
        if nal_unit_type(nal) != nal_type::PPS {
            return Err(r.invalid("PPS NAL unit type"));
        }
        let id = r.ue_max(255, "pic_parameter_set_id")? as u8;
        let sps_id = r.ue_max(31, "seq_parameter_set_id")? as u8;
        r.flag("entropy_coding_mode_flag")?;
        let bottom_field_order_present = r.flag("bottom_field_pic_order_in_frame_present_flag")?;
        let prediction = Prediction::parse(&mut r).ok();
        Ok(Self { id, sps_id, bottom_field_order_present, prediction })
    }
}
