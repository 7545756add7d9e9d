//! Detects repeated full intra requests (RFC 5104 section 4.3.1.1).

use std::collections::HashMap;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
struct Seen {
    sequence: u8,
    at: Instant,
}

/// The last command of each receiver. Receivers are identified by destination and SSRC: those of
/// two clients may have the same SSRC.
#[derive(Debug)]
pub(super) struct FullIntraRequests {
    table: HashMap<(u64, u32), Seen>,
    limit: usize,
}

impl FullIntraRequests {
    pub(super) fn new(limit: usize) -> Self {
        Self { table: HashMap::new(), limit }
    }

    /// Records a command; returns whether it is new. Commands of receivers for which the table has
    /// no room count as new.
    pub(super) fn is_new(&mut self, from: u64, requester: u32, sequence: u8, at: Instant) -> bool {
        let key = (from, requester);
        if !self.table.contains_key(&key) && self.table.len() >= self.limit {
            return true;
        }
        let before = self.table.insert(key, Seen { sequence, at });
        before.is_none_or(|before| before.sequence != sequence)
    }

    /// Removes the receivers at a destination.
    pub(super) fn remove(&mut self, from: u64) {
        self.table.retain(|key, _| key.0 != from);
    }

    /// Removes receivers whose last command is older than `longest`.
    pub(super) fn forget_silent(&mut self, now: Instant, longest: Duration) {
        self.table.retain(|_, seen| now.saturating_duration_since(seen.at) <= longest);
    }
}
