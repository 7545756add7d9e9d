//! G.722 files (`.g722`): octets of 64 kbit/s and nothing else.

use super::wav::{WavFile, constant_rate};
use super::{Probe, ProbeError, ProbePoll};
use crate::codec::CodecParameters;
use std::path::Path;
use std::sync::Arc;

/// Octets a second, each of two samples.
const OCTETS: u32 = 8000;

/// Starts a probe of a G.722 file.
pub fn probe_g722(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    let file = constant_rate(path, CodecParameters::G722 { channels: 1 }, OCTETS)?;
    Ok(Box::new(G722Probe(file)))
}

/// There is nothing to look at.
#[derive(Debug)]
struct G722Probe(Arc<WavFile>);

impl Probe for G722Probe {
    fn poll_probe(&mut self, _budget: usize) -> ProbePoll {
        let file: Arc<WavFile> = Arc::clone(&self.0);
        ProbePoll::Ready(file)
    }
}
