//! Access units of H.264 and H.265 in Annex B form: detects whether the parameter sets are known,
//! and inserts them before key pictures.

pub(crate) use super::parameter_sets::SetsInForce;
use crate::codec::CodecParameters;
pub(crate) use crate::framer::leading::{LeadingUnits, NalCodec, RefreshCycle, leading_units};
use bytes::{BufMut, Bytes, BytesMut};

impl NalCodec {
    /// The codec of a track; `None` for audio and others without NAL units.
    pub(crate) const fn of(parameters: &CodecParameters) -> Option<Self> {
        match parameters {
            CodecParameters::H264 { .. } => Some(Self::H264),
            CodecParameters::H265 { .. } => Some(Self::H265),
            _ => None,
        }
    }
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

/// `data` with `sets` (see [`SetsInForce::missing`]) put in where they belong.
pub(crate) fn with_parameter_sets(data: &[u8], found: &LeadingUnits, sets: &[u8]) -> Bytes {
    let memory = BytesMut::with_capacity(data.len() + sets.len());
    put_parameter_sets(memory, data, found, sets)
}

/// An end of sequence NAL unit of H.265 in Annex B form. Behind it a CRA picture is one that
/// decoding starts with (ITU-T H.265 section 8.1.3): its order count does not depend on what was
/// before, and a decoder leaves out the pictures that do.
const END_OF_SEQUENCE: [u8; 6] = [0, 0, 0, 1, 36 << 1, 1];

/// What must be put in front of an access unit where the stream goes on after a break.
pub(crate) const fn after_break(found: &LeadingUnits) -> &'static [u8] {
    if found.clean_random_access { &END_OF_SEQUENCE } else { &[] }
}

/// As [`put_parameter_sets`], with `first` in front of all.
pub(crate) fn put_in_front(
    memory: BytesMut,
    first: &[u8],
    data: &[u8],
    found: &LeadingUnits,
    sets: &[u8],
) -> Bytes {
    let (before, after) = data.split_at(found.insert_at.min(data.len()));
    let mut out = memory;
    out.clear();
    for part in [first, before, sets, after] {
        out.put_slice(part);
    }
    out.freeze()
}

/// The same in memory that is there already.
pub(crate) fn put_parameter_sets(
    memory: BytesMut,
    data: &[u8],
    found: &LeadingUnits,
    sets: &[u8],
) -> Bytes {
    put_in_front(memory, &[], data, found, sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_go_behind_the_delimiter() {
        let data = Bytes::from_static(&[
            0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 9, 9, 0,
            0, 1, 0x67, 7,
        ]);
        let found = leading_units(NalCodec::H264, &data);
        assert!(found.key);
        assert_eq!(found.insert_at, 6);
        assert_eq!(found.sps.iter().next(), Some(10..13));
        assert_eq!(found.sps.iter().count(), 1);
        assert_eq!(found.pps.iter().next(), Some(16..18));
        assert_eq!(found.pps.iter().count(), 1);
        let parameters = CodecParameters::H264 { sps: Vec::new(), pps: Vec::new() };
        assert!(!is_complete(&parameters));
        let mut in_force = SetsInForce::new(&parameters).unwrap();
        assert!(in_force.note(&data, &found, false));
        assert!(is_complete(&in_force.parameters()));
        let sets = in_force.annexb();
        assert_eq!(&sets[..], [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3]);

        let bare = Bytes::from_static(&[0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x65, 9]);
        let found = leading_units(NalCodec::H264, &bare);
        let whole = with_parameter_sets(&bare, &found, sets);
        assert_eq!(whole[..6], bare[..6]);
        assert_eq!(whole[6..6 + sets.len()], sets[..]);
        assert_eq!(whole[6 + sets.len()..], bare[6..]);
    }
}
