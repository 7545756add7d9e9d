//! [`OutputOrder`]: derives the output order of pictures from their decoding order by the "bumping"
//! process of H.264 clause C.4.5.3 (H.265 clause C.5.2.2), counting instead of decoding.

use super::access_unit::AccessUnit;
use super::timeline::TimeLine;
use std::collections::VecDeque;

/// Most pictures that wait for their position in output order. A stream that needs more violates
/// the standard, and gets positions in decoding order.
const MAX_WAITING: usize = 64;
const MAX_WAITING_BYTES: usize = 32 << 20;

#[derive(Debug)]
struct Waiting {
    unit: AccessUnit,
    order: i64,
    place: Option<Place>,
}

/// The position of a picture in output order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of pictures before it.
    pub(super) rank: u64,
    /// Presentation time and duration, in units of the time line.
    pub(super) time: u64,
    pub(super) duration: u64,
}

/// Number of recent presentation times that are kept: more than pictures wait, and than may be
/// reordered.
const RECENT: usize = 128;

/// The presentation times of the pictures that were ranked last, by rank.
#[derive(Debug)]
struct Recent {
    times: [u64; RECENT],
    /// Lower ranks have a time.
    next: u64,
    /// The first rank that has a time, and that time.
    first: (u64, u64),
}

impl Default for Recent {
    fn default() -> Self {
        Self { times: [0; RECENT], next: 0, first: (0, 0) }
    }
}

/// A state machine that takes access units in decoding order and returns them with their positions
/// in output order.
#[derive(Debug, Default)]
pub(super) struct OutputOrder {
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    pub(super) line: TimeLine,
    recent: Recent,
    /// Number of pictures in `waiting` without a position.
    unranked: usize,
    next_rank: u64,
    /// Largest number of pictures seen that preceded another in decoding and followed it in output
    /// order.
    depth_seen: u32,
}

impl OutputOrder {
    /// Starts over; the first picture to be output has rank `rank` and is due at `time`.
    pub(super) fn reset(&mut self, rank: u64, time: u64) {
        let line = std::mem::take(&mut self.line);
        let recent = Recent { next: rank, first: (rank, time), ..Recent::default() };
        let depth_seen = self.depth_seen;
        *self = Self { next_rank: rank, depth_seen, line, recent, ..Self::default() };
        self.line.seek(time);
    }

    /// The presentation time of a recent rank; before the beginning, pictures are assumed to have
    /// the usual duration.
    pub(super) fn time_of(&self, rank: u64) -> u64 {
        let (first, time) = self.recent.first;
        if rank < first {
            return time.saturating_sub(self.line.span(first - rank));
        }
        let rank = rank.min(self.recent.next.saturating_sub(1));
        self.recent.times.get(rank as usize % RECENT).copied().unwrap_or(0)
    }

    pub(super) const fn depth_seen(&self) -> u32 {
        self.depth_seen
    }

    pub(super) fn push(&mut self, unit: AccessUnit) {
        let picture = unit.picture;
        if picture.restart || picture.order.is_none() {
            self.flush();
        }
        if picture.restarts_clock {
            self.line.restart_clock();
        }
        let depth = if picture.order.is_some() { picture.reorder_depth } else { 0 };
        self.waiting_bytes += unit.data.len();
        self.waiting.push_back(Waiting { order: picture.order.unwrap_or(0), unit, place: None });
        self.unranked += 1;
        while self.unranked > depth as usize {
            self.rank_next();
        }
        if self.waiting.len() > MAX_WAITING || self.waiting_bytes > MAX_WAITING_BYTES {
            self.flush();
        }
    }

    /// Ranks all waiting pictures: no later picture is output before them.
    pub(super) fn flush(&mut self) {
        while self.unranked > 0 {
            self.rank_next();
        }
    }

    /// The next access unit in decoding order and its position in output order.
    pub(super) fn poll(&mut self) -> Option<(AccessUnit, Place)> {
        let place = self.waiting.front()?.place?;
        let unit = self.waiting.pop_front()?.unit;
        self.waiting_bytes -= unit.data.len();
        Some((unit, place))
    }

    /// Assigns the next position to the unranked picture of lowest order.
    fn rank_next(&mut self) {
        let unranked = self.waiting.iter_mut().filter(|w| w.place.is_none());
        let Some((before, first)) = unranked.enumerate().min_by_key(|(_, w)| w.order) else {
            self.unranked = 0;
            return;
        };
        let rank = self.next_rank;
        let (time, duration) = self.line.stamp(&first.unit.picture.time);
        first.place = Some(Place { rank, time, duration });
        if let Some(slot) = self.recent.times.get_mut(rank as usize % RECENT) {
            *slot = time;
        }
        self.recent.next = rank + 1;
        self.next_rank += 1;
        self.unranked -= 1;
        self.depth_seen = self.depth_seen.max(before as u32);
    }
}
