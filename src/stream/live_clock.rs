//! [`LiveClock`]: the one time line of a live presentation's tracks, and where it lies on the
//! server's clock and on the wall clock. Read RFC 3550 sections 5.1 and 6.4.1 before changing it.
//!
//! A position on the line is an encoder's time plus a constant, so RTP timestamps follow the
//! encoder's clock to the unit. Only where the encoder's time jumps is there another constant,
//! chosen so that the line goes on as time does. What drifts is the relation of the line to the
//! server's clock, which [`Arrivals`] learns; sender reports state it.

mod arrivals;

use crate::frame::Frame;
use arrivals::{Arrivals, Fit};
use std::time::{Duration, Instant};

/// Where a presentation's line begins: what is older than its first frame has room before it.
const LEAD: i64 = 3_600_000_000_000;
/// Times of two tracks that are further apart when they arrive are not of one clock. It is more
/// than any encoder holds video back for longer than audio.
const SAME_CLOCK: i64 = 5_000_000_000;
/// As far as pictures that come in decoding order may go back when they have no time of their own
/// for that.
const MAX_REORDERING: Duration = Duration::from_secs(1);
/// Steps back of this size are no jump: audio's time is held until it catches up.
const SMALL_STEP: i64 = 100_000_000;
/// A step forward that is by so much longer than the time that has passed is a jump.
const JUMP: i64 = 1_000_000_000;
/// The same where the source says that there is one.
const MARKED_JUMP: i64 = 200_000_000;
/// Wall clocks that differ by no more show the same time; the rest is the encoder's delay.
const SAME_WALL_CLOCK: i128 = 10_000_000_000;
/// A track whose wall clock puts it further from where it arrives is not believed.
const MAX_WALL_OFFSET: i64 = 60_000_000_000;
/// What wall clocks of two tracks may differ by although their times are of one clock.
const WALL_PRECISION: i64 = 20_000_000;
/// How long what is learned of arrivals may still change where an earlier position lies.
const SETTLED: i64 = 60_000_000_000;
/// Constants that are remembered, for the tracks that jump next.
const MAX_OFFSETS: usize = 4;

/// The line of a live presentation.
#[derive(Debug)]
pub(crate) struct LiveClock {
    /// The moment at which the line was made: [`LEAD`] on the line.
    origin: Instant,
    arrivals: Arrivals,
    /// Line position less an encoder's time, the latest first.
    offsets: [Option<i128>; MAX_OFFSETS],
    /// The latest wall clock of any track.
    wall: Option<Wall>,
    warned: bool,
    /// How many streams are on the line.
    pub(crate) streams: usize,
}

/// A wall-clock time that an encoder told, and the position on the line that it belongs to.
#[derive(Clone, Copy, Debug)]
struct Wall {
    line: i64,
    /// Since the Unix epoch.
    wall: i128,
    told_at: i64,
    /// Of the track that told it.
    offset: i128,
    /// Wall clock less arrival.
    ahead: i128,
}

impl Wall {
    /// Uses what has been learned of arrivals since.
    fn settle(&mut self, fit: &Fit, now: i64) {
        if now.saturating_sub(self.told_at) < SETTLED {
            self.ahead = self.wall - i128::from(fit.arrival_of(self.line));
        }
    }
}

/// Where a stream is on the line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LivePlace {
    offset: i128,
    /// The latest time of the encoder, and when it arrived.
    newest: Duration,
    arrived: i64,
    /// The line does not go back behind this.
    furthest: i64,
    /// After a jump, nothing is placed before this.
    floor: i64,
    /// Jumps of the encoder's time so far.
    pub(crate) jumps: u64,
    /// The wall clock as the stream's own frames told it.
    own_wall: Option<Wall>,
    // For reports.
    origin: Instant,
    fit: Fit,
    wall: Option<Wall>,
}

