//! [`poll_steps`]: the loop of probes that go through a file in steps.

use crate::media::file::media_file::{MediaFile, ProbeError, ProbePoll};
use std::sync::Arc;

/// A probe that goes through a file in steps.
pub(crate) trait Steps {
    /// All bytes read so far: the measure of work done.
    fn bytes_read(&self) -> u64;

    /// Goes one step; `None` if it is not the last.
    fn step(&mut self) -> Result<Option<Arc<dyn MediaFile>>, ProbeError>;
}

/// Goes on until about `budget` bytes are read.
pub(crate) fn poll_steps(probe: &mut dyn Steps, budget: usize) -> ProbePoll {
    let until = probe.bytes_read().saturating_add(budget.max(1) as u64);
    loop {
        match probe.step() {
            Ok(Some(media)) => return ProbePoll::Ready(media),
            Ok(None) => {}
            Err(e) => return ProbePoll::Failed(e),
        }
        if probe.bytes_read() >= until {
            return ProbePoll::Pending;
        }
    }
}
