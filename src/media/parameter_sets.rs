//! [`SetsInForce`]: the parameter sets of an H.264 or H.265 stream, by id (ITU-T H.264 section
//! 7.4.1.2.1, ITU-T H.265 section 7.4.2.4.2): the last set sent under an id is in force. A sender
//! of key pictures asks it which sets a decoder that starts there would lack.

use super::access_unit::{LeadingUnits, NalCodec};
use crate::codec::{CodecParameters, MAX_PARAMETER_SET, h264, h265};
use crate::framer::annexb;
use bytes::Bytes;

/// Most bytes that are kept, so that a stream of ever new ids does not fill the memory or every
/// key picture. Real streams have some hundred.
const MAX_BYTES: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Vps,
    Sps,
    Pps,
}

#[derive(Clone, Debug)]
struct Set {
    kind: Kind,
    /// `None` if it cannot be read.
    id: Option<u8>,
    nal: Bytes,
    /// The last access unit that brought it.
    unit: u64,
}

/// The parameter sets in force.
#[derive(Clone, Debug)]
pub(crate) struct SetsInForce {
    codec: NalCodec,
    /// In the order in which a decoder wants them: by kind, then by id.
    sets: Vec<Set>,
    /// All of them, in Annex B form.
    annexb: Bytes,
    /// Number of the access unit that was looked at last.
    unit: u64,
}

impl SetsInForce {
    /// Begins with what the container, or whoever describes the stream, says of it; `None` for
    /// codecs without parameter sets.
    pub(crate) fn new(parameters: &CodecParameters) -> Option<Self> {
        let codec = NalCodec::of(parameters)?;
        let mut this = Self { codec, sets: Vec::new(), annexb: Bytes::new(), unit: 0 };
        let empty: &[Bytes] = &[];
        let (vps, sps, pps) = match parameters {
            CodecParameters::H264 { sps, pps } => (empty, &sps[..], &pps[..]),
            CodecParameters::H265 { vps, sps, pps } => (&vps[..], &sps[..], &pps[..]),
            _ => (empty, empty, empty),
        };
        for (kind, nals) in [(Kind::Vps, vps), (Kind::Sps, sps), (Kind::Pps, pps)] {
            for nal in nals {
                this.put(kind, nal);
            }
        }
        this.write();
        // Nothing of it was in an access unit.
        this.unit = 1;
        Some(this)
    }

    /// Takes note of the sets at the front of `data`: an access unit, or, when it `goes_on`, a
    /// further piece of one. Says whether other sets are in force than before.
    pub(crate) fn note(&mut self, data: &[u8], found: &LeadingUnits, goes_on: bool) -> bool {
        if !goes_on {
            self.unit += 1;
        }
        let mut changed = false;
        for (kind, ranges) in
            [(Kind::Vps, &found.vps), (Kind::Sps, &found.sps), (Kind::Pps, &found.pps)]
        {
            for range in ranges.iter() {
                changed |= data.get(range).is_some_and(|nal| self.put(kind, nal));
            }
        }
        if changed {
            self.write();
        }
        changed
    }

    /// What belongs in front of the access unit that was noted last, if it is one to start at:
    /// all sets in force in Annex B form, unless it brings all of them itself. Where it brings
    /// some, these come twice, because a PPS is read by the SPS before it.
    pub(crate) fn missing(&self) -> Option<&Bytes> {
        let complete = self.sets.iter().all(|set| set.unit == self.unit);
        (!complete).then_some(&self.annexb)
    }

    /// All sets in force in Annex B form.
    pub(crate) const fn annexb(&self) -> &Bytes {
        &self.annexb
    }

    /// All sets in force.
    pub(crate) fn parameters(&self) -> CodecParameters {
        let of = |kind| {
            let sets = self.sets.iter().filter(move |set| set.kind == kind);
            sets.map(|set| set.nal.clone()).collect()
        };
        match self.codec {
            NalCodec::H264 => CodecParameters::H264 { sps: of(Kind::Sps), pps: of(Kind::Pps) },
            NalCodec::H265 => {
                CodecParameters::H265 { vps: of(Kind::Vps), sps: of(Kind::Sps), pps: of(Kind::Pps) }
            }
        }
    }

