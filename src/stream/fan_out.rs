//! [`FanOut`]: how far a batch of packets is on its way to the destinations.

use crate::payload::PacketBuffer;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Between the bursts of a frame that is too large to be sent over UDP at once.
pub(crate) const BURST_INTERVAL: Duration = Duration::from_millis(2);

/// How far one batch is on its way.
#[derive(Clone, Debug)]
pub(crate) struct FanOut {
    /// Packets whose turn it is over UDP. With the first of them connections get all packets.
    pub(crate) packets: Range<usize>,
    /// How many addresses of each pair of sockets, and slots of the table, are done with.
    pub(crate) done: usize,
    pub(crate) key_frame: bool,
    /// Where in the batch an RTCP packet for connections begins, with its prefix.
    pub(crate) report_at: Option<usize>,
}

/// What is left of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Done,
    /// The same packets for more destinations, as soon as others have had their turn.
    Part,
    /// More packets over UDP, after a while.
    Burst,
}

/// A frame that is on its way.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) batch: PacketBuffer,
    pub(crate) fan_out: FanOut,
    /// Between two bursts.
    pub(crate) interval: Duration,
    /// When it goes on.
    pub(crate) next: Instant,
}
