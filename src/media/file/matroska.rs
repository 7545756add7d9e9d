//! Matroska and WebM files (RFC 9559). In progress.

use super::{Probe, ProbeError};
use std::path::Path;

/// Starts a probe of a Matroska file.
pub fn probe_matroska(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    super::open_regular(path)?;
    Err(ProbeError::UnknownType)
}
