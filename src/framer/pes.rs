//! Headers of PES packets, in transport and program streams alike (ISO/IEC 13818-1 section 2.4.3.7),
//! and in the systems layer of MPEG-1 (ISO/IEC 11172-1 section 2.4.3.3).

use super::mpeg_ts::stamp;

/// `stream_id` of private_stream_1.
pub(crate) const PRIVATE_1: u8 = 0xbd;
/// Bytes of start code, `stream_id` and length.
pub(crate) const PREFIX: usize = 6;
/// Most bytes of a header: what its length field can state, and more than MPEG-1 allows.
pub(crate) const MAX_HEADER: usize = PREFIX + 3 + 255;
/// Most stuffing bytes of a header of MPEG-1.
const MAX_STUFFING: usize = 16;

/// The outcome of reading a structure at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed<T> {
    /// It is all there.
    Done(T),
    /// More bytes are needed.
    NeedMore,
    /// It is none.
    Invalid,
}

/// What the header of a PES packet says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PesHeader {
    /// Presentation time stamp, in units of 1/90000 s, modulo 2³³.
    pub(crate) pts: Option<u64>,
    /// Decoding time stamp.
    pub(crate) dts: Option<u64>,
    /// Bytes from the start code to the payload.
    pub(crate) len: usize,
}

/// Whether packets with this `stream_id` have no header behind the length (table 2-21).
pub(crate) const fn is_bare(stream_id: u8) -> bool {
    matches!(stream_id, 0xbc | 0xbe | 0xbf | 0xf0..=0xf2 | 0xf8 | 0xff)
}

impl PesHeader {
    /// Reads the header at the start of `bytes`, from the start code on. A scrambled packet is an
    /// invalid one.
    pub(crate) fn parse(bytes: &[u8]) -> Parsed<Self> {
        let Some((&[0, 0, 1, stream_id, _, _], _)) = bytes.split_first_chunk::<PREFIX>() else {
            let start: [u8; 3] = [0, 0, 1];
            let known = bytes.len().min(3);
            return match bytes.get(..known) == start.get(..known) && bytes.len() < PREFIX {
                true => Parsed::NeedMore,
                false => Parsed::Invalid,
            };
        };
        if is_bare(stream_id) {
            return Parsed::Done(Self { len: PREFIX, ..Self::default() });
        }
        match bytes.get(PREFIX) {
            None => Parsed::NeedMore,
            Some(marks) if marks & 0xc0 == 0x80 => Self::mpeg2(bytes),
            Some(_) => Self::mpeg1(bytes),
        }
    }

    fn mpeg2(bytes: &[u8]) -> Parsed<Self> {
        let Some(&[.., marks, flags, more]) = bytes.first_chunk::<9>() else {
            return Parsed::NeedMore;
        };
        let len = PREFIX + 3 + usize::from(more);
        if marks & 0x30 != 0 {
            return Parsed::Invalid;
        }
        let Some(fields) = bytes.get(9..len) else { return Parsed::NeedMore };
        let (pts, dts) = match flags >> 6 {
            2 => (stamp(fields), None),
            3 => (stamp(fields), fields.get(5..).and_then(stamp)),
            _ => (None, None),
        };
        Parsed::Done(Self { pts, dts, len })
    }

    fn mpeg1(bytes: &[u8]) -> Parsed<Self> {
        let rest = bytes.get(PREFIX..).unwrap_or_default();
        let stuffing = rest.iter().take_while(|&&byte| byte == 0xff).count();
        if stuffing > MAX_STUFFING {
            return Parsed::Invalid;
        }
        let mut at = PREFIX + stuffing;
        // STD_buffer_scale and STD_buffer_size.
        if bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x40) {
            at += 2;
        }
        let Some(&kind) = bytes.get(at) else { return Parsed::NeedMore };
        let len = at
            + match kind >> 4 {
                2 => 5,
                3 => 10,
                0 if kind == 0x0f => 1,
                _ => return Parsed::Invalid,
            };
        let Some(fields) = bytes.get(at..len) else { return Parsed::NeedMore };
        let has_stamps = kind != 0x0f;
        Parsed::Done(Self {
            pts: stamp(fields).filter(|_| has_stamps),
            dts: fields.get(5..).and_then(stamp),
            len,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A time stamp with the bits that come in front of it.
    pub(crate) fn field(front: u8, value: u64) -> [u8; 5] {
        [
            front << 4 | (value >> 29) as u8 & 0x0e | 1,
            (value >> 22) as u8,
            (value >> 14) as u8 | 1,
            (value >> 7) as u8,
            (value << 1) as u8 | 1,
        ]
    }

    #[test]
    fn headers_of_mpeg_2() {
        let (pts, dts) = (0x1_2345_6789, 0x1_2345_0000);
        let both = [&[0, 0, 1, 0xe0, 0, 0, 0x81, 0xc0, 12][..], &field(3, pts), &field(1, dts)];
        let mut bytes = both.concat();
        bytes.extend([0xff, 0xff, 7]);
        let expected = PesHeader { pts: Some(pts), dts: Some(dts), len: 21 };
        assert_eq!(PesHeader::parse(&bytes), Parsed::Done(expected));
        for cut in 0..21 {
            assert_eq!(PesHeader::parse(&bytes[..cut]), Parsed::NeedMore, "{cut}");
        }
        bytes[6] |= 0x10;
        assert_eq!(PesHeader::parse(&bytes), Parsed::Invalid, "scrambled");
        assert_eq!(PesHeader::parse(&[0, 0, 2]), Parsed::Invalid);
        let bare = PesHeader { len: 6, ..PesHeader::default() };
        assert_eq!(PesHeader::parse(&[0, 0, 1, 0xbe, 0, 9]), Parsed::Done(bare));
        let without = PesHeader { len: 9, ..PesHeader::default() };
        assert_eq!(PesHeader::parse(&[0, 0, 1, 0xc0, 0, 9, 0x80, 0, 0]), Parsed::Done(without));
    }

    #[test]
    fn headers_of_mpeg_1() {
        // ISO/IEC 11172-1 section 2.4.3.3: stuffing, buffer size, time stamps.
        let head = [0, 0, 1, 0xe0, 1, 0, 0xff, 0xff, 0x60, 0x20];
        let bytes = [&head[..], &field(3, 900), &field(1, 450), &[0, 0, 1, 0xb3]].concat();
        let expected = PesHeader { pts: Some(900), dts: Some(450), len: 20 };
        assert_eq!(PesHeader::parse(&bytes), Parsed::Done(expected));
        for cut in 0..20 {
            assert_eq!(PesHeader::parse(&bytes[..cut]), Parsed::NeedMore, "{cut}");
        }
        let one = [&[0, 0, 1, 0xc0, 1, 0][..], &field(2, 77)].concat();
        let expected = PesHeader { pts: Some(77), dts: None, len: 11 };
        assert_eq!(PesHeader::parse(&one), Parsed::Done(expected));
        let none = PesHeader { len: 7, ..PesHeader::default() };
        assert_eq!(PesHeader::parse(&[0, 0, 1, 0xc0, 1, 0, 0x0f, 1]), Parsed::Done(none));
        assert_eq!(PesHeader::parse(&[0, 0, 1, 0xc0, 1, 0, 0x1f, 1]), Parsed::Invalid);
        let stuffed = [&[0, 0, 1, 0xc0, 1, 0][..], &[0xff; 40]].concat();
        assert_eq!(PesHeader::parse(&stuffed), Parsed::Invalid);
    }
}
