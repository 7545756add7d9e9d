//! Sequence parameter sets (7.3.2.1.1 and annex E).

use super::nal::{nal_type, nal_unit_type};
use crate::codec::bits::BitReader;
use crate::wire::ParseError;

/// Frame timing of a bitstream: a clock tick, and the number of ticks per field or picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// `num_units_in_tick`.
    pub num_units_in_tick: u32,
    /// `time_scale`: units per second.
    pub time_scale: u32,
    /// `fixed_frame_rate_flag`; always true in H.265.
    pub fixed_frame_rate: bool,
}

/// Lengths in bits of the fields of a picture timing message, if there is a hypothetical reference
/// decoder (E.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HrdLengths {
    /// Length of `cpb_removal_delay`.
    pub cpb_removal_delay: u32,
    /// Length of `dpb_output_delay`.
    pub dpb_output_delay: u32,
}

/// The coding of the output order of pictures (8.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed by ISO/IEC 14496-10")]
pub enum PicOrderCount {
    /// The low bits are coded in each slice header.
    Type0 {
        /// `log2_max_pic_order_cnt_lsb_minus4` + 4.
        log2_max_lsb: u32,
    },
    /// Offsets repeat with a cycle of reference frames, and slice headers contain corrections.
    Type1 {
        /// `delta_pic_order_always_zero_flag`: slice headers contain no corrections.
        delta_always_zero: bool,
        /// `offset_for_non_ref_pic`: added for pictures that are not referred to.
        offset_for_non_ref_pic: i32,
        /// `offset_for_top_to_bottom_field`.
        offset_for_top_to_bottom_field: i32,
        /// `offset_for_ref_frame` of each reference frame in the cycle.
        offsets_for_ref_frame: Vec<i32>,
    },
    /// The output order is the decoding order.
    Type2,
}

/// The fields of a sequence parameter set that this crate uses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sps {
    /// `seq_parameter_set_id`.
    pub id: u8,
    /// `profile_idc`.
    pub profile_idc: u8,
    /// The constraint flags, `constraint_set0_flag` in the topmost bit.
    pub constraint_flags: u8,
    /// `level_idc`: ten times the level.
    pub level_idc: u8,
    /// `chroma_format_idc`.
    pub chroma_format_idc: u8,
    /// Bits of a luma sample.
    pub bit_depth_luma: u8,
    /// Bits of a chroma sample.
    pub bit_depth_chroma: u8,
    /// `separate_colour_plane_flag`: slices state their colour plane.
    pub separate_colour_planes: bool,
    /// `log2_max_frame_num_minus4` + 4.
    pub log2_max_frame_num: u32,
    /// Coding of the output order of pictures.
    pub pic_order_count: PicOrderCount,
    /// `max_num_ref_frames`.
    pub max_num_ref_frames: u32,
    /// `frame_mbs_only_flag`: there are no field pictures.
    pub frame_mbs_only: bool,
    /// Width in luma samples after cropping.
    pub width: u32,
    /// Height in luma samples after cropping.
    pub height: u32,
    /// Frame timing, if the VUI contains it.
    pub timing: Option<Timing>,
    /// Lengths of the delays in picture timing messages, which state when pictures are decoded and
    /// output; `None` if there are none.
    pub hrd: Option<HrdLengths>,
    /// `pic_struct_present_flag`: picture timing messages state how long pictures last.
    pub pic_struct_present: bool,
    /// `max_num_reorder_frames`, if the VUI contains it.
    pub max_num_reorder_frames: Option<u32>,
    /// Number of macroblocks of a frame.
    pub frame_mbs: u32,
    /// Whether ChromaArrayType is not 0: chroma is coded together with luma.
    pub chroma: bool,
    /// Capacity of the decoded picture buffer at this level, in frames (A.3.1).
    pub max_dpb_frames: u32,
}

