//! [`SequenceHeader`]: section 5.5.

use crate::codec::bits::PlainBits;
use crate::wire::ParseError;

/// `seq_force_screen_content_tools` and `seq_force_integer_mv` of streams that choose for each frame.
const SELECT: u32 = 2;

/// What a sequence header states of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SequenceHeader {
    /// `seq_profile`: 0 Main, 1 High, 2 Professional.
    pub profile: u8,
    /// `seq_level_idx` of the first operating point (annex A.3).
    pub level_idx: u8,
    /// `seq_tier` of the first operating point.
    pub tier: u8,
    /// Largest width of a frame in pixels.
    pub width: u32,
    /// Largest height of a frame in pixels.
    pub height: u32,
    /// Bits of a sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// Whether there is no chroma.
    pub monochrome: bool,
    /// Whether chroma has half the horizontal and vertical resolution.
    pub subsampling: (bool, bool),
    /// `chroma_sample_position` (section 6.4.2).
    pub chroma_sample_position: u8,
    /// `color_primaries`, `transfer_characteristics` and `matrix_coefficients`; 2 is unspecified.
    pub color_description: [u8; 3],
    /// Whether samples have their full range.
    pub full_range: bool,
    /// Frames a second as a fraction, if the stream states that they have equal distances.
    pub frame_rate: Option<(u64, u64)>,
}

impl SequenceHeader {
    /// Parses the payload of a sequence header OBU.
    pub fn parse(payload: &[u8]) -> Result<Self, ParseError> {
        let mut r = PlainBits::new(payload, "AV1 sequence header");
        let profile = r.take(3)? as u8;
        if profile > 2 {
            return Err(r.invalid());
        }
        r.skip(1)?; // still_picture
        let is_reduced = r.flag()?;
        let operating = if is_reduced {
            OperatingPoint { level_idx: r.take(5)? as u8, ..OperatingPoint::default() }
        } else {
            OperatingPoint::parse(&mut r)?
        };
        let (width_bits, height_bits) = (r.take(4)? + 1, r.take(4)? + 1);
        let (width, height) = (r.take(width_bits)? + 1, r.take(height_bits)? + 1);
        // frame_id_numbers_present_flag
        if !is_reduced && r.flag()? {
            r.skip(7)?;
        }
        r.skip(3)?; // use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
        if !is_reduced {
            skip_tools(&mut r)?;
        }
        r.skip(3)?; // enable_superres, enable_cdef, enable_restoration
        let color = Color::parse(&mut r, profile)?;
        let OperatingPoint { level_idx, tier, frame_rate } = operating;
        let Color {
            bit_depth,
            monochrome,
            subsampling,
            chroma_sample_position,
            description: color_description,
            full_range,
        } = color;
        Ok(Self {
            profile,
            level_idx,
            tier,
            width,
            height,
            bit_depth,
            monochrome,
            subsampling,
            chroma_sample_position,
            color_description,
            full_range,
            frame_rate,
        })
    }

    /// Returns whether the payload of a sequence header OBU has `reduced_still_picture_header`.
    pub fn is_reduced(payload: &[u8]) -> bool {
        payload.first().is_some_and(|byte| byte & 0x08 != 0)
    }
}

/// The first operating point, and what precedes the size.
#[derive(Default)]
struct OperatingPoint {
    level_idx: u8,
    tier: u8,
    frame_rate: Option<(u64, u64)>,
}

impl OperatingPoint {
    fn parse(r: &mut PlainBits<'_>) -> Result<Self, ParseError> {
        let mut found = Self::default();
        let mut delay_len = None;
        // timing_info_present_flag
        if r.flag()? {
            found.frame_rate = timing_info(r)?;
            // decoder_model_info_present_flag
            if r.flag()? {
                delay_len = Some(r.take(5)? + 1);
                r.skip(32 + 5 + 5)?;
            }
        }
        let has_display_delay = r.flag()?;
        // operating_points_cnt_minus_1
        for i in 0..=r.take(5)? {
            r.skip(12)?; // operating_point_idc
            let level_idx = r.take(5)? as u8;
            let tier = if level_idx > 7 { r.take(1)? as u8 } else { 0 };
            if let Some(len) = delay_len {
                if r.flag()? {
                    r.skip(2 * len as usize + 1)?;
                }
            }
            if has_display_delay && r.flag()? {
                r.skip(4)?;
            }
            if i == 0 {
                (found.level_idx, found.tier) = (level_idx, tier);
            }
        }
        Ok(found)
    }
}

/// Section 5.5.3.
fn timing_info(r: &mut PlainBits<'_>) -> Result<Option<(u64, u64)>, ParseError> {
    let units = r.take(32)?; // num_units_in_display_tick
    let time_scale = r.take(32)?;
    // equal_picture_interval
    if !r.flag()? {
        return Ok(None);
    }
    let ticks = uvlc(r)? + 1; // num_ticks_per_picture_minus_1
    let units = u64::from(units) * ticks;
    Ok((units > 0 && time_scale > 0).then_some((u64::from(time_scale), units)))
}

/// Section 4.10.3.
fn uvlc(r: &mut PlainBits<'_>) -> Result<u64, ParseError> {
    let mut zeros = 0;
    while !r.flag()? {
        zeros += 1;
    }
    Ok(if zeros < 32 { (1 << zeros) - 1 + u64::from(r.take(zeros)?) } else { u64::from(u32::MAX) })
}

