//! [`ParameterSets`]: the parameter sets in force (7.4.1.2.1).

use super::nal::{nal_type, nal_unit_type};
use super::pps::Pps;
use super::sps::Sps;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Parameter sets larger than this are taken for garbage.
pub(crate) const MAX_PARAMETER_SET: usize = 16 * 1024;

/// The parameter sets in force, by their ids.
#[derive(Clone, Debug, Default)]
pub struct ParameterSets {
    sps: BTreeMap<u8, (Bytes, Sps)>,
    pps: BTreeMap<u8, (Bytes, Pps)>,
}

impl ParameterSets {
    /// Stores a NAL unit if it is a valid SPS or PPS, and returns whether the sets in force have
    /// changed.
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
