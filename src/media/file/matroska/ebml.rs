//! Bytes of EBML (RFC 8794) and of Matroska blocks (RFC 9559 section 10), without any I/O.

use crate::wire::{ParseError, Reader};
use std::ops::Range;

/// Element ids with their length marker (RFC 8794 section 5, RFC 9559 section 5).
pub(super) mod id {
    pub(crate) const EBML: u32 = 0x1a45_dfa3;
    pub(crate) const SEGMENT: u32 = 0x1853_8067;
    pub(crate) const SEEK_HEAD: u32 = 0x114d_9b74;
    pub(crate) const SEEK: u32 = 0x4dbb;
    pub(crate) const SEEK_ID: u32 = 0x53ab;
    pub(crate) const SEEK_POSITION: u32 = 0x53ac;
    pub(crate) const INFO: u32 = 0x1549_a966;
    pub(crate) const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
    pub(crate) const DURATION: u32 = 0x4489;
    pub(crate) const TRACKS: u32 = 0x1654_ae6b;
    pub(crate) const TRACK_ENTRY: u32 = 0xae;
    pub(crate) const TRACK_NUMBER: u32 = 0xd7;
    pub(crate) const DEFAULT_DURATION: u32 = 0x23_e383;
    pub(crate) const CODEC_ID: u32 = 0x86;
    pub(crate) const CODEC_PRIVATE: u32 = 0x63a2;
    pub(crate) const CODEC_DELAY: u32 = 0x56aa;
    pub(crate) const AUDIO: u32 = 0xe1;
    pub(crate) const SAMPLING_FREQUENCY: u32 = 0xb5;
    pub(crate) const CHANNELS: u32 = 0x9f;
    pub(crate) const BIT_DEPTH: u32 = 0x6264;
    pub(crate) const CONTENT_ENCODINGS: u32 = 0x6d80;
    pub(crate) const CONTENT_ENCODING: u32 = 0x6240;
    pub(crate) const CONTENT_ENCODING_SCOPE: u32 = 0x5032;
    pub(crate) const CONTENT_ENCODING_TYPE: u32 = 0x5033;
    pub(crate) const CONTENT_COMPRESSION: u32 = 0x5034;
    pub(crate) const CONTENT_COMP_ALGO: u32 = 0x4254;
    pub(crate) const CONTENT_COMP_SETTINGS: u32 = 0x4255;
    pub(crate) const CUES: u32 = 0x1c53_bb6b;
    pub(crate) const CUE_POINT: u32 = 0xbb;
    pub(crate) const CUE_TIME: u32 = 0xb3;
    pub(crate) const CUE_TRACK_POSITIONS: u32 = 0xb7;
    pub(crate) const CUE_TRACK: u32 = 0xf7;
    pub(crate) const CUE_CLUSTER_POSITION: u32 = 0xf1;
    pub(crate) const CLUSTER: u32 = 0x1f43_b675;
    pub(crate) const TIMESTAMP: u32 = 0xe7;
    pub(crate) const SIMPLE_BLOCK: u32 = 0xa3;
    pub(crate) const BLOCK_GROUP: u32 = 0xa0;
    pub(crate) const BLOCK: u32 = 0xa1;
    pub(crate) const BLOCK_DURATION: u32 = 0x9b;
    pub(crate) const REFERENCE_BLOCK: u32 = 0xfb;

    /// Whether it is one of the segment's children, which have four bytes, or of the file's.
    pub(crate) const fn is_top_level(id: u32) -> bool {
        id > 0x00ff_ffff
    }
}

/// Id and size in front of an element's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ElementHeader {
    pub(super) id: u32,
    /// `None`: unknown, the element ends where one follows that cannot be its child.
    pub(super) size: Option<u64>,
    /// Bytes of the header itself.
    pub(super) len: u64,
}

impl ElementHeader {
    /// Most bytes that a header has.
    pub(super) const MAX_LEN: usize = 12;

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(bytes);
        let id = element_id(&mut r)?;
        let size = variable_int(&mut r, "element size")?;
        Ok(Self { id, size, len: r.position() as u64 })
    }
}

