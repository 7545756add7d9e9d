//! AAC in ADTS (.aac).

use super::elementary::{Elementary, ElementaryProbe};
use super::{Probe, ProbeError};
use crate::codec::CodecParameters;
use crate::codec::aac::{AdtsHeader, config_from_unit};
use crate::framer::adts::access_unit;
use crate::framer::sync::{SyncFramer, Unit};
use bytes::Bytes;
use std::path::Path;

impl Elementary for AdtsHeader {
    const NAME: &'static str = "ADTS";
    type Framer = SyncFramer<Self>;

    fn parameters(first: &Unit<Self>) -> Result<CodecParameters, String> {
        if first.header.raw_data_blocks > 1 {
            return Err("ADTS with several raw data blocks in a frame".into());
        }
        let unit = access_unit(&first.header, &first.data).unwrap_or_default();
        let (config, channels) = config_from_unit(&first.header, &unit)
            .ok_or("ADTS that does not say how many channels it has")?;
        let sampling_rate = first.header.sampling_rate;
        Ok(CodecParameters::Aac { config, sampling_rate, channels })
    }

    fn same_parameters(&self, other: &Self) -> bool {
        self.same_stream(other)
    }

    fn payload(unit: &Unit<Self>) -> Option<Bytes> {
        access_unit(&unit.header, &unit.data)
    }

    fn blocks(&self) -> u64 {
        u64::from(self.raw_data_blocks)
    }

    fn complaint(start: &[u8]) -> Option<&'static str> {
        start.starts_with(b"ADIF").then_some("ADIF is not supported")
    }
}

/// Starts a probe of an ADTS file.
pub fn probe_adts(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(ElementaryProbe::<AdtsHeader>::new(path)?))
}
