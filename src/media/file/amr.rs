//! AMR and AMR-WB files (`.amr`, `.awb`; RFC 4867 section 5) of one channel.

use super::elementary::{Elementary, ElementaryProbe};
use super::shared::read_window;
use super::{Probe, ProbeError, open_regular};
use crate::codec::CodecParameters;
use crate::codec::amr::{MAGIC, MAGIC_WB};
use crate::framer::amr::AmrFrame;
use crate::framer::sync::{SyncFramer, Unit};
use std::path::Path;

impl<const WIDEBAND: bool> Elementary for AmrFrame<WIDEBAND> {
    const NAME: &'static str = if WIDEBAND { "AMR-WB" } else { "AMR" };
    type Framer = SyncFramer<Self>;

    fn parameters(_unit: &Unit<Self>) -> Result<CodecParameters, String> {
        Ok(CodecParameters::Amr { wideband: WIDEBAND, channels: 1 })
    }
}

/// Starts a probe of an AMR or AMR-WB file: its beginning tells which.
pub fn probe_amr(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    let start = read_window(&open_regular(path)?, MAGIC_WB.len(), 0)?;
    if start.starts_with(MAGIC_WB) {
        Ok(Box::new(ElementaryProbe::<AmrFrame<true>>::new(path)?))
    } else if start.starts_with(MAGIC) {
        Ok(Box::new(ElementaryProbe::<AmrFrame<false>>::new(path)?))
    } else {
        Err(ProbeError::Content("not the beginning of an AMR file of one channel".into()))
    }
}
