//! [`Unanswered`]: the requests that were sent to the peer and have no response yet.

use std::time::Instant;

/// Requests to the peer that have no response yet, by `CSeq` (RFC 2326 section 12.17).
#[derive(Debug, Default)]
pub(crate) struct Unanswered {
    last: u32,
    /// In the order in which they were sent.
    requests: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    cseq: u32,
    /// Deadline of the response; `None`: the end of the connection.
    until: Option<Instant>,
}

impl Unanswered {
    /// Chooses the `CSeq` of the next request, which is overdue after `until`. `None` if `limit`
    /// requests are unanswered.
    pub(crate) fn add(&mut self, until: Option<Instant>, limit: usize) -> Option<u32> {
        if self.requests.len() >= limit {
            return None;
        }
        // After 4 billion requests one of the first may still wait.
        let is_taken = |cseq| cseq == 0 || self.requests.iter().any(|r| r.cseq == cseq);
        let mut cseq = self.last.wrapping_add(1);
        while is_taken(cseq) {
            cseq = cseq.wrapping_add(1);
        }
        self.last = cseq;
        self.requests.push(Entry { cseq, until });
        Some(cseq)
    }

    /// Removes a request; returns whether it was unanswered.
    pub(crate) fn remove(&mut self, cseq: u32) -> bool {
        let before = self.requests.len();
        self.requests.retain(|r| r.cseq != cseq);
        self.requests.len() < before
    }

    pub(crate) fn contains(&self, cseq: u32) -> bool {
        self.requests.iter().any(|r| r.cseq == cseq)
    }

    /// The earliest deadline of a response.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.requests.iter().filter_map(|r| r.until).min()
    }

    /// Removes and returns a request whose deadline has passed at `now`.
    pub(crate) fn poll_overdue(&mut self, now: Instant) -> Option<u32> {
        let overdue = |r: &Entry| r.until.is_some_and(|until| now >= until);
        let at = self.requests.iter().position(overdue)?;
        Some(self.requests.remove(at).cseq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn numbers_are_not_used_twice_at_a_time() {
        let mut unanswered = Unanswered { last: u32::MAX - 1, ..Unanswered::default() };
        let mut add = || unanswered.add(None, 4);
        assert_eq!([add(), add(), add()], [Some(u32::MAX), Some(1), Some(2)]);
        unanswered.last = u32::MAX - 1;
        assert!(unanswered.remove(1));
        assert_eq!(unanswered.add(None, 4), Some(1), "the greatest still waits");
        assert_eq!(unanswered.add(None, 4), Some(3));
        assert_eq!(unanswered.add(None, 4), None, "as many as may wait");
        assert!(!unanswered.remove(4));
    }

    #[test]
    fn those_whose_time_is_over_are_told_once() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut unanswered = Unanswered::default();
        for until in [Some(at(5)), None, Some(at(3))] {
            unanswered.add(until, 9);
        }
        assert_eq!(unanswered.poll_timeout(), Some(at(3)));
        assert_eq!(unanswered.poll_overdue(at(2)), None);
        assert_eq!(unanswered.poll_overdue(at(5)), Some(1));
        assert_eq!(unanswered.poll_overdue(at(5)), Some(3));
        assert_eq!(unanswered.poll_overdue(at(5)), None);
        assert_eq!(unanswered.poll_timeout(), None);
        assert!(unanswered.contains(2) && !unanswered.contains(1));
    }
}