    /// Puts a set in the place of the one with its id. Says whether it is another.
    fn put(&mut self, kind: Kind, nal: &[u8]) -> bool {
        if nal.is_empty() || nal.len() > MAX_PARAMETER_SET {
            return false;
        }
        let id = match (self.codec, kind) {
            (NalCodec::H264, Kind::Sps) => h264::sps_id(nal),
            (NalCodec::H264, _) => h264::pps_id(nal),
            (NalCodec::H265, Kind::Vps) => h265::vps_id(nal),
            (NalCodec::H265, Kind::Sps) => h265::sps_id(nal),
            (NalCodec::H265, Kind::Pps) => h265::pps_id(nal),
        };
        let id = id.ok();
        // What cannot be read is better than nothing, and worse than anything that can.
        let readable = |set: &Set| set.kind == kind && set.id.is_some();
        if id.is_none() && self.sets.iter().any(readable) {
            log::debug!("a parameter set that cannot be read is left out");
            return false;
        }
        if id.is_some() {
            self.sets.retain(|set| set.kind != kind || set.id.is_some());
        }
        match self.sets.binary_search_by_key(&(kind, id), |set| (set.kind, set.id)) {
            Ok(at) => {
                let Some(known) = self.sets.get_mut(at) else { return false };
                known.unit = self.unit;
                if known.nal == nal {
                    return false;
                }
                // A copy, so that a few bytes do not keep a whole key frame in memory.
                known.nal = Bytes::copy_from_slice(nal);
            }
            Err(at) => {
                let nal = Bytes::copy_from_slice(nal);
                self.sets.insert(at, Set { kind, id, nal, unit: self.unit });
            }
        }
        self.keep_within_bounds();
        true
    }

    /// Drops those that were not sent for longest.
    fn keep_within_bounds(&mut self) {
        let mut bytes: usize = self.sets.iter().map(|set| set.nal.len()).sum();
        while bytes > MAX_BYTES {
            let oldest = self.sets.iter().enumerate().min_by_key(|(_, set)| set.unit);
            let Some(at) = oldest.map(|(at, _)| at) else { return };
            bytes -= self.sets.remove(at).nal.len();
        }
    }

