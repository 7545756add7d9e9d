//! H.265 (ISO/IEC 23008-2): what NAL unit headers, parameter sets and slice headers say.
//!
//! Read clauses 7.3 and 7.4 of the standard, and ISO/IEC 14496-15 section 8.3.3 for `hvcC`.

mod slice;
mod sps;
mod vui;

pub use slice::{PicOrder, Pps, SliceHeader};
pub use sps::{ProfileTierLevel, Sps, sps_id, vps_timing};
pub use vui::{PictureClock, Vui};

use crate::codec::bits::BitReader;
use crate::codec::h264::{
    MAX_PARAMETER_SET, has_recovery_point_message, insert_changed, nal_array,
};
use crate::wire::{ParseError, Reader};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Values of `nal_unit_type` (table 7-1).
pub mod nal_type {
    /// Picture that can be decoded but is skipped with the random access point before it.
    pub const RADL_N: u8 = 6;
    /// Last of the leading picture types.
    pub const RASL_R: u8 = 9;
    /// First of the types of intra random access point pictures.
    pub const BLA_W_LP: u8 = 16;
    /// Last of the broken link access picture types.
    pub const BLA_N_LP: u8 = 18;
    /// IDR picture that may have leading pictures.
    pub const IDR_W_RADL: u8 = 19;
    /// IDR picture without leading pictures.
    pub const IDR_N_LP: u8 = 20;
    /// Clean random access picture.
    pub const CRA: u8 = 21;
    /// Last of the types of intra random access point pictures.
    pub const RSV_IRAP_VCL23: u8 = 23;
    /// Last of the types that hold slices.
    pub const LAST_VCL: u8 = 31;
    /// Video parameter set.
    pub const VPS: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
    /// Access unit delimiter.
    pub const AUD: u8 = 35;
    /// End of sequence.
    pub const EOS: u8 = 36;
    /// End of bitstream.
    pub const EOB: u8 = 37;
    /// SEI before the picture.
    pub const PREFIX_SEI: u8 = 39;
}

/// `nal_unit_type` of a NAL unit; 63 (unspecified) if it is empty.
pub fn nal_unit_type(nal: &[u8]) -> u8 {
    nal.first().map_or(63, |header| (header >> 1) & 0x3f)
}

/// `nuh_layer_id` of a NAL unit.
pub fn nuh_layer_id(nal: &[u8]) -> u8 {
    match nal {
        [first, second, ..] => ((first & 1) << 5) | (second >> 3),
        _ => 0,
    }
}

/// TemporalId of a NAL unit.
pub fn temporal_id(nal: &[u8]) -> u8 {
    nal.get(1).map_or(0, |second| (second & 7).saturating_sub(1))
}

/// Whether a type is of slices.
pub const fn is_vcl(nal_type: u8) -> bool {
    nal_type <= nal_type::LAST_VCL
}

/// Whether a type is of slices of an intra random access point picture.
pub const fn is_irap(nal_type: u8) -> bool {
    nal_type >= nal_type::BLA_W_LP && nal_type <= nal_type::RSV_IRAP_VCL23
}

/// Whether a type is of slices of an IDR picture.
pub const fn is_idr(nal_type: u8) -> bool {
    matches!(nal_type, nal_type::IDR_W_RADL | nal_type::IDR_N_LP)
}

/// The parameter sets in force, by their ids.
#[derive(Clone, Debug, Default)]
pub struct ParameterSets {
    vps: BTreeMap<u8, (Bytes, Option<PictureClock>)>,
    sps: BTreeMap<u8, (Bytes, Sps)>,
    pps: BTreeMap<u8, (Bytes, Pps)>,
}

