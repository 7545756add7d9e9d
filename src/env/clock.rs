//! [`Clock`]: the time of a turn. Monotonic time is read once per turn; the wall clock (for NTP
//! timestamps and `Date`) follows it and is compared with the operating system's clock once a
//! second.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock at the start of a simulation: 2023-11-14T22:13:20Z.
#[cfg(any(test, feature = "simulation"))]
const SIMULATED_EPOCH: Duration = Duration::from_secs(1_700_000_000);

const WALL_CHECK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Clock {
    now: Instant,
    /// The wall clock at the instant below, both read at the same time.
    wall: Duration,
    wall_at: Instant,
    simulated: bool,
}

impl Clock {
    pub(crate) fn system() -> Self {
        let now = Instant::now();
        Self { now, wall: system_wall(), wall_at: now, simulated: false }
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn simulated() -> Self {
        let now = Instant::now();
        Self { now, wall: SIMULATED_EPOCH, wall_at: now, simulated: true }
    }

    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    /// The present time, not that of the turn.
    pub(crate) fn fresh(&self) -> Instant {
        if self.simulated { self.now } else { Instant::now() }
    }

    /// The wall clock at `at`.
    pub(crate) fn wall(&self, at: Instant) -> Duration {
        self.wall.saturating_add(at.saturating_duration_since(self.wall_at))
    }

    /// Reads the operating system's clock; no effect on a virtual clock.
    pub(crate) fn read(&mut self) {
        if self.simulated {
            return;
        }
        self.now = Instant::now();
        if self.now.saturating_duration_since(self.wall_at) >= WALL_CHECK {
            self.wall = system_wall();
            self.wall_at = self.now;
        }
    }

    /// Advances the virtual clock.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn advance(&mut self, to: Instant) {
        debug_assert!(self.simulated);
        self.now = self.now.max(to);
    }

    /// Makes the virtual wall clock jump by `seconds`.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn jump_wall(&mut self, seconds: i64) {
        let jump = Duration::from_secs(seconds.unsigned_abs());
        self.wall = if seconds < 0 {
            self.wall.saturating_sub(jump)
        } else {
            self.wall.saturating_add(jump)
        };
    }
}

fn system_wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_follows_virtual_time_and_jumps() {
        let mut clock = Clock::simulated();
        let start = clock.now();
        clock.advance(start + Duration::from_secs(5));
        assert_eq!(clock.wall(clock.now()), SIMULATED_EPOCH + Duration::from_secs(5));
        clock.jump_wall(-3600);
        assert_eq!(
            clock.wall(clock.now()),
            SIMULATED_EPOCH + Duration::from_secs(5) - Duration::from_secs(3600)
        );
        assert_eq!(clock.now(), start + Duration::from_secs(5));
    }
}
