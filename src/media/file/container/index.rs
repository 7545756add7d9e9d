//! [`Index`]: the places of a file at which decoding can start, by time.

use std::time::Duration;

/// Most entries; when there are as many, every second one goes.
const MAX_ENTRIES: usize = 1 << 16;

/// A place where decoding can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Normal play time of the key frame.
    pub(crate) npt: Duration,
    /// Position in the file, of the frame or of what holds it.
    pub(crate) at: u64,
}

/// Places where decoding can start, in the order of time.
#[derive(Debug, Default)]
pub(crate) struct Index {
    entries: Vec<Entry>,
    sorted: bool,
}

impl Index {
    pub(crate) fn insert(&mut self, entry: Entry) {
        if self.entries.len() >= MAX_ENTRIES {
            self.finish();
            let mut keep = false;
            self.entries.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.entries.push(entry);
        self.sorted = false;
    }

    /// Brings the entries in order.
    pub(crate) fn finish(&mut self) {
        self.entries.sort_unstable_by_key(|e| (e.npt, e.at));
        self.entries.dedup_by_key(|e| e.npt);
        self.sorted = true;
    }

    /// The place that comes last in the file.
    pub(crate) fn last_in_file(&self) -> Option<Entry> {
        self.entries.iter().max_by_key(|e| (e.at, e.npt)).copied()
    }

    /// The place so many places in front of the last at or before `npt`.
    pub(crate) fn before(&self, npt: Duration, places: usize) -> Option<Entry> {
        let after = self.entries.partition_point(|e| e.npt <= npt);
        self.entries.get(after.checked_sub(1)?.checked_sub(places)?).copied()
    }

    /// The last place at or before `npt`.
    pub(crate) fn find(&self, npt: Duration) -> Option<Entry> {
        debug_assert!(self.sorted || self.entries.is_empty());
        let after = self.entries.partition_point(|e| e.npt <= npt);
        self.entries.get(after.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_last_at_or_before_and_stays_bounded() {
        let mut index = Index::default();
        for n in (0..200_000_u64).rev() {
            index.insert(Entry { npt: Duration::from_millis(n * 10), at: n });
        }
        index.finish();
        assert!(index.entries.len() <= MAX_ENTRIES);
        for npt in [0, 1_000_000, 1_999_990, 5_000_000] {
            let found = index.find(Duration::from_millis(npt));
            assert!(found.is_none_or(|e| e.npt <= Duration::from_millis(npt)));
        }
        let found = index.find(Duration::from_secs(5000)).unwrap();
        assert!(found.npt > Duration::from_secs(1990), "{found:?}");
        assert!(Index::default().find(Duration::MAX).is_none());
    }
}
