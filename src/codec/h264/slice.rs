//! Picture parameter sets and slice headers, as far as the order and the limits of pictures
//! depend on them (7.3.2.2, 7.3.3, 7.4.1.2.4).

use super::{ParameterSets, PicOrderCount, nal_ref_idc, nal_type, nal_unit_type};
use crate::codec::bits::BitReader;
use crate::wire::ParseError;

/// What this crate needs of a picture parameter set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pps {
    /// `pic_parameter_set_id`.
    pub id: u8,
    /// `seq_parameter_set_id`.
    pub sps_id: u8,
    /// `bottom_field_pic_order_in_frame_present_flag`.
    pub bottom_field_order_present: bool,
}

impl Pps {
    /// Reads a NAL unit of type 8.
    pub fn parse(nal: &[u8]) -> Result<Self, ParseError> {
        let mut r = BitReader::new(nal.get(1..).unwrap_or_default());
        if nal_unit_type(nal) != nal_type::PPS {
            return Err(r.invalid("PPS NAL unit type"));
        }
        let id = r.ue_max(255, "pic_parameter_set_id")? as u8;
        let sps_id = r.ue_max(31, "seq_parameter_set_id")? as u8;
        r.flag("entropy_coding_mode_flag")?;
        let bottom_field_order_present = r.flag("bottom_field_pic_order_in_frame_present_flag")?;
        Ok(Self { id, sps_id, bottom_field_order_present })
    }
}

/// Whether a picture is a frame or one field of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Both fields.
    Frame,
    /// The top field alone.
    TopField,
    /// The bottom field alone.
    BottomField,
}

/// The beginning of a slice header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceHeader {
    /// `nal_ref_idc`; 0 if no picture refers to this one.
    pub nal_ref_idc: u8,
    /// Slice of an IDR picture (`nal_unit_type` 5).
    pub idr: bool,
    /// `first_mb_in_slice`.
    pub first_mb: u32,
    /// `slice_type` modulo 5: 0 P, 1 B, 2 I, 3 SP, 4 SI.
    pub slice_type: u8,
    /// `pic_parameter_set_id`.
    pub pps_id: u8,
    /// `frame_num`.
    pub frame_num: u32,
    /// Frame or field.
    pub structure: Structure,
    /// `idr_pic_id`; 0 in other pictures.
    pub idr_pic_id: u32,
    /// `pic_order_cnt_lsb`; 0 unless the type is 0.
    pub poc_lsb: u32,
    /// `delta_pic_order_cnt_bottom`.
    pub delta_poc_bottom: i32,
    /// `delta_pic_order_cnt`.
    pub delta_poc: [i32; 2],
}

impl SliceHeader {
    /// Reads the header of a slice NAL unit (types 1, 2 and 5); needs the parameter sets that it
    /// refers to.
    pub fn parse(nal: &[u8], sets: &ParameterSets) -> Result<Self, ParseError> {
        let mut r = BitReader::new(nal.get(1..).unwrap_or_default());
        let idr = match nal_unit_type(nal) {
            nal_type::IDR => true,
            nal_type::SLICE | nal_type::PARTITION_A => false,
            _ => return Err(r.invalid("slice NAL unit type")),
        };
        let first_mb = r.ue("first_mb_in_slice")?;
        let slice_type = (r.ue_max(9, "slice_type")? % 5) as u8;
        let pps_id = r.ue_max(255, "pic_parameter_set_id")? as u8;
        let (pps, sps) =
            sets.for_slice(pps_id).ok_or_else(|| r.invalid("unknown parameter set"))?;
        if sps.separate_colour_planes {
            r.bits(2, "colour_plane_id")?;
        }
        let frame_num = r.bits(sps.log2_max_frame_num, "frame_num")?;
        let mut structure = Structure::Frame;
        if !sps.frame_mbs_only && r.flag("field_pic_flag")? {
            structure = match r.flag("bottom_field_flag")? {
                true => Structure::BottomField,
                false => Structure::TopField,
            };
        }
        let idr_pic_id = if idr { r.ue("idr_pic_id")? } else { 0 };
        let (mut poc_lsb, mut delta_poc_bottom, mut delta_poc) = (0, 0, [0; 2]);
        let both_fields = pps.bottom_field_order_present && structure == Structure::Frame;
        match sps.pic_order_count {
            PicOrderCount::Type0 { log2_max_lsb } => {
                poc_lsb = r.bits(log2_max_lsb, "pic_order_cnt_lsb")?;
                if both_fields {
                    delta_poc_bottom = r.se("delta_pic_order_cnt_bottom")?;
                }
            }
            PicOrderCount::Type1 { delta_always_zero: false, .. } => {
                let first = r.se("delta_pic_order_cnt[0]")?;
                let second = if both_fields { r.se("delta_pic_order_cnt[1]")? } else { 0 };
                delta_poc = [first, second];
            }
            PicOrderCount::Type1 { .. } | PicOrderCount::Type2 => {}
        }
        Ok(Self {
            nal_ref_idc: nal_ref_idc(nal),
            idr,
            first_mb,
            slice_type,
            pps_id,
            frame_num,
            structure,
            idr_pic_id,
            poc_lsb,
            delta_poc_bottom,
            delta_poc,
        })
    }

    /// Whether this slice belongs to another primary coded picture than `previous`, the slice
    /// before it (7.4.1.2.4).
    pub fn starts_picture_after(&self, previous: &Self) -> bool {
        self.frame_num != previous.frame_num
            // The standard ends a picture with any change of PPS, yet some streams use several in
            // one; a new picture then still begins with its first macroblock.
            || (self.pps_id != previous.pps_id && self.first_mb == 0)
            || self.structure != previous.structure
            || (self.nal_ref_idc == 0) != (previous.nal_ref_idc == 0)
            || self.differs_in_order(previous)
            || self.idr != previous.idr
            || self.idr_pic_id != previous.idr_pic_id
    }

    fn differs_in_order(&self, previous: &Self) -> bool {
        self.poc_lsb != previous.poc_lsb
            || self.delta_poc_bottom != previous.delta_poc_bottom
            || self.delta_poc != previous.delta_poc
    }

    /// Whether this slice begins the second field of the frame whose first field `first` is of.
    pub fn completes_field_of(&self, first: &Self) -> bool {
        let opposite = matches!(
            (first.structure, self.structure),
            (Structure::TopField, Structure::BottomField)
                | (Structure::BottomField, Structure::TopField)
        );
        // A non-reference second field may follow a reference field of the same frame_num; an IDR
        // picture's second field is no IDR picture.
        opposite && !self.idr && self.frame_num == first.frame_num
    }
}
