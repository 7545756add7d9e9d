//! RTP timestamps as times on a line from zero: RFC 3550 section 5.1.

use super::statistics::ticks;
use std::time::{Duration, Instant};

/// How far timestamps may run ahead of the arrival of their packets, or lag behind it where the
/// sender may have begun anew, and still be on the same line: a sender may stop for a while, or send
/// what it has kept.
const LARGEST_LAG: Duration = Duration::from_secs(60);
/// How far timestamps may go back and still be on the same line: pictures are reordered by less.
const LARGEST_STEP_BACK: Duration = Duration::from_secs(10);
/// How long a reference waits for frames that are near it. Those that come before may have been under
/// way when it was given; after that it is wrong, as those of some cameras are, and its timestamp is
/// taken to be that of the next frame.
const REFERENCE_PATIENCE: Duration = Duration::from_millis(500);

/// Which line frames lie on, and which wall clock belongs to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::rtp) struct Line {
    /// How often it has been told where the line lies.
    pub(in crate::rtp) references: u32,
    /// How often the sender has set its wall clock.
    pub(in crate::rtp) clock_steps: u32,
}

/// A timestamp with its place, in units since the start of the line.
#[derive(Clone, Copy, Debug)]
struct Placed {
    timestamp: u32,
    at: i64,
    arrived: Instant,
}

/// What is told of the line, until a frame comes that it is about.
#[derive(Clone, Copy, Debug)]
struct Reference {
    timestamp: u32,
    at: i64,
    /// Arrival of the first frame after it was told.
    since: Option<Instant>,
}

/// Relates the timestamps of one stream to a time line from zero, which goes on when its sender begins
/// anew.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    clock_rate: u32,
    last: Option<Placed>,
    /// The latest place given out.
    highest: i64,
    /// No frame lies before this: what was given out before the sender began anew.
    floor: i64,
    reference: Option<Reference>,
    /// The timestamps begin anew, whatever they are.
    anew: bool,
    /// They may have begun anew.
    doubtful: bool,
    line: Line,
}

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Presentation {
    pub(super) pts: Duration,
    /// The timestamps have jumped, without a word of it: the line has been continued by the time of
    /// arrival.
    pub(super) jumps: bool,
}

impl Timeline {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate: clock_rate.max(1),
            last: None,
            highest: 0,
            floor: 0,
            reference: None,
            anew: false,
            doubtful: false,
            line: Line::default(),
        }
    }

    /// Makes `timestamp` lie at `at`, from the next frame on.
    pub(super) fn set_reference(&mut self, timestamp: u32, at: Duration) {
        self.reference = Some(Reference { timestamp, at: self.units(at), since: None });
    }

    /// Timestamps begin anew; the line goes on by the time of arrival.
    pub(super) const fn restart(&mut self) {
        self.anew = true;
    }

    /// The sequence numbers begin anew. If the sender has drawn another first timestamp as well, the
    /// line goes on by the time of arrival.
    pub(super) const fn doubt(&mut self) {
        self.doubtful = true;
    }

    /// Which line it is.
    pub(super) const fn line(&self) -> Line {
        self.line
    }

    /// The sender has set its wall clock.
    pub(super) const fn note_clock_step(&mut self) {
        self.line.clock_steps = self.line.clock_steps.wrapping_add(1);
    }

    /// About the timestamp of what is sent at `now`, if it is sent as it comes; `None` before the
    /// first frame and when the timestamps begin anew.
    pub(super) fn expected(&self, now: Instant) -> Option<u32> {
        let last = self.last.filter(|_| !self.anew)?;
        let passed = ticks(now.saturating_duration_since(last.arrived), self.clock_rate);
        Some(last.timestamp.wrapping_add(passed as u32))
    }

    /// The place of a frame's timestamp. `packet` is the timestamp of the packet that completed the
    /// frame, at `arrived`.
    pub(super) fn presentation(
        &mut self,
        timestamp: u32,
        packet: u32,
        arrived: Instant,
    ) -> Presentation {
        self.use_reference(timestamp, arrived);
        let told = self.anew;
        let (at, begins_anew) = match self.last {
            None => (self.highest, false),
            Some(last) => self.follow(last, timestamp, packet, arrived),
        };
        if begins_anew {
            self.floor = self.highest;
            self.anew = false;
        }
        self.doubtful &= timestamp != packet;
        self.last = Some(Placed { timestamp, at, arrived });
        let at = at.max(self.floor);
        self.highest = self.highest.max(at);
        Presentation { pts: self.time(at), jumps: begins_anew && !told }
    }

    /// The place of a timestamp after the last one, and whether the line is continued by the time of
    /// arrival for it.
    fn follow(&self, last: Placed, timestamp: u32, packet: u32, arrived: Instant) -> (i64, bool) {
        let passed = self.units(arrived.saturating_duration_since(last.arrived));
        let mut ahead = i64::from(timestamp.wrapping_sub(last.timestamp) as i32);
        if passed > i64::from(i32::MAX / 2) {
            // After hours the nearest timestamp is the one that is nearest to the time that has passed.
            let off = timestamp.wrapping_sub(last.timestamp.wrapping_add(passed as u32)) as i32;
            ahead = passed.saturating_add(i64::from(off));
        }
        let lag = self.units(LARGEST_LAG);
        let goes_back = ahead < -self.units(LARGEST_STEP_BACK);
        let is_near = !goes_back && ahead.saturating_sub(passed) <= lag;
        let is_near = is_near && (!self.doubtful || passed.saturating_sub(ahead) <= lag);
        // What the depacketizer had of the time before comes with the first packet of the new one.
        let is_old = timestamp != packet;
        if is_near && (!self.anew || is_old) {
            return (last.at.saturating_add(ahead), false);
        }
        let next = last.at.saturating_add(passed).max(self.highest.saturating_add(1));
        (next, true)
    }

    fn use_reference(&mut self, timestamp: u32, arrived: Instant) {
        let Some(reference) = &mut self.reference else { return };
        let since = *reference.since.get_or_insert(arrived);
        let Reference { timestamp: told, at, .. } = *reference;
        let ahead = i64::from(timestamp.wrapping_sub(told) as i32);
        // Before it by a little: it may name the frame that was asked for, and the sender begin with
        // the key frame before.
        let near = -self.units(LARGEST_STEP_BACK)..=self.units(LARGEST_LAG);
        let is_near = near.contains(&ahead);
        let is_wrong =
            self.last.is_none() || arrived.saturating_duration_since(since) >= REFERENCE_PATIENCE;
        let told = if is_near {
            told
        } else if is_wrong {
            timestamp
        } else {
            return;
        };
        self.reference = None;
        self.last = Some(Placed { timestamp: told, at, arrived });
        (self.highest, self.floor) = (at.min(at.saturating_add(ahead)).max(0), 0);
        self.line.references = self.line.references.wrapping_add(1);
        self.anew = false;
        self.doubtful = false;
    }

    fn units(&self, time: Duration) -> i64 {
        i64::try_from(ticks(time, self.clock_rate)).unwrap_or(i64::MAX)
    }

    fn time(&self, at: i64) -> Duration {
        // What lies before the start of the line is put at its start.
        let at = u64::try_from(at).unwrap_or(0);
        let rate = u64::from(self.clock_rate);
        let nanos = (at % rate) * 1_000_000_000 / rate;
        Duration::from_secs(at / rate) + Duration::from_nanos(nanos)
    }
}
