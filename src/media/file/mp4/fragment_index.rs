//! [`FragmentIndex`]: where decoding can start in the fragments of a file, by time.

/// Most entries; when there are as many, every second one goes.
const MAX_ENTRIES: usize = 1 << 13;

/// A place where decoding can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// When it is presented, in ticks of the track.
    pub(super) pts: i64,
    /// Position of its fragment, or of a box in front of that.
    pub(super) at: u64,
    /// When the first sample of the fragment is decoded, if the fragment does not say so.
    pub(super) dts: i64,
}

/// Places where decoding can start, in the order of time.
#[derive(Clone, Debug, Default)]
pub(super) struct FragmentIndex {
    entries: Vec<Entry>,
}

impl FragmentIndex {
    /// Adds a place behind the others in time; one that is not is left out.
    pub(super) fn push(&mut self, entry: Entry) {
        if self.entries.last().is_some_and(|last| last.pts >= entry.pts) {
            return;
        }
        if self.entries.len() >= MAX_ENTRIES {
            let mut keep = false;
            self.entries.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.entries.push(entry);
    }

    /// The first place.
    pub(super) fn first(&self) -> Option<Entry> {
        self.entries.first().copied()
    }

    /// The last place at or before `ticks`.
    pub(super) fn find(&self, ticks: i64) -> Option<Entry> {
        let after = self.entries.partition_point(|entry| entry.pts <= ticks);
        self.entries.get(after.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_last_at_or_before_and_stays_bounded() {
        let mut index = FragmentIndex::default();
        assert_eq!((index.find(5), index.first()), (None, None));
        for n in 0..100_000_i64 {
            index.push(Entry { pts: n * 10, at: n as u64, dts: 0 });
            index.push(Entry { pts: n * 10 - 5, at: 0, dts: 0 });
        }
        assert!(index.entries.len() <= MAX_ENTRIES);
        for at in [0, 9, 500_000, 999_990] {
            let found = index.find(at).unwrap();
            assert!(found.pts <= at && found.at * 10 == found.pts as u64, "{found:?}");
        }
        assert!(index.find(1 << 40).unwrap().pts > 990_000);
        assert_eq!(index.find(-1), None);
    }
}
