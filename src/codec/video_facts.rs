//! [`VideoFacts`]: what the parameter sets of a video stream state of its pictures.

use crate::codec::{CodecParameters, h264, h265};

/// What the sequence parameter set of a video stream states of the pictures: size, rate, profile
/// and level.
///
/// ```
/// use riverrun::codec::CodecParameters;
/// # let sps = [0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xf6, 0x40].as_slice();
/// let parameters = CodecParameters::H264 { sps: vec![sps.into()], pps: Vec::new() };
/// let facts = parameters.video_facts().expect("the set can be read");
/// assert_eq!((facts.width, facts.height), (640, 480));
/// assert_eq!(facts.profile, Some("Constrained Baseline"));
/// assert_eq!(facts.level, "3");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VideoFacts {
    /// Width in pixels after cropping.
    pub width: u32,
    /// Height in pixels after cropping.
    pub height: u32,
    /// Frames per second, if the stream states a plausible rate.
    pub frame_rate: Option<f64>,
    /// Name of the profile in the standard; `None` if the number is unknown.
    pub profile: Option<&'static str>,
    /// Number of the profile (`profile_idc`, `general_profile_idc`).
    pub profile_idc: u8,
    /// Level as the standard writes it: `4.1`, `1b`.
    pub level: String,
    /// Whether the stream has the limits of the high tier (H.265 only).
    pub high_tier: bool,
    /// Sampling of chroma: `4:2:0`, `4:2:2`, `4:4:4`, or `4:0:0` without colour.
    pub chroma: &'static str,
    /// Bits of a luma sample.
    pub bit_depth: u8,
}

impl CodecParameters {
    /// Returns what the parameter sets of H.264 or H.265 state of the pictures. `None` for other
    /// codecs, and if no sequence parameter set is known or can be read.
    pub fn video_facts(&self) -> Option<VideoFacts> {
        match self {
            Self::H264 { sps, .. } => {
                let mut sets = h264::ParameterSets::default();
                for nal in sps {
                    sets.handle_nal(nal);
                }
                Some(VideoFacts::of_h264(sets.first_sps()?))
            }
            Self::H265 { vps, sps, .. } => {
                let mut sets = h265::ParameterSets::default();
                for nal in vps.iter().chain(sps) {
                    sets.handle_nal(nal);
                }
                VideoFacts::of_h265(&sets)
            }
            _ => None,
        }
    }
}

impl VideoFacts {
    /// Returns what a sequence parameter set of H.264 states.
    pub fn of_h264(sps: &h264::Sps) -> Self {
        let rate = sps.field_duration().map(|(num, scale)| f64::from(scale) / f64::from(num) / 2.0);
        Self {
            width: sps.width,
            height: sps.height,
            frame_rate: rate,
            profile: h264_profile(sps.profile_idc, sps.constraint_flags),
            profile_idc: sps.profile_idc,
            level: h264_level(sps),
            high_tier: false,
            chroma: chroma(sps.chroma_format_idc),
            bit_depth: sps.bit_depth_luma,
        }
    }

    /// Returns what the sequence parameter set of H.265 with the lowest id states, with the picture
    /// clock of the video parameter set where it states none. `None` if there is none.
    pub fn of_h265(sets: &h265::ParameterSets) -> Option<Self> {
        let sps = sets.first_sps()?;
        let duration = sets.clock(sps).and_then(|clock| sps.picture_duration(clock.timing));
        // Where pictures are fields, two make a frame.
        let pictures = if sps.vui.field_seq { 2.0 } else { 1.0 };
        let profile = &sps.profile;
        Some(Self {
            width: sps.width,
            height: sps.height,
            frame_rate: duration.map(|(ticks, scale)| scale as f64 / ticks as f64 / pictures),
            profile: h265_profile(profile.profile_idc),
            profile_idc: profile.profile_idc,
            level: tenths(u32::from(profile.level_idc) / 3),
            high_tier: profile.high_tier,
            chroma: chroma(sps.chroma_format_idc),
            bit_depth: sps.bit_depth_luma,
        })
    }
}

/// ITU-T H.264 annex A.2.
const fn h264_profile(profile_idc: u8, constraint_flags: u8) -> Option<&'static str> {
    let (set1, set3) = (constraint_flags & 0x40 != 0, constraint_flags & 0x10 != 0);
    Some(match profile_idc {
        66 if set1 => "Constrained Baseline",
        66 => "Baseline",
        77 => "Main",
        88 => "Extended",
        100 => "High",
        110 if set3 => "High 10 Intra",
        110 => "High 10",
        122 if set3 => "High 4:2:2 Intra",
        122 => "High 4:2:2",
        244 if set3 => "High 4:4:4 Intra",
        244 => "High 4:4:4 Predictive",
        44 => "CAVLC 4:4:4 Intra",
        _ => return None,
    })
}

