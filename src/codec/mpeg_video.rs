//! MPEG-1 and MPEG-2 video: the headers before the slices of a picture.
//!
//! References: ISO/IEC 11172-2 section 2.4.2 and ISO/IEC 13818-2 section 6.2. There is no emulation
//! prevention; headers contain marker bits instead.

use super::bits::PlainBits;
use super::start_codes::start_codes;
use crate::wire::ParseError;

/// The bytes behind `00 00 01` (ISO/IEC 13818-2 table 6-1).
pub mod start_code {
    /// A picture.
    pub const PICTURE: u8 = 0x00;
    /// The first row of slices; each row has a code of its own.
    pub const FIRST_SLICE: u8 = 0x01;
    /// The last row of slices.
    pub const LAST_SLICE: u8 = 0xaf;
    /// User data.
    pub const USER_DATA: u8 = 0xb2;
    /// A sequence.
    pub const SEQUENCE: u8 = 0xb3;
    /// An extension of the header before it; MPEG-2 only.
    pub const EXTENSION: u8 = 0xb5;
    /// The end of a sequence.
    pub const SEQUENCE_END: u8 = 0xb7;
    /// A group of pictures.
    pub const GROUP: u8 = 0xb8;
}

/// Identifiers of extensions (ISO/IEC 13818-2 table 6-2).
pub(crate) const SEQUENCE_EXTENSION: u32 = 1;
pub(crate) const PICTURE_CODING_EXTENSION: u32 = 8;
/// Bytes in which the headers of a picture are looked for. The largest of the standards have 140
/// bytes; user data may be among them.
const MAX_HEADERS: usize = 16 << 10;

/// Whether a start code is that of a slice.
pub const fn is_slice(code: u8) -> bool {
    matches!(code, start_code::FIRST_SLICE..=start_code::LAST_SLICE)
}

/// Whether a start code is that of a header with which a picture can begin: of a sequence, a group or
/// the picture itself.
pub const fn begins_picture(code: u8) -> bool {
    matches!(code, start_code::SEQUENCE | start_code::GROUP | start_code::PICTURE)
}

/// What the macroblocks of a picture may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "closed by the standards")]
pub enum PictureType {
    /// No other picture.
    I = 1,
    /// An earlier picture.
    P = 2,
    /// An earlier and a later picture.
    B = 3,
    /// No other picture, with DC coefficients only; MPEG-1.
    D = 4,
}

/// The header of a sequence and its extension (ISO/IEC 13818-2 sections 6.2.2.1 and 6.2.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SequenceHeader {
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Code of the shape: of a pixel in MPEG-1, mostly of the display in MPEG-2 (1: square pixels,
    /// 2: 4:3, 3: 16:9).
    pub aspect_ratio: u8,
    /// Frames per second as a fraction.
    pub frame_rate: (u32, u32),
    /// Whether a sequence extension follows: it is MPEG-2.
    pub is_mpeg2: bool,
    /// Whether all pictures are whole frames; always in MPEG-1.
    pub progressive: bool,
    /// Whether there are no pictures of type B, so that decoding order is the order of
    /// presentation. MPEG-2 only.
    pub low_delay: bool,
}

/// The header of a group of pictures (ISO/IEC 13818-2 section 6.2.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupHeader {
    /// Whether the first B pictures do not refer to the group before.
    pub closed_gop: bool,
    /// Whether the first B pictures cannot be decoded, since the group before was cut away.
    pub broken_link: bool,
}

/// The header of a picture (ISO/IEC 13818-2 section 6.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureHeader {
    /// Place in the order of presentation within its group, modulo 1024; the same for both fields
    /// of a frame.
    pub temporal_reference: u16,
    /// Type.
    pub picture_type: PictureType,
    /// `full_pel_forward_vector` and `forward_f_code`, as four bits; 0 if the type has none.
    pub forward: u8,
    /// `full_pel_backward_vector` and `backward_f_code`, as four bits; 0 if the type has none.
    pub backward: u8,
}

/// The coding extension of a picture (ISO/IEC 13818-2 section 6.2.3.1); MPEG-2 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureCoding {
    /// 1: top field, 2: bottom field, 3: frame.
    pub structure: u8,
    /// Whether the top field is presented first.
    pub top_field_first: bool,
    /// Whether the first field is presented again after the second.
    pub repeat_first_field: bool,
    /// Whether both fields are of the same time.
    pub progressive_frame: bool,
}

