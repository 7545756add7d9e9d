//! [`TimeLine`]: how the times of a stream's frames become times of the clock and running time.
//! Read RFC 3550 sections 5.1 and 6.4.1 before changing it.
//!
//! The *running time* of a stream is what its RTP timestamps count. It is locked to the monotonic
//! clock and goes on through pauses and seeks. Where media are delivered faster or slower than they
//! are presented (`Speed`, RFC 2326 section 12.35) it goes on by as much faster or slower.

use crate::frame::Frame;
use crate::stream::live_clock::{LivePlace, Placed};
use crate::stream::live_clocks::{LiveClockId, LiveClocks};
use crate::stream::pace::Pace;
use std::time::{Duration, Instant};

/// The time line of one stream.
#[derive(Debug)]
pub(crate) struct TimeLine {
    /// A moment, and the running time then, of a stream that is not live. From there on it goes as
    /// the clock does, unless there is an anchor later.
    epoch: (Instant, Duration),
    /// How a stream that is not live is played.
    pace: Pace,
    kind: Kind,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a stream has one, and boxed it would be an allocation"
)]
enum Kind {
    /// Frames have normal play times and are sent when they are due. There is no anchor while the
    /// stream does not play.
    Recorded { anchor: Option<Anchor> },
    /// Frames are sent when they come. There is no place before the first of them.
    Live { clock: LiveClockId, place: Option<LivePlace> },
}

/// A normal play time, and the instant at which a frame with this decoding time is due.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    at: Instant,
    npt: Duration,
}

impl Anchor {
    fn due_at(self, pace: Pace, dts: Duration) -> Instant {
        match pace.distance(self.npt, dts) {
            Ok(after) => self.at.checked_add(pace.delivered_in(after)).unwrap_or(self.at),
            Err(_) => self.at,
        }
    }

    /// Normal play time of a moment.
    fn npt_at(self, pace: Pace, now: Instant) -> Duration {
        let played = pace.played_in(now.saturating_duration_since(self.at));
        pace.advance(self.npt, played)
    }
}

impl TimeLine {
    /// The time line of a stream that is made `now`. A live stream is on the line `live_clock` of
    /// its presentation.
    pub(crate) const fn new(live_clock: Option<LiveClockId>, now: Instant) -> Self {
        let kind = match live_clock {
            Some(clock) => Kind::Live { clock, place: None },
            None => Kind::Recorded { anchor: None },
        };
        Self { epoch: (now, Duration::ZERO), pace: Pace::NORMAL, kind }
    }

