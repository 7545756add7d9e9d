//! Requests for missing packets (generic NACK): RFC 4585 section 6.2.1.

use crate::rtp::rtcp::Nack;
use crate::rtp::source::RtpSource;
use std::time::{Duration, Instant};

/// Most entries of a request, of up to 17 packets each. Where more is missing, only a key frame helps.
const MAX_ENTRIES: usize = 16;

/// The entries of a request.
#[derive(Debug)]
pub(super) struct MissingPackets {
    entries: [Nack; MAX_ENTRIES],
    len: usize,
}

impl MissingPackets {
    /// As many of the sequence numbers, which rise, as a request has room for.
    fn collect(mut missing: impl Iterator<Item = u16>) -> Self {
        let mut this = Self { entries: [Nack { first: 0, following: 0 }; MAX_ENTRIES], len: 0 };
        let mut next = missing.next();
        for entry in &mut this.entries {
            let Some(first) = next else { break };
            entry.first = first;
            this.len += 1;
            loop {
                next = missing.next();
                let Some(bit) = next.map(|n| n.wrapping_sub(first).wrapping_sub(1)) else { break };
                if bit >= 16 {
                    break;
                }
                entry.following |= 1 << bit;
            }
        }
        this
    }

    pub(super) fn entries(&self) -> &[Nack] {
        self.entries.get(..self.len).unwrap_or_default()
    }
}

/// When missing packets are asked for.
#[derive(Debug)]
pub(super) struct PacketRequests {
    allowed: bool,
    delay: Duration,
    interval: Duration,
    asked_at: Option<Instant>,
    requests: u64,
}

impl PacketRequests {
    pub(super) const fn new(allowed: bool, delay: Duration, interval: Duration) -> Self {
        Self { allowed, delay, interval, asked_at: None, requests: 0 }
    }

    pub(super) const fn requests(&self) -> u64 {
        self.requests
    }

    /// When the next request is to be sent.
    pub(super) fn due_at(&self, source: &RtpSource) -> Option<Instant> {
        let since = source.missing_since().filter(|_| self.allowed)? + self.delay;
        Some(self.asked_at.map_or(since, |at| since.max(at + self.interval)))
    }

    /// The request to be sent now.
    pub(super) fn poll_request(
        &mut self,
        source: &RtpSource,
        now: Instant,
    ) -> Option<MissingPackets> {
        self.due_at(source).filter(|at| *at <= now)?;
        let missing = MissingPackets::collect(source.missing());
        if missing.len == 0 {
            return None;
        }
        self.asked_at = Some(now);
        self.requests += 1;
        Some(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::testing::Random;

    #[test]
    fn entries_name_what_is_missing_and_nothing_else() {
        for seed in 0..500 {
            let mut random = Random::new(seed);
            let mut sequence = random.u16();
            let mut missing = Vec::new();
            for _ in 0..random.below(60) {
                let step = if random.chance(3) { random.below(40) + 1 } else { 1 };
                sequence = sequence.wrapping_add(step as u16);
                missing.push(sequence);
            }
            let collected = MissingPackets::collect(missing.iter().copied());
            let named: Vec<_> =
                collected.entries().iter().flat_map(|entry| entry.sequence_numbers()).collect();
            assert_eq!(named, missing[..named.len()], "seed {seed}");
            assert!(named.len() == missing.len() || collected.len == MAX_ENTRIES, "seed {seed}");
        }
    }
}