/// The place that a frame was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Position on the line.
    pub(crate) at: Duration,
    /// The encoder's time line is another than that of the frame before.
    pub(crate) jumped: bool,
    /// The times of the presentation's tracks are not of one clock; told once.
    pub(crate) is_odd_one: bool,
}

impl LiveClock {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            origin: now,
            arrivals: Arrivals::new(),
            offsets: [None; MAX_OFFSETS],
            wall: None,
            warned: false,
            streams: 0,
        }
    }

    /// Finds the position of a frame that arrives `now`. `track` is where its stream is; `None`
    /// before the first frame. `reorders`: frames of a track without decoding times of its own may
    /// come in another order than they are presented in.
    pub(crate) fn place(
        &mut self,
        track: &mut Option<LivePlace>,
        frame: &Frame,
        now: Instant,
        reorders: bool,
    ) -> Placed {
        let arrived = since(self.origin, now);
        let mut is_odd_one = false;
        let mut jumped = false;
        let mut place = match *track {
            None => {
                let (offset, is_new) = self.choose(frame, arrived, None);
                is_odd_one = is_new && self.offsets[1].is_some() && !self.warned;
                self.warned |= is_odd_one;
                LivePlace {
                    offset,
                    newest: frame.dts,
                    arrived,
                    furthest: 0,
                    floor: 0,
                    jumps: 0,
                    own_wall: None,
                    origin: self.origin,
                    fit: *self.arrivals.fit(),
                    wall: None,
                }
            }
            Some(mut place) => {
                if self.is_jump(&place, frame, arrived, reorders) {
                    jumped = true;
                    place.jumps += 1;
                    (place.offset, _) = self.choose(frame, arrived, Some(&place));
                    place.floor = place.furthest;
                    place.newest = frame.dts;
                }
                place
            }
        };
        let line = position(frame.pts, place.offset);
        self.arrivals.observe(arrived, position(frame.dts, place.offset));
        place.fit = *self.arrivals.fit();
        if let Some(wall) = frame.wall_clock.map(nanos) {
            let wall = Wall { line, wall, told_at: arrived, offset: place.offset, ahead: 0 };
            (place.own_wall, self.wall) = (Some(wall), Some(wall));
        }
        for wall in place.own_wall.iter_mut().chain(&mut self.wall) {
            wall.settle(&place.fit, arrived);
        }
        // The latest, unless it is of a track whose times are of another clock.
        let of_others = self.wall.filter(|wall| wall.offset != place.offset);
        place.wall = if of_others.is_some() { place.own_wall.or(of_others) } else { self.wall };
        if frame.dts >= place.newest {
            (place.newest, place.arrived) = (frame.dts, arrived);
        }
        let can_go_back = reorders || frame.dts != frame.pts;
        let at = line.max(if can_go_back { place.floor } else { place.furthest });
        place.furthest = place.furthest.max(at);
        *track = Some(place);
        Placed { at: duration(at), jumped, is_odd_one }
    }

    /// Whether the encoder's time line has changed since the track's frame before.
    fn is_jump(&self, place: &LivePlace, frame: &Frame, arrived: i64, reorders: bool) -> bool {
        let marked = frame.flags.discontinuity;
        if let Some(back) = place.newest.checked_sub(frame.dts).filter(|back| !back.is_zero()) {
            // A picture at which decoding starts is shown after all that came before it.
            let in_order = !reorders || frame.dts != frame.pts || frame.flags.key || marked;
            let back = clamped(nanos(back));
            return if in_order { back > SMALL_STEP } else { duration(back) > MAX_REORDERING };
        }
        let limit = if marked { MARKED_JUMP } else { JUMP };
        let forward = clamped(nanos(frame.dts - place.newest));
        // Frames that were held up on the way come at once afterwards, but none comes early.
        let early = position(frame.dts, place.offset) - self.arrivals.fit().line_at(arrived);
        forward - (arrived - place.arrived) > limit && early > limit
    }

    /// The constant for a frame's track: one that is in use, if the frame is then near where it
    /// arrives (and not before what its stream has sent), or else a new one. Also tells which.
    fn choose(&mut self, frame: &Frame, arrived: i64, before: Option<&LivePlace>) -> (i128, bool) {
        let fit = *self.arrivals.fit();
        let expected = fit.line_at(arrived);
        // Where the wall clock puts it, if there is another track's to compare with.
        let by_wall = frame.wall_clock.zip(self.wall).and_then(|(own, other)| {
            let at = fit.line_at(clamped(nanos(own) - other.ahead));
            (at.abs_diff(expected) <= MAX_WALL_OFFSET.unsigned_abs()).then_some(at)
        });
        let not_before = before.map_or(0, |place| place.furthest);
        let fits = |offset: &i128| {
            let at = position(frame.dts, *offset);
            let near = match by_wall {
                Some(wall) => position(frame.pts, *offset).abs_diff(wall) as i64 <= WALL_PRECISION,
                None => at.abs_diff(expected) as i64 <= SAME_CLOCK,
            };
            near && at.saturating_add(SMALL_STEP) >= not_before
                && before.is_none_or(|place| place.offset != *offset)
        };
        if let Some(known) = self.offsets.iter().flatten().copied().find(fits) {
            return (known, false);
        }
        let offset = match by_wall {
            Some(wall) => i128::from(wall.max(not_before)) - nanos(frame.pts),
            None => i128::from(expected.max(not_before)) - nanos(frame.dts),
        };
        self.offsets.rotate_right(1);
        self.offsets[0] = Some(offset);
        (offset, true)
    }
}

