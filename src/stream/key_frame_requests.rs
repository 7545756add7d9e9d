//! [`KeyFrameRequests`]: when an encoder is asked for a key frame.

use std::time::{Duration, Instant};

/// Least time between two requests of one stream. A crowd that joins at once, or loses the same
/// packet, makes one request. A request that comes earlier is made when the time is over, unless a
/// key frame has come by then.
const MINIMUM_INTERVAL: Duration = Duration::from_millis(500);

/// Whether a key frame of a stream is wanted, and when one was last asked for.
#[derive(Debug, Default)]
pub(crate) struct KeyFrameRequests {
    is_wanted: bool,
    told_at: Option<Instant>,
}

impl KeyFrameRequests {
    /// Notes that a viewer cannot go on without a key frame.
    pub(crate) const fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Notes that a key frame is sent.
    pub(crate) const fn handle_key_frame(&mut self) {
        self.is_wanted = false;
    }

    /// Returns whether the encoder is to be asked now.
    pub(crate) fn poll(&mut self, now: Instant) -> bool {
        if !self.is_wanted {
            return false;
        }
        let ago = self.told_at.map(|at| now.saturating_duration_since(at));
        if ago.is_some_and(|ago| ago < MINIMUM_INTERVAL) {
            return false;
        }
        (self.is_wanted, self.told_at) = (false, Some(now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_one_request_and_nobody_is_forgotten() {
        let mut requests = KeyFrameRequests::default();
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        assert!(!requests.poll(at(0)));
        (0..100).for_each(|_| requests.want());
        assert!(requests.poll(at(0)) && !requests.poll(at(0)));
        requests.want();
        assert!(!requests.poll(at(499)));
        assert!(requests.poll(at(500)) && !requests.poll(at(2000)));
        requests.want();
        requests.handle_key_frame();
        assert!(!requests.poll(at(5000)), "it has come");
    }
}
