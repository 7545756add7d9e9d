//! [`ReorderBuffer`]: restores the order of packets, and gives up missing ones.

use crate::arena::shrink_queue;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The result of offering a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The packet is next in order, and was not kept.
    Next,
    /// The packet is kept until those before it have arrived or are given up.
    Kept,
    /// The packet is in the buffer already.
    Duplicate,
    /// The packet has been released or given up.
    Late,
}

/// A packet that is next in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Released {
    /// The whole packet.
    pub(super) packet: Vec<u8>,
    /// Its extended sequence number.
    pub(super) sequence: u64,
    /// Time of its arrival.
    pub(super) arrived: Instant,
    /// Number of packets before it that never arrived.
    pub(super) missing: u64,
}

#[derive(Debug)]
struct Kept {
    sequence: u64,
    packet: Vec<u8>,
    arrived: Instant,
}

/// Keeps packets that arrived before their predecessors. Packets in order, nearly all, are not
/// copied.
#[derive(Debug)]
pub(super) struct ReorderBuffer {
    next: Option<u64>,
    /// In the order of their sequence numbers.
    kept: VecDeque<Kept>,
    bytes: usize,
    /// Time since which the gap before the first kept packet has existed.
    gap_since: Option<Instant>,
    max_packets: usize,
    max_bytes: usize,
    max_delay: Duration,
}

impl ReorderBuffer {
    pub(super) const fn new(max_packets: usize, max_bytes: usize, max_delay: Duration) -> Self {
        Self {
            next: None,
            kept: VecDeque::new(),
            bytes: 0,
            gap_since: None,
            max_packets,
            max_bytes,
            max_delay,
        }
    }

    /// Offers a packet by its extended sequence number.
    pub(super) fn offer(&mut self, sequence: u64, packet: &[u8], now: Instant) -> Place {
        let next = *self.next.get_or_insert(sequence);
        if sequence < next {
            return Place::Late;
        }
        if sequence == next {
            self.next = Some(next + 1);
            return Place::Next;
        }
        let Err(at) = self.kept.binary_search_by_key(&sequence, |kept| kept.sequence) else {
            return Place::Duplicate;
        };
        self.bytes += packet.len();
        self.kept.insert(at, Kept { sequence, packet: packet.to_vec(), arrived: now });
        self.gap_since.get_or_insert(now);
        Place::Kept
    }

    /// Whether no packet is kept, as nearly always.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Releases the next packet in order, or the one behind a gap that has lasted long enough.
    pub(super) fn release(&mut self, now: Instant) -> Option<Released> {
        let first = self.kept.front()?.sequence;
        let full = self.kept.len() > self.max_packets || self.bytes > self.max_bytes;
        let waited = self.deadline().is_some_and(|at| at <= now);
        (self.next == Some(first) || full || waited).then(|| self.pop()).flatten()
    }

    /// Releases the next packet, whatever the gap before it: at the end, and at a restart.
    pub(super) fn pop(&mut self) -> Option<Released> {
        let Kept { sequence, packet, arrived } = self.kept.pop_front()?;
        shrink_queue(&mut self.kept);
        self.bytes = self.bytes.saturating_sub(packet.len());
        let missing = self.next.map_or(0, |next| sequence.saturating_sub(next));
        self.next = Some(sequence + 1);
        self.gap_since = match self.kept.front() {
            Some(kept) if kept.sequence == sequence + 1 => Some(kept.arrived),
            // The gap behind it has been known since the first of those behind that arrived.
            _ => self.kept.iter().map(|kept| kept.arrived).min(),
        };
        Some(Released { packet, sequence, arrived, missing })
    }

    /// Restarts with the next packet. Kept packets are dropped; see [`pop`](Self::pop).
    pub(super) fn reset(&mut self) {
        self.kept.clear();
        self.bytes = 0;
        self.gap_since = None;
        self.next = None;
    }

    /// The numbers of the packets that are missing, in order.
    pub(super) fn missing(&self) -> impl Iterator<Item = u64> + '_ {
        let mut next = self.next.unwrap_or_default();
        self.kept.iter().flat_map(move |kept| {
            let gap = next..kept.sequence;
            next = kept.sequence + 1;
            gap
        })
    }

    /// Since when a packet has been missing.
    pub(super) const fn gap_since(&self) -> Option<Instant> {
        self.gap_since
    }

    /// When the gap is given up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.gap_since.map(|since| since + self.max_delay)
    }
}
