//! AV1: OBUs, the sequence header, and whether decoding can start with a temporal unit. Reference:
//! AV1 Bitstream & Decoding Process Specification, sections 4.10.5, 5.3, 5.5, 5.9 and 7.6.1.

mod obu;
mod sequence;

pub use obu::{Obu, Obus, leb128, leb128_len, obu_type, obus, write_leb128};
pub use sequence::SequenceHeader;

use super::bits::PlainBits;
use bytes::Bytes;
use std::ops::Range;

/// Most OBUs at the beginning of a temporal unit that are examined.
const MAX_EXAMINED: usize = 64;
/// `frame_type` of a key frame.
const KEY_FRAME: u32 = 0;

/// What the beginning of an OBU tells of its temporal unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObuFacts {
    /// It is a sequence header.
    pub is_sequence_header: bool,
    /// It begins a frame: it is a frame header, or a frame with its header.
    pub is_frame: bool,
    /// Decoding can start with the frame that it begins, if a sequence header precedes it.
    pub is_key: bool,
}

impl ObuFacts {
    /// Examines an OBU, of whose payload the beginning is enough. `reduced` says that the sequence
    /// header has `reduced_still_picture_header`.
    pub fn of(obu: &Obu<'_>, reduced: bool) -> Self {
        let none = Self::default();
        match obu.obu_type() {
            obu_type::SEQUENCE_HEADER => Self { is_sequence_header: true, ..none },
            obu_type::FRAME | obu_type::FRAME_HEADER => {
                Self { is_frame: true, is_key: reduced || is_shown_key_frame(obu.payload), ..none }
            }
            _ => none,
        }
    }
}

/// Whether a frame header (section 5.9.2) is that of a key frame which is shown.
fn is_shown_key_frame(header: &[u8]) -> bool {
    let mut r = PlainBits::new(header, "AV1 frame header");
    let (shows_existing, frame_type, show_frame) = (r.take(1), r.take(2), r.take(1));
    (shows_existing, frame_type, show_frame) == (Ok(0), Ok(KEY_FRAME), Ok(1))
}

/// Returns the range of the first sequence header OBU before the first frame of a temporal unit,
/// with its header and length.
pub fn sequence_header_range(unit: &[u8]) -> Option<Range<usize>> {
    let mut at = 0;
    for obu in obus(unit).take(MAX_EXAMINED) {
        let obu = obu.ok()?;
        let range = at..at + obu.bytes.len();
        at = range.end;
        match obu.obu_type() {
            obu_type::SEQUENCE_HEADER => return Some(range),
            obu_type::FRAME | obu_type::FRAME_HEADER => return None,
            _ => {}
        }
    }
    None
}

/// Returns the first sequence header OBU before the first frame of a temporal unit, as
/// [`CodecParameters::Av1`](super::CodecParameters::Av1) has it: with its header and length.
pub fn sequence_header(unit: &Bytes) -> Option<Bytes> {
    let range = sequence_header_range(unit)?;
    let obu = obus(unit.get(range.clone())?).next()?.ok()?;
    // One that reaches to the end of the unit may lack its length.
    if obu.has_size() { Some(unit.slice(range)) } else { Some(obu.to_sized().into()) }
}

/// Returns whether decoding can start with a temporal unit, of which the beginning is enough: its
/// first frame is a key frame and shown (section 7.6.1). A decoder needs a sequence header before
/// it, which encoders put into the same unit and some containers leave out.
pub fn is_key(unit: &[u8]) -> bool {
    let (mut rest, mut reduced) = (unit, false);
    for _ in 0..MAX_EXAMINED {
        let Ok(obu) = Obu::parse_beginning(rest) else { break };
        let facts = ObuFacts::of(&obu, reduced);
        if facts.is_frame {
            return facts.is_key;
        }
        if facts.is_sequence_header {
            reduced = SequenceHeader::is_reduced(obu.payload);
        }
        rest = rest.get(obu.bytes.len()..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A sequence header OBU with its length: see the tests of [`SequenceHeader`].
    pub(crate) const SEQUENCE: [u8; 13] =
        [0x0a, 0x0b, 0x00, 0x00, 0x00, 0x04, 0x45, 0x7e, 0x3e, 0xff, 0xfc, 0xc0, 0x20];

    /// An OBU with its length.
    pub(crate) fn obu(obu_type: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![obu_type << 3 | 2];
        write_leb128(payload.len(), |byte| bytes.push(byte));
        bytes.extend_from_slice(payload);
        bytes
    }

    /// A frame OBU of `len` bytes; the header is `show_existing_frame` 0, `frame_type`, `show_frame`
    /// 1 (section 5.9.2).
    pub(crate) fn frame(is_key: bool, len: usize) -> Vec<u8> {
        let mut payload = vec![0x5a; len];
        payload[0] = if is_key { 0x10 } else { 0x30 };
        obu(obu_type::FRAME, &payload)
    }

    #[test]
    fn key_frames_are_found() {
        let key = [&SEQUENCE[..], &frame(true, 40)].concat();
        assert!(is_key(&key));
        assert!(is_key(&[&[0x12, 0][..], &key].concat()), "behind a temporal delimiter");
        assert!(is_key(&frame(true, 40)), "the sequence header may be known");
        assert!(!is_key(&frame(false, 40)));
        assert!(!is_key(&[&SEQUENCE[..], &frame(false, 9), &frame(true, 9)].concat()));
        // Key frames that are hidden, or shown again.
        for header in [0x00, 0x90] {
            assert!(!is_key(&obu(obu_type::FRAME_HEADER, &[header, 0])));
        }
        assert!(!is_key(&[]) && !is_key(&SEQUENCE) && !is_key(&[0x32]) && !is_key(&[0xff; 9]));
        assert!(is_key(&[0x30, 0x10]) && is_key(&key[..key.len() - 30]), "the beginning is enough");
    }

    #[test]
    fn still_pictures_with_a_reduced_header_are_key_frames() {
        // seq_profile 0, still_picture 1, reduced_still_picture_header 1.
        let reduced = obu(obu_type::SEQUENCE_HEADER, &[0b0001_1000, 0, 0, 0, 0]);
        assert!(is_key(&[&reduced[..], &frame(false, 9)].concat()));
    }

    #[test]
    fn the_sequence_header_is_found_with_its_length() {
        let unit = [&[0x12, 0][..], &SEQUENCE, &frame(true, 40)].concat();
        assert_eq!(sequence_header_range(&unit), Some(2..15));
        assert_eq!(sequence_header(&unit.into()).unwrap(), SEQUENCE[..]);
        assert_eq!(sequence_header(&frame(true, 40).into()), None);
        // At the end, without a length.
        let bare = [&[0x08][..], &SEQUENCE[2..]].concat();
        assert_eq!(sequence_header(&bare.into()).unwrap(), SEQUENCE[..]);
    }
}