    fn write(&mut self) {
        self.annexb = annexb::from_nal_units(self.sets.iter().map(|set| &set.nal[..])).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framer::annexb::from_nal_units;
    use crate::framer::leading::leading_units;
    use crate::framer::testing::{
        BitWriter, H264Slice, H264Sps, h264_pps, h265_parameter_sets, h265_slice,
    };

    fn sps(id: u32, scale: u32) -> Vec<u8> {
        H264Sps { id, timing: Some((1, scale)), ..H264Sps::default() }.nal()
    }

    fn pps(id: u32, sps_id: u32, more: u32) -> Vec<u8> {
        BitWriter::default().ue(id).ue(sps_id).bits(2, 0).ue(0).ue(more).nal(&[0x68])
    }

    fn h264(sps: &[&[u8]], pps: &[&[u8]]) -> SetsInForce {
        let own = |nals: &[&[u8]]| nals.iter().map(|nal| Bytes::copy_from_slice(nal)).collect();
        SetsInForce::new(&CodecParameters::H264 { sps: own(sps), pps: own(pps) }).unwrap()
    }

    /// Notes an access unit and says what belongs in front of it.
    fn unit(sets: &mut SetsInForce, nals: &[&[u8]]) -> Vec<Vec<u8>> {
        let data = from_nal_units(nals.iter().copied());
        let found = leading_units(sets.codec, &data);
        sets.note(&data, &found, false);
        let missing = sets.missing().cloned().unwrap_or_default();
        annexb::nal_units(&missing).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn what_was_sent_last_under_an_id_is_in_force() {
        let idr = &H264Slice::idr(0).nal()[..];
        let (old, new) = (sps(0, 50), sps(0, 60));
        let mut sets = h264(&[&old], &[&pps(0, 0, 0)]);
        assert_eq!(unit(&mut sets, &[idr]), [old.clone(), pps(0, 0, 0)]);
        assert!(unit(&mut sets, &[&new, &pps(0, 0, 0), idr]).is_empty());
        assert_eq!(unit(&mut sets, &[idr]), [new.clone(), pps(0, 0, 0)]);
        // An SPS alone: the PPS is still missing, and has to follow it.
        assert_eq!(unit(&mut sets, &[&old, idr]), [old.clone(), pps(0, 0, 0)]);
        // A PPS alone, before a picture that is none to start at.
        unit(&mut sets, &[&pps(0, 0, 7), &H264Slice::other(true, 1, 2).nal()]);
        assert_eq!(unit(&mut sets, &[idr]), [old, pps(0, 0, 7)]);
        assert_eq!(
            sets.parameters(),
            CodecParameters::H264 { sps: vec![sps(0, 50).into()], pps: vec![pps(0, 0, 7).into()] }
        );
    }

    #[test]
    fn sets_of_several_ids_are_all_in_force() {
        let idr = &H264Slice::idr(0).nal()[..];
        let mut sets = h264(&[&sps(0, 50)], &[&pps(0, 0, 0), &pps(1, 0, 0)]);
        // Another id, and a PPS that changes its SPS.
        unit(&mut sets, &[&sps(1, 60), &pps(0, 1, 0), &pps(2, 1, 0), idr]);
        let all = [sps(0, 50), sps(1, 60), pps(0, 1, 0), pps(1, 0, 0), pps(2, 1, 0)];
        assert_eq!(unit(&mut sets, &[idr]), all);
        let all: Vec<_> = all.iter().map(Vec::as_slice).collect();
        assert!(unit(&mut sets, &[&all[..], &[idr]].concat()).is_empty());
    }

    #[test]
    fn h265_sets_are_in_force_by_id_too() {
        let idr = &h265_slice(19, true, 0)[..];
        let (old, new) = (h265_parameter_sets(2), h265_parameter_sets(1));
        let ([vps, old_sps, old_pps], new_sps) = (old.each_ref().map(|nal| &nal[..]), &new[1][..]);
        let one = |nal: &[u8]| vec![Bytes::copy_from_slice(nal)];
        let parameters =
            CodecParameters::H265 { vps: one(vps), sps: one(old_sps), pps: one(old_pps) };
        let mut sets = SetsInForce::new(&parameters).unwrap();
        assert_eq!(unit(&mut sets, &[new_sps, idr]), [vps, new_sps, old_pps]);
        assert_eq!(unit(&mut sets, &[idr]), [vps, new_sps, old_pps]);
        let second = BitWriter::default().ue(1).ue(0).bits(8, 0).nal(&[0x44, 1]);
        unit(&mut sets, &[&second, &h265_slice(1, true, 1)]);
        assert_eq!(unit(&mut sets, &[idr]), [vps, new_sps, old_pps, &second]);
        // A set of another layer is none of the base layer's.
        let mut of_layer = old_sps.to_vec();
        of_layer[1] |= 8;
        assert_eq!(unit(&mut sets, &[&of_layer, idr]), [vps, new_sps, old_pps, &second]);
    }

    #[test]
    fn an_access_unit_in_pieces_brings_what_its_pieces_bring() {
        let mut sets = h264(&[], &[]);
        for (nal, goes_on) in [(sps(0, 50), false), (pps(0, 0, 0), true)] {
            let data = from_nal_units([&nal[..]]);
            assert!(sets.note(&data, &leading_units(NalCodec::H264, &data), goes_on));
        }
        assert_eq!(sets.missing(), None);
    }

    #[test]
    fn what_cannot_be_read_displaces_nothing() {
        let idr = &H264Slice::idr(0).nal()[..];
        let mut sets = h264(&[&[0x67, 1, 2]], &[&[0x68, 3]]);
        assert_eq!(unit(&mut sets, &[idr]), [&[0x67, 1, 2][..], &[0x68, 3]]);
        assert_eq!(unit(&mut sets, &[&[0x67, 9, 9], idr]), [&[0x67, 9, 9][..], &[0x68, 3]]);
        assert!(unit(&mut sets, &[&sps(0, 50), &pps(0, 0, 0), idr]).is_empty());
        assert_eq!(unit(&mut sets, &[&[0x67, 9, 9], idr]), [sps(0, 50), pps(0, 0, 0)]);
    }

    #[test]
    fn ever_new_ids_do_not_fill_the_memory() {
        let mut sets = h264(&[&sps(0, 50)], &[]);
        for id in 0..256 {
            let mut long = pps(id, 0, 0);
            long.resize(10_000, 0xaa);
            unit(&mut sets, &[&sps(0, 50), &long]);
        }
        assert!(sets.annexb().len() < 2 * MAX_BYTES);
        assert_eq!(sets.sets.first().map(|set| set.id), Some(Some(0)), "what is used is kept");
        assert_eq!(sets.sets.last().and_then(|set| set.id), Some(255));
        unit(&mut sets, &[&h264_pps(3)]);
        assert!(sets.sets.iter().any(|set| set.id == Some(3)));
    }
}
