//! [`ParameterSets`]: the parameter sets in force (7.4.2.4.2).

use super::nal::{nal_type, nal_unit_type, nuh_layer_id};
use super::pps::Pps;
use super::sps::{Sps, vps_timing};
use super::vui::PictureClock;
use crate::codec::set_table::{MAX_PARAMETER_SET, SetTable};
use crate::wire::{ParseError, Reader};
use bytes::Bytes;

/// The parameter sets in force, by id.
#[derive(Clone, Debug, Default)]
pub struct ParameterSets {
    vps: SetTable<Option<PictureClock>>,
    sps: SetTable<Sps>,
    pps: SetTable<Pps>,
}

impl ParameterSets {
    /// Stores a NAL unit if it is a valid VPS, SPS or PPS of the base layer, and returns whether
    /// the sets in force have changed.
    pub fn handle_nal(&mut self, nal: &[u8]) -> bool {
        if nal.len() > MAX_PARAMETER_SET || nuh_layer_id(nal) != 0 {
            return false;
        }
        let result = match nal_unit_type(nal) {
            nal_type::VPS => {
                vps_id(nal).map(|id| self.vps.insert(id, nal, vps_timing(nal).ok().flatten()))
            }
            nal_type::SPS => Sps::parse(nal).map(|sps| self.sps.insert(sps.id, nal, sps)),
            nal_type::PPS => Pps::parse(nal).map(|pps| self.pps.insert(pps.id, nal, pps)),
            _ => Ok(false),
        };
        result.unwrap_or_else(|e| {
            log::debug!("parameter set left out: {e}");
            false
        })
    }

    /// Iterates over the video parameter set NAL units, by id.
    pub fn vps(&self) -> impl Iterator<Item = &Bytes> {
        self.vps.nals()
    }

    /// Iterates over the sequence parameter set NAL units, by id.
    pub fn sps(&self) -> impl Iterator<Item = &Bytes> {
        self.sps.nals()
    }

    /// Iterates over the picture parameter set NAL units, by id.
    pub fn pps(&self) -> impl Iterator<Item = &Bytes> {
        self.pps.nals()
    }

    /// Returns the sequence parameter set with the lowest id.
    pub fn first_sps(&self) -> Option<&Sps> {
        self.sps.values().next()
    }

    /// Returns the clock of the pictures that refer to `sps`: the clock that `sps` states, else
    /// that of the first VPS that states one.
    pub fn clock(&self, sps: &Sps) -> Option<PictureClock> {
        sps.vui.clock.or_else(|| self.vps.values().find_map(|clock| *clock))
    }

    /// Returns the parameter sets to which a slice refers by its PPS id.
    pub fn for_slice(&self, pps_id: u8) -> Option<(&Pps, &Sps)> {
        let pps = self.pps.get(pps_id)?;
        Some((pps, self.sps.get(pps.sps_id)?))
    }
}

/// Returns the `vps_video_parameter_set_id` of a video parameter set; nothing else is checked.
pub fn vps_id(nal: &[u8]) -> Result<u8, ParseError> {
    let mut r = Reader::new(nal);
    r.take(2, "NAL unit header")?;
    Ok(r.u8("vps_video_parameter_set_id")? >> 4)
}
