//! [`Attempts`]: how often each address has given wrong credentials.
//!
//! The first failures cost nothing, further ones are answered later and later, and too many have
//! the address refused for a time. An address that has not failed for long is forgotten.

use crate::net::site;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What follows from wrong credentials of one address.
///
/// All addresses of an IPv6 network of 64 bits count as one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AttemptLimits {
    /// Failures that are answered at once. Default: 3.
    pub free: u32,
    /// Time after which the next failure is answered; twice as long for each one after it. Default:
    /// 1 s.
    pub first_delay: Duration,
    /// The longest such time. Default: 8 s.
    pub max_delay: Duration,
    /// Failures after which the address is refused for a time. Default: 10.
    pub refused_after: u32,
    /// That time. Default: 60 s.
    pub refused_for: Duration,
    /// Time without a failure after which those of an address are forgotten. Default: 15 min.
    pub forgotten_after: Duration,
    /// Addresses whose failures are counted; the one whose last failure is longest ago is forgotten
    /// first. Default: 1024.
    pub max_addresses: usize,
}

impl Default for AttemptLimits {
    fn default() -> Self {
        Self {
            free: 3,
            first_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(8),
            refused_after: 10,
            refused_for: Duration::from_secs(60),
            forgotten_after: Duration::from_secs(15 * 60),
            max_addresses: 1024,
        }
    }
}

impl AttemptLimits {
    /// The time after which the failure of this number is answered.
    fn delay_of(&self, count: u32) -> Duration {
        let late = count.saturating_sub(self.free);
        let Some(doublings) = late.checked_sub(1) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first_delay.saturating_mul(factor).min(self.max_delay)
    }
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
    refused_until: Option<Instant>,
}

/// The failures of addresses.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    of: HashMap<IpAddr, Failures>,
}

impl Attempts {
    /// Counts a failure. Returns the time after which it is to be answered, and whether it is the
    /// first of its address that is answered late.
    pub(super) fn note_failure(
        &mut self,
        limits: &AttemptLimits,
        address: IpAddr,
        now: Instant,
    ) -> (Duration, bool) {
        let address = site(address);
        self.make_room(limits, address, now);
        let fresh = Failures { count: 0, last: now, refused_until: None };
        let failures = self.of.entry(address).or_insert(fresh);
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        if failures.count >= limits.refused_after.max(1) {
            failures.refused_until = now.checked_add(limits.refused_for);
        }
        let is_first = failures.count.checked_sub(limits.free) == Some(1);
        (limits.delay_of(failures.count), is_first)
    }

    /// The time after which the next failure of an address would be answered.
    pub(super) fn next_delay(&self, limits: &AttemptLimits, address: IpAddr) -> Duration {
        let count = self.of.get(&site(address)).map_or(0, |failures| failures.count);
        limits.delay_of(count.saturating_add(1))
    }

    /// For how long an address is still refused; `None` if it is not.
    pub(super) fn refused_for(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let until = self.of.get(&site(address))?.refused_until?;
        let left = until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Forgets old failures, and the oldest if there is no room for an address.
    fn make_room(&mut self, limits: &AttemptLimits, address: IpAddr, now: Instant) {
        let is_over = |f: &Failures| {
            now.saturating_duration_since(f.last) >= limits.forgotten_after
                && f.refused_until.is_none_or(|until| until <= now)
        };
        if let Some(failures) = self.of.get(&address) {
            if is_over(failures) {
                self.of.remove(&address);
            }
            return;
        }
        if self.of.len() >= limits.max_addresses.max(1) {
            self.of.retain(|_, failures| !is_over(failures));
        }
        if self.of.len() >= limits.max_addresses.max(1) {
            let oldest = self.of.iter().min_by_key(|(_, f)| f.last).map(|(address, _)| *address);
            oldest.and_then(|oldest| self.of.remove(&oldest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_slowed_then_refused_then_forgotten() {
        let limits = AttemptLimits::default();
        let (mut attempts, mut now) = (Attempts::default(), Instant::now());
        let address = "10.0.0.7".parse().unwrap();
        let delays: Vec<_> = (0..10)
            .map(|_| attempts.note_failure(&limits, address, now))
            .map(|(delay, first)| (delay.as_secs(), first))
            .collect();
        let expected = [0, 0, 0, 1, 2, 4, 8, 8, 8, 8];
        assert_eq!(delays.iter().map(|d| d.0).collect::<Vec<_>>(), expected);
        assert_eq!(delays.iter().position(|d| d.1), Some(3));
        assert_eq!(delays.iter().filter(|d| d.1).count(), 1);
        let mapped = "::ffff:10.0.0.7".parse().unwrap();
        assert_eq!(attempts.refused_for(mapped, now), Some(Duration::from_secs(60)));
        now += Duration::from_secs(60);
        assert_eq!(attempts.refused_for(address, now), None);
        // The next failure has the address refused again.
        attempts.note_failure(&limits, address, now);
        assert!(attempts.refused_for(address, now).is_some());
        now += Duration::from_secs(15 * 60);
        assert_eq!(attempts.note_failure(&limits, address, now).0, Duration::ZERO);
        assert_eq!(attempts.refused_for(address, now), None);
    }

    #[test]
    fn the_table_is_bounded_and_a_network_is_one_address() {
        let limits = AttemptLimits { max_addresses: 8, ..AttemptLimits::default() };
        let (mut attempts, mut now) = (Attempts::default(), Instant::now());
        for n in 0..1000_u32 {
            now += Duration::from_millis(1);
            let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n);
            attempts.note_failure(&limits, address.into(), now);
            assert!(attempts.of.len() <= 8);
        }
        for n in 0..10_u128 {
            let address = std::net::Ipv6Addr::from_bits((0x2001_0db8 << 96) + n);
            attempts.note_failure(&limits, address.into(), now);
        }
        let neighbour = "2001:db8::ffff".parse().unwrap();
        assert!(attempts.refused_for(neighbour, now).is_some());
        let other = "2001:db8:0:1::1".parse().unwrap();
        assert!(attempts.refused_for(other, now).is_none());
    }
}
