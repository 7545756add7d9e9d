//! Files of a moment, for probes of what is not in a file.

use super::{Probe, ProbeError};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Attempts to find a name that is free.
const ATTEMPTS: u32 = 1000;

/// A file that is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct ScratchFile(PathBuf);

impl ScratchFile {
    /// Writes a file with this content.
    pub(crate) fn new(data: &[u8]) -> io::Result<Self> {
        let folder = std::env::temp_dir();
        let mut result = Err(io::ErrorKind::AlreadyExists.into());
        for number in 0..ATTEMPTS {
            let path = folder.join(format!("riverrun-scratch-{number}"));
            match File::create_new(&path) {
                Ok(mut file) => {
                    let scratch = Self(path);
                    return file.write_all(data).map(|()| scratch);
                }
                Err(e) => result = Err(e),
            }
        }
        result
    }

    /// Starts a probe of the file.
    pub(crate) fn probe(
        &self,
        probe: impl FnOnce(&Path) -> Result<Box<dyn Probe>, ProbeError>,
    ) -> Result<Box<dyn Probe>, ProbeError> {
        probe(&self.0)
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_file(&self.0) {
            log::warn!("{}: {e}", self.0.display());
        }
    }
}
