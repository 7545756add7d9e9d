//! Elements of program streams: packs and packets (ISO/IEC 13818-1 section 2.5.3, and for MPEG-1
//! ISO/IEC 11172-1 section 2.4.3).

use super::annexb::find_start_code;
use super::mpeg_ts::{PCR_MODULUS, Pcr, stamp};
use super::pes::{PREFIX, Parsed};

const END: u8 = 0xb9;
const PACK: u8 = 0xba;
/// Lowest `stream_id` of a packet; below are the start codes of video streams.
const FIRST_STREAM: u8 = 0xbb;
/// Length of a pack header of MPEG-1 and of MPEG-2, in bytes.
const PACK_LEN: [usize; 2] = [12, 14];

/// An element of a program stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// The header of a pack, with the system clock reference in the form of a PCR.
    Pack {
        /// Length in bytes, with stuffing.
        len: usize,
        clock: Pcr,
    },
    /// A PES packet, or another structure in its form such as the system header.
    Packet {
        stream_id: u8,
        /// Length in bytes, from the start code on.
        len: usize,
    },
    /// The end code, of four bytes.
    End,
}

/// Reads the element at the start of `bytes`: of a packet only the prefix needs to be there.
pub(crate) fn element(bytes: &[u8]) -> Parsed<Element> {
    let known = bytes.len().min(3);
    if bytes.get(..known) != [0, 0, 1].get(..known) {
        return Parsed::Invalid;
    }
    match bytes.get(3) {
        None => Parsed::NeedMore,
        Some(&END) => Parsed::Done(Element::End),
        Some(&PACK) => pack(bytes),
        Some(&stream_id) if stream_id >= FIRST_STREAM => match bytes.first_chunk::<PREFIX>() {
            None => Parsed::NeedMore,
            // Only in transport streams a packet need not state its length.
            Some(&[.., 0, 0]) => Parsed::Invalid,
            Some(&[.., l0, l1]) => {
                let len = PREFIX + usize::from(u16::from_be_bytes([l0, l1]));
                Parsed::Done(Element::Packet { stream_id, len })
            }
        },
        Some(_) => Parsed::Invalid,
    }
}

fn pack(bytes: &[u8]) -> Parsed<Element> {
    let Some(&first) = bytes.get(4) else { return Parsed::NeedMore };
    let [mpeg1, mpeg2] = PACK_LEN;
    let (value, len) = if first & 0xf0 == 0x20 {
        let Some(field) = bytes.get(4..mpeg1) else { return Parsed::NeedMore };
        (stamp(field).unwrap_or(0) * 300, mpeg1)
    } else if first & 0xc0 == 0x40 {
        let Some(&[_, _, _, _, b4, b5, b6, b7, b8, b9, _, _, _, stuffing]) =
            bytes.first_chunk::<14>()
        else {
            return Parsed::NeedMore;
        };
        let [b4, b5, b6, b7, b8, b9] = [b4, b5, b6, b7, b8, b9].map(u64::from);
        let base = (b4 >> 3 & 7) << 30
            | (b4 & 3) << 28
            | b5 << 20
            | (b6 >> 3) << 15
            | (b6 & 3) << 13
            | b7 << 5
            | b8 >> 3;
        let extension = (b8 & 3) << 7 | b9 >> 1;
        (base * 300 + extension, mpeg2 + usize::from(stuffing & 7))
    } else {
        return Parsed::Invalid;
    };
    let value = value % PCR_MODULUS;
    let clock = Pcr { pid: 0, value, discontinuity: false, random_access: false };
    Parsed::Done(Element::Pack { len, clock })
}

/// Returns the offset of the first pack at or after `from`, as far as it can be told.
pub(crate) fn find_pack(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = find_start_code(bytes, from)?;
        let rest = bytes.get(at..)?;
        if rest.get(3) == Some(&PACK) && element(rest) != Parsed::Invalid {
            return Some(at);
        }
        from = at + 3;
    }
}

/// Iterates over the clock references in a piece of a stream, each with the offset of its pack.
/// Garbage is skipped, and so is what lies in front of the first pack.
pub(crate) fn clocks(bytes: &[u8]) -> impl Iterator<Item = (usize, Pcr)> {
    let mut at = None;
    std::iter::from_fn(move || {
        loop {
            let here = match at {
                Some(at) => at,
                None => *at.insert(find_pack(bytes, 0)?),
            };
            match element(bytes.get(here..)?) {
                Parsed::Done(Element::Pack { len, clock }) => {
                    at = Some(here + len);
                    return Some((here, clock));
                }
                Parsed::Done(Element::Packet { len, .. }) => at = Some(here + len),
                Parsed::Done(Element::End) => at = Some(here + 4),
                Parsed::NeedMore => return None,
                Parsed::Invalid => at = Some(find_pack(bytes, here + 1)?),
            }
        }
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::framer::pes::tests::field;

    /// A pack header of MPEG-2.
    pub(crate) fn pack_header(value: u64) -> [u8; 14] {
        let (base, extension) = (value / 300, value % 300);
        [
            0,
            0,
            1,
            PACK,
            0x44 | (base >> 27) as u8 & 0x38 | (base >> 28) as u8 & 3,
            (base >> 20) as u8,
            (base >> 12) as u8 & 0xf8 | 4 | (base >> 13) as u8 & 3,
            (base >> 5) as u8,
            (base << 3) as u8 | 4 | (extension >> 7) as u8,
            (extension << 1) as u8 | 1,
            1,
            0x89,
            0xc3,
            0xf8,
        ]
    }

    #[test]
    fn clock_references_of_either_kind() {
        let value = 0x1_5555_4321 * 300 + 257;
        let Parsed::Done(Element::Pack { len, clock }) = element(&pack_header(value)) else {
            panic!("no pack")
        };
        assert_eq!((len, clock.value), (14, value));
        let mpeg1 = [&[0, 0, 1, PACK][..], &field(2, 0x1_5555_4321), &[0x80, 1, 1]].concat();
        let Parsed::Done(Element::Pack { len, clock }) = element(&mpeg1) else { panic!("no pack") };
        assert_eq!((len, clock.value), (12, 0x1_5555_4321 * 300));
        for cut in 0..12 {
            assert_eq!(element(&mpeg1[..cut]), Parsed::NeedMore);
        }
    }

    #[test]
    fn packs_are_found_again_behind_garbage() {
        let packet = [0, 0, 1, 0xe0, 0, 5, 0, 0, 1, PACK, 9];
        let one = [&pack_header(300)[..], &packet].concat();
        let bytes = [&[9, 0, 0, 1, PACK, 0x99], &one[..], &[0, 0, 3], &one, &[0, 0, 1, 0xb9]];
        let found: Vec<usize> = clocks(&bytes.concat()).map(|(at, _)| at).collect();
        assert_eq!(found, [6, 6 + 25 + 3]);
        assert_eq!(clocks(&[0; 100]).count(), 0);
        assert_eq!(element(&[0, 0, 1, 0xb3, 0, 0]), Parsed::Invalid);
        assert_eq!(element(&[0, 0, 1, 0xe0, 0, 0]), Parsed::Invalid, "without a length");
    }
}
