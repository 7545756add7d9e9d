//! [`ParameterSets`]: the parameter sets in force (7.4.1.2.1).

use super::nal::{nal_type, nal_unit_type};
use super::pps::Pps;
use super::sps::Sps;
use crate::codec::set_table::{MAX_PARAMETER_SET, SetTable};
use bytes::Bytes;

/// The parameter sets in force, by id.
#[derive(Clone, Debug, Default)]
pub struct ParameterSets {
    sps: SetTable<Sps>,
    pps: SetTable<Pps>,
}

impl ParameterSets {
    /// Stores a NAL unit if it is a valid SPS or PPS, and returns whether the sets in force have
    /// changed.
    pub fn handle_nal(&mut self, nal: &[u8]) -> bool {
        if nal.len() > MAX_PARAMETER_SET {
            return false;
        }
        let result = match nal_unit_type(nal) {
            nal_type::SPS => Sps::parse(nal).map(|sps| self.sps.insert(sps.id, nal, sps)),
            nal_type::PPS => Pps::parse(nal).map(|pps| self.pps.insert(pps.id, nal, pps)),
            _ => Ok(false),
        };
        result.unwrap_or_else(|e| {
            log::debug!("parameter set left out: {e}");
            false
        })
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

    /// Returns the parameter sets to which a slice refers by its PPS id.
    pub fn for_slice(&self, pps_id: u8) -> Option<(&Pps, &Sps)> {
        let pps = self.pps.get(pps_id)?;
        Some((pps, self.sps.get(pps.sps_id)?))
    }
}
