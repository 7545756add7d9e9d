//! Slice segment headers and picture order counts, as far as the order and the boundaries of
//! pictures depend on them (7.3.6.1, 8.3.1).

use super::nal::{is_idr, is_irap, is_vcl, nal_type, nal_unit_type, temporal_id};
use super::sets::ParameterSets;
use super::sps::Sps;
use crate::codec::bits::BitReader;
use crate::codec::h264::extend_lsb;
use crate::wire::ParseError;

/// The beginning of the header of a picture's first slice segment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SliceHeader {
    /// `nal_unit_type`.
    pub nal_type: u8,
    /// TemporalId.
    pub temporal_id: u8,
    /// `slice_pic_parameter_set_id`.
    pub pps_id: u8,
    /// `slice_pic_order_cnt_lsb`; 0 in IDR pictures.
    pub poc_lsb: u32,
}

impl SliceHeader {
    /// Returns whether a slice NAL unit has `first_slice_segment_in_pic_flag` set and so begins a
    /// picture.
    pub fn is_first_in_picture(nal: &[u8]) -> bool {
        is_vcl(nal_unit_type(nal)) && nal.get(2).is_some_and(|byte| byte & 0x80 != 0)
    }

    /// Parses the header of a picture's first slice segment with the parameter sets that it refers
    /// to.
    pub fn parse(nal: &[u8], sets: &ParameterSets) -> Result<Self, ParseError> {
        let mut r = BitReader::new(nal.get(2..).unwrap_or_default());
        let nal_type = nal_unit_type(nal);
        if !is_vcl(nal_type) || !r.flag("first_slice_segment_in_pic_flag")? {
            return Err(r.invalid("first slice segment"));
        }
        if is_irap(nal_type) {
            r.flag("no_output_of_prior_pics_flag")?;
        }
        let pps_id = r.ue_max(63, "slice_pic_parameter_set_id")? as u8;
        let (pps, sps) =
            sets.for_slice(pps_id).ok_or_else(|| r.invalid("unknown parameter set"))?;
        r.skip(pps.extra_slice_header_bits, "slice_reserved_flag")?;
        r.ue_max(2, "slice_type")?;
        if pps.output_flag_present {
            r.flag("pic_output_flag")?;
        }
        if sps.separate_colour_planes {
            r.bits(2, "colour_plane_id")?;
        }
        let idr = is_idr(nal_type);
        let poc_lsb =
            if idr { 0 } else { r.bits(sps.log2_max_poc_lsb, "slice_pic_order_cnt_lsb")? };
        Ok(Self { nal_type, temporal_id: temporal_id(nal), pps_id, poc_lsb })
    }

    /// Whether later pictures derive the high bits of their order counts from this one
    /// (prevTid0Pic, 8.3.1): it is of the lowest temporal layer, and neither a leading nor a
    /// sub-layer non-reference picture.
    const fn is_order_anchor(&self) -> bool {
        let leading = self.nal_type >= nal_type::RADL_N && self.nal_type <= nal_type::RASL_R;
        let non_reference = self.nal_type < 16 && self.nal_type % 2 == 0;
        self.temporal_id == 0 && !leading && !non_reference
    }
}

/// Computes the picture order counts of successive pictures, in decoding order.
#[derive(Clone, Debug, Default)]
pub struct PicOrder {
    prev_msb: i64,
    prev_lsb: i64,
}

impl PicOrder {
    /// Returns the order count of a picture. `restart` is set if it begins a coded video sequence
    /// (an IRAP picture with NoRaslOutputFlag). Must be called once for each picture.
    pub fn handle_picture(&mut self, slice: &SliceHeader, sps: &Sps, restart: bool) -> i64 {
        let lsb = i64::from(slice.poc_lsb);
        let max_lsb = 1i64 << sps.log2_max_poc_lsb.min(16);
        let msb = if restart { 0 } else { extend_lsb(lsb, self.prev_lsb, self.prev_msb, max_lsb) };
        if slice.is_order_anchor() {
            (self.prev_msb, self.prev_lsb) = (msb, lsb);
        }
        msb.wrapping_add(lsb)
    }
}
