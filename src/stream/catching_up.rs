//! [`CatchingUp`]: the newcomers of a stream that are being sent packets from before they joined.

use crate::ids::DestinationId;
use std::time::Instant;

/// The destinations that catch up. Each gets one burst in a round.
#[derive(Debug, Default)]
pub(crate) struct CatchingUp {
    pub(crate) all: Vec<DestinationId>,
    /// How many destinations had their burst in the present round, and when the round began.
    pub(crate) done: usize,
    pub(crate) began: Option<Instant>,
}
