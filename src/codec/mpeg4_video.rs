//! MPEG-4 part 2 video: the headers before a video object plane (VOP).
//!
//! Reference: ISO/IEC 14496-2 section 6.2. There is no emulation prevention; headers contain marker
//! bits instead.

use super::bits::PlainBits;
use super::start_codes::start_codes;
use crate::wire::ParseError;
use std::ops::RangeInclusive;

/// The bytes behind `00 00 01` (table 6-3).
pub mod start_code {
    /// The first and the last video object.
    pub const VIDEO_OBJECT: super::RangeInclusive<u8> = 0x00..=0x1f;
    /// The first and the last video object layer.
    pub const VIDEO_OBJECT_LAYER: super::RangeInclusive<u8> = 0x20..=0x2f;
    /// A visual object sequence; profile and level follow.
    pub const SEQUENCE: u8 = 0xb0;
    /// The end of a visual object sequence.
    pub const SEQUENCE_END: u8 = 0xb1;
    /// User data.
    pub const USER_DATA: u8 = 0xb2;
    /// A group of VOPs.
    pub const GROUP: u8 = 0xb3;
    /// A visual object.
    pub const VISUAL_OBJECT: u8 = 0xb5;
    /// A VOP.
    pub const VOP: u8 = 0xb6;
}

/// Bytes in which the headers of a VOP are looked for. Those of the standard have a few hundred;
/// user data may be among them.
const MAX_HEADERS: usize = 16 << 10;

/// What a VOP may refer to (`vop_coding_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed by the standard")]
pub enum VopType {
    /// No other VOP.
    I = 0,
    /// An earlier VOP.
    P = 1,
    /// An earlier and a later VOP.
    B = 2,
    /// A sprite, or an earlier VOP with global motion.
    S = 3,
}

/// The headers before the first VOP of a frame, as places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Headers {
    /// Offset of the first header of a sequence, visual object, video object or layer.
    config: Option<usize>,
    /// Whether there is a video object layer.
    pub has_layer: bool,
    /// Offset of the first header that is not a part of the configuration: of a group of VOPs or a
    /// VOP.
    end: Option<usize>,
    /// Type of the first VOP; `None` if there is no VOP.
    pub vop: Option<VopType>,
    /// Whether there are no more bytes than are looked at.
    pub is_all: bool,
}

impl Headers {
    /// Reads the headers at the beginning of `data`.
    pub fn read(data: &[u8]) -> Self {
        let mut headers = Self { is_all: data.len() <= MAX_HEADERS, ..Self::default() };
        let data = data.get(..MAX_HEADERS).unwrap_or(data);
        for (at, code) in start_codes(data) {
            match code {
                start_code::VOP => {
                    headers.end.get_or_insert(at);
                    headers.vop = data.get(at + 4).map(|byte| match byte >> 6 {
                        0 => VopType::I,
                        1 => VopType::P,
                        2 => VopType::B,
                        _ => VopType::S,
                    });
                    break;
                }
                start_code::GROUP => _ = headers.end.get_or_insert(at),
                start_code::SEQUENCE | start_code::VISUAL_OBJECT => {
                    headers.config.get_or_insert(at);
                }
                _ if start_code::VIDEO_OBJECT.contains(&code) => {
                    headers.config.get_or_insert(at);
                }
                _ if start_code::VIDEO_OBJECT_LAYER.contains(&code) => {
                    headers.config.get_or_insert(at);
                    // A layer behind a group is none of the configuration in front of it.
                    headers.has_layer |= headers.end.is_none();
                }
                _ => {}
            }
        }
        headers
    }

    /// Whether decoding can start with the VOP, if the configuration is known.
    pub fn is_key(&self) -> bool {
        self.vop == Some(VopType::I)
    }
}

/// Whether decoding can start with a VOP, given with the headers before it, if the configuration is
/// known.
pub fn is_key(vop: &[u8]) -> bool {
    Headers::read(vop).is_key()
}

/// Returns the configuration at the beginning of a frame: the headers up to the video object layer
/// and its user data. `None` if there is no video object layer before the VOP.
pub fn config(frame: &[u8]) -> Option<&[u8]> {
    let headers = Headers::read(frame);
    let start = headers.config.filter(|_| headers.has_layer)?;
    frame.get(start..headers.end.unwrap_or(frame.len()))
}

/// Returns `profile_and_level_indication` of a configuration (annex G), if it begins with the header
/// of a sequence.
pub fn profile_and_level(config: &[u8]) -> Option<u8> {
    let (at, _) = start_codes(config).find(|(_, code)| *code == start_code::SEQUENCE)?;
    config.get(at + 4).copied()
}

