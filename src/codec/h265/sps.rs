//! Sequence and video parameter sets (7.3.2.1, 7.3.2.2, 7.3.3, 7.3.7 and annex E).

use super::nal::{nal_type, nal_unit_type};
use super::vui::{PictureClock, Vui, picture_clock};
use crate::codec::bits::BitReader;
use crate::codec::h264::{MAX_FRAME_SECONDS, Timing, USUAL_FRAME_RATE};
use crate::wire::ParseError;

/// The general part of `profile_tier_level` (7.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProfileTierLevel {
    /// `general_profile_space`.
    pub profile_space: u8,
    /// `general_tier_flag`: the high tier.
    pub high_tier: bool,
    /// `general_profile_idc`.
    pub profile_idc: u8,
    /// `general_profile_compatibility_flag`s, with that of profile 0 in the topmost bit.
    pub compatibility_flags: u32,
    /// The 48 bits from `general_progressive_source_flag` on.
    pub constraint_flags: u64,
    /// `general_level_idc`: thirty times the level.
    pub level_idc: u8,
}

impl ProfileTierLevel {
    fn parse(r: &mut BitReader<'_>, max_sub_layers_minus1: u32) -> Result<Self, ParseError> {
        let what = "profile_tier_level";
        let profile_space = r.bits(2, what)? as u8;
        let high_tier = r.flag(what)?;
        let profile_idc = r.bits(5, what)? as u8;
        let compatibility_flags = r.bits(32, what)?;
        let constraint_flags = (u64::from(r.bits(24, what)?) << 24) | u64::from(r.bits(24, what)?);
        let level_idc = r.bits(8, what)? as u8;
        let mut skipped = 0;
        for _ in 0..max_sub_layers_minus1 {
            skipped += if r.flag(what)? { 88 } else { 0 };
            skipped += if r.flag(what)? { 8 } else { 0 };
        }
        if max_sub_layers_minus1 > 0 {
            skipped += 2 * (8 - max_sub_layers_minus1.min(8));
        }
        r.skip(skipped, what)?;
        Ok(Self {
            profile_space,
            high_tier,
            profile_idc,
            compatibility_flags,
            constraint_flags,
            level_idc,
        })
    }
}

/// The fields of a sequence parameter set that this crate uses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sps {
    /// `sps_seq_parameter_set_id`.
    pub id: u8,
    /// `sps_max_sub_layers_minus1` + 1.
    pub sub_layers: u8,
    /// `sps_temporal_id_nesting_flag`.
    pub temporal_id_nesting: bool,
    /// Profile, tier and level.
    pub profile: ProfileTierLevel,
    /// `chroma_format_idc`.
    pub chroma_format_idc: u8,
    /// Bits of a luma sample.
    pub bit_depth_luma: u8,
    /// Bits of a chroma sample.
    pub bit_depth_chroma: u8,
    /// `separate_colour_plane_flag`: slices state their colour plane.
    pub separate_colour_planes: bool,
    /// Width in luma samples within the conformance window.
    pub width: u32,
    /// Height in luma samples within the conformance window.
    pub height: u32,
    /// `log2_max_pic_order_cnt_lsb_minus4` + 4.
    pub log2_max_poc_lsb: u32,
    /// `sps_max_num_reorder_pics` of the highest sub-layer.
    pub max_num_reorder_pics: u32,
    /// Picture timing, if the VUI contains it.
    pub timing: Option<Timing>,
    /// The other fields of the VUI that this crate uses.
    pub vui: Vui,
}

