//! Where the frames of a file of self-framing audio stand: [`Index`] (in the file), [`Stretches`] (in
//! time).

use crate::framer::sync::{UnitHeader, frame_at, frame_time};
use std::time::Duration;

/// Where some of the frames begin.
#[derive(Debug)]
pub(super) struct Index {
    /// Number, offset and header.
    pub(super) entries: Vec<(u64, u64, UnitHeader)>,
    /// Least distance of two entries, in frames.
    pub(super) every: u64,
}

impl Index {
    /// 200 KiB at the most; beyond it the index becomes sparser.
    pub(super) const MAX_ENTRIES: usize = 4096;

    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), every: 16 }
    }

    pub(super) fn push(&mut self, number: u64, offset: u64, header: UnitHeader) {
        if self.entries.last().is_some_and(|&(last, ..)| number < last + self.every) {
            return;
        }
        self.entries.push((number, offset, header));
        if self.entries.len() > Self::MAX_ENTRIES {
            self.every *= 2;
            let mut keep = false;
            self.entries.retain(|_| {
                keep = !keep;
                keep
            });
        }
    }

    /// The last entry at or before frame `number`.
    pub(super) fn before(&self, number: u64) -> Option<(u64, u64, UnitHeader)> {
        let i = self.entries.partition_point(|&(n, ..)| n <= number).checked_sub(1)?;
        self.entries.get(i).copied()
    }
}

/// Frames with the same parameters.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Number of the first frame.
    first: u64,
    /// When it begins.
    at: Duration,
    header: UnitHeader,
}

/// The parameters of a stream, which may change from frame to frame, and the times that follow from
/// them.
#[derive(Debug)]
pub(super) struct Stretches {
    stretches: Vec<Stretch>,
}

impl Stretches {
    /// A file that changes more often than any editor would: the times of what follows are those
    /// of the last parameters.
    const MAX: usize = 2048;

    pub(super) const fn new() -> Self {
        Self { stretches: Vec::new() }
    }

    /// Takes the header of frame `number`, which is not before those that were taken.
    pub(super) fn push(&mut self, number: u64, header: UnitHeader) {
        if self.stretches.last().is_some_and(|last| last.header.same_stream(&header)) {
            return;
        }
        if self.stretches.len() < Self::MAX {
            let at = self.time_of(number);
            self.stretches.push(Stretch { first: number, at, header });
        }
    }

    fn last_where(&self, before: impl Fn(&Stretch) -> bool) -> Option<&Stretch> {
        self.stretches.get(self.stretches.partition_point(before).checked_sub(1)?)
    }

    /// When frame `number` begins.
    pub(super) fn time_of(&self, number: u64) -> Duration {
        let Some(of) = self.last_where(|s| s.first <= number) else { return Duration::ZERO };
        let (samples, rate) = (of.header.samples, of.header.sampling_rate);
        of.at.saturating_add(frame_time(number - of.first, samples, rate))
    }

    /// The last frame that begins at or before `time`.
    pub(super) fn frame_at(&self, time: Duration) -> u64 {
        let Some(of) = self.last_where(|s| s.at <= time) else { return 0 };
        let (samples, rate) = (of.header.samples, of.header.sampling_rate);
        of.first.saturating_add(frame_at(time - of.at, samples, rate))
    }
}
