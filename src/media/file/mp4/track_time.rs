//! [`TrackTime`]: from the ticks of a track to normal play time, by its edit list (ISO/IEC 14496-12
//! section 8.6.6).
//!
//! Followed of an edit list are an empty edit at the beginning, after which the track begins
//! later than others, and the edit behind it, which says with which of its samples it begins and
//! where it ends. All others are left out.

use super::boxes::version_and_flags;
use crate::wire::{ParseError, Reader};
use std::time::Duration;

const NANOS: i64 = 1_000_000_000;
/// Longer than anybody plays; keeps arithmetic in range.
const MAX_NANOS: i64 = 10 * 366 * 24 * 3600 * NANOS;
/// Entries of an edit list that are looked at.
const MAX_EDITS: u32 = 1000;

/// The parts of an edit list that are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Edits {
    /// Ticks of the movie before the track begins.
    pub(super) gap: u64,
    /// What of the track is at its beginning, in ticks of the track.
    pub(super) start: i64,
    /// How long it lasts from there, in ticks of the movie; zero for all of it.
    pub(super) len: u64,
    /// Edits that are left out.
    pub(super) others: u32,
}

impl Edits {
    /// Reads an `elst` box.
    pub(super) fn parse(content: &[u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(content);
        let (version, _) = version_and_flags(&mut r)?;
        let count = r.u32("edit count")?.min(MAX_EDITS);
        let mut edits = Self::default();
        let mut has_begun = false;
        for _ in 0..count {
            let (len, start) = match version {
                0 => (r.u32("edit")?.into(), i64::from(r.u32("edit")? as i32)),
                _ => (r.u64("edit")?, r.u64("edit")? as i64),
            };
            r.u32("rate of an edit")?;
            match (has_begun, start < 0) {
                (false, true) => edits.gap = edits.gap.saturating_add(len),
                (false, false) => {
                    (edits.start, edits.len) = (start, len);
                    has_begun = true;
                }
                // Nothing at the end.
                (true, true) => {}
                (true, false) => edits.others += 1,
            }
        }
        Ok(edits)
    }
}

/// The times of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TrackTime {
    /// Ticks a second.
    pub(super) timescale: u32,
    /// The tick at which the track begins.
    pub(super) start: i64,
    /// When that is, in nanoseconds of normal play time.
    pub(super) offset: i64,
    /// What is decoded from this tick on is not played.
    pub(super) end: Option<i64>,
    /// Ticks by which pictures are decoded earlier than the tables say, so that none is presented
    /// before it is decoded.
    pub(super) ahead: i64,
}

impl TrackTime {
    pub(super) fn new(timescale: u32, edits: &Edits, movie_timescale: u32) -> Self {
        let timescale = timescale.max(1);
        let movie = movie_timescale.max(1);
        let len = ticks(edits.len, movie, timescale);
        Self {
            timescale,
            start: edits.start,
            offset: i64::try_from(ticks(edits.gap, movie, NANOS as u32)).unwrap_or(i64::MAX),
            end: (edits.len > 0)
                .then(|| edits.start.saturating_add(i64::try_from(len).unwrap_or(i64::MAX))),
            ahead: 0,
        }
    }

    /// Nanoseconds from the beginning of normal play time to `tick`, which may lie before it.
    pub(super) fn nanos(&self, tick: i64) -> i64 {
        let (since, timescale) = (tick.saturating_sub(self.start), i64::from(self.timescale));
        let part = since.rem_euclid(timescale) * NANOS / timescale;
        let whole = since.div_euclid(timescale).saturating_mul(NANOS);
        whole.saturating_add(part).saturating_add(self.offset)
    }

