//! AC-3 and Enhanced AC-3 (`.ac3`, `.eac3`).

use super::elementary::{Elementary, ElementaryProbe};
use super::{Probe, ProbeError};
use crate::codec::CodecParameters;
use crate::codec::ac3::SyncFrame;
use crate::framer::ac3::Ac3;
use crate::framer::sync::{SyncFramer, Unit, UnitFramer, UnitHeader};
use bytes::Bytes;
use std::path::Path;

impl Elementary for Ac3 {
    fn name(&self) -> &'static str {
        "AC-3"
    }

    fn framer(&self) -> Box<dyn UnitFramer> {
        Box::new(SyncFramer::new(&Self))
    }

    fn parameters(&self, unit: &Unit) -> Result<CodecParameters, String> {
        let frame = SyncFrame::parse(&unit.data).map_err(|e| e.to_string())?;
        let SyncFrame { sampling_rate, channels, .. } = frame;
        if !frame.begins_unit {
            return Err("AC-3 without its first substream".into());
        }
        // A core of AC-3 may have substreams of the other kind.
        let enhanced = frame.enhanced || unit.data.len() > frame.frame_len;
        Ok(match enhanced {
            true => CodecParameters::Eac3 { sampling_rate, channels },
            false => CodecParameters::Ac3 { sampling_rate, channels },
        })
    }

    /// The channels may change: each frame says how many it has.
    fn same_parameters(&self, header: &UnitHeader, other: &UnitHeader) -> bool {
        header.same_parameters(other)
    }

    fn payload(&self, unit: &Unit) -> Option<Bytes> {
        (!unit.header.joins).then(|| unit.data.clone())
    }
}

/// Starts a probe of a file of AC-3 or Enhanced AC-3.
pub fn probe_ac3(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(ElementaryProbe::new(path, &Ac3)?))
}