/// An element id of one to four bytes, marker included.
fn element_id(r: &mut Reader<'_>) -> Result<u32, ParseError> {
    let what = "element id";
    let first = r.u8(what)?;
    let more = first.leading_zeros();
    if more > 3 {
        return Err(r.invalid(what));
    }
    let rest = r.take(more as usize, what)?;
    Ok(rest.iter().fold(u32::from(first), |id, &byte| (id << 8) | u32::from(byte)))
}

/// A variable-size integer of one to eight bytes (RFC 8794 section 4); `None` if all its bits
/// are ones, which means "unknown" for a size.
pub(super) fn variable_int(
    r: &mut Reader<'_>,
    what: &'static str,
) -> Result<Option<u64>, ParseError> {
    let first = r.u8(what)?;
    let more = first.leading_zeros();
    if more > 7 {
        return Err(r.invalid(what));
    }
    let bits = 7 * (u64::from(more) + 1);
    let rest = r.take(more as usize, what)?;
    let all = rest.iter().fold(u64::from(first), |n, &byte| (n << 8) | u64::from(byte));
    let max = (1_u64 << bits) - 1;
    let value = all & max;
    Ok((value != max).then_some(value))
}

/// An unsigned integer element's data: one to eight bytes, big-endian. `None`: it is empty, which
/// stands for the default value (RFC 8794 section 6.1), or cannot be read, which is taken for the
/// same.
pub(super) fn unsigned(data: &[u8]) -> Option<u64> {
    let sized = (1..=8).contains(&data.len());
    sized.then(|| data.iter().fold(0, |n, &byte| (n << 8) | u64::from(byte)))
}

/// A float element's data: four or eight bytes. `None` as in [`unsigned`], or if it is no number.
fn float(data: &[u8]) -> Option<f64> {
    let mut r = Reader::new(data);
    let value = match data.len() {
        4 => f32::from_bits(r.u32("float").ok()?).into(),
        8 => f64::from_bits(r.u64("float").ok()?),
        _ => return None,
    };
    value.is_finite().then_some(value)
}

/// The child elements in a master element's data; stops at what cannot be read.
pub(super) fn children(data: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut r = Reader::new(data);
    std::iter::from_fn(move || {
        let header = ElementHeader::parse(r.remaining()).ok()?;
        r.take(usize::try_from(header.len).ok()?, "element").ok()?;
        let size = header.size.unwrap_or_else(|| unknown_size(header.id, r.remaining()));
        let child = r.take(usize::try_from(size).ok()?, "element").ok()?;
        Some((header.id, child))
    })
}

/// Bytes in `data` of an element of unknown size: it ends in front of one that cannot be its
/// child (RFC 8794 section 6.2), which here is one with the same id.
fn unknown_size(id: u32, data: &[u8]) -> u64 {
    let mut at = 0_u64;
    while let Some(rest) = usize::try_from(at).ok().and_then(|at| data.get(at..)) {
        let Ok(header) = ElementHeader::parse(rest) else { break };
        if header.id == id {
            return at;
        }
        // What is in one that is of unknown size itself is looked at as if it were beside it.
        at = at.saturating_add(header.len).saturating_add(header.size.unwrap_or(0));
    }
    data.len() as u64
}

/// The data of the first child with `wanted` id that is not empty.
pub(super) fn child(data: &[u8], wanted: u32) -> Option<&[u8]> {
    all(data, wanted).find(|data| !data.is_empty())
}

/// The first child with that id which is an unsigned integer.
pub(super) fn number(data: &[u8], wanted: u32) -> Option<u64> {
    all(data, wanted).find_map(unsigned)
}

/// As [`number`], for one whose range leaves out zero.
pub(super) fn positive(data: &[u8], wanted: u32) -> Option<u64> {
    all(data, wanted).filter_map(unsigned).find(|&value| value > 0)
}

