//! [`PlayRange`]: the range that PLAY and PAUSE set (RFC 2326 sections 10.5 and 10.6).

use std::time::Duration;

/// The range of normal play time that a stream plays, and the points at which its client stops it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PlayRange {
    start: Duration,
    stop_at: Option<Duration>,
    pause_at: Option<Duration>,
    resume_at: Option<Duration>,
    /// It is played backwards.
    is_backwards: bool,
}

/// Why a stream sends no frame from a certain time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Boundary {
    /// The range ends at this time.
    End(Duration),
    /// The client asked for a pause.
    PausePoint,
}

impl PlayRange {
    /// The range of a PLAY. A pause point that was set before does not hold any more.
    pub(crate) fn new(start: Duration, stop_at: Option<Duration>) -> Self {
        Self { start, stop_at, ..Self::default() }
    }

    /// The same, played from `start` backwards.
    pub(crate) fn backwards(start: Duration, stop_at: Option<Duration>) -> Self {
        Self { is_backwards: true, ..Self::new(start, stop_at) }
    }

    /// Where the range starts.
    pub(crate) const fn start(&self) -> Duration {
        self.start
    }

    /// Where the range ends, if the client named its end.
    pub(crate) const fn stop_at(&self) -> Option<Duration> {
        self.stop_at
    }

    /// Where the next PLAY goes on, if that is before what was sent: the client discarded the rest.
    pub(crate) const fn resume_at(&self) -> Option<Duration> {
        self.resume_at
    }

    /// Sets the time at which the stream is to pause.
    pub(crate) const fn set_pause_point(&mut self, point: Option<Duration>) {
        self.pause_at = point;
    }

    /// The client has paused the stream; `resume_at` is the point that it named, if it named one.
    pub(crate) const fn pause(&mut self, resume_at: Option<Duration>) {
        self.pause_at = None;
        self.resume_at = resume_at;
    }

    /// The first of the points at which the stream stops, and why.
    pub(crate) fn boundary(&self) -> Option<(Duration, Boundary)> {
        let points = self.stop_at.into_iter().chain(self.pause_at);
        let first = if self.is_backwards { points.max() } else { points.min() }?;
        // Where both are at the same time the pause counts: the client can go on behind it.
        let is_pause = self.pause_at == Some(first);
        Some((first, if is_pause { Boundary::PausePoint } else { Boundary::End(first) }))
    }

    /// What keeps a frame with this decoding time from being sent.
    pub(crate) fn boundary_at(&self, dts: Duration) -> Option<Boundary> {
        let (first, boundary) = self.boundary()?;
        let is_beyond = if self.is_backwards { dts < first } else { dts >= first };
        is_beyond.then_some(boundary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_earlier_of_end_and_pause_point_holds_and_a_pause_goes_before_an_end() {
        let mut range = PlayRange::new(secs(2), Some(secs(9)));
        assert_eq!((range.start(), range.stop_at()), (secs(2), Some(secs(9))));
        assert_eq!(range.boundary_at(secs(8)), None);
        assert_eq!(range.boundary_at(secs(10)), Some(Boundary::End(secs(9))));
        range.set_pause_point(Some(secs(5)));
        assert_eq!(range.boundary_at(secs(4)), None);
        assert_eq!(range.boundary_at(secs(10)), Some(Boundary::PausePoint));
        range.set_pause_point(Some(secs(9)));
        assert_eq!(range.boundary_at(secs(9)), Some(Boundary::PausePoint));
        assert_eq!(PlayRange::default().boundary_at(Duration::MAX), None);
    }

    #[test]
    fn backwards_the_range_ends_below_its_end() {
        let mut range = PlayRange::backwards(secs(9), Some(secs(2)));
        assert_eq!((range.boundary_at(secs(5)), range.boundary_at(secs(2))), (None, None));
        assert_eq!(range.boundary_at(secs(1)), Some(Boundary::End(secs(2))));
        range.set_pause_point(Some(secs(5)));
        assert_eq!(range.boundary_at(secs(5)), None);
        assert_eq!(range.boundary_at(secs(4)), Some(Boundary::PausePoint));
    }

    #[test]
    fn a_pause_and_a_play_each_take_the_pause_point_away() {
        let mut range = PlayRange::new(secs(0), None);
        range.set_pause_point(Some(secs(5)));
        range.pause(Some(secs(3)));
        assert_eq!((range.boundary_at(secs(6)), range.resume_at()), (None, Some(secs(3))));
        range.set_pause_point(Some(secs(5)));
        range = PlayRange::new(secs(3), None);
        assert_eq!((range.boundary_at(secs(6)), range.resume_at()), (None, None));
    }
}
