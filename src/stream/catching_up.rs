//! [`CatchingUp`]: which newcomers of a stream are sent what came before they did.

use crate::ids::DestinationId;
use std::time::Instant;

/// The destinations that catch up. Each gets one burst in a round.
#[derive(Debug, Default)]
pub(crate) struct CatchingUp {
    pub(crate) all: Vec<DestinationId>,
    /// How many had their burst in the present round, and when it began.
    pub(crate) done: usize,
    pub(crate) began: Option<Instant>,
}
