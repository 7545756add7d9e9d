//! [`Pictures`]: access units of H.264 and H.265 from Annex B form to that of the file, NAL units
//! with their lengths in front (ISO/IEC 14496-15 section 4.3.2), and their parameter sets to where
//! these belong.

use super::boxes::Put;
use super::sample_entry::Description;
use super::unit::Unit;
use crate::codec::CodecParameters;
use crate::frame::Frame;
use crate::framer::annexb::{nal_ranges, nal_units};
use crate::media::access_unit::{LeadingUnits, NalCodec, SetsInForce, leading_units};
use bytes::Bytes;

/// Most bytes of an access unit. What is larger is left out.
const MAX_UNIT: usize = 32 << 20;

/// Where the parameter sets of a stream go.
///
/// The header has those that are in force at the first key picture; where they are repeated they are
/// left out. A key picture with others begins another segment, with a header of its own, if there can
/// be another. Where there cannot, the new sets stand in front of this key picture and all that
/// follow, as in the sample entries `avc3` and `hev1`: decoders take them from there too. So do sets
/// that change between key pictures.
#[derive(Debug)]
pub(super) struct Pictures {
    codec: NalCodec,
    sets: SetsInForce,
    /// The sets that the header has.
    declared: Option<CodecParameters>,
    /// Others than those have been in force since.
    in_band: bool,
    /// There can be another header.
    may_redeclare: bool,
    /// There was a key picture to begin with.
    started: bool,
    /// The beginning of an access unit that comes in pieces.
    pieces: Option<Pieces>,
}

#[derive(Debug)]
struct Pieces {
    frame: Frame,
    data: Vec<u8>,
}

impl Pictures {
    /// `None` for codecs without NAL units. `may_redeclare`: there can be another header later.
    pub(super) fn new(parameters: &CodecParameters, may_redeclare: bool) -> Option<Self> {
        Some(Self {
            codec: NalCodec::of(parameters)?,
            sets: SetsInForce::new(parameters)?,
            declared: None,
            in_band: false,
            may_redeclare,
            started: false,
            pieces: None,
        })
    }

    /// The stream goes on as it is now described, from a key picture on. False if it is one of
    /// another codec.
    pub(super) fn change(&mut self, parameters: &CodecParameters) -> bool {
        match SetsInForce::new(parameters) {
            Some(sets) if NalCodec::of(parameters) == Some(self.codec) => self.sets = sets,
            _ => return false,
        }
        self.pieces = None;
        self.started = false;
        true
    }

    /// What the described parameter sets make a header say, if they are complete.
    pub(super) fn describe(&mut self) -> Option<Description> {
        let parameters = self.sets.parameters();
        let description = Description::of_video(&parameters).ok()?;
        self.declared = Some(parameters);
        Some(description)
    }

    /// The access unit that `frame` completes, which is to be presented at `pts`.
    pub(super) fn handle_frame(&mut self, frame: &Frame, pts: i64) -> Option<Unit> {
        let whole = match self.pieces.take() {
            None if frame.flags.ends_access_unit => return self.handle_unit(frame, pts),
            Some(pieces) if pieces.frame.pts != frame.pts => {
                // Its end is missing; what there is of it may still be shown.
                log::debug!("an access unit without an end");
                self.keep_piece(None, frame);
                return self.handle_unit(&pieces.whole(), pts);
            }
            pieces => {
                self.keep_piece(pieces, frame);
                self.pieces.take_if(|_| frame.flags.ends_access_unit)?.whole()
            }
        };
        self.handle_unit(&whole, pts)
    }

    fn keep_piece(&mut self, before: Option<Pieces>, frame: &Frame) {
        let mut pieces =
            before.unwrap_or_else(|| Pieces { frame: frame.clone(), data: Vec::new() });
        if pieces.data.len().saturating_add(frame.data.len()) <= MAX_UNIT {
            pieces.data.extend_from_slice(&frame.data);
        }
        self.pieces = Some(pieces);
    }

    fn handle_unit(&mut self, frame: &Frame, pts: i64) -> Option<Unit> {
        if frame.data.len() > MAX_UNIT {
            log::debug!("an access unit of {} bytes is left out", frame.data.len());
            return None;
        }
        let found = leading_units(self.codec, &frame.data);
        let changed = self.sets.note(&frame.data, &found, false);
        self.started |= frame.flags.key && found.slice;
        if !found.slice || !self.started {
            return None;
        }
        let mut description = None;
        if frame.flags.key {
            let current = self.sets.parameters();
            if self.declared.as_ref() != Some(&current) {
                let first = self.declared.is_none();
                match Description::of_video(&current) {
                    Ok(said) if first || self.may_redeclare => {
                        description = Some(said);
                        self.declared = Some(current);
                        self.in_band = false;
                    }
                    Ok(_) => self.in_band = true,
                    Err(why) => {
                        log::debug!("{why}");
                        self.in_band = true;
                    }
                }
            }
        } else if changed {
            self.in_band = true;
        }
        self.declared.as_ref()?;
        let data = self.length_prefixed(&frame.data, &found, frame.flags.key);
        let duration = i64::try_from(frame.duration.as_nanos()).unwrap_or(0);
        let (key, wall_clock) = (frame.flags.key, frame.wall_clock);
        Some(Unit { data, pts, duration, key, wall_clock, description })
    }

