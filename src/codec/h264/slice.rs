//! Slice headers, as far as the order and the boundaries of pictures depend on them (7.3.3,
//! 7.4.1.2.4).

use super::nal::{nal_ref_idc, nal_type, nal_unit_type};
use super::pps::Prediction;
use super::sets::ParameterSets;
use super::sps::PicOrderCount;
use crate::codec::bits::BitReader;
use crate::wire::ParseError;

/// The structure of a picture: a frame or one field of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed by ISO/IEC 14496-10")]
pub enum Structure {
    /// Both fields.
    Frame,
    /// The top field only.
    TopField,
    /// The bottom field only.
    BottomField,
}

/// The beginning of a slice header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SliceHeader {
    /// `nal_ref_idc`; 0 if no picture refers to this one.
    pub nal_ref_idc: u8,
    /// Whether the slice belongs to an IDR picture (`nal_unit_type` 5).
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
    /// Whether the header contains a `memory_management_control_operation` equal to 5: no later
    /// picture refers to an earlier one, and order counts start anew, as with an IDR picture.
    pub resets_order: bool,
}

impl SliceHeader {
    /// Parses the header of a slice NAL unit (types 1, 2 and 5) with the parameter sets that it
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
        let mut header = Self {
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
            resets_order: false,
        };
        if let Some(prediction) = pps.prediction.filter(|_| header.nal_ref_idc != 0 && !idr) {
            // Of a header that cannot be read to this end all the rest is true.
            let chroma = sps.chroma;
            header.resets_order = header.has_reset(&mut r, prediction, chroma).unwrap_or(false);
        }
        Ok(header)
    }

    /// Reads from `redundant_pic_cnt` to the end of `dec_ref_pic_marking` (7.3.3.3), and returns
    /// whether that contains an operation 5.
    fn has_reset(
        &self,
        r: &mut BitReader<'_>,
        prediction: Prediction,
        chroma: bool,
    ) -> Result<bool, ParseError> {
        let (p, b) = (matches!(self.slice_type, 0 | 3), self.slice_type == 1);
        let lists = usize::from(p || b) + usize::from(b);
        if prediction.redundant_count_present {
            r.ue("redundant_pic_cnt")?;
        }
        if b {
            r.flag("direct_spatial_mv_pred_flag")?;
        }
        let mut active_minus1 = prediction.default_active_minus1;
        if lists > 0 && r.flag("num_ref_idx_active_override_flag")? {
            for active in active_minus1.iter_mut().take(lists) {
                *active = r.ue_max(31, "num_ref_idx_active_minus1")?;
            }
        }
        for _ in 0..lists {
            if r.flag("ref_pic_list_modification_flag")? {
                while r.ue_max(3, "modification_of_pic_nums_idc")? != 3 {
                    r.ue("abs_diff_pic_num_minus1 or long_term_pic_num")?;
                }
            }
        }
        if (p && prediction.weighted) || (b && prediction.weighted_bipred_idc == 1) {
            r.ue("luma_log2_weight_denom")?;
            if chroma {
                r.ue("chroma_log2_weight_denom")?;
            }
            for active in active_minus1.into_iter().take(lists) {
                for _ in 0..=active {
                    for count in if chroma { &[2, 4][..] } else { &[2] } {
                        if r.flag("weight_flag")? {
                            (0..*count).try_for_each(|_| r.se("weight, offset").map(drop))?;
                        }
                    }
                }
            }
        }
        if !r.flag("adaptive_ref_pic_marking_mode_flag")? {
            return Ok(false);
        }
        loop {
            match r.ue_max(6, "memory_management_control_operation")? {
                0 => return Ok(false),
                5 => return Ok(true),
                3 => _ = (r.ue("difference_of_pic_nums_minus1")?, r.ue("long_term_frame_idx")?),
                _ => _ = r.ue("operand")?,
            }
        }
    }

    /// Returns whether the slice is an I or SI slice.
    pub const fn is_intra(&self) -> bool {
        matches!(self.slice_type, 2 | 4)
    }

    /// Returns whether this slice belongs to another primary coded picture than `previous`, the
    /// slice before it (7.4.1.2.4).
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

    /// Returns whether this slice begins the second field of a frame, with `first` a slice of its
    /// first field.
    pub fn completes_field_of(&self, first: &Self) -> bool {
        let opposite = matches!(
            (first.structure, self.structure),
            (Structure::TopField, Structure::BottomField)
                | (Structure::BottomField, Structure::TopField)
        );
        // A non-reference second field may follow a reference field of the same frame_num; an IDR
        // picture's second field is none as a rule, but some encoders write it as one.
        let same_idr = self.idr && first.idr && self.idr_pic_id == first.idr_pic_id;
        // After operation 5, a frame_num of 0 is taken for that of the first field (7.4.3).
        let frame_num = if first.resets_order { 0 } else { first.frame_num };
        opposite && (!self.idr || same_idr) && self.frame_num == frame_num
    }
}