/// As [`number`], for one without a default: an empty element is zero (RFC 8794 section 7.2).
pub(super) fn number_or_zero(data: &[u8], wanted: u32) -> Option<u64> {
    number(data, wanted).or_else(|| all(data, wanted).find(|data| data.is_empty()).map(|_| 0))
}

/// As [`positive`], for a number with a fraction.
pub(super) fn positive_real(data: &[u8], wanted: u32) -> Option<f64> {
    all(data, wanted).filter_map(float).find(|&value| value > 0.0)
}

/// The first child with that id which is a text. It may end in zero bytes (RFC 8794 section 7.4),
/// and those that GStreamer writes do.
pub(super) fn text(data: &[u8], wanted: u32) -> Option<&str> {
    all(data, wanted)
        .filter_map(|text| text.split(|&byte| byte == 0).next())
        .filter(|text| !text.is_empty())
        .find_map(|text| std::str::from_utf8(text).ok())
}

fn all(data: &[u8], wanted: u32) -> impl Iterator<Item = &[u8]> {
    children(data).filter(move |(id, _)| *id == wanted).map(|(_, data)| data)
}

/// The lacing of a block: the arrangement of several frames in it (RFC 9559 section 10.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lacing {
    None,
    Xiph,
    Fixed,
    Ebml,
}

/// The header in front of a block's frames (RFC 9559 sections 10.1 and 10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHeader {
    pub(super) track: u64,
    /// Timestamp relative to the cluster's, in units of the timestamp scale.
    pub(super) time: i16,
    /// Only said by simple blocks.
    pub(super) key: bool,
    pub(super) lacing: Lacing,
    /// Bytes of the header itself.
    pub(super) len: u64,
}

impl BlockHeader {
    /// Most bytes that a header has.
    pub(super) const MAX_LEN: usize = 11;

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let what = "block header";
        let mut r = Reader::new(bytes);
        let track = variable_int(&mut r, what)?.ok_or_else(|| r.invalid(what))?;
        let time = r.u16(what)? as i16;
        let flags = r.u8(what)?;
        let lacing = match (flags >> 1) & 3 {
            0 => Lacing::None,
            1 => Lacing::Xiph,
            2 => Lacing::Fixed,
            _ => Lacing::Ebml,
        };
        Ok(Self { track, time, key: flags & 0x80 != 0, lacing, len: r.position() as u64 })
    }
}

