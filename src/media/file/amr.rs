//! AMR and AMR-WB files (`.amr`, `.awb`; RFC 4867 section 5) of one channel.

use super::elementary::{Elementary, ElementaryProbe};
use super::shared::read_window;
use super::{Probe, ProbeError, open_regular};
use crate::codec::CodecParameters;
use crate::codec::amr::{MAGIC, MAGIC_WB};
use crate::framer::amr::Amr;
use crate::framer::sync::{SyncFramer, Unit, UnitFramer};
use std::path::Path;

impl Elementary for Amr {
    fn name(&self) -> &'static str {
        if self.wideband { "AMR-WB" } else { "AMR" }
    }

    fn framer(&self) -> Box<dyn UnitFramer> {
        Box::new(SyncFramer::new(if self.wideband { &Self::WB } else { &Self::NB }))
    }

    fn parameters(&self, _unit: &Unit) -> Result<CodecParameters, String> {
        Ok(CodecParameters::Amr { wideband: self.wideband, channels: 1 })
    }
}

/// Starts a probe of an AMR or AMR-WB file: its beginning tells which.
pub fn probe_amr(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    let start = read_window(&open_regular(path)?, MAGIC_WB.len(), 0)?;
    let format = if start.starts_with(MAGIC_WB) {
        &Amr::WB
    } else if start.starts_with(MAGIC) {
        &Amr::NB
    } else {
        return Err(ProbeError::Content("not the beginning of an AMR file of one channel".into()));
    };
    Ok(Box::new(ElementaryProbe::new(path, format)?))
}