impl SequenceHeader {
    /// Parses what follows the start code.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut b = PlainBits::new(bytes, "MPEG sequence header");
        let (width, height) = (b.take(12)? as u16, b.take(12)? as u16);
        let aspect_ratio = b.take(4)? as u8;
        // Table 6-4.
        let frame_rate = match b.take(4)? {
            1 => (24_000, 1001),
            2 => (24, 1),
            3 => (25, 1),
            4 => (30_000, 1001),
            5 => (30, 1),
            6 => (50, 1),
            7 => (60_000, 1001),
            8 => (60, 1),
            _ => return Err(b.invalid()),
        };
        if width == 0 || height == 0 || aspect_ratio == 0 {
            return Err(b.invalid());
        }
        b.take(18)?; // bit rate
        if !b.flag()? {
            return Err(b.invalid());
        }
        let (is_mpeg2, progressive, low_delay) = (false, true, false);
        Ok(Self { width, height, aspect_ratio, frame_rate, is_mpeg2, progressive, low_delay })
    }

    /// Adds what a sequence extension tells; `b` is behind its identifier.
    pub(crate) fn extend(&mut self, b: &mut PlainBits<'_>) -> Result<(), ParseError> {
        b.take(8)?; // profile and level
        let progressive = b.flag()?;
        b.take(2)?; // chroma
        let (width, height) = (b.take(2)? as u16, b.take(2)? as u16);
        b.take(12 + 1 + 8)?; // bit rate, marker, buffer
        let low_delay = b.flag()?;
        let (times, by) = (b.take(2)? + 1, b.take(5)? + 1);
        self.width = self.width & 0xfff | width << 12;
        self.height = self.height & 0xfff | height << 12;
        let (frames, seconds) = self.frame_rate;
        if !self.is_mpeg2 {
            self.frame_rate = (frames * times, seconds * by);
        }
        (self.is_mpeg2, self.progressive, self.low_delay) = (true, progressive, low_delay);
        Ok(())
    }
}

impl GroupHeader {
    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut b = PlainBits::new(bytes, "MPEG header of a group of pictures");
        b.take(25)?; // time code
        Ok(Self { closed_gop: b.flag()?, broken_link: b.flag()? })
    }
}

impl PictureHeader {
    /// Parses what follows the start code.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut b = PlainBits::new(bytes, "MPEG picture header");
        let temporal_reference = b.take(10)? as u16;
        let picture_type = match b.take(3)? {
            1 => PictureType::I,
            2 => PictureType::P,
            3 => PictureType::B,
            4 => PictureType::D,
            _ => return Err(b.invalid()),
        };
        b.take(16)?; // vbv_delay
        let (mut forward, mut backward) = (0, 0);
        if matches!(picture_type, PictureType::P | PictureType::B) {
            forward = b.take(4)? as u8;
        }
        if picture_type == PictureType::B {
            backward = b.take(4)? as u8;
        }
        Ok(Self { temporal_reference, picture_type, forward, backward })
    }
}

impl PictureCoding {
    /// `b` is behind the identifier.
    pub(crate) fn parse(b: &mut PlainBits<'_>) -> Result<Self, ParseError> {
        b.take(4 * 4 + 2)?; // f_codes, precision
        let structure = b.take(2)? as u8;
        let top_field_first = b.flag()?;
        b.take(5)?;
        let repeat_first_field = b.flag()?;
        b.take(1)?;
        let progressive_frame = b.flag()?;
        if structure == 0 {
            return Err(b.invalid());
        }
        Ok(Self { structure, top_field_first, repeat_first_field, progressive_frame })
    }
}

/// The headers before the first slice of a picture. Those that cannot be read are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Headers {
    /// Header of a sequence that begins with the picture.
    pub sequence: Option<SequenceHeader>,
    /// Header of a group that begins with the picture.
    pub group: Option<GroupHeader>,
    /// Header of the picture.
    pub picture: Option<PictureHeader>,
    /// Coding extension of the picture.
    pub coding: Option<PictureCoding>,
    /// Offset of the first slice, if it was reached.
    pub first_slice: Option<usize>,
    /// Whether there are no more bytes than are looked at.
    pub is_all: bool,
}

impl Headers {
    /// Reads the headers at the beginning of `data`, up to the first slice or the second picture.
    pub fn read(data: &[u8]) -> Self {
        let mut headers = Self { is_all: data.len() <= MAX_HEADERS, ..Self::default() };
        let data = data.get(..MAX_HEADERS).unwrap_or(data);
        for (at, code) in start_codes(data) {
            let body = data.get(at + 4..).unwrap_or_default();
            match code {
                start_code::SEQUENCE => headers.sequence = SequenceHeader::parse(body).ok(),
                start_code::GROUP => headers.group = GroupHeader::parse(body).ok(),
                start_code::PICTURE if headers.picture.is_some() => break,
                start_code::PICTURE => headers.picture = PictureHeader::parse(body).ok(),
                start_code::EXTENSION => {
                    let mut b = PlainBits::new(body, "MPEG extension");
                    match b.take(4) {
                        Ok(SEQUENCE_EXTENSION) => {
                            let sequence = headers.sequence.as_mut();
                            let _ = sequence.map(|sequence| sequence.extend(&mut b));
                        }
                        Ok(PICTURE_CODING_EXTENSION) => {
                            headers.coding = PictureCoding::parse(&mut b).ok();
                        }
                        _ => {}
                    }
                }
                _ if is_slice(code) => {
                    headers.first_slice = Some(at);
                    break;
                }
                _ => {}
            }
        }
        headers
    }

