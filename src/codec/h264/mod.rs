//! H.264 (ISO/IEC 14496-10): what NAL unit headers, parameter sets and slice headers say.
//!
//! Read clauses 7.3 and 7.4 of the standard, and ISO/IEC 14496-15 section 5.3.3 for `avcC`.

mod poc;
pub(crate) mod sei;
mod slice;
mod sps;

pub use poc::PicOrder;
pub(crate) use poc::extend_lsb;
use sei::{SeiMessages, payload_type};
pub use slice::{Pps, Prediction, SliceHeader, Structure};
pub(crate) use sps::skip_vui_colours;
pub use sps::{HrdLengths, PicOrderCount, Sps, Timing};
pub(crate) use sps::{MAX_FRAME_SECONDS, USUAL_FRAME_RATE};

use crate::codec::bits::BitReader;
use crate::wire::{ParseError, Reader};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Values of `nal_unit_type` (table 7-1).
pub mod nal_type {
    /// Slice of a picture that is no IDR picture.
    pub const SLICE: u8 = 1;
    /// Slice data partition A, which has the slice header.
    pub const PARTITION_A: u8 = 2;
    /// Slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
    /// End of sequence.
    pub const END_OF_SEQUENCE: u8 = 10;
    /// Prefix NAL unit (annexes G and H).
    pub const PREFIX: u8 = 14;
}

/// `nal_unit_type` of a NAL unit; 0 (unspecified) if it is empty.
pub fn nal_unit_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}

/// `nal_ref_idc` of a NAL unit.
pub fn nal_ref_idc(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| (header >> 5) & 3)
}

/// `seq_parameter_set_id` of a sequence parameter set, whatever else it says.
pub fn sps_id(nal: &[u8]) -> Result<u8, ParseError> {
    let mut r = BitReader::new(nal.get(1..).unwrap_or_default());
    r.skip(24, "profile, constraint flags and level")?;
    Ok(r.ue_max(31, "seq_parameter_set_id")? as u8)
}

/// `pic_parameter_set_id` of a picture parameter set, whatever else it says.
pub fn pps_id(nal: &[u8]) -> Result<u8, ParseError> {
    let mut r = BitReader::new(nal.get(1..).unwrap_or_default());
    Ok(r.ue_max(255, "pic_parameter_set_id")? as u8)
}

/// Whether a slice NAL unit (types 1, 2 and 5) is of an I or SI slice. No parameter set is needed
/// to tell.
pub fn is_intra_slice(nal: &[u8]) -> bool {
    let mut r = BitReader::new(nal.get(1..).unwrap_or_default());
    let slice_type = r.ue("first_mb_in_slice").and_then(|_| r.ue_max(9, "slice_type"));
    // Table 7-6: 2 and 4, or five more where all slices of the picture are alike.
    slice_type.is_ok_and(|slice_type| matches!(slice_type % 5, 2 | 4))
}

/// Whether a SEI NAL unit holds a recovery point message (D.1.8): decoding can start with its
/// access unit.
pub fn has_recovery_point(sei: &[u8]) -> bool {
    has_recovery_point_message(sei.get(1..).unwrap_or_default())
}

/// The same of the payload of a SEI NAL unit, which is alike in H.265 (D.2.8).
pub(crate) fn has_recovery_point_message(payload: &[u8]) -> bool {
    let mut messages = SeiMessages::of_payload(payload);
    messages.any(|message| message.payload_type == payload_type::RECOVERY_POINT)
}

/// Parameter sets larger than this are taken for garbage.
pub(crate) const MAX_PARAMETER_SET: usize = 16 * 1024;

/// The parameter sets in force, by their ids.
#[derive(Clone, Debug, Default)]
pub struct ParameterSets {
    sps: BTreeMap<u8, (Bytes, Sps)>,
    pps: BTreeMap<u8, (Bytes, Pps)>,
}

impl ParameterSets {
    /// Takes in a NAL unit if it is a valid SPS or PPS, and says whether that changed anything.
    pub fn handle_nal(&mut self, nal: &[u8]) -> bool {
        if nal.len() > MAX_PARAMETER_SET {
            return false;
        }
        match nal_unit_type(nal) {
            nal_type::SPS => match Sps::parse(nal) {
                Ok(sps) => insert_changed(&mut self.sps, sps.id, nal, sps),
                Err(e) => {
                    log::debug!("SPS left out: {e}");
                    false
                }
            },
            nal_type::PPS => match Pps::parse(nal) {
                Ok(pps) => insert_changed(&mut self.pps, pps.id, nal, pps),
                Err(e) => {
                    log::debug!("PPS left out: {e}");
                    false
                }
            },
            _ => false,
        }
    }

    /// The sequence parameter set NAL units, by id.
    pub fn sps(&self) -> impl Iterator<Item = &Bytes> {
        self.sps.values().map(|(nal, _)| nal)
    }

    /// The picture parameter set NAL units, by id.
    pub fn pps(&self) -> impl Iterator<Item = &Bytes> {
        self.pps.values().map(|(nal, _)| nal)
    }

    /// The sequence parameter set of lowest id.
    pub fn first_sps(&self) -> Option<&Sps> {
        self.sps.values().next().map(|(_, sps)| sps)
    }

    /// The parameter sets that a slice refers to by its PPS id.
    pub fn for_slice(&self, pps_id: u8) -> Option<(&Pps, &Sps)> {
        let (_, pps) = self.pps.get(&pps_id)?;
        let (_, sps) = self.sps.get(&pps.sps_id)?;
        Some((pps, sps))
    }
}

/// Puts a parsed NAL unit into a table unless the very same is there.
pub(crate) fn insert_changed<T>(
    table: &mut BTreeMap<u8, (Bytes, T)>,
    id: u8,
    nal: &[u8],
    parsed: T,
) -> bool {
    if table.get(&id).is_some_and(|(known, _)| known == nal) {
        return false;
    }
    table.insert(id, (Bytes::copy_from_slice(nal), parsed));
    true
}

/// Reads an `AVCDecoderConfigurationRecord` (`avcC`; in Matroska the CodecPrivate of
/// `V_MPEG4/ISO/AVC`): the size of a NAL unit length in bytes, the sequence and the picture
/// parameter sets.
pub fn parse_avcc(record: &[u8]) -> Result<(usize, Vec<Bytes>, Vec<Bytes>), ParseError> {
    let mut r = Reader::new(record);
    if r.u8("avcC version")? != 1 {
        return Err(r.invalid("avcC version"));
    }
    r.take(3, "avcC profile and level")?;
    let length_size = usize::from(r.u8("avcC length size")? & 3) + 1;
    let sps_count = r.u8("avcC number of SPS")? & 0x1f;
    let sps = nal_array(&mut r, usize::from(sps_count))?;
    let pps_count = r.u8("avcC number of PPS")?;
    let pps = nal_array(&mut r, usize::from(pps_count))?;
    Ok((length_size, sps, pps))
}

/// `count` NAL units, each with a length of two bytes in front; empty ones are left out.
pub(crate) fn nal_array(r: &mut Reader<'_>, count: usize) -> Result<Vec<Bytes>, ParseError> {
    let mut nals = Vec::new();
    for _ in 0..count {
        let len = r.u16("parameter set length")?;
        let nal = r.take(usize::from(len), "parameter set")?;
        if !nal.is_empty() {
            nals.push(Bytes::copy_from_slice(nal));
        }
    }
    Ok(nals)
}

#[cfg(test)]
mod tests;