    fn length_prefixed(&self, data: &Bytes, found: &LeadingUnits, key: bool) -> Vec<u8> {
        // A start code of three bytes becomes a length of four.
        let mut out = Vec::with_capacity(data.len() + 64);
        let mut put = |nal: &[u8]| {
            out.u32(nal.len() as u32);
            out.bytes(nal);
        };
        let mut missing = self.sets.missing().filter(|_| key && self.in_band);
        for range in nal_ranges(data) {
            if range.start >= found.insert_at {
                missing.take().into_iter().flat_map(|sets| nal_units(sets)).for_each(&mut put);
            }
            let nal = data.get(range).unwrap_or_default();
            if self.in_band || !self.is_declared(nal) {
                put(nal);
            }
        }
        out
    }

    /// Whether the header has this NAL unit.
    fn is_declared(&self, nal: &[u8]) -> bool {
        let among = |nals: &[Bytes]| nals.iter().any(|known| known == nal);
        match &self.declared {
            Some(CodecParameters::H264 { sps, pps }) => among(sps) || among(pps),
            Some(CodecParameters::H265 { vps, sps, pps }) => among(vps) || among(sps) || among(pps),
            _ => false,
        }
    }
}

impl Pieces {
    fn whole(self) -> Frame {
        Frame { data: self.data.into(), ..self.frame }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framer::annexb::from_length_prefixed;
    use crate::media::sinks::testing::{
        h264, h264_parameters, idr, inter, other_sps, pps, sps, unit,
    };

    fn pictures(parameters: &CodecParameters, may_redeclare: bool) -> Pictures {
        Pictures::new(parameters, may_redeclare).unwrap()
    }

    /// The NAL units of what is written for these, and whether a header comes before it.
    fn written(pictures: &mut Pictures, nals: &[&[u8]], key: bool) -> (Vec<Vec<u8>>, bool) {
        let Some(unit) = pictures.handle_frame(&unit(nals, 0, key), 0) else {
            return (Vec::new(), false);
        };
        let annexb = from_length_prefixed(&unit.data, 4).unwrap();
        (nal_units(&annexb).map(<[u8]>::to_vec).collect(), unit.description.is_some())
    }

    #[test]
    fn sets_of_the_header_do_not_stand_in_the_samples() {
        let (sps, pps, idr, inter, sei) = (sps(), pps(), idr(), inter(), vec![6, 5, 1, 7, 0x80]);
        for described in [h264_parameters(), h264(&[], &[])] {
            let mut p = pictures(&described, true);
            assert_eq!(written(&mut p, &[&inter], false), (vec![], false), "no start");
            let first = written(&mut p, &[&[9, 0xf0], &sps, &pps, &sei, &idr], true);
            assert_eq!(first, (vec![vec![9, 0xf0], sei.clone(), idr.clone()], true));
            assert_eq!(written(&mut p, &[&inter], false), (vec![inter.clone()], false));
            assert_eq!(written(&mut p, &[&sps, &pps, &idr], true), (vec![idr.clone()], false));
            assert_eq!(written(&mut p, &[&idr], true), (vec![idr.clone()], false));
        }
    }

    #[test]
    fn a_key_picture_with_other_sets_wants_another_header() {
        let (pps, idr, other) = (pps(), idr(), other_sps());
        let mut p = pictures(&h264_parameters(), true);
        assert!(written(&mut p, &[&idr], true).1);
        assert_eq!(written(&mut p, &[&other, &pps, &idr], true), (vec![idr.clone()], true));
        // Told beside the stream.
        assert!(p.change(&h264_parameters()));
        assert_eq!(written(&mut p, &[&inter()], false), (vec![], false));
        assert_eq!(written(&mut p, &[&idr], true), (vec![idr.clone()], true));
        // By themselves.
        assert_eq!(written(&mut p, &[&other, &pps], true), (vec![], false));
        assert_eq!(written(&mut p, &[&idr], true), (vec![idr.clone()], true));
    }

    #[test]
    fn without_another_header_the_sets_stand_in_front_of_each_key_picture() {
        let (sps, pps, idr, inter, other) = (sps(), pps(), idr(), inter(), other_sps());
        let mut p = pictures(&h264_parameters(), false);
        assert!(written(&mut p, &[&idr], true).1);
        let with = vec![other.clone(), pps.clone(), idr.clone()];
        assert_eq!(written(&mut p, &[&other, &pps, &idr], true), (with.clone(), false));
        assert_eq!(written(&mut p, &[&inter], false), (vec![inter.clone()], false));
        assert_eq!(written(&mut p, &[&idr], true), (with, false));
        // Back to what the header has: a decoder has the others by now.
        let back = vec![sps.clone(), pps.clone(), idr.clone()];
        assert_eq!(written(&mut p, &[&sps, &pps, &idr], true), (back.clone(), false));
        assert_eq!(written(&mut p, &[&idr], true), (back, false));
        // And between key pictures.
        let mut p = pictures(&h264_parameters(), true);
        written(&mut p, &[&idr], true);
        let between = vec![other.clone(), inter.clone()];
        assert_eq!(written(&mut p, &[&other, &inter], false), (between, false));
        assert_eq!(written(&mut p, &[&sps, &inter], false).0, vec![sps, inter]);
    }

    #[test]
    fn pieces_are_put_together() {
        let (idr, inter) = (idr(), inter());
        let mut p = pictures(&h264_parameters(), true);
        let mut piece = unit(&[&idr], 10, true);
        piece.flags.ends_access_unit = false;
        assert!(p.handle_frame(&piece, 10).is_none());
        let whole = p.handle_frame(&unit(&[&inter], 10, false), 10).unwrap();
        let annexb = from_length_prefixed(&whole.data, 4).unwrap();
        assert_eq!((nal_units(&annexb).count(), whole.key), (2, true));
        // The end is missing.
        assert!(p.handle_frame(&piece, 10).is_none());
        assert!(p.handle_frame(&unit(&[&inter], 50, false), 50).is_some());
    }
}