impl LivePlace {
    /// Time of the presentation at a time of the encoder: on the line since its beginning.
    pub(crate) fn npt_of(&self, time: Duration) -> Duration {
        duration(position(time, self.offset).saturating_sub(LEAD))
    }

    /// Running time, as for RTP timestamps, of a time of the presentation.
    pub(crate) fn running_time_of(&self, npt: Duration) -> Duration {
        npt.saturating_add(duration(LEAD))
    }

    /// What a sender report says at `now`, when the server's wall clock shows `wall`: an NTP time,
    /// as the time since the Unix epoch, and the position on the line that belongs to it.
    ///
    /// Where the encoder tells no wall clock, what arrives now is what is captured now. Where its
    /// clock is right, the report is of this moment. A clock that is wrong is believed all the
    /// same: tracks are compared by it.
    pub(crate) fn report(&self, now: Instant, wall: Duration) -> (Duration, Duration) {
        let arrived = since(self.origin, now);
        let Some(encoder) = self.wall else {
            return (wall, duration(self.fit.line_at(arrived)));
        };
        let encoders_now = encoder.ahead + i128::from(arrived);
        if (encoders_now - nanos(wall)).abs() <= SAME_WALL_CLOCK {
            let arrives = clamped(nanos(wall) - encoder.ahead);
            return (wall, duration(self.fit.line_at(arrives)));
        }
        let encoders_now = u64::try_from(encoders_now.max(0)).unwrap_or(u64::MAX);
        (Duration::from_nanos(encoders_now), duration(self.fit.line_at(arrived)))
    }
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

/// Kept within what differences and sums of a few cannot leave.
fn clamped(nanos: i128) -> i64 {
    const MOST: i128 = i64::MAX as i128 / 8;
    nanos.clamp(-MOST, MOST) as i64
}

fn duration(nanos: i64) -> Duration {
    Duration::from_nanos(nanos.max(0).unsigned_abs())
}

/// The position of an encoder's time.
fn position(time: Duration, offset: i128) -> i64 {
    clamped(nanos(time).saturating_add(offset)).max(0)
}

/// The server's time as the line has it.
fn since(origin: Instant, now: Instant) -> i64 {
    clamped(nanos(now.saturating_duration_since(origin))) + LEAD
}

#[cfg(test)]
mod tests;