impl Sps {
    /// Parses a NAL unit of type 33 and layer 0. An unreadable VUI is ignored.
    pub fn parse(nal: &[u8]) -> Result<Self, ParseError> {
        let mut r = BitReader::new(nal.get(2..).unwrap_or_default());
        if nal_unit_type(nal) != nal_type::SPS {
            return Err(r.invalid("SPS NAL unit type"));
        }
        r.bits(4, "sps_video_parameter_set_id")?;
        let max_sub_layers_minus1 = r.bits(3, "sps_max_sub_layers_minus1")?;
        let temporal_id_nesting = r.flag("sps_temporal_id_nesting_flag")?;
        let profile = ProfileTierLevel::parse(&mut r, max_sub_layers_minus1)?;
        let id = r.ue_max(15, "sps_seq_parameter_set_id")? as u8;
        let chroma_format_idc = r.ue_max(3, "chroma_format_idc")?;
        let separate_colour_planes =
            chroma_format_idc == 3 && r.flag("separate_colour_plane_flag")?;
        let (mut width, mut height) =
            (r.ue_max(1 << 16, "pic_width")?, r.ue_max(1 << 16, "pic_height")?);
        if r.flag("conformance_window_flag")? {
            let (sub_width, sub_height) = match chroma_format_idc {
                1 => (2, 2),
                2 => (2, 1),
                _ => (1, 1),
            };
            let mut side = |unit: u32| {
                let first = r.ue("conformance window offset")?;
                let second = r.ue("conformance window offset")?;
                Ok(first.saturating_add(second).saturating_mul(unit))
            };
            let (cut_width, cut_height) = (side(sub_width)?, side(sub_height)?);
            width = width.saturating_sub(cut_width);
            height = height.saturating_sub(cut_height);
        }
        if width == 0 || height == 0 {
            return Err(r.invalid("picture size"));
        }
        let bit_depth_luma = 8 + r.ue_max(8, "bit_depth_luma_minus8")? as u8;
        let bit_depth_chroma = 8 + r.ue_max(8, "bit_depth_chroma_minus8")? as u8;
        let log2_max_poc_lsb = r.ue_max(12, "log2_max_pic_order_cnt_lsb_minus4")? + 4;
        let all_layers = r.flag("sps_sub_layer_ordering_info_present_flag")?;
        let mut max_num_reorder_pics = 0;
        for _ in 0..=if all_layers { max_sub_layers_minus1 } else { 0 } {
            r.ue_max(16, "sps_max_dec_pic_buffering_minus1")?;
            max_num_reorder_pics = r.ue_max(16, "sps_max_num_reorder_pics")?;
            r.ue("sps_max_latency_increase_plus1")?;
        }
        // What follows up to the VUI is only stepped over; a fault in it costs the timing.
        let mut vui = Vui::default();
        let read = skip_to_vui(&mut r, log2_max_poc_lsb).and_then(|present| {
            if present { vui.read(&mut r, max_sub_layers_minus1) } else { Ok(()) }
        });
        if let Err(e) = read {
            log::debug!("VUI not read to its end: {e}");
        }
        Ok(Self {
            id,
            sub_layers: max_sub_layers_minus1 as u8 + 1,
            temporal_id_nesting,
            profile,
            chroma_format_idc: chroma_format_idc as u8,
            bit_depth_luma,
            bit_depth_chroma,
            separate_colour_planes,
            width,
            height,
            log2_max_poc_lsb,
            max_num_reorder_pics,
            timing: vui.clock.map(|clock| clock.timing),
            vui,
        })
    }
}

impl Sps {
    /// Returns the duration in seconds, as a fraction, of a picture that is shown once, by this
    /// clock, if it is plausible.
    ///
    /// A clock tick need not be the picture period: encoders of variable picture rate state the
    /// time base of their input. Durations that no level allows are therefore rejected (A.4.2: at
    /// least 1/300 s from picture to picture), and so are unusual rates that exceed the level of
    /// the stream, unless the stream states that its rate is fixed.
    pub fn picture_duration(&self, clock: Timing) -> Option<(u64, u64)> {
        let fixed = self.vui.elemental_ticks;
        let ticks = u64::from(clock.num_units_in_tick) * u64::from(fixed.unwrap_or(1));
        let scale = u64::from(clock.time_scale);
        let at_most = |rate: u64| scale <= ticks.saturating_mul(rate);
        let per_frame = if self.vui.field_seq { 2 } else { 1 };
        let usual = at_most(USUAL_FRAME_RATE * per_frame);
        let samples = u64::from(self.width) * u64::from(self.height);
        let allowed = scale.saturating_mul(samples)
            <= ticks.saturating_mul(max_luma_sample_rate(self.profile.level_idc));
        let slow = ticks > scale.saturating_mul(MAX_FRAME_SECONDS);
        let plausible = !slow && at_most(300) && (usual || fixed.is_some() || allowed);
        plausible.then_some((ticks, scale))
    }
}

/// MaxLumaSr (table A.9), in luma samples per second.
const fn max_luma_sample_rate(level_idc: u8) -> u64 {
    match level_idc {
        0..=30 => 552_960,
        31..=60 => 3_686_400,
        61..=63 => 7_372_800,
        64..=90 => 16_588_800,
        91..=93 => 33_177_600,
        94..=120 => 66_846_720,
        121..=123 => 133_693_440,
        124..=150 => 267_386_880,
        151..=153 => 534_773_760,
        154..=180 => 1_069_547_520,
        181..=183 => 2_139_095_040,
        _ => 4_278_190_080,
    }
}

/// Returns the `sps_seq_parameter_set_id` of a sequence parameter set; nothing else is checked.
pub fn sps_id(nal: &[u8]) -> Result<u8, ParseError> {
    let mut r = BitReader::new(nal.get(2..).unwrap_or_default());
    r.bits(4, "sps_video_parameter_set_id")?;
    let max_sub_layers_minus1 = r.bits(3, "sps_max_sub_layers_minus1")?;
    r.flag("sps_temporal_id_nesting_flag")?;
    ProfileTierLevel::parse(&mut r, max_sub_layers_minus1)?;
    Ok(r.ue_max(15, "sps_seq_parameter_set_id")? as u8)
}