/// Where the frames lie in `data`, which is what follows the block's header. At most 256; what
/// `frames` held before is gone.
pub(super) fn laced_frames(
    data: &[u8],
    lacing: Lacing,
    frames: &mut Vec<Range<usize>>,
) -> Result<(), ParseError> {
    frames.clear();
    let what = "block lacing";
    let mut r = Reader::new(data);
    let count = if lacing == Lacing::None { 1 } else { usize::from(r.u8(what)?) + 1 };
    // The sizes of all but the last at first, as if they lay one upon the other.
    let mut push = |size: usize| frames.push(0..size);
    match lacing {
        Lacing::Xiph => {
            for _ in 1..count {
                let mut size = 0;
                loop {
                    // At most as many bytes as there are.
                    let byte = r.u8(what)?;
                    size += usize::from(byte);
                    if byte != 255 {
                        break;
                    }
                }
                push(size);
            }
        }
        Lacing::Ebml => {
            let mut last: Option<usize> = None;
            for _ in 1..count {
                let before = r.position();
                let coded = variable_int(&mut r, what)?.ok_or_else(|| r.invalid(what))?;
                let bytes = r.position() - before;
                // All sizes but the first are differences, coded with half the range as offset.
                let size = match last {
                    None => i64::try_from(coded).ok(),
                    Some(last) => {
                        let offset = (1_i64 << (7 * bytes - 1)) - 1;
                        i64::try_from(coded)
                            .ok()
                            .and_then(|n| n.checked_sub(offset)?.checked_add_unsigned(last as u64))
                    }
                };
                let size = size.and_then(|size| usize::try_from(size).ok());
                let size = size.ok_or_else(|| r.invalid(what))?;
                last = Some(size);
                push(size);
            }
        }
        Lacing::None => {}
        Lacing::Fixed => {
            let left = r.remaining().len();
            if left % count != 0 {
                return Err(r.invalid(what));
            }
            (1..count).for_each(|_| push(left / count));
        }
    }
    for frame in &mut *frames {
        let start = r.position();
        r.take(frame.len(), what)?;
        *frame = start..r.position();
    }
    frames.push(r.position()..data.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn element_headers_of_all_lengths() {
        let parse = |bytes: &[u8]| ElementHeader::parse(bytes).map(|h| (h.id, h.size, h.len));
        assert_eq!(parse(&[0xa3, 0x81, 0]), Ok((id::SIMPLE_BLOCK, Some(1), 2)));
        assert_eq!(parse(&[0x1f, 0x43, 0xb6, 0x75, 0xff]), Ok((id::CLUSTER, None, 5)));
        let unknown = [0x1f, 0x43, 0xb6, 0x75, 1, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(parse(&unknown), Ok((id::CLUSTER, None, 12)));
        let huge = [0xec, 1, 255, 255, 255, 255, 255, 255, 254];
        assert_eq!(parse(&huge), Ok((0xec, Some((1 << 56) - 2), 9)));
        assert_eq!(parse(&[0x42, 0x86, 0x40, 0x02]), Ok((0x4286, Some(2), 4)));
        assert!(matches!(parse(&[0x42]), Err(ParseError::Incomplete { .. })));
        assert!(matches!(parse(&[0x08, 0x81]), Err(ParseError::Invalid { .. })));
        assert!(matches!(parse(&[0xa3, 0x00]), Err(ParseError::Invalid { .. })));
    }

    fn laces(data: &[u8], lacing: Lacing) -> Result<Vec<Range<usize>>, ParseError> {
        let mut frames = vec![7..8, 8..9]; // of another block
        laced_frames(data, lacing, &mut frames).map(|()| frames)
    }

    #[test]
    fn xiph_lacing() {
        let mut data = vec![2, 255, 45, 0];
        data.extend([7; 305]);
        assert_eq!(laces(&data, Lacing::Xiph), Ok(vec![4..304, 304..304, 304..309]));
        assert!(laces(&[1, 255, 255], Lacing::Xiph).is_err());
        assert!(laces(&[1, 9, 0], Lacing::Xiph).is_err());
        assert!(laces(&[], Lacing::Xiph).is_err());
    }

    #[test]
    fn ebml_lacing() {
        // The example of RFC 9559 section 10.3.3: 800, 500 and 1000 bytes.
        let mut data = vec![2, 0x43, 0x20, 0x5e, 0xd3];
        data.extend([7; 2300]);
        assert_eq!(laces(&data, Lacing::Ebml), Ok(vec![5..805, 805..1305, 1305..2305]));
        assert!(laces(&[2, 0x81, 0x80, 7], Lacing::Ebml).is_err(), "negative size");
        assert!(laces(&[1, 0xff, 7], Lacing::Ebml).is_err(), "unknown size");
        assert!(laces(&[1, 0x01, 0xff, 255, 255, 255, 255, 255, 255], Lacing::Ebml).is_err());
    }

    #[test]
    fn fixed_lacing() {
        assert_eq!(laces(&[1, 7, 7, 7, 7], Lacing::Fixed), Ok(vec![1..3, 3..5]));
        assert!(laces(&[1, 7, 7, 7], Lacing::Fixed).is_err());
        assert!(laces(&[7], Lacing::None).is_ok_and(|f| f.len() == 1 && f[0] == (0..1)));
    }

    #[test]
    fn children_stop_at_the_first_that_overruns() {
        let data = [0xa3, 0x81, 5, 0xe7, 0x82, 1, 0, 0xa3, 0x85, 1];
        let found: Vec<_> = children(&data).collect();
        assert_eq!(found, [(0xa3, &[5][..]), (0xe7, &[1, 0][..])]);
        assert_eq!(number(&data, id::TIMESTAMP), Some(256));
    }
}
