//! [`Following`]: waits at the end of a file for what it gets yet.

use std::time::{Duration, Instant};

/// Time between two looks at the file.
const INTERVAL: Duration = Duration::from_millis(100);

/// A wait at the end of a file that may grow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Following {
    patience: Duration,
    /// How long the file was when it was last longer than before, and when that was seen.
    grown: Option<(u64, Instant)>,
}

impl Following {
    /// A file that has not grown for `patience` is complete.
    pub(super) const fn new(patience: Duration) -> Self {
        Self { patience, grown: None }
    }

    /// At the end of a file of `len` bytes: when to look for more; `None` if it is complete.
    pub(super) fn look_again(&mut self, len: u64, now: Instant) -> Option<Instant> {
        let (known, since) = self.grown.filter(|(known, _)| len <= *known).unwrap_or((len, now));
        self.grown = Some((known, since));
        let waited = now.saturating_duration_since(since);
        let left = self.patience.checked_sub(waited).filter(|left| !left.is_zero())?;
        now.checked_add(INTERVAL.min(left))
    }

    /// The end is not the end any more.
    pub(super) const fn go_on(&mut self) {
        self.grown = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_complete_when_it_has_not_grown_for_long() {
        let mut following = Following::new(Duration::from_secs(1));
        let begun = Instant::now();
        let mut look = |len, ms| {
            let now = begun + Duration::from_millis(ms);
            following.look_again(len, now).map(|at| (at - begun).as_millis())
        };
        assert_eq!(look(10, 0), Some(100));
        assert_eq!(look(10, 900), Some(1000));
        assert_eq!(look(20, 950), Some(1050));
        assert_eq!(look(20, 1940), Some(1950));
        // One that has become shorter has not grown.
        assert_eq!(look(5, 1949), Some(1950));
        assert_eq!(look(20, 1950), None);
        assert_eq!(look(20, 5000), None);
        following.go_on();
        assert!(following.look_again(20, begun).is_some());
        assert_eq!(Following::new(Duration::ZERO).look_again(20, begun), None);
    }
}