/// Skips the fields from `log2_min_luma_coding_block_size_minus3` to the VUI; returns whether there
/// is one.
fn skip_to_vui(r: &mut BitReader<'_>, log2_max_poc_lsb: u32) -> Result<bool, ParseError> {
    for _ in 0..6 {
        r.ue("coding block sizes")?;
    }
    if r.flag("scaling_list_enabled_flag")? && r.flag("sps_scaling_list_data_present_flag")? {
        skip_scaling_list_data(r)?;
    }
    r.skip(2, "amp_enabled_flag, sample_adaptive_offset_enabled_flag")?;
    if r.flag("pcm_enabled_flag")? {
        r.skip(8, "PCM bit depths")?;
        r.ue("log2_min_pcm_luma_coding_block_size_minus3")?;
        r.ue("log2_diff_max_min_pcm_luma_coding_block_size")?;
        r.flag("pcm_loop_filter_disabled_flag")?;
    }
    skip_short_term_ref_pic_sets(r)?;
    if r.flag("long_term_ref_pics_present_flag")? {
        for _ in 0..r.ue_max(32, "num_long_term_ref_pics_sps")? {
            r.skip(log2_max_poc_lsb + 1, "long-term reference picture")?;
        }
    }
    r.skip(2, "temporal_mvp, strong_intra_smoothing")?;
    r.flag("vui_parameters_present_flag")
}

fn skip_scaling_list_data(r: &mut BitReader<'_>) -> Result<(), ParseError> {
    for size_id in 0..4u32 {
        for _ in 0..if size_id == 3 { 2 } else { 6 } {
            if !r.flag("scaling_list_pred_mode_flag")? {
                r.ue("scaling_list_pred_matrix_id_delta")?;
                continue;
            }
            if size_id > 1 {
                r.se("scaling_list_dc_coef_minus8")?;
            }
            for _ in 0..(1u32 << (4 + (size_id << 1))).min(64) {
                r.se("scaling_list_delta_coef")?;
            }
        }
    }
    Ok(())
}

/// Skips the `st_ref_pic_set`s (7.3.7); only their sizes matter here.
fn skip_short_term_ref_pic_sets(r: &mut BitReader<'_>) -> Result<(), ParseError> {
    let count = r.ue_max(64, "num_short_term_ref_pic_sets")?;
    // NumDeltaPocs of the set before.
    let mut previous = 0u32;
    for index in 0..count {
        if index > 0 && r.flag("inter_ref_pic_set_prediction_flag")? {
            r.flag("delta_rps_sign")?;
            r.ue("abs_delta_rps_minus1")?;
            let mut deltas = 0;
            for _ in 0..=previous {
                let used = r.flag("used_by_curr_pic_flag")?;
                if used || r.flag("use_delta_flag")? {
                    deltas += 1;
                }
            }
            previous = deltas;
        } else {
            let negative = r.ue_max(16, "num_negative_pics")?;
            let positive = r.ue_max(16, "num_positive_pics")?;
            for _ in 0..negative + positive {
                r.ue("delta_poc_minus1")?;
                r.flag("used_by_curr_pic_flag")?;
            }
            previous = negative + positive;
        }
    }
    Ok(())
}

/// Returns the clock of the pictures in a video parameter set, a NAL unit of type 32.
pub fn vps_timing(nal: &[u8]) -> Result<Option<PictureClock>, ParseError> {
    let mut r = BitReader::new(nal.get(2..).unwrap_or_default());
    if nal_unit_type(nal) != nal_type::VPS {
        return Err(r.invalid("VPS NAL unit type"));
    }
    r.bits(12, "vps_video_parameter_set_id to vps_max_layers_minus1")?;
    let max_sub_layers_minus1 = r.bits(3, "vps_max_sub_layers_minus1")?;
    r.bits(17, "vps_temporal_id_nesting_flag, reserved bits")?;
    ProfileTierLevel::parse(&mut r, max_sub_layers_minus1)?;
    let all_layers = r.flag("vps_sub_layer_ordering_info_present_flag")?;
    for _ in 0..=if all_layers { max_sub_layers_minus1 } else { 0 } {
        for _ in 0..3 {
            r.ue("vps sub-layer ordering")?;
        }
    }
    let max_layer_id = r.bits(6, "vps_max_layer_id")?;
    let layer_sets = r.ue_max(1023, "vps_num_layer_sets_minus1")?;
    for _ in 0..layer_sets {
        r.skip(max_layer_id + 1, "layer_id_included_flag")?;
    }
    picture_clock(&mut r)
}