    pub(crate) const fn live_clock(&self) -> Option<LiveClockId> {
        match self.kind {
            Kind::Live { clock, .. } => Some(clock),
            Kind::Recorded { .. } => None,
        }
    }

    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.kind, Kind::Live { .. })
    }

    const fn anchor(&self) -> Option<Anchor> {
        match self.kind {
            Kind::Recorded { anchor } => anchor,
            Kind::Live { .. } => None,
        }
    }

    /// Whether frames have times at which they are due.
    pub(crate) const fn is_anchored(&self) -> bool {
        self.anchor().is_some()
    }

    /// Lets the frame that is decoded at `npt` be due at `at`. Has no effect on a live stream.
    pub(crate) const fn anchor_at(&mut self, at: Instant, npt: Duration) {
        if let Kind::Recorded { anchor } = &mut self.kind {
            *anchor = Some(Anchor { at, npt });
        }
    }

    /// Forgets when frames are due: the stream does not play from `now` on, or goes on elsewhere.
    pub(crate) fn lift_anchor(&mut self, now: Instant) {
        if !self.pace.is_in_step() && self.is_anchored() {
            self.epoch = (now, self.running_time_at(now));
        }
        if let Kind::Recorded { anchor } = &mut self.kind {
            *anchor = None;
        }
    }

    /// How a stream that is not live is played.
    pub(crate) const fn pace(&self) -> Pace {
        self.pace
    }

    /// Changes how the stream is played, from `now` on.
    pub(crate) fn set_pace(&mut self, pace: Pace, now: Instant) {
        let Some(anchor) = self.anchor().filter(|_| pace != self.pace) else {
            self.pace = pace;
            return;
        };
        let npt = anchor.npt_at(self.pace, now);
        self.lift_anchor(now);
        self.pace = pace;
        self.anchor_at(now, npt);
    }

    /// Lets normal play time 0 follow one `period` after the last time that it was 0. `None` where
    /// that is not known.
    pub(crate) fn begin_anew_after(&mut self, period: Duration) -> Option<()> {
        let Anchor { at, npt } = self.anchor()?;
        let wait = self.pace.delivered_in(period.saturating_sub(npt));
        let next = at.checked_add(wait)?;
        self.lift_anchor(next);
        self.anchor_at(next, Duration::ZERO);
        Some(())
    }

    /// Running time of a moment, of a stream that is not live.
    fn running_time_at(&self, now: Instant) -> Duration {
        let (epoch, base) = self.epoch;
        match self.anchor().filter(|_| !self.pace.is_in_step()) {
            Some(Anchor { at, .. }) => {
                let before = at.saturating_duration_since(epoch);
                let since = self.pace.sent_in(now.saturating_duration_since(at));
                base.saturating_add(before).saturating_add(since)
            }
            None => base.saturating_add(now.saturating_duration_since(epoch)),
        }
    }

    /// Running time of a presentation time, where the stream is anchored like that. What is presented
    /// before the anchor (a key frame before the position that was asked for) comes out before it, down
    /// to 0.
    fn running_time_by(&self, anchor: Anchor, npt: Duration) -> Duration {
        let (epoch, base) = self.epoch;
        let at = base.saturating_add(anchor.at.saturating_duration_since(epoch));
        match self.pace.distance(anchor.npt, npt) {
            Ok(after) => at.saturating_add(self.pace.presented_in(after)),
            Err(before) => at.saturating_sub(self.pace.presented_in(before)),
        }
    }

    /// When a frame with this decoding time is due, if that is known.
    pub(crate) fn due_at(&self, dts: Duration) -> Option<Instant> {
        Some(self.anchor()?.due_at(self.pace, dts))
    }

    /// Normal play time of a time that the source gives its frames. For a live stream that is the
    /// time of the presentation, 0 before the first frame.
    pub(crate) fn npt_of(&self, time: Duration) -> Duration {
        match &self.kind {
            Kind::Recorded { .. } => time,
            Kind::Live { place, .. } => place.map_or(Duration::ZERO, |place| place.npt_of(time)),
        }
    }

    /// Running time of a normal play time. `None` while a stream does not play, and before the
    /// first frame of a live one.
    pub(crate) fn running_time_of(&self, npt: Duration) -> Option<Duration> {
        match &self.kind {
            Kind::Recorded { anchor } => Some(self.running_time_by((*anchor)?, npt)),
            Kind::Live { place, .. } => Some(place.as_ref()?.running_time_of(npt)),
        }
    }

    /// The same, where a stream that does not play yet is taken to begin `now` with the frame that
    /// is decoded at `due`.
    pub(crate) fn running_time_if_begun(
        &self,
        now: Instant,
        due: Duration,
        npt: Duration,
    ) -> Option<Duration> {
        let begun = Anchor { at: now, npt: due };
        match self.running_time_of(npt) {
            None if !self.is_live() => Some(self.running_time_by(begun, npt)),
            known => known,
        }
    }

    /// Running time of a frame that has just come from an encoder, and whether the encoder's time
    /// has jumped since the frame before. `ssrc` names the stream in the log.
    pub(crate) fn place_live_frame(
        &mut self,
        clocks: &mut LiveClocks,
        frame: &Frame,
        now: Instant,
        is_video: bool,
        ssrc: u32,
    ) -> (Duration, bool) {
        let placed = self.place(clocks, frame, now, is_video);
        if placed.is_odd_one {
            log::warn!(
                "stream {ssrc:08x}: its encoder's time {:?} is far from that of another track of the \
                 presentation: aligned by arrival; give the tracks one clock, or set_clock()",
                frame.pts,
            );
        }
        if placed.jumped {
            let is_first = self.jumps() == 1;
            log::log!(
                if is_first { log::Level::Info } else { log::Level::Debug },
                "stream {ssrc:08x}: its encoder's time jumps to {:?}; RTP time goes on",
                frame.pts,
            );
        }
        (placed.at, placed.jumped)
    }

    /// Where a frame that arrives `now` lies.
    pub(crate) fn place(
        &mut self,
        clocks: &mut LiveClocks,
        frame: &Frame,
        now: Instant,
        is_video: bool,
    ) -> Placed {
        let at = self.running_time_at(now);
        let without_clock = Placed { at, jumped: false, is_odd_one: false };
        let Kind::Live { clock, place } = &mut self.kind else { return without_clock };
        let Some(clock) = clocks.get_mut(*clock) else { return without_clock };
        clock.place(place, frame, now, is_video)
    }

    /// How often the time of a live stream's encoder has jumped.
    const fn jumps(&self) -> u64 {
        match &self.kind {
            Kind::Live { place: Some(place), .. } => place.jumps,
            _ => 0,
        }
    }

    /// An NTP time, as the time since the Unix epoch, and the running time that belongs to it, for
    /// a report at `now`, when the wall clock shows `wall`. The running time of a live stream is not
    /// known before its first frame.
    pub(crate) fn report(&self, now: Instant, wall: Duration) -> (Duration, Option<Duration>) {
        match &self.kind {
            Kind::Recorded { .. } => (wall, Some(self.running_time_at(now))),
            Kind::Live { place: None, .. } => (wall, None),
            Kind::Live { place: Some(place), .. } => {
                let (ntp, running_time) = place.report(now, wall);
                (ntp, Some(running_time))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn running_time_follows_the_clock_through_pauses_and_seeks() {
        let epoch = Instant::now();
        let mut line = TimeLine::new(None, epoch);
        assert_eq!((line.due_at(secs(1)), line.running_time_of(secs(1))), (None, None));
        // What a stream that begins now would say is what it says once it has begun.
        let begun = line.running_time_if_begun(epoch + secs(10), secs(3), secs(4));
        line.anchor_at(epoch + secs(10), secs(3));
        assert_eq!((begun, line.running_time_of(secs(4))), (Some(secs(11)), Some(secs(11))));
        assert_eq!(line.due_at(secs(5)), Some(epoch + secs(12)));
        // A key frame before the position is due at once and presented before it, not before 0.
        assert_eq!(line.due_at(secs(1)), Some(epoch + secs(10)));
        assert_eq!(line.running_time_of(secs(1)), Some(secs(8)));
        line.lift_anchor(epoch + secs(20));
        assert!(!line.is_anchored());
        line.anchor_at(epoch + secs(60), secs(100));
        assert_eq!(line.running_time_of(secs(100)), Some(secs(60)));
        assert_eq!(line.running_time_of(secs(0)), Some(secs(0)));
        assert_eq!(line.report(epoch + secs(61), secs(7)), (secs(7), Some(secs(61))));
    }

    #[test]
    fn a_repeat_begins_one_period_after_time_0() {
        let epoch = Instant::now();
        let mut line = TimeLine::new(None, epoch);
        assert_eq!(line.begin_anew_after(secs(10)), None);
        line.anchor_at(epoch, secs(4));
        line.begin_anew_after(secs(10)).unwrap();
        assert_eq!(line.due_at(secs(0)), Some(epoch + secs(6)));
        line.begin_anew_after(secs(10)).unwrap();
        assert_eq!(line.due_at(secs(1)), Some(epoch + secs(17)));
        assert_eq!(line.due_at(Duration::MAX), Some(epoch + secs(16)), "no overflow");
    }

    #[test]
    fn a_live_stream_is_on_the_line_of_its_presentation_from_its_first_frame_on() {
        let now = Instant::now();
        let mut clocks = LiveClocks::default();
        let clock = clocks.join(&mut None, now);
        let mut line = TimeLine::new(Some(clock), now);
        line.anchor_at(now, secs(3));
        assert!(line.is_live() && !line.is_anchored());
        assert_eq!(line.report(now, secs(7)), (secs(7), None));
        assert_eq!(line.running_time_if_begun(now, secs(3), secs(3)), None);
        assert_eq!(line.npt_of(secs(500)), Duration::ZERO);
        let frame = Frame::new(Vec::new(), secs(500), secs(500));
        let (at, jumped) = line.place_live_frame(&mut clocks, &frame, now + secs(2), true, 1);
        assert!(!jumped);
        assert_eq!(line.npt_of(secs(500)), secs(2));
        assert_eq!(line.running_time_of(secs(2)), Some(at));
        assert_eq!(line.report(now + secs(2), secs(7)).1, Some(at));
    }
}
