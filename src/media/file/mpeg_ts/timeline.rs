//! [`Timeline`]: what the clock says at some places of a transport stream file, and which clock it
//! is: in a recording over a change of programme, or of several pieces, there is more than one.

use crate::framer::mpeg_ts::Pcr;
#[cfg(feature = "more-files")]
use crate::framer::mpeg_ts::{PCR_MODULUS, TICKS, ticks_to_duration};
#[cfg(feature = "more-files")]
use std::time::Duration;

/// A place in the file at which the clock is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::media::file) struct Anchor {
    /// Offset of a packet with a PCR.
    pub(in crate::media::file) offset: u64,
    pub(in crate::media::file) pcr: Pcr,
    /// Time from the first PCR of the file, in units of 1/27 µs.
    pub(in crate::media::file) ticks: u64,
}

impl Anchor {
    /// The time of a PCR of the same clock behind this place.
    pub(in crate::media::file) const fn ticks_of(&self, pcr: Pcr) -> u64 {
        self.ticks.saturating_add(pcr.since(self.pcr.value))
    }
}

/// Anchors in the order of their offsets; the first is the first PCR of the file. From one to the
/// next the clock is that of the one before.
#[derive(Debug, Default)]
pub(in crate::media::file) struct Timeline {
    anchors: Vec<Anchor>,
}

impl Timeline {
    /// Adds what lies behind all that is here.
    pub(in crate::media::file) fn push(&mut self, anchor: Anchor) {
        if self.last().is_none_or(|last| anchor.offset > last.offset && anchor.ticks >= last.ticks)
        {
            self.anchors.push(anchor);
        }
    }

    pub(in crate::media::file) fn first(&self) -> Option<Anchor> {
        self.anchors.first().copied()
    }

    pub(in crate::media::file) fn last(&self) -> Option<Anchor> {
        self.anchors.last().copied()
    }

    /// Bytes from the first place to the last, and the time that they take.
    pub(in crate::media::file) fn span(&self) -> (u64, u64) {
        let (Some(first), Some(last)) = (self.first(), self.last()) else { return (0, 0) };
        (last.offset - first.offset, last.ticks)
    }

    /// The last place at or before a time, and the offset of the next.
    pub(in crate::media::file) fn around(&self, ticks: u64) -> Option<(Anchor, Option<u64>)> {
        let i = self.anchors.partition_point(|anchor| anchor.ticks <= ticks);
        let next = self.anchors.get(i).map(|anchor| anchor.offset);
        Some((*self.anchors.get(i.saturating_sub(1))?, next))
    }

    /// The last place at or before an offset.
    pub(in crate::media::file) fn before(&self, offset: u64) -> Option<Anchor> {
        let i = self.anchors.partition_point(|anchor| anchor.offset <= offset);
        self.anchors.get(i.checked_sub(1)?).copied()
    }

    /// The time of a PCR at an offset, if it is of the clock that counts there.
    pub(in crate::media::file) fn ticks(&self, offset: u64, pcr: Pcr) -> Option<u64> {
        let anchor = self.before(offset).filter(|anchor| anchor.pcr.pid == pcr.pid)?;
        Some(anchor.ticks_of(pcr))
    }

    /// The first place behind an offset at which another PID than `pid` has the clock.
    pub(in crate::media::file) fn next_change(&self, offset: u64, pid: u16) -> Option<Anchor> {
        let i = self.anchors.partition_point(|anchor| anchor.offset <= offset);
        self.anchors.get(i..)?.iter().find(|anchor| anchor.pcr.pid != pid).copied()
    }
    /// When what a PES packet at an offset holds is due, by a time stamp of it; counted from the
    /// first PCR.
    #[cfg(feature = "more-files")]
    pub(in crate::media::file) fn time_of_stamp(
        &self,
        offset: u64,
        stamp: u64,
    ) -> Option<Duration> {
        let anchor = self.before(offset).or_else(|| self.first())?;
        let value = stamp * TICKS % PCR_MODULUS;
        let ahead = (value + PCR_MODULUS - anchor.pcr.value) % PCR_MODULUS;
        let ticks = match PCR_MODULUS - ahead {
            behind if behind < PCR_MODULUS / 2 => anchor.ticks.saturating_sub(behind),
            _ => anchor.ticks.saturating_add(ahead),
        };
        Some(ticks_to_duration(ticks))
    }
}
