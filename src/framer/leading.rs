//! [`leading_units`]: the beginning of an access unit of H.264 or H.265 in Annex B form: its
//! parameter sets, and whether decoding can start with its picture (ITU-T H.264 section 7.4.1,
//! ITU-T H.265 section 7.4.2).

use crate::codec::{h264, h265};
use memchr::memmem;
use std::ops::Range;

/// Most NAL units before the first slice that are examined.
const MAX_LEADING_UNITS: usize = 128;

/// The kind of a NAL unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Vps,
    Sps,
    Pps,
    Delimiter,
    /// Supplemental enhancement information before a picture.
    Sei,
    /// A slice; `key` if it belongs to an IDR (H.264) or IRAP (H.265) picture.
    Slice {
        key: bool,
    },
    Other,
}

/// A codec whose frames are NAL units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NalCodec {
    H264,
    H265,
}

impl NalCodec {
    fn classify(self, nal: &[u8]) -> Unit {
        match self {
            Self::H264 => match h264::nal_unit_type(nal) {
                1..=4 => Unit::Slice { key: false },
                5 => Unit::Slice { key: true },
                6 => Unit::Sei,
                7 => Unit::Sps,
                8 => Unit::Pps,
                9 => Unit::Delimiter,
                _ => Unit::Other,
            },
            // Further layers do not concern a decoder of the base layer.
            Self::H265 if h265::nuh_layer_id(nal) != 0 => Unit::Other,
            Self::H265 => match h265::nal_unit_type(nal) {
                kind @ 0..=31 => Unit::Slice { key: h265::is_irap(kind) },
                32 => Unit::Vps,
                33 => Unit::Sps,
                34 => Unit::Pps,
                35 => Unit::Delimiter,
                39 => Unit::Sei,
                _ => Unit::Other,
            },
        }
    }

    fn has_recovery_point(self, sei: &[u8]) -> bool {
        match self {
            Self::H264 => h264::has_recovery_point(sei),
            Self::H265 => h265::has_recovery_point(sei),
        }
    }
}

/// What one NAL unit tells of its access unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnitFacts {
    /// It is a part of the picture.
    pub(crate) slice: bool,
    /// Decoding can start with its access unit: it is of an IDR (H.264) or IRAP (H.265) picture, or
    /// has a recovery point message.
    pub(crate) key: bool,
    /// It is an I slice of H.264.
    pub(crate) intra: bool,
    /// It is a VPS or an SPS.
    pub(crate) sets: bool,
}

/// Examines one NAL unit, of which only the beginning need be there. The cost does not grow with
/// the picture.
pub(crate) fn unit_facts(codec: NalCodec, nal: &[u8]) -> UnitFacts {
    let none = UnitFacts::default();
    match codec.classify(nal) {
        Unit::Slice { key } => {
            let intra = codec == NalCodec::H264 && h264::is_intra_slice(nal);
            UnitFacts { slice: true, key, intra, ..none }
        }
        Unit::Sei => UnitFacts { key: codec.has_recovery_point(nal), ..none },
        Unit::Vps | Unit::Sps => UnitFacts { sets: true, ..none },
        Unit::Pps | Unit::Delimiter | Unit::Other => none,
    }
}

/// Positions of the NAL units of one kind. Usually one or two, which need no allocation.
#[derive(Debug, Default)]
pub(crate) struct UnitRanges {
    first: [Range<usize>; 4],
    more: Vec<Range<usize>>,
    len: usize,
}