/// The header of a video object layer (section 6.2.3), up to its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layer {
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Units of time in a second, in which VOPs state their times.
    pub time_resolution: u16,
    /// Duration of a VOP in these units, if it is always the same.
    pub fixed_duration: Option<u16>,
    /// Whether there are no VOPs of type B; `None` if the header does not tell.
    pub low_delay: Option<bool>,
}

impl Layer {
    /// Finds the header in a configuration and parses it.
    ///
    /// # Errors
    /// There is no such header, it is cut off, or the layer has no rectangular shape.
    pub fn of_config(config: &[u8]) -> Result<Self, ParseError> {
        const WHAT: &str = "video object layer";
        let is_layer = |code: &u8| start_code::VIDEO_OBJECT_LAYER.contains(code);
        let found = start_codes(config).find(|(_, code)| is_layer(code));
        let (at, _) = found.ok_or(ParseError::Incomplete { what: WHAT })?;
        let mut b = PlainBits::new(config.get(at + 4..).unwrap_or_default(), WHAT);
        b.take(1 + 8)?; // random access, object type
        if b.flag()? {
            b.take(4 + 3)?; // version, priority
        }
        if b.take(4)? == 15 {
            b.take(8 + 8)?; // shape of a pixel
        }
        let mut low_delay = None;
        if b.flag()? {
            b.take(2)?; // chroma
            low_delay = Some(b.flag()?);
            if b.flag()? {
                b.skip(79)?; // rates and sizes of buffers
            }
        }
        if b.take(2)? != 0 {
            return Err(b.invalid());
        }
        let marker = |b: &mut PlainBits<'_>| if b.flag()? { Ok(()) } else { Err(b.invalid()) };
        marker(&mut b)?;
        let time_resolution = b.take(16)? as u16;
        marker(&mut b)?;
        if time_resolution == 0 {
            return Err(b.invalid());
        }
        let mut fixed_duration = None;
        if b.flag()? {
            // As many bits as the largest number below the resolution has.
            let bits = (u16::BITS - (time_resolution - 1).leading_zeros()).max(1);
            fixed_duration = Some(b.take(bits)? as u16).filter(|duration| *duration > 0);
        }
        marker(&mut b)?;
        let width = b.take(13)? as u16;
        marker(&mut b)?;
        let height = b.take(13)? as u16;
        if width == 0 || height == 0 {
            return Err(b.invalid());
        }
        Ok(Self { width, height, time_resolution, fixed_duration, low_delay })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Advanced simple profile at level 5, a visual object, a video object and its layer: 352x288,
    /// 25 units a second, without B VOPs.
    const CONFIG: &[u8] = &[
        0, 0, 1, 0xb0, 0xf5, 0, 0, 1, 0xb5, 0x89, 0x13, 0, 0, 1, 0, 0, 0, 1, 0x20, 0, 0xc4, 0x8d,
        0x88, 0, 0xcd, 0x0b, 0x04, 0x24, 0x14, 0x43,
    ];
    const GROUP: &[u8] = &[0, 0, 1, 0xb3, 0, 0x10, 7];
    const I_VOP: &[u8] = &[0, 0, 1, 0xb6, 0x10, 0x60, 0x91];
    const P_VOP: &[u8] = &[0, 0, 1, 0xb6, 0x50, 0x60, 0x91];

    #[test]
    fn the_configuration_is_what_precedes_the_first_group_or_vop() {
        assert_eq!(config(&[CONFIG, GROUP, I_VOP].concat()), Some(CONFIG));
        assert_eq!(config(&[&[0xff], CONFIG, I_VOP].concat()), Some(CONFIG));
        assert_eq!(config(CONFIG), Some(CONFIG));
        assert_eq!(config(&[GROUP, I_VOP, CONFIG].concat()), None);
        assert_eq!(config(&CONFIG[..15]), None);
        assert_eq!(profile_and_level(CONFIG), Some(0xf5));
        assert_eq!(profile_and_level(&CONFIG[5..]), None);
    }

    #[test]
    fn decoding_starts_with_an_i_vop() {
        assert!(is_key(&[CONFIG, I_VOP].concat()));
        assert!(is_key(&[GROUP, I_VOP, P_VOP].concat()));
        assert!(!is_key(&[P_VOP, I_VOP].concat()));
        assert!(!is_key(CONFIG) && !is_key(&I_VOP[..4]));
        assert_eq!(Headers::read(P_VOP).vop, Some(VopType::P));
    }

    #[test]
    fn a_layer_has_a_size() {
        let layer = Layer::of_config(CONFIG).unwrap();
        assert_eq!((layer.width, layer.height), (352, 288));
        assert_eq!((layer.time_resolution, layer.low_delay), (25, Some(true)));
        for end in 0..CONFIG.len() {
            let _ = Layer::of_config(&CONFIG[..end]);
        }
        assert!(Layer::of_config(&CONFIG[..24]).is_err());
        assert!(Layer::of_config(I_VOP).is_err());
    }
}
