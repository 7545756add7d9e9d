//! [`FanOut`]: how far a batch of packets is on its way to the destinations.

use crate::payload::PacketBuffer;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Time between the bursts of a frame that is too large to be sent over UDP at once.
pub(crate) const BURST_INTERVAL: Duration = Duration::from_millis(2);

/// How far one batch has come on its way to the destinations.
#[derive(Clone, Debug)]
pub(crate) struct FanOut {
    /// The packets whose turn it is over UDP. With the first burst connections get all packets.
    pub(crate) packets: Range<usize>,
    /// How many addresses of each pair of sockets, and how many slots of the table, have had their
    /// turn.
    pub(crate) done: usize,
    pub(crate) key_frame: bool,
    /// Offset in the batch at which an RTCP packet for connections begins, with its prefix.
    pub(crate) report_at: Option<usize>,
}

/// What is left to send of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Done,
    /// The same packets go to more destinations, as soon as others have had their turn.
    Part,
    /// More packets go out over UDP, after a while.
    Burst,
}

/// The packets of a frame that have not gone to all destinations yet.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) batch: PacketBuffer,
    pub(crate) fan_out: FanOut,
    /// Time between two bursts.
    pub(crate) interval: Duration,
    /// When the next part is to be sent.
    pub(crate) next: Instant,
}