impl UnitRanges {
    fn push(&mut self, range: Range<usize>) {
        match self.first.get_mut(self.len) {
            Some(place) => *place = range,
            None => self.more.push(range),
        }
        self.len += 1;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<usize>> {
        self.first.iter().take(self.len).chain(&self.more).cloned()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The NAL units before the first slice of an access unit.
#[derive(Debug, Default)]
pub(crate) struct LeadingUnits {
    pub(crate) vps: UnitRanges,
    pub(crate) sps: UnitRanges,
    pub(crate) pps: UnitRanges,
    /// Whether decoding can start here: the first slice belongs to an IDR (H.264) or IRAP (H.265)
    /// picture; or a recovery point message precedes it (H.264 section D.2.8, H.265 section D.3.8);
    /// or, in H.264, it is an I slice and an SPS precedes it, as encoders write that use open
    /// groups of pictures without recovery points.
    pub(crate) key: bool,
    /// Whether there is a slice: otherwise `data` is only the beginning of an access unit.
    pub(crate) slice: bool,
    /// Whether the first slice is an I slice of H.264.
    pub(crate) intra: bool,
    /// Start of the first slice's NAL unit.
    pub(crate) slice_at: usize,
    /// Whether the picture is a CRA picture of H.265, whose leading pictures may refer to earlier
    /// ones.
    pub(crate) clean_random_access: bool,
    /// Position at which parameter sets can be inserted: after the access unit delimiter, which
    /// must be first.
    pub(crate) insert_at: usize,
}

/// Examines `data` up to the first slice, so that the cost does not grow with the picture.
pub(crate) fn leading_units(codec: NalCodec, data: &[u8]) -> LeadingUnits {
    let mut found = LeadingUnits::default();
    let mut begin = next_unit(data, 0);
    for _ in 0..MAX_LEADING_UNITS {
        let Some(at) = begin else { break };
        let unit = codec.classify(data.get(at..).unwrap_or_default());
        if let Unit::Slice { key } = unit {
            let slice = data.get(at..).unwrap_or_default();
            found.intra = codec == NalCodec::H264 && h264::is_intra_slice(slice);
            found.key |= key || (found.intra && !found.sps.is_empty());
            (found.slice, found.slice_at) = (true, at);
            found.clean_random_access =
                codec == NalCodec::H265 && h265::nal_unit_type(slice) == h265::nal_type::CRA;
            break;
        }
        begin = next_unit(data, at);
        let end = begin.map_or(data.len(), |next| next.saturating_sub(3));
        let range = at..trimmed_end(data, at, end);
        match unit {
            Unit::Vps => found.vps.push(range),
            Unit::Sps => found.sps.push(range),
            Unit::Pps => found.pps.push(range),
            Unit::Delimiter => found.insert_at = range.end,
            Unit::Sei => {
                found.key |= codec.has_recovery_point(data.get(range).unwrap_or_default());
            }
            Unit::Slice { .. } | Unit::Other => {}
        }
    }
    found
}

/// Finds starting points of gradual decoder refresh that are marked only by a repeated SPS before a
/// picture that is not an I picture. Some encoders repeat the SPS for other reasons: before every
/// picture, or periodically between key pictures. Such a place therefore counts only if the
/// previous picture had no SPS, and no key picture came since the last such place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RefreshCycle {
    after_sps: bool,
    began: bool,
}

impl RefreshCycle {
    /// The state for a stream that continues after a seek.
    pub(crate) const AFTER_SEEK: Self = Self { after_sps: false, began: true };

    /// Returns whether decoding can start at the next picture in decoding order, given whether it
    /// is a `key` picture and whether an `sps` precedes it.
    pub(crate) const fn can_start(&mut self, key: bool, sps: bool) -> bool {
        let place = sps && !self.after_sps;
        self.after_sps = sps;
        if key {
            self.began = false;
            return true;
        }
        let starts = place && self.began;
        self.began |= place;
        starts
    }
}

/// Returns the first byte after the next start code at or after `from`.
fn next_unit(data: &[u8], from: usize) -> Option<usize> {
    memmem::find(data.get(from..)?, &[0, 0, 1])?.checked_add(from)?.checked_add(3)
}

/// Removes trailing zero bytes: a NAL unit never ends in one, they belong to the next start code.
fn trimmed_end(data: &[u8], begin: usize, end: usize) -> usize {
    let unit = data.get(begin..end).unwrap_or_default();
    begin + unit.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framer::annexb::from_nal_units;
    use crate::framer::testing::{H264Slice, H264Sps, h264_pps};

    #[test]
    fn many_parameter_sets_are_all_found() {
        let mut data = [0, 0, 1, 0x68, 1].repeat(10);
        data.extend([0, 0, 1, 0x65]);
        let found = leading_units(NalCodec::H264, &data);
        assert!(found.pps.iter().eq((0..10).map(|i| 5 * i + 3..5 * i + 5)));
        assert!(found.sps.is_empty() && found.slice);
    }

    #[test]
    fn h264_key_pictures_are_those_that_decoding_can_start_with() {
        let (sps, pps) = (H264Sps::default().nal(), h264_pps(0));
        let recovery_point = [6, 6, 1, 0xc0, 0x80];
        let idr = H264Slice::idr(0).nal();
        let intra = H264Slice::other(true, 1, 2).nal();
        let inter = H264Slice { slice_type: 5, ..H264Slice::other(true, 1, 2) }.nal();
        let key = |nals: &[&[u8]]| {
            let data = from_nal_units(nals.iter().copied());
            leading_units(NalCodec::H264, &data).key
        };
        assert!(key(&[&idr]) && key(&[&recovery_point, &inter]));
        assert!(key(&[&sps, &pps, &intra]), "an open group of pictures");
        assert!(!key(&[&pps, &intra]), "what follows may refer to what is before it");
        assert!(!key(&[&sps, &pps, &inter]), "sets are repeated before any picture");
    }

    #[test]
    fn places_of_gradual_refresh_are_found_by_their_sps() {
        let starts = |pictures: &str| -> String {
            let mut cycle = RefreshCycle::default();
            let mut can_start = |c| cycle.can_start(c == 'I', c == 'I' || c == 'S');
            pictures.chars().map(|c| if can_start(c) { '+' } else { '-' }).collect()
        };
        // One I picture, then an SPS every four.
        assert_eq!(starts("IPPPSPPPSPPPSPP"), "+-------+---+--");
        // An SPS in front of every picture, and one between key pictures.
        assert_eq!(starts("ISSSSSSSSSSSISS"), "+-----------+--");
        assert_eq!(starts("IPPPSPPPIPPPSPPPI"), "+-------+-------+");
    }

    #[test]
    fn h265_key_pictures_are_the_irap_ones_and_recovery_points() {
        for (kind, key) in [(1_u8, false), (16, true), (19, true), (21, true), (23, true)] {
            let data = [0, 0, 1, 40 << 1, 1, 0, 0, 1, kind << 1, 1];
            assert_eq!(leading_units(NalCodec::H265, &data).key, key, "{kind}");
        }
        let refresh = [0, 0, 1, 39 << 1, 1, 6, 1, 0xc0, 0x80, 0, 0, 1, 2, 1, 0xd0];
        assert!(leading_units(NalCodec::H265, &refresh).key, "gradual decoder refresh");
        // An IRAP picture of another layer.
        assert!(!leading_units(NalCodec::H265, &[0, 0, 1, 19 << 1, 9, 0, 0, 1, 2, 1]).key);
        assert!(!leading_units(NalCodec::H265, &[]).key);
        assert!(!leading_units(NalCodec::H265, &[0, 0, 1]).key);
    }
}