impl ParameterSets {
    /// Takes in a NAL unit if it is a valid VPS, SPS or PPS of the base layer, and says whether
    /// that changed anything.
    pub fn handle_nal(&mut self, nal: &[u8]) -> bool {
        if nal.len() > MAX_PARAMETER_SET || nuh_layer_id(nal) != 0 {
            return false;
        }
        let result = match nal_unit_type(nal) {
            nal_type::VPS => vps_id(nal)
                .map(|id| insert_changed(&mut self.vps, id, nal, vps_timing(nal).ok().flatten())),
            nal_type::SPS => {
                Sps::parse(nal).map(|sps| insert_changed(&mut self.sps, sps.id, nal, sps))
            }
            nal_type::PPS => {
                Pps::parse(nal).map(|pps| insert_changed(&mut self.pps, pps.id, nal, pps))
            }
            _ => Ok(false),
        };
        result.unwrap_or_else(|e| {
            log::debug!("parameter set left out: {e}");
            false
        })
    }

    /// The video parameter set NAL units, by id.
    pub fn vps(&self) -> impl Iterator<Item = &Bytes> {
        self.vps.values().map(|(nal, _)| nal)
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

    /// Clock of the pictures that refer to `sps`: its own, else that of the first VPS that has one.
    pub fn clock(&self, sps: &Sps) -> Option<PictureClock> {
        sps.vui.clock.or_else(|| self.vps.values().find_map(|(_, clock)| *clock))
    }

    /// The parameter sets that a slice refers to by its PPS id.
    pub fn for_slice(&self, pps_id: u8) -> Option<(&Pps, &Sps)> {
        let (_, pps) = self.pps.get(&pps_id)?;
        let (_, sps) = self.sps.get(&pps.sps_id)?;
        Some((pps, sps))
    }
}

/// Whether a prefix SEI NAL unit holds a recovery point message (D.2.8): decoding can start with
/// its access unit, as with gradual decoder refresh.
pub fn has_recovery_point(sei: &[u8]) -> bool {
    has_recovery_point_message(sei.get(2..).unwrap_or_default())
}

/// `vps_video_parameter_set_id` of a video parameter set, whatever else it says.
pub fn vps_id(nal: &[u8]) -> Result<u8, ParseError> {
    let mut r = Reader::new(nal);
    r.take(2, "NAL unit header")?;
    Ok(r.u8("vps_video_parameter_set_id")? >> 4)
}

/// `pps_pic_parameter_set_id` of a picture parameter set, whatever else it says.
pub fn pps_id(nal: &[u8]) -> Result<u8, ParseError> {
    let mut r = BitReader::new(nal.get(2..).unwrap_or_default());
    Ok(r.ue_max(63, "pps_pic_parameter_set_id")? as u8)
}

/// What `hvcC` holds: the size of a NAL unit length in bytes, the video, sequence and picture
/// parameter sets.
pub type HvccContent = (usize, Vec<Bytes>, Vec<Bytes>, Vec<Bytes>);

/// Reads an `HEVCDecoderConfigurationRecord` (`hvcC`; in Matroska the CodecPrivate of
/// `V_MPEGH/ISO/HEVC`).
pub fn parse_hvcc(record: &[u8]) -> Result<HvccContent, ParseError> {
    let mut r = Reader::new(record);
    let version = r.u8("hvcC version")?;
    // Files from before the standard was final have 0.
    if version > 1 {
        return Err(r.invalid("hvcC version"));
    }
    r.take(20, "hvcC profile and level")?;
    let length_size = usize::from(r.u8("hvcC length size")? & 3) + 1;
    let (mut vps, mut sps, mut pps) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..r.u8("hvcC number of arrays")? {
        let nal_type = r.u8("hvcC array type")? & 0x3f;
        let count = r.u16("hvcC array length")?;
        let nals = nal_array(&mut r, usize::from(count))?;
        match nal_type {
            nal_type::VPS => vps.extend(nals),
            nal_type::SPS => sps.extend(nals),
            nal_type::PPS => pps.extend(nals),
            _ => {}
        }
    }
    Ok((length_size, vps, sps, pps))
}

#[cfg(test)]
mod tests;
