//! [`SortedSet`]: a set of small values, in order.

use crate::arena::shrink_vec;

/// A set whose values lie side by side in order. Lookup is O(log n); insertion and removal move up to
/// n values, which takes microseconds for thousands of them.
///
/// `BTreeSet` would be O(log n) throughout, and adds four kilobytes of code to a program for each type
/// of value.
#[derive(Clone, Debug)]
pub(crate) struct SortedSet<T>(Vec<T>);

impl<T> Default for SortedSet<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + Ord> SortedSet<T> {
    /// Adds a value, unless it is there.
    pub(crate) fn insert(&mut self, value: T) {
        if let Err(at) = self.0.binary_search(&value) {
            self.0.insert(at, value);
        }
    }

    /// Removes a value. Returns whether it was there.
    pub(crate) fn remove(&mut self, value: T) -> bool {
        let Ok(at) = self.0.binary_search(&value) else { return false };
        self.0.remove(at);
        shrink_vec(&mut self.0);
        true
    }

    /// Removes and returns the first value.
    pub(crate) fn pop_first(&mut self) -> Option<T> {
        let first = self.behind(None)?;
        self.remove(first);
        Some(first)
    }

    /// The first value above `last`; the first of all without.
    pub(crate) fn behind(&self, last: Option<T>) -> Option<T> {
        let at = last.map_or(0, |last| self.0.partition_point(|value| *value <= last));
        self.0.get(at).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_is_a_set_in_order() {
        let (mut set, mut model) = (SortedSet::default(), BTreeSet::new());
        // 37 generates the numbers below 101: each is inserted twice, and may be removed in between.
        for n in (0..202).map(|n| n * 37 % 101) {
            set.insert(n);
            model.insert(n);
            let gone = n * 3 % 101;
            assert_eq!(set.remove(gone), model.remove(&gone), "{gone}");
            assert!(set.iter().eq(model.iter().copied()));
            assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
            for last in 0..101 {
                assert_eq!(set.behind(Some(last)), model.range(last + 1..).next().copied());
            }
            assert_eq!(set.behind(None), model.first().copied());
        }
        while let Some(first) = set.pop_first() {
            assert_eq!(model.pop_first(), Some(first));
        }
        assert!(set.is_empty() && model.is_empty());
    }
}
