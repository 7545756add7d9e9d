//! AAC in ADTS (.aac).

use super::elementary::{Elementary, ElementaryProbe};
use super::{Probe, ProbeError};
use crate::codec::CodecParameters;
use crate::codec::aac::{AdtsHeader, config_from_unit};
use crate::framer::adts::{Adts, access_unit};
use crate::framer::sync::{SyncFramer, Unit, UnitFramer, UnitHeader};
use bytes::Bytes;
use std::path::Path;

impl Elementary for Adts {
    fn name(&self) -> &'static str {
        "ADTS"
    }

    fn framer(&self) -> Box<dyn UnitFramer> {
        Box::new(SyncFramer::new(&Self))
    }

    fn parameters(&self, first: &Unit) -> Result<CodecParameters, String> {
        if first.header.blocks > 1 {
            return Err("ADTS with several raw data blocks in a frame".into());
        }
        let unit = access_unit(&first.data).unwrap_or_default();
        let header = AdtsHeader::parse(&first.data).map_err(|e| e.to_string())?;
        let (config, channels) = config_from_unit(&header, &unit)
            .ok_or("ADTS that does not say how many channels it has")?;
        let sampling_rate = header.sampling_rate;
        Ok(CodecParameters::Aac { config, sampling_rate, channels })
    }

    fn same_parameters(&self, header: &UnitHeader, other: &UnitHeader) -> bool {
        header.same_parameters(other)
    }

    fn payload(&self, unit: &Unit) -> Option<Bytes> {
        access_unit(&unit.data)
    }

    fn complaint(&self, start: &[u8]) -> Option<&'static str> {
        start.starts_with(b"ADIF").then_some("ADIF is not supported")
    }
}

/// Starts a probe of an ADTS file.
pub fn probe_adts(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(ElementaryProbe::new(path, &Adts)?))
}