/// ITU-T H.264 section 7.4.2.1.1 (`level_idc`): level 1b is coded in two ways.
fn h264_level(sps: &h264::Sps) -> String {
    let set3 = sps.constraint_flags & 0x10 != 0;
    match sps.level_idc {
        9 => "1b".to_owned(),
        11 if set3 && matches!(sps.profile_idc, 66 | 77 | 88) => "1b".to_owned(),
        level => tenths(level.into()),
    }
}

/// ITU-T H.265 annex A.3.
const fn h265_profile(profile_idc: u8) -> Option<&'static str> {
    Some(match profile_idc {
        1 => "Main",
        2 => "Main 10",
        3 => "Main Still Picture",
        4 => "Format Range Extensions",
        5 => "High Throughput",
        9 => "Screen Content Coding Extensions",
        11 => "High Throughput Screen Content Coding Extensions",
        _ => return None,
    })
}

fn tenths(level: u32) -> String {
    match (level / 10, level % 10) {
        (whole, 0) => whole.to_string(),
        (whole, tenth) => format!("{whole}.{tenth}"),
    }
}

const fn chroma(format_idc: u8) -> &'static str {
    match format_idc {
        0 => "4:0:0",
        1 => "4:2:0",
        2 => "4:2:2",
        _ => "4:4:4",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framer::testing::{H264Sps, h265_parameter_sets};

    fn h264(set: H264Sps) -> VideoFacts {
        let parameters = CodecParameters::H264 { sps: vec![set.nal().into()], pps: Vec::new() };
        parameters.video_facts().unwrap()
    }

    #[test]
    fn a_frame_of_h264_lasts_two_ticks() {
        let set = H264Sps { timing: Some((1001, 60_000)), ..H264Sps::default() };
        let rate = h264(set).frame_rate.unwrap();
        assert!((rate - 30_000.0 / 1001.0).abs() < 1e-9, "{rate}");
        assert_eq!(h264(H264Sps { timing: None, ..H264Sps::default() }).frame_rate, None);
    }

    #[test]
    fn profiles_and_levels_have_the_names_of_the_standards() {
        assert_eq!(h264_profile(66, 0x40), Some("Constrained Baseline"));
        assert_eq!(h264_profile(66, 0x80), Some("Baseline"));
        assert_eq!(h264_profile(110, 0x10), Some("High 10 Intra"));
        assert_eq!(h264_profile(118, 0), None);
        let mut sps = h264::Sps::parse(&H264Sps::default().nal()).unwrap();
        for (profile, flags, level, name) in [
            (66, 0x10, 11, "1b"),
            (100, 0x10, 11, "1.1"),
            (100, 0, 9, "1b"),
            (100, 0, 40, "4"),
            (77, 0, 52, "5.2"),
        ] {
            (sps.profile_idc, sps.constraint_flags, sps.level_idc) = (profile, flags, level);
            assert_eq!(VideoFacts::of_h264(&sps).level, name);
        }
    }

    #[test]
    fn h265_has_its_facts_too() {
        let [vps, sps, pps] = h265_parameter_sets(2);
        let one = |nal: Vec<u8>| vec![nal.into()];
        let parameters = CodecParameters::H265 { vps: one(vps), sps: one(sps), pps: one(pps) };
        let facts = parameters.video_facts().unwrap();
        let read = match &parameters {
            CodecParameters::H265 { sps, .. } => h265::Sps::parse(&sps[0]).unwrap(),
            _ => unreachable!(),
        };
        assert_eq!((facts.width, facts.height), (read.width, read.height));
        assert_eq!(facts.level, tenths(u32::from(read.profile.level_idc) / 3));
        assert_eq!(facts.chroma, "4:2:0");
    }

    #[test]
    fn what_cannot_be_read_has_no_facts() {
        let broken = CodecParameters::H264 { sps: vec![vec![0x67, 1].into()], pps: Vec::new() };
        assert_eq!(broken.video_facts(), None);
        let none = CodecParameters::H265 { vps: Vec::new(), sps: Vec::new(), pps: Vec::new() };
        assert_eq!(none.video_facts(), None);
        assert_eq!(CodecParameters::Mp2t.video_facts(), None);
    }
}
