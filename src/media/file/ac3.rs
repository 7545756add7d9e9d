//! AC-3 and Enhanced AC-3 (`.ac3`, `.eac3`).

use super::elementary::{Elementary, ElementaryProbe};
use super::{Probe, ProbeError};
use crate::codec::CodecParameters;
use crate::codec::ac3::SyncFrame;
use crate::framer::sync::{SyncFramer, Unit};
use bytes::Bytes;
use std::path::Path;

impl Elementary for SyncFrame {
    const NAME: &'static str = "AC-3";
    type Framer = SyncFramer<Self>;

    fn parameters(unit: &Unit<Self>) -> Result<CodecParameters, String> {
        let Self { sampling_rate, channels, .. } = unit.header;
        if !unit.header.begins_unit {
            return Err("AC-3 without its first substream".into());
        }
        // A core of AC-3 may have substreams of the other kind.
        let enhanced = unit.header.enhanced || unit.data.len() > unit.header.frame_len;
        Ok(match enhanced {
            true => CodecParameters::Eac3 { sampling_rate, channels },
            false => CodecParameters::Ac3 { sampling_rate, channels },
        })
    }

    /// The channels may change: each frame says how many it has.
    fn same_parameters(&self, other: &Self) -> bool {
        (self.sampling_rate, self.enhanced) == (other.sampling_rate, other.enhanced)
    }

    fn payload(unit: &Unit<Self>) -> Option<Bytes> {
        unit.header.begins_unit.then(|| unit.data.clone())
    }
}

/// Starts a probe of a file of AC-3 or Enhanced AC-3.
pub fn probe_ac3(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(ElementaryProbe::<SyncFrame>::new(path)?))
}
