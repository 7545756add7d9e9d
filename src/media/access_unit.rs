//! What an access unit of H.264 or H.265 in Annex B form starts with: its parameter sets, and
//! whether its picture is one that decoding can start at (ITU-T H.264 section 7.4.1, ITU-T H.265
//! section 7.4.2).

use crate::codec::{CodecParameters, h264};
use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;
use std::ops::Range;

const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// Parameter sets of one kind that are kept; more than any stream uses (H.265 allows 16 VPS and
/// SPS, 64 PPS).
const MAX_SETS: usize = 64;
/// NAL units before the first slice that are looked at.
const MAX_LEADING_UNITS: usize = 128;

/// What matters of a NAL unit's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Vps,
    Sps,
    Pps,
    Delimiter,
    /// Supplemental enhancement information of H.264.
    Sei,
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
    /// The codec of a track; `None` for audio and others without NAL units.
    pub(crate) const fn of(parameters: &CodecParameters) -> Option<Self> {
        match parameters {
            CodecParameters::H264 { .. } => Some(Self::H264),
            CodecParameters::H265 { .. } => Some(Self::H265),
            _ => None,
        }
    }

    fn classify(self, header: u8) -> Unit {
        match self {
            Self::H264 => match header & 0x1f {
                1..=4 => Unit::Slice { key: false },
                5 => Unit::Slice { key: true },
                6 => Unit::Sei,
                7 => Unit::Sps,
                8 => Unit::Pps,
                9 => Unit::Delimiter,
                _ => Unit::Other,
            },
            Self::H265 => match (header >> 1) & 0x3f {
                kind @ 0..=31 => Unit::Slice { key: (16..=23).contains(&kind) },
                32 => Unit::Vps,
                33 => Unit::Sps,
                34 => Unit::Pps,
                35 => Unit::Delimiter,
                _ => Unit::Other,
            },
        }
    }
}

/// Where NAL units of one kind stand. There are one or two as a rule, which takes no allocation.
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

/// What stands before the first slice of an access unit.
#[derive(Debug, Default)]
pub(crate) struct LeadingUnits {
    pub(crate) vps: UnitRanges,
    pub(crate) sps: UnitRanges,
    pub(crate) pps: UnitRanges,
    /// The first slice is of an IDR (H.264) or IRAP (H.265) picture, or the unit says that
    /// decoding can start here: by a recovery point (H.264 section D.2.8), or by bringing its own
    /// SPS, as encoders with gradual refresh do.
    pub(crate) key: bool,
    /// Where parameter sets can be put in: behind the access unit delimiter, which must be first.
    pub(crate) insert_at: usize,
}

/// Looks at `data` up to the first slice, so the cost does not grow with the picture.
pub(crate) fn leading_units(codec: NalCodec, data: &[u8]) -> LeadingUnits {
    let mut found = LeadingUnits::default();
    let mut begin = next_unit(data, 0);
    for _ in 0..MAX_LEADING_UNITS {
        let Some(at) = begin else { break };
        let Some(&header) = data.get(at) else { break };
        let unit = codec.classify(header);
        if let Unit::Slice { key } = unit {
            found.key |= key;
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
                found.key |= h264::has_recovery_point(data.get(range).unwrap_or_default());
            }
            Unit::Slice { .. } | Unit::Other => {}
        }
    }
    found.key |= !found.sps.is_empty();
    found
}

/// First byte of the next NAL unit behind a start code at or after `from`.
fn next_unit(data: &[u8], from: usize) -> Option<usize> {
    memmem::find(data.get(from..)?, &[0, 0, 1])?.checked_add(from)?.checked_add(3)
}

/// A NAL unit never ends in a zero byte: those belong to the next start code.
fn trimmed_end(data: &[u8], begin: usize, end: usize) -> usize {
    let unit = data.get(begin..end).unwrap_or_default();
    begin + unit.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1)
}

/// Whether all parameter sets that decoding needs are known.
pub(crate) fn is_complete(parameters: &CodecParameters) -> bool {
    match parameters {
        CodecParameters::H264 { sps, pps } => !sps.is_empty() && !pps.is_empty(),
        CodecParameters::H265 { vps, sps, pps } => {
            !vps.is_empty() && !sps.is_empty() && !pps.is_empty()
        }
        _ => true,
    }
}