/// What lies between `enable_intra_edge_filter` and `enable_superres`.
fn skip_tools(r: &mut PlainBits<'_>) -> Result<(), ParseError> {
    r.skip(4)?; // interintra and masked compound, warped motion, dual filter
    let has_order_hint = r.flag()?;
    if has_order_hint {
        r.skip(2)?;
    }
    let choose = |r: &mut PlainBits<'_>| -> Result<u32, ParseError> {
        Ok(if r.flag()? { SELECT } else { r.take(1)? })
    };
    if choose(r)? > 0 {
        choose(r)?;
    }
    if has_order_hint {
        r.skip(3)?; // order_hint_bits_minus_1
    }
    Ok(())
}

struct Color {
    bit_depth: u8,
    monochrome: bool,
    subsampling: (bool, bool),
    chroma_sample_position: u8,
    description: [u8; 3],
    full_range: bool,
}

impl Color {
    /// Section 5.5.2.
    fn parse(r: &mut PlainBits<'_>, profile: u8) -> Result<Self, ParseError> {
        /// BT.709 primaries, sRGB transfer, identity matrix: RGB, which has no subsampling.
        const RGB: [u8; 3] = [1, 13, 0];
        let is_high = r.flag()?;
        let bit_depth = match (is_high, profile) {
            (false, _) => 8,
            (true, 2) if r.flag()? => 12,
            (true, _) => 10,
        };
        let monochrome = profile != 1 && r.flag()?;
        let mut description = [2; 3];
        if r.flag()? {
            for value in &mut description {
                *value = r.take(8)? as u8;
            }
        }
        let mut color = Self {
            bit_depth,
            monochrome,
            subsampling: (true, true),
            chroma_sample_position: 0,
            description,
            full_range: true,
        };
        if !monochrome && description == RGB {
            color.subsampling = (false, false);
            return Ok(color);
        }
        color.full_range = r.flag()?;
        if monochrome {
            return Ok(color);
        }
        color.subsampling = match profile {
            0 => (true, true),
            1 => (false, false),
            _ if bit_depth == 12 => {
                let horizontal = r.flag()?;
                (horizontal, horizontal && r.flag()?)
            }
            _ => (true, false),
        };
        if color.subsampling == (true, true) {
            color.chroma_sample_position = r.take(2)? as u8;
        }
        Ok(color)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Profile 0, one operating point of level 2.0, sizes of 9 bits, 352 × 288, all tools, 8 bits,
    /// 4:2:0.
    const SIMPLE: &[u8] = &[0x00, 0x00, 0x00, 0x04, 0x45, 0x7e, 0x3e, 0xff, 0xfc, 0xc0, 0x20];
    /// Profile 2, 50 ticks a second and 2 a picture, a decoder model, two operating points of which
    /// the first has level 5.1 of the high tier, 1,920 × 1,080, frame ids, forced screen content
    /// tools, 12 bits, 4:2:2, a colour description.
    const FULL: &[u8] = &[
        0x44, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0xca, 0xa7, 0x00, 0x00, 0x00, 0x01, 0x00,
        0x21, 0x00, 0x06, 0xe0, 0x00, 0x0c, 0x80, 0x09, 0x4a, 0xae, 0xff, 0x0d, 0xe0, 0x27, 0x97,
        0xe8, 0x48, 0x80, 0x4a, 0x60,
    ];

    #[test]
    fn a_plain_header_is_read() {
        let header = SequenceHeader::parse(SIMPLE).unwrap();
        assert_eq!((header.profile, header.level_idx, header.tier), (0, 0, 0));
        assert_eq!((header.width, header.height, header.bit_depth), (352, 288, 8));
        assert_eq!((header.monochrome, header.subsampling), (false, (true, true)));
        assert_eq!((header.color_description, header.full_range), ([2; 3], false));
        assert_eq!(header.frame_rate, None);
    }

    #[test]
    fn a_header_with_everything_is_read() {
        let header = SequenceHeader::parse(FULL).unwrap();
        assert_eq!((header.profile, header.level_idx, header.tier), (2, 13, 1));
        assert_eq!((header.width, header.height, header.bit_depth), (1920, 1080, 12));
        assert_eq!((header.monochrome, header.subsampling), (false, (true, false)));
        assert_eq!((header.color_description, header.full_range), ([9, 16, 9], false));
        assert_eq!(header.frame_rate, Some((50, 2)));
    }

    #[test]
    fn a_reduced_header_is_read() {
        // seq_profile 1, still_picture 1, reduced 1, level 0; 4 bits of size, 16 × 9; no tools; 10
        // bits, no description, full range, no separate_uv_delta_q.
        let reduced = [0b0011_1000, 0b0000_1100, 0b1111_1110, 0b0000_0000, 0b1010_0100];
        let header = SequenceHeader::parse(&reduced).unwrap();
        assert!(SequenceHeader::is_reduced(&reduced) && !SequenceHeader::is_reduced(SIMPLE));
        assert_eq!((header.profile, header.width, header.height), (1, 16, 9));
        assert_eq!((header.bit_depth, header.subsampling), (10, (false, false)));
        assert!(header.full_range);
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        for whole in [SIMPLE, FULL] {
            for cut in 0..whole.len() - 1 {
                assert!(SequenceHeader::parse(&whole[..cut]).is_err(), "{cut}");
            }
        }
        assert!(SequenceHeader::parse(&[0xff; 40]).is_err(), "profile 7");
    }
}