    /// Whether the picture refers to no other.
    pub fn is_intra(&self) -> bool {
        self.picture.is_some_and(|picture| picture.picture_type == PictureType::I)
    }

    /// Whether decoding can start with the picture: it refers to no other, and the header of its
    /// sequence is here.
    pub fn is_key(&self) -> bool {
        self.sequence.is_some() && self.is_intra()
    }
}

/// Whether decoding can start with a picture, given with the headers before it.
pub fn is_key(picture: &[u8]) -> bool {
    Headers::read(picture).is_key()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 720x576, 16:9, 25 frames a second (ISO/IEC 13818-2 section 6.2.2.1).
    const SEQUENCE: &[u8] = &[0, 0, 1, 0xb3, 0x2d, 0x02, 0x40, 0x33, 0x24, 0x9f, 0x23, 0x80];
    /// Main profile at main level, interlaced, 4:2:0 (section 6.2.2.3).
    const SEQUENCE_EXTENSION: &[u8] = &[0, 0, 1, 0xb5, 0x14, 0x82, 0, 1, 0, 0];
    const GROUP: &[u8] = &[0, 0, 1, 0xb8, 0, 8, 0, 0x40];
    /// Temporal reference 2, type I, vbv_delay 0xffff.
    const I_PICTURE: &[u8] = &[0, 0, 1, 0, 0, 0x8f, 0xff, 0xf8];
    /// Temporal reference 1, type B; both vectors with f_code 7 and without full_pel.
    const B_PICTURE: &[u8] = &[0, 0, 1, 0, 0, 0x5f, 0xff, 0xfb, 0xb8];
    /// f_codes 15, a frame, top field first, both fields of the same time.
    const CODING: &[u8] = &[0, 0, 1, 0xb5, 0x8f, 0xff, 0xf3, 0x80, 0x80];
    const SLICE: &[u8] = &[0, 0, 1, 1, 0x2b, 0xd0];

    #[test]
    fn headers_of_mpeg_2() {
        let data = [SEQUENCE, SEQUENCE_EXTENSION, GROUP, I_PICTURE, CODING, SLICE].concat();
        let headers = Headers::read(&data);
        let sequence = headers.sequence.unwrap();
        assert_eq!((sequence.width, sequence.height, sequence.frame_rate), (720, 576, (25, 1)));
        assert_eq!((sequence.aspect_ratio, sequence.is_mpeg2), (3, true));
        assert!(!sequence.progressive && !sequence.low_delay);
        assert_eq!(headers.group, Some(GroupHeader { closed_gop: true, broken_link: false }));
        let picture = headers.picture.unwrap();
        assert_eq!((picture.temporal_reference, picture.picture_type), (2, PictureType::I));
        let coding = headers.coding.unwrap();
        assert_eq!((coding.structure, coding.top_field_first), (3, true));
        assert!(coding.progressive_frame && !coding.repeat_first_field);
        assert_eq!(headers.first_slice, Some(data.len() - SLICE.len()));
        assert!(headers.is_key() && is_key(&data));
    }

    #[test]
    fn decoding_starts_with_an_i_picture_of_a_known_sequence() {
        let mpeg1 = Headers::read(&[SEQUENCE, GROUP, I_PICTURE, SLICE].concat());
        assert!(mpeg1.is_key() && mpeg1.sequence.is_some_and(|s| !s.is_mpeg2 && s.progressive));
        let alone = Headers::read(&[I_PICTURE, SLICE].concat());
        assert!(alone.is_intra() && !alone.is_key());
        let b = Headers::read(&[SEQUENCE, B_PICTURE, SLICE].concat());
        assert!(!b.is_intra() && !b.is_key());
        assert_eq!(b.picture.map(|p| (p.forward, p.backward)), Some((7, 7)));
        // The second picture counts for nothing.
        let two = Headers::read(&[SEQUENCE, B_PICTURE, I_PICTURE].concat());
        assert_eq!(two.picture, b.picture);
        assert_eq!(Headers::read(SLICE).first_slice, Some(0));
    }

    #[test]
    fn what_is_cut_or_forbidden_is_not_read() {
        let data = [SEQUENCE, SEQUENCE_EXTENSION, GROUP, I_PICTURE, CODING].concat();
        for end in 0..data.len() {
            let _ = Headers::read(&data[..end]);
        }
        assert_eq!(Headers::read(&SEQUENCE[..8]).sequence, None);
        // Type 0, and frame rate 0.
        assert_eq!(Headers::read(&[0, 0, 1, 0, 0, 0x80, 0, 0, 0]).picture, None);
        assert_eq!(
            Headers::read(&[0, 0, 1, 0xb3, 0x2d, 2, 0x40, 0x30, 0, 0, 0x20, 0]).sequence,
            None
        );
        // A header that is too far behind.
        let far = [&vec![0xff; MAX_HEADERS][..], SEQUENCE].concat();
        assert_eq!(Headers::read(&far), Headers::default());
    }
}