impl Sps {
    /// Parses a NAL unit of type 7. An unreadable VUI is ignored.
    pub fn parse(nal: &[u8]) -> Result<Self, ParseError> {
        let mut r = BitReader::new(nal.get(1..).unwrap_or_default());
        if nal_unit_type(nal) != nal_type::SPS {
            return Err(r.invalid("SPS NAL unit type"));
        }
        let profile_idc = r.bits(8, "profile_idc")? as u8;
        let constraint_flags = r.bits(8, "constraint flags")? as u8;
        let level_idc = r.bits(8, "level_idc")? as u8;
        let id = r.ue_max(31, "seq_parameter_set_id")? as u8;
        let mut chroma_format_idc = 1;
        let (mut bit_depth_luma, mut bit_depth_chroma) = (8, 8);
        let mut separate_colour_planes = false;
        if matches!(
            profile_idc,
            100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
        ) {
            chroma_format_idc = r.ue_max(3, "chroma_format_idc")?;
            if chroma_format_idc == 3 {
                separate_colour_planes = r.flag("separate_colour_plane_flag")?;
            }
            bit_depth_luma += r.ue_max(6, "bit_depth_luma_minus8")? as u8;
            bit_depth_chroma += r.ue_max(6, "bit_depth_chroma_minus8")? as u8;
            r.flag("qpprime_y_zero_transform_bypass_flag")?;
            if r.flag("seq_scaling_matrix_present_flag")? {
                for list in 0..if chroma_format_idc == 3 { 12 } else { 8 } {
                    if r.flag("seq_scaling_list_present_flag")? {
                        skip_scaling_list(&mut r, if list < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        let log2_max_frame_num = r.ue_max(12, "log2_max_frame_num_minus4")? + 4;
        let pic_order_count = pic_order_count(&mut r)?;
        let max_num_ref_frames = r.ue_max(16, "max_num_ref_frames")?;
        r.flag("gaps_in_frame_num_value_allowed_flag")?;
        // Level 6.2 allows 1,055 macroblocks in either direction; this leaves room to spare.
        let width_in_mbs = r.ue_max(4095, "pic_width_in_mbs_minus1")? + 1;
        let height_in_map_units = r.ue_max(4095, "pic_height_in_map_units_minus1")? + 1;
        let frame_mbs_only = r.flag("frame_mbs_only_flag")?;
        if !frame_mbs_only {
            r.flag("mb_adaptive_frame_field_flag")?;
        }
        r.flag("direct_8x8_inference_flag")?;
        let field_factor = if frame_mbs_only { 1 } else { 2 };
        let height_in_mbs = height_in_map_units * field_factor;
        let (mut width, mut height) = (width_in_mbs * 16, height_in_mbs * 16);
        if r.flag("frame_cropping_flag")? {
            // Table 6-1; 1 by 1 without chroma and with separate planes.
            let (sub_width, sub_height) = match chroma_format_idc {
                1 => (2, 2),
                2 => (2, 1),
                _ => (1, 1),
            };
            let mut side = |unit: u32| {
                let first = r.ue("frame_crop_offset")?;
                let second = r.ue("frame_crop_offset")?;
                Ok(first.saturating_add(second).saturating_mul(unit))
            };
            let (cut_width, cut_height) = (side(sub_width)?, side(sub_height * field_factor)?);
            match (width.checked_sub(cut_width), height.checked_sub(cut_height)) {
                (Some(w), Some(h)) if w > 0 && h > 0 => (width, height) = (w, h),
                _ => return Err(r.invalid("frame cropping")),
            }
        }
        let vui = if r.flag("vui_parameters_present_flag")? {
            Vui::parse(&mut r).0
        } else {
            Vui::default()
        };
        Ok(Self {
            id,
            profile_idc,
            constraint_flags,
            level_idc,
            chroma_format_idc: chroma_format_idc as u8,
            bit_depth_luma,
            bit_depth_chroma,
            separate_colour_planes,
            log2_max_frame_num,
            pic_order_count,
            max_num_ref_frames,
            frame_mbs_only,
            width,
            height,
            timing: vui.timing,
            hrd: vui.hrd,
            pic_struct_present: vui.pic_struct_present,
            frame_mbs: width_in_mbs * height_in_mbs,
            chroma: chroma_format_idc != 0 && !separate_colour_planes,
            max_num_reorder_frames: vui.max_num_reorder_frames,
            max_dpb_frames: max_dpb_frames(
                level_idc,
                constraint_flags,
                width_in_mbs * height_in_mbs,
            ),
        })
    }

    /// Returns the duration of a field in seconds, as a fraction, if the VUI states a plausible
    /// one.
    ///
    /// Unless `fixed_frame_rate_flag` is set, the tick need not be the frame period: encoders of
    /// variable frame rate state the time base of their input, such as 1/1000 or 1/90000. Durations
    /// that no level allows are therefore rejected (A.3.1 and A.3.3: a frame lasts at least 1/172
    /// s, from level 6 on 1/300 s), and so are unusual rates that exceed the level of the stream.
    pub fn field_duration(&self) -> Option<(u32, u32)> {
        let Timing { num_units_in_tick, time_scale, fixed_frame_rate } = self.timing?;
        // A tick is a field (E.2.1); twice as many ticks a second as frames.
        let frames_in = |seconds: u64| u64::from(time_scale) * seconds;
        let ticks = |frames: u64| u64::from(num_units_in_tick) * 2 * frames;
        let at_most = |rate: u64| frames_in(1) <= ticks(rate);
        let limit = if self.level_idc >= 60 { 300 } else { 172 };
        let of_level = u64::from(max_macroblock_rate(self.level_idc, self.constraint_flags));
        let usual = at_most(USUAL_FRAME_RATE);
        let allowed = frames_in(u64::from(self.frame_mbs)) <= ticks(of_level);
        let slow = ticks(1) > frames_in(MAX_FRAME_SECONDS);
        let plausible = !slow && at_most(limit) && (usual || fixed_frame_rate || allowed);
        plausible.then_some((num_units_in_tick, time_scale))
    }

    /// Returns the largest number of frames that can precede another in decoding order and follow
    /// it in output order.
    pub fn reorder_depth(&self) -> u32 {
        const CONSTRAINT_SET3: u8 = 0x10;
        if self.pic_order_count == PicOrderCount::Type2 {
            return 0;
        }
        let intra_only = matches!(self.profile_idc, 44 | 86 | 100 | 110 | 122 | 244)
            && self.constraint_flags & CONSTRAINT_SET3 != 0;
        // E.2.1, max_num_reorder_frames; the Baseline profile has no B slices.
        let inferred = if intra_only || self.profile_idc == 66 { 0 } else { self.max_dpb_frames };
        self.max_num_reorder_frames.unwrap_or(inferred).min(16)
    }
}

/// Frame rate that is accepted at any level: many encoders set the level carelessly.
pub(crate) const USUAL_FRAME_RATE: u64 = 60;
/// Longest plausible duration of a frame in seconds.
pub(crate) const MAX_FRAME_SECONDS: u64 = 10;

fn pic_order_count(r: &mut BitReader<'_>) -> Result<PicOrderCount, ParseError> {
    Ok(match r.ue_max(2, "pic_order_cnt_type")? {
        0 => {
            let log2_max_lsb = r.ue_max(12, "log2_max_pic_order_cnt_lsb_minus4")? + 4;
            PicOrderCount::Type0 { log2_max_lsb }
        }
        1 => {
            let delta_always_zero = r.flag("delta_pic_order_always_zero_flag")?;
            let offset_for_non_ref_pic = r.se("offset_for_non_ref_pic")?;
            let offset_for_top_to_bottom_field = r.se("offset_for_top_to_bottom_field")?;
            let count = r.ue_max(255, "num_ref_frames_in_pic_order_cnt_cycle")?;
            let mut offsets_for_ref_frame = Vec::new();
            for _ in 0..count {
                offsets_for_ref_frame.push(r.se("offset_for_ref_frame")?);
            }
            PicOrderCount::Type1 {
                delta_always_zero,
                offset_for_non_ref_pic,
                offset_for_top_to_bottom_field,
                offsets_for_ref_frame,
            }
        }
        _ => PicOrderCount::Type2,
    })
}

fn skip_scaling_list(r: &mut BitReader<'_>, size: u32) -> Result<(), ParseError> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            let delta = r.se("delta_scale")?;
            next = (last + delta % 256 + 256) % 256;
        }
        if next != 0 {
            last = next;
        }
    }
    Ok(())
}

/// MaxMBPS (table A-1), in macroblocks per second.
const fn max_macroblock_rate(level_idc: u8, constraint_flags: u8) -> u32 {
    const CONSTRAINT_SET3: u8 = 0x10;
    match level_idc {
        11 if constraint_flags & CONSTRAINT_SET3 != 0 => 1_485, // level 1b
        0..=10 => 1_485,
        11 => 3_000,
        12 => 6_000,
        13 | 20 => 11_880,
        21 => 19_800,
        22 => 20_250,
        30 => 40_500,
        31 => 108_000,
        32 => 216_000,
        40 | 41 => 245_760,
        42 => 522_240,
        50 => 589_824,
        51 => 983_040,
        52 => 2_073_600,
        60 => 4_177_920,
        61 => 8_355_840,
        _ => 16_711_680,
    }
}

/// MaxDpbFrames (A.3.1, table A-1).
fn max_dpb_frames(level_idc: u8, constraint_flags: u8, frame_mbs: u32) -> u32 {
    const CONSTRAINT_SET3: u8 = 0x10;
    let max_dpb_mbs = match level_idc {
        11 if constraint_flags & CONSTRAINT_SET3 != 0 => 396, // level 1b
        0..=10 => 396,
        11 => 900,
        12 | 13 | 20 => 2_376,
        21 => 4_752,
        22 | 30 => 8_100,
        31 => 18_000,
        32 => 20_480,
        40 | 41 => 32_768,
        42 => 34_816,
        50 => 110_400,
        51 | 52 => 184_320,
        _ => 696_320,
    };
    (max_dpb_mbs / frame_mbs.max(1)).clamp(1, 16)
}

/// The fields of the video usability information (annex E) that this crate uses.
#[derive(Debug, Default)]
struct Vui {
    timing: Option<Timing>,
    hrd: Option<HrdLengths>,
    pic_struct_present: bool,
    max_num_reorder_frames: Option<u32>,
}

impl Vui {
    /// Parses as much as possible, and returns an error for the rest. Errors here affect hints
    /// only.
    fn parse(r: &mut BitReader<'_>) -> (Self, Result<(), ParseError>) {
        let mut vui = Self::default();
        let result = vui.read(r);
        (vui, result)
    }

    fn read(&mut self, r: &mut BitReader<'_>) -> Result<(), ParseError> {
        skip_vui_colours(r)?;
        if r.flag("chroma_loc_info_present_flag")? {
            r.ue("chroma_sample_loc_type_top_field")?;
            r.ue("chroma_sample_loc_type_bottom_field")?;
        }
        if r.flag("timing_info_present_flag")? {
            let num_units_in_tick = r.bits(32, "num_units_in_tick")?;
            let time_scale = r.bits(32, "time_scale")?;
            let fixed_frame_rate = r.flag("fixed_frame_rate_flag")?;
            if num_units_in_tick > 0 && time_scale > 0 {
                self.timing = Some(Timing { num_units_in_tick, time_scale, fixed_frame_rate });
            }
        }
        let nal_hrd = r.flag("nal_hrd_parameters_present_flag")?;
        if nal_hrd {
            self.hrd = Some(hrd_lengths(r)?);
        }
        let vcl_hrd = r.flag("vcl_hrd_parameters_present_flag")?;
        if vcl_hrd {
            // The lengths are those of the other, if there are both (E.2.2).
            self.hrd = Some(hrd_lengths(r)?);
        }
        if nal_hrd || vcl_hrd {
            r.flag("low_delay_hrd_flag")?;
        }
        self.pic_struct_present = r.flag("pic_struct_present_flag")?;
        if r.flag("bitstream_restriction_flag")? {
            r.flag("motion_vectors_over_pic_boundaries_flag")?;
            r.ue("max_bytes_per_pic_denom")?;
            r.ue("max_bits_per_mb_denom")?;
            r.ue("log2_max_mv_length_horizontal")?;
            r.ue("log2_max_mv_length_vertical")?;
            self.max_num_reorder_frames = Some(r.ue_max(16, "max_num_reorder_frames")?);
        }
        Ok(())
    }
}

/// Skips the beginning of a VUI, which H.264 and H.265 share: aspect ratio, overscan, colours.
pub(crate) fn skip_vui_colours(r: &mut BitReader<'_>) -> Result<(), ParseError> {
    const EXTENDED_SAR: u32 = 255;
    if r.flag("aspect_ratio_info_present_flag")? && r.bits(8, "aspect_ratio_idc")? == EXTENDED_SAR {
        r.skip(32, "sample aspect ratio")?;
    }
    if r.flag("overscan_info_present_flag")? {
        r.flag("overscan_appropriate_flag")?;
    }
    if r.flag("video_signal_type_present_flag")? {
        r.skip(4, "video format and range")?;
        if r.flag("colour_description_present_flag")? {
            r.skip(24, "colour description")?;
        }
    }
    Ok(())
}

fn hrd_lengths(r: &mut BitReader<'_>) -> Result<HrdLengths, ParseError> {
    let count = r.ue_max(31, "cpb_cnt_minus1")? + 1;
    r.skip(8, "bit_rate_scale and cpb_size_scale")?;
    for _ in 0..count {
        r.ue("bit_rate_value_minus1")?;
        r.ue("cpb_size_value_minus1")?;
        r.flag("cbr_flag")?;
    }
    r.skip(5, "initial_cpb_removal_delay_length_minus1")?;
    let cpb_removal_delay = r.bits(5, "cpb_removal_delay_length_minus1")? + 1;
    let dpb_output_delay = r.bits(5, "dpb_output_delay_length_minus1")? + 1;
    r.skip(5, "time_offset_length")?;
    Ok(HrdLengths { cpb_removal_delay, dpb_output_delay })
}
