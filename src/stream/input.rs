//! [`Input`]: a live input, and the streams that it wakes.

use crate::env::{EventTrigger, Timer};
use crate::ids::StreamId;
use std::collections::BTreeSet;
use std::ops::Bound;

/// What the event trigger of a live input wakes.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pub(crate) streams: BTreeSet<StreamId>,
    pub(crate) trigger: Option<EventTrigger>,
    /// The stream that was run last.
    last: Option<StreamId>,
    /// Streams that are still to be run, those behind `last` in a circle: all, when the input has
    /// been triggered.
    pub(crate) left: usize,
    pub(crate) timer: Timer,
}

impl Input {
    pub(crate) fn add(&mut self, stream: StreamId) {
        self.streams.insert(stream);
        // It may stand between `last` and one that is still to be run.
        self.left += usize::from(self.left > 0);
    }

    pub(crate) fn remove(&mut self, stream: StreamId) {
        self.streams.remove(&stream);
    }

    /// The next stream that is to be run.
    pub(crate) fn next(&mut self) -> Option<StreamId> {
        self.left = self.left.checked_sub(1)?;
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.streams.range((behind, Bound::Unbounded)).next();
        let next = next.or_else(|| self.streams.first()).copied();
        self.last = next;
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::{Id, RawId};

    fn id(index: u32) -> StreamId {
        Id::from_raw(RawId { index, generation: 0 })
    }

    fn run(input: &mut Input, n: usize) -> Vec<u32> {
        (0..n).map_while(|_| input.next()).map(|id| id.raw().index).collect()
    }

    #[test]
    fn each_trigger_runs_all_streams_wherever_the_last_one_stopped() {
        let mut input = Input::default();
        [3, 1, 7, 5].into_iter().for_each(|n| input.add(id(n)));
        assert!(run(&mut input, 9).is_empty());
        input.left = 4;
        assert_eq!(run(&mut input, 2), [1, 3]);
        // Triggered again in the middle: those that were run have something to do again.
        input.left = 4;
        assert_eq!(run(&mut input, 3), [5, 7, 1]);
        // One that comes and one that goes push nobody out.
        input.add(id(2));
        input.remove(id(1));
        assert_eq!(run(&mut input, 9), [2, 3]);
        input.left = 4;
        input.remove(id(5));
        input.remove(id(7));
        let mut ran = run(&mut input, 9);
        ran.sort_unstable();
        ran.dedup();
        assert_eq!(ran, [2, 3]);
        input.streams.clear();
        input.left = 2;
        assert!(run(&mut input, 9).is_empty());
    }
}
