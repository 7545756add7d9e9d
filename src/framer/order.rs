//! [`OutputOrder`]: from the decoding order of pictures to their output order, by the "bumping"
//! of H.264 clause C.4.5.3 (H.265 clause C.5.2.2), counting instead of decoding.

use super::access_unit::AccessUnit;
use std::collections::VecDeque;

/// Most pictures and bytes that wait for their place in output order. A stream that needs more
/// breaks the standard, and gets places in decoding order.
const MAX_WAITING: usize = 64;
const MAX_WAITING_BYTES: usize = 32 << 20;

#[derive(Debug)]
struct Waiting {
    unit: AccessUnit,
    order: i64,
    rank: Option<u64>,
}

/// Access units in decoding order in, the same with their places in output order out.
#[derive(Debug, Default)]
pub(super) struct OutputOrder {
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// How many of `waiting` have no rank.
    unranked: usize,
    next_rank: u64,
    /// Most pictures seen that preceded another in decoding and followed it in output order.
    depth_seen: u32,
}

impl OutputOrder {
    /// Starts anew; the first picture to be output has place `rank`.
    pub(super) fn reset(&mut self, rank: u64) {
        *self = Self { next_rank: rank, depth_seen: self.depth_seen, ..Self::default() };
    }

    pub(super) const fn depth_seen(&self) -> u32 {
        self.depth_seen
    }

    pub(super) fn push(&mut self, unit: AccessUnit) {
        let picture = unit.picture;
        if picture.restart || picture.order.is_none() {
            self.flush();
        }
        let depth = if picture.order.is_some() { picture.reorder_depth } else { 0 };
        self.waiting_bytes += unit.data.len();
        self.waiting.push_back(Waiting { order: picture.order.unwrap_or(0), unit, rank: None });
        self.unranked += 1;
        while self.unranked > depth as usize {
            self.rank_next();
        }
        if self.waiting.len() > MAX_WAITING || self.waiting_bytes > MAX_WAITING_BYTES {
            self.flush();
        }
    }

    /// No picture to come is output before those that wait.
    pub(super) fn flush(&mut self) {
        while self.unranked > 0 {
            self.rank_next();
        }
    }

    /// The next access unit in decoding order and its place in output order.
    pub(super) fn poll(&mut self) -> Option<(AccessUnit, u64)> {
        let rank = self.waiting.front()?.rank?;
        let unit = self.waiting.pop_front()?.unit;
        self.waiting_bytes -= unit.data.len();
        Some((unit, rank))
    }

    /// Gives the next place to the picture of lowest order that has none.
    fn rank_next(&mut self) {
        let unranked = self.waiting.iter_mut().filter(|w| w.rank.is_none());
        let Some((before, first)) = unranked.enumerate().min_by_key(|(_, w)| w.order) else {
            self.unranked = 0;
            return;
        };
        first.rank = Some(self.next_rank);
        self.next_rank += 1;
        self.unranked -= 1;
        self.depth_seen = self.depth_seen.max(before as u32);
    }
}
