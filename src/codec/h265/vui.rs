//! Video usability information and the parameters of the hypothetical reference decoder (annex E),
//! as far as they state when pictures are due.

use crate::codec::bits::BitReader;
use crate::codec::h264::{HrdLengths, Timing, skip_vui_colours};
use crate::wire::ParseError;

/// The clock of the pictures, as a video or sequence parameter set states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureClock {
    /// Duration of a tick.
    pub timing: Timing,
    /// `num_ticks_poc_diff_one_minus1` + 1, if output times are proportional to order counts: the
    /// number of ticks for a difference of one.
    pub poc_ticks: Option<u32>,
}

/// The fields of the VUI of a sequence parameter set that this crate uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vui {
    /// `field_seq_flag`: each picture is a field.
    pub field_seq: bool,
    /// `frame_field_info_present_flag`: picture timing messages contain a `pic_struct`.
    pub frame_field_info: bool,
    /// The clock of the pictures.
    pub clock: Option<PictureClock>,
    /// Lengths of the delays in picture timing messages; `None` if there are none.
    pub hrd: Option<HrdLengths>,
    /// `elemental_duration_in_tc_minus1` + 1, if the picture rate is fixed.
    pub elemental_ticks: Option<u32>,
}

impl Vui {
    /// Parses the VUI into `self`; on an error, the fields read so far stay.
    pub(super) fn read(
        &mut self,
        r: &mut BitReader<'_>,
        max_sub_layers_minus1: u32,
    ) -> Result<(), ParseError> {
        skip_vui_colours(r)?;
        if r.flag("chroma_loc_info_present_flag")? {
            r.ue("chroma_sample_loc_type_top_field")?;
            r.ue("chroma_sample_loc_type_bottom_field")?;
        }
        r.flag("neutral_chroma_indication_flag")?;
        self.field_seq = r.flag("field_seq_flag")?;
        self.frame_field_info = r.flag("frame_field_info_present_flag")?;
        if r.flag("default_display_window_flag")? {
            for _ in 0..4 {
                r.ue("default display window")?;
            }
        }
        self.clock = picture_clock(r)?;
        if self.clock.is_some() && r.flag("vui_hrd_parameters_present_flag")? {
            self.read_hrd(r, max_sub_layers_minus1)?;
        }
        Ok(())
    }

    /// Reads `hrd_parameters` with the common information (E.2.2).
    fn read_hrd(
        &mut self,
        r: &mut BitReader<'_>,
        max_sub_layers_minus1: u32,
    ) -> Result<(), ParseError> {
        let nal = r.flag("nal_hrd_parameters_present_flag")?;
        let vcl = r.flag("vcl_hrd_parameters_present_flag")?;
        let mut sub_pictures = false;
        if nal || vcl {
            sub_pictures = r.flag("sub_pic_hrd_params_present_flag")?;
            if sub_pictures {
                r.skip(19, "sub-picture parameters")?;
            }
            r.skip(8, "bit_rate_scale, cpb_size_scale")?;
            if sub_pictures {
                r.skip(4, "cpb_size_du_scale")?;
            }
            r.skip(5, "initial_cpb_removal_delay_length_minus1")?;
            let cpb_removal_delay = r.bits(5, "au_cpb_removal_delay_length_minus1")? + 1;
            let dpb_output_delay = r.bits(5, "dpb_output_delay_length_minus1")? + 1;
            self.hrd = Some(HrdLengths { cpb_removal_delay, dpb_output_delay });
        }
        let mut elemental = None;
        for _ in 0..=max_sub_layers_minus1 {
            let mut fixed = r.flag("fixed_pic_rate_general_flag")?;
            if !fixed {
                fixed = r.flag("fixed_pic_rate_within_cvs_flag")?;
            }
            let mut low_delay = false;
            elemental = None;
            if fixed {
                elemental = Some(r.ue_max(2047, "elemental_duration_in_tc_minus1")? + 1);
            } else {
                low_delay = r.flag("low_delay_hrd_flag")?;
            }
            let count = if low_delay { 1 } else { r.ue_max(31, "cpb_cnt_minus1")? + 1 };
            for _ in 0..count * (u32::from(nal) + u32::from(vcl)) {
                for _ in 0..if sub_pictures { 4 } else { 2 } {
                    r.ue("bit rates and sizes")?;
                }
                r.flag("cbr_flag")?;
            }
        }
        // Of the highest sub-layer, with which all pictures are decoded.
        self.elemental_ticks = elemental;
        Ok(())
    }
}

/// Reads timing information, which has the same form in a video parameter set and in the VUI.
pub(super) fn picture_clock(r: &mut BitReader<'_>) -> Result<Option<PictureClock>, ParseError> {
    if !r.flag("timing_info_present_flag")? {
        return Ok(None);
    }
    let num_units_in_tick = r.bits(32, "num_units_in_tick")?;
    let time_scale = r.bits(32, "time_scale")?;
    let poc_ticks = if r.flag("poc_proportional_to_timing_flag")? {
        Some(r.ue("num_ticks_poc_diff_one_minus1")?.saturating_add(1))
    } else {
        None
    };
    let valid = num_units_in_tick > 0 && time_scale > 0;
    let timing = Timing { num_units_in_tick, time_scale, fixed_frame_rate: true };
    Ok(valid.then_some(PictureClock { timing, poc_ticks }))
}
