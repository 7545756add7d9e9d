//! [`ReorderBuffer`]: packets back in order, and when to stop waiting for one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is next in order; the buffer has not kept it.
    Next,
    /// It has been kept until those before it have come or are given up.
    Kept,
    /// It is there already.
    Duplicate,
    /// It has been given out or given up.
    Late,
}

/// A packet whose turn it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Released {
    /// The whole packet.
    pub(super) packet: Vec<u8>,
    /// How many before it never came.
    pub(super) missing: u64,
}

#[derive(Debug)]
struct Kept {
    packet: Vec<u8>,
    arrived: Instant,
}

/// Keeps packets that came before their turn. Packets in order, nearly all, pass by it uncopied.
#[derive(Debug)]
pub(super) struct ReorderBuffer {
    next: Option<u64>,
    kept: BTreeMap<u64, Kept>,
    bytes: usize,
    /// Since when the gap before the first kept packet has been open.
    gap_since: Option<Instant>,
    max_packets: usize,
    max_bytes: usize,
    max_delay: Duration,
}

impl ReorderBuffer {
    pub(super) const fn new(max_packets: usize, max_bytes: usize, max_delay: Duration) -> Self {
        Self {
            next: None,
            kept: BTreeMap::new(),
            bytes: 0,
            gap_since: None,
            max_packets,
            max_bytes,
            max_delay,
        }
    }

    /// Places a packet by its extended sequence number.
    pub(super) fn offer(&mut self, sequence: u64, packet: &[u8], now: Instant) -> Place {
        let next = *self.next.get_or_insert(sequence);
        if sequence < next {
            return Place::Late;
        }
        if sequence == next {
            self.next = Some(next + 1);
            return Place::Next;
        }
        if self.kept.contains_key(&sequence) {
            return Place::Duplicate;
        }
        self.bytes += packet.len();
        self.kept.insert(sequence, Kept { packet: packet.to_vec(), arrived: now });
        self.gap_since.get_or_insert(now);
        Place::Kept
    }

    /// The next packet in order, or behind a gap that has been waited for long enough.
    pub(super) fn release(&mut self, now: Instant) -> Option<Released> {
        let (&first, _) = self.kept.first_key_value()?;
        let full = self.kept.len() > self.max_packets || self.bytes > self.max_bytes;
        let waited = self.deadline().is_some_and(|at| at <= now);
        (self.next == Some(first) || full || waited).then(|| self.pop()).flatten()
    }

    /// The next packet, however large the gap before it: at the end, and at a restart.
    pub(super) fn pop(&mut self) -> Option<Released> {
        let (sequence, Kept { packet, .. }) = self.kept.pop_first()?;
        self.bytes = self.bytes.saturating_sub(packet.len());
        let missing = self.next.map_or(0, |next| sequence.saturating_sub(next));
        self.next = Some(sequence + 1);
        self.gap_since = match self.kept.first_key_value() {
            Some((&first, kept)) if first == sequence + 1 => Some(kept.arrived),
            // The gap behind it has been known since the first of those behind that arrived.
            _ => self.kept.values().map(|kept| kept.arrived).min(),
        };
        Some(Released { packet, missing })
    }

    /// Starts anew at whatever comes next. What is kept is dropped; see [`pop`](Self::pop).
    pub(super) fn reset(&mut self) {
        self.kept.clear();
        self.bytes = 0;
        self.gap_since = None;
        self.next = None;
    }

    /// When the gap is given up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.gap_since.map(|since| since + self.max_delay)
    }
}