    /// Normal play time of `tick`; what lies before zero becomes zero.
    pub(super) fn npt(&self, tick: i64) -> Duration {
        let nanos = self.nanos(tick).clamp(0, MAX_NANOS);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    /// The last tick whose normal play time is at or before `npt`.
    pub(super) fn tick(&self, npt: Duration) -> i64 {
        let nanos = i64::try_from(npt.as_nanos()).unwrap_or(MAX_NANOS).min(MAX_NANOS);
        // Where a tick's time was rounded down, this brings it back.
        let since = nanos.saturating_sub(self.offset).saturating_add(1);
        let timescale = i64::from(self.timescale);
        let part = since.rem_euclid(NANOS) * timescale / NANOS;
        let whole = since.div_euclid(NANOS).saturating_mul(timescale);
        whole.saturating_add(part).saturating_add(self.start)
    }

    /// How many ticks that is; of less than a few seconds.
    pub(super) fn ticks(&self, span: Duration) -> i64 {
        let nanos = i64::try_from(span.as_nanos()).unwrap_or(NANOS).min(2 * NANOS);
        nanos * i64::from(self.timescale) / NANOS
    }

    /// How long so many ticks last.
    pub(super) fn span(&self, len: u64) -> Duration {
        let timescale = u64::from(self.timescale);
        let part = (len % timescale) * NANOS.unsigned_abs() / timescale;
        let seconds = (len / timescale).min(MAX_NANOS.unsigned_abs() / NANOS.unsigned_abs());
        Duration::from_secs(seconds) + Duration::from_nanos(part)
    }

    /// Whether nothing is played that is decoded at `tick`.
    pub(super) fn is_over(&self, tick: i64) -> bool {
        self.end.is_some_and(|end| tick >= end)
    }
}

/// `len` in ticks of another scale.
fn ticks(len: u64, from: u32, to: u32) -> u64 {
    let (from, to) = (u128::from(from), u128::from(to));
    u64::try_from((u128::from(len) * to).div_ceil(from)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elst(version: u8, edits: &[(u64, i64)]) -> Vec<u8> {
        let mut out = vec![version, 0, 0, 0];
        out.extend((edits.len() as u32).to_be_bytes());
        for (len, start) in edits {
            if version == 0 {
                out.extend((*len as u32).to_be_bytes());
                out.extend((*start as i32).to_be_bytes());
            } else {
                out.extend(len.to_be_bytes());
                out.extend(start.to_be_bytes());
            }
            out.extend([0, 1, 0, 0]);
        }
        out
    }

    #[test]
    fn edit_lists_say_when_and_with_what_a_track_begins() {
        for version in [0, 1] {
            let parse = |edits: &[(u64, i64)]| Edits::parse(&elst(version, edits)).unwrap();
            assert_eq!(parse(&[]), Edits::default());
            let start = Edits { start: 1024, len: 5000, ..Edits::default() };
            assert_eq!(parse(&[(5000, 1024)]), start);
            assert_eq!(parse(&[(500, -1), (5000, 1024)]), Edits { gap: 500, ..start });
            assert_eq!(parse(&[(5000, 1024), (7, -1), (1, 0)]), Edits { others: 1, ..start });
        }
        assert!(Edits::parse(&elst(0, &[(1, 1)])[..15]).is_err());
        let lying = [&[0, 0, 0, 0, 255, 255, 255, 255][..], &[0; 12]].concat();
        assert!(Edits::parse(&lying).is_err());
    }

    #[test]
    fn ticks_come_back_from_normal_play_time() {
        let edits = Edits { gap: 500, start: 1024, len: 2000, others: 0 };
        for timescale in [1, 600, 1000, 12_800, 44_100, 90_000, 10_000_000, 999_999_999] {
            let time = TrackTime::new(timescale, &edits, 1000);
            for tick in (1024..1_000_000).step_by(997) {
                assert_eq!(time.tick(time.npt(tick)), tick, "at {timescale}");
            }
        }
        let time = TrackTime::new(1000, &edits, 1000);
        assert_eq!(time.npt(1024), Duration::from_millis(500));
        assert_eq!(time.nanos(1023), 499_000_000);
        assert_eq!(time.end, Some(3024));
        assert_eq!(time.npt(i64::MIN), Duration::ZERO);
        assert!(time.npt(i64::MAX) <= Duration::from_nanos(MAX_NANOS as u64));
        assert_eq!(time.span(1500), Duration::from_millis(1500));
        let _ = (time.tick(Duration::MAX), time.span(u64::MAX));
        let endless = Edits { gap: u64::MAX, start: i64::MAX, len: u64::MAX, others: 0 };
        for timescale in [1, u32::MAX] {
            let time = TrackTime::new(timescale, &endless, timescale);
            let _ = (time.npt(i64::MIN), time.npt(0), time.tick(Duration::MAX));
        }
        let time = TrackTime::new(1, &endless, 1);
        let _ = (time.npt(i64::MIN), time.npt(0), time.tick(Duration::MAX));
    }
}
