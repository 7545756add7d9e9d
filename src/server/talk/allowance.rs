//! [`Allowance`]: how many bytes a talker may send.

use std::time::Instant;

/// Bytes that come at a rate, as many as one second has at most.
#[derive(Debug)]
pub(super) struct Allowance {
    /// Bytes a second.
    rate: u64,
    left: u64,
    /// Up to when bytes have been added.
    since: Instant,
}

impl Allowance {
    pub(super) const fn new(rate: u64, now: Instant) -> Self {
        Self { rate, left: rate, since: now }
    }

    /// Takes bytes; returns false, and takes none, if there are not as many.
    pub(super) fn spend(&mut self, bytes: usize, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since).as_micros();
        let added = u128::from(self.rate) * passed / 1_000_000;
        if added > 0 {
            self.since = now;
            self.left = u64::try_from(added).unwrap_or(u64::MAX).saturating_add(self.left);
            self.left = self.left.min(self.rate);
        }
        let rest = u64::try_from(bytes).ok().and_then(|bytes| self.left.checked_sub(bytes));
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn bytes_come_at_their_rate_and_not_more_than_a_second_has() {
        let mut now = Instant::now();
        let mut allowance = Allowance::new(1000, now);
        assert!(
            allowance.spend(900, now) && !allowance.spend(101, now) && allowance.spend(100, now)
        );
        now += Duration::from_millis(250);
        assert!(!allowance.spend(251, now) && allowance.spend(250, now));
        now += Duration::from_secs(3600);
        assert!(
            !allowance.spend(1001, now) && allowance.spend(1000, now) && !allowance.spend(1, now)
        );
        let mut none = Allowance::new(0, now);
        assert!(!none.spend(1, now + Duration::from_secs(9)));
    }
}