/// The parameter sets in Annex B form, in the order in which a decoder wants them.
pub(crate) fn annexb(parameters: &CodecParameters) -> BytesMut {
    let empty: &[Bytes] = &[];
    let (vps, sps, pps) = match parameters {
        CodecParameters::H264 { sps, pps } => (empty, &sps[..], &pps[..]),
        CodecParameters::H265 { vps, sps, pps } => (&vps[..], &sps[..], &pps[..]),
        _ => (empty, empty, empty),
    };
    let mut out = BytesMut::new();
    for set in vps.iter().chain(sps).chain(pps) {
        out.put_slice(&START_CODE);
        out.put_slice(set);
    }
    out
}

/// Takes note of the parameter sets in `data`. Those of a kind replace the ones known of that
/// kind, except when `goes_on`: `data` is a further piece of an access unit that had some before.
pub(crate) fn remember(
    parameters: &mut CodecParameters,
    data: &Bytes,
    found: &LeadingUnits,
    goes_on: bool,
) {
    match parameters {
        CodecParameters::H264 { sps, pps } => {
            replace(sps, data, &found.sps, goes_on);
            replace(pps, data, &found.pps, goes_on);
        }
        CodecParameters::H265 { vps, sps, pps } => {
            replace(vps, data, &found.vps, goes_on);
            replace(sps, data, &found.sps, goes_on);
            replace(pps, data, &found.pps, goes_on);
        }
        _ => {}
    }
}

fn replace(known: &mut Vec<Bytes>, data: &Bytes, found: &UnitRanges, goes_on: bool) {
    let sets = || found.iter().filter_map(|range| data.get(range));
    if found.is_empty() || known.iter().map(|k| &k[..]).eq(sets()) {
        return;
    }
    if !goes_on {
        known.clear();
    }
    for set in sets() {
        if known.len() < MAX_SETS && !known.iter().any(|k| k == set) {
            // A copy, so that a few bytes do not keep a whole key frame in memory.
            known.push(Bytes::copy_from_slice(set));
        }
    }
}

/// `data` with `sets` (see [`annexb`]) put in where they belong.
pub(crate) fn with_parameter_sets(data: &[u8], found: &LeadingUnits, sets: &[u8]) -> Bytes {
    let memory = BytesMut::with_capacity(data.len() + sets.len());
    put_parameter_sets(memory, data, found, sets)
}

/// The same in memory that is there already.
pub(crate) fn put_parameter_sets(
    memory: BytesMut,
    data: &[u8],
    found: &LeadingUnits,
    sets: &[u8],
) -> Bytes {
    let (before, after) = data.split_at(found.insert_at.min(data.len()));
    let mut out = memory;
    out.clear();
    out.put_slice(before);
    out.put_slice(sets);
    out.put_slice(after);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_parameter_sets_and_key_pictures() {
        let data = Bytes::from_static(&[
            0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 9, 9, 0,
            0, 1, 0x67, 7,
        ]);
        let found = leading_units(NalCodec::H264, &data);
        assert!(found.key);
        assert_eq!(found.insert_at, 6);
        let only = |ranges: &UnitRanges| (ranges.len, ranges.iter().next());
        assert_eq!(only(&found.sps), (1, Some(10..13)));
        assert_eq!(only(&found.pps), (1, Some(16..18)));
        let mut parameters = CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() };
        assert!(!is_complete(&parameters));
        remember(&mut parameters, &data, &found, false);
        assert!(is_complete(&parameters));
        let sets = annexb(&parameters);
        assert_eq!(&sets[..], [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3]);

        let bare = Bytes::from_static(&[0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x65, 9]);
        let found = leading_units(NalCodec::H264, &bare);
        let whole = with_parameter_sets(&bare, &found, &sets);
        assert_eq!(whole[..6], bare[..6]);
        assert_eq!(whole[6..6 + sets.len()], sets[..]);
        assert_eq!(whole[6 + sets.len()..], bare[6..]);
    }

    #[test]
    fn many_parameter_sets_are_all_found() {
        let mut data = [0, 0, 1, 0x68, 1].repeat(10);
        data.extend([0, 0, 1, 0x65]);
        let found = leading_units(NalCodec::H264, &data);
        assert!(found.pps.iter().eq((0..10).map(|i| 5 * i + 3..5 * i + 5)));
        assert!(found.sps.is_empty());
    }

    #[test]
    fn h265_key_pictures_are_the_irap_ones() {
        for (kind, key) in [(1_u8, false), (16, true), (19, true), (21, true), (23, true)] {
            let data = [0, 0, 1, 40 << 1, 1, 0, 0, 1, kind << 1, 1];
            assert_eq!(leading_units(NalCodec::H265, &data).key, key, "{kind}");
        }
        assert!(!leading_units(NalCodec::H265, &[]).key);
        assert!(!leading_units(NalCodec::H265, &[0, 0, 1]).key);
    }
}
