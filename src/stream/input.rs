//! [`Inputs`]: the live inputs of a server, and the streams that they wake.

use crate::arena::Arena;
use crate::env::turn_budget::TurnBudget;
use crate::env::{EventKey, EventTrigger, MediumHandle, Timer, UsageEnvironment};
use crate::ids::{InputId, KEY_INPUT, OfInput, StreamId};
use crate::media::Wake;
use crate::sorted_set::SortedSet;
use crate::stream::state::StreamState;
use std::sync::Arc;

/// Most streams that are run in one turn because their input has a frame.
const STREAMS_PER_TURN: usize = 128;

/// The live inputs of a server.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    table: Arena<Input, OfInput>,
    /// Counts the streams that were run in this turn because their input has a frame.
    runs: TurnBudget,
}

impl Inputs {
    /// Makes an input, and what wakes it from any thread. Its events go to the medium `owner`; an
    /// input that nobody owns wakes nobody.
    pub(crate) fn create(
        &mut self,
        env: &mut UsageEnvironment,
        owner: Option<MediumHandle>,
    ) -> (InputId, Wake) {
        let id = self.table.insert(Input::default());
        let trigger = owner.map(|owner| env.create_medium_trigger(owner, input_key(id)));
        if let Some(input) = self.table.get_mut(id) {
            input.trigger.clone_from(&trigger);
        }
        let wake: Wake = match trigger {
            Some(trigger) => Arc::new(move || trigger.trigger()),
            None => Arc::new(|| ()),
        };
        (id, wake)
    }

    /// Forgets an input.
    pub(crate) fn remove(&mut self, env: &mut UsageEnvironment, id: InputId) {
        let Some(mut input) = self.table.remove(id) else { return };
        env.disarm_timer(&mut input.timer);
        if let Some(trigger) = input.trigger {
            env.delete_event_trigger(&trigger);
        }
    }

    /// Forgets all inputs.
    pub(crate) fn close(&mut self, env: &mut UsageEnvironment) {
        for id in self.table.ids().collect::<Vec<_>>() {
            self.remove(env, id);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Lets an input wake a stream.
    pub(crate) fn add_stream(&mut self, id: InputId, stream: StreamId) {
        if let Some(input) = self.table.get_mut(id) {
            input.add(stream);
        }
    }

    pub(crate) fn remove_stream(&mut self, id: InputId, stream: StreamId) {
        if let Some(input) = self.table.get_mut(id) {
            input.remove(stream);
        }
    }

    /// The stream of an input that comes behind `last`; the first without.
    pub(crate) fn stream_behind(&self, id: InputId, last: Option<StreamId>) -> Option<StreamId> {
        self.table.get(id)?.streams.behind(last)
    }

    // Relayed tracks

    /// Notes whether a relayed track has a source.
    pub(crate) fn set_source(&mut self, id: InputId, is_there: bool) {
        if let Some(input) = self.table.get_mut(id) {
            input.has_source = is_there;
        }
    }

    /// Whether the input is a relayed track that has a source.
    pub(crate) fn has_source(&self, id: InputId) -> bool {
        self.table.get(id).is_some_and(|input| input.has_source)
    }

    /// Keeps the stream of a relayed track, which goes on without viewers.
    pub(crate) fn put_resting(&mut self, id: InputId, stream: StreamState) {
        if let Some(input) = self.table.get_mut(id) {
            debug_assert!(input.resting.is_none(), "all viewers share one stream");
            input.resting = Some(Box::new(stream));
        }
    }

    /// Gives back the stream of a track that goes on without viewers.
    pub(crate) fn take_resting(&mut self, id: InputId) -> Option<StreamState> {
        Some(*self.table.get_mut(id)?.resting.take()?)
    }

    pub(crate) fn has_resting(&self, id: InputId) -> bool {
        self.table.get(id).is_some_and(|input| input.resting.is_some())
    }

    pub(crate) fn resting_mut(&mut self, id: InputId) -> Option<&mut StreamState> {
        self.table.get_mut(id)?.resting.as_deref_mut()
    }

    #[cfg(test)]
    pub(crate) fn resting(&self) -> impl Iterator<Item = &StreamState> {
        self.table.iter().filter_map(|(_, input)| input.resting.as_deref())
    }

    // Running

    /// Notes that an input has a frame, or has ended: all its streams are to be run.
    pub(crate) fn handle_wake(&mut self, id: InputId) {
        if let Some(input) = self.table.get_mut(id) {
            input.left = input.streams.len();
        }
    }

    /// Returns the next stream of an input that is to be run. There is none if enough streams were
    /// run in this turn, so that a crowd that does not share a stream keeps nobody else waiting; a
    /// timer of `owner` then says when to go on.
    pub(crate) fn next_stream(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        id: InputId,
    ) -> Option<StreamId> {
        let input = self.table.get_mut(id).filter(|input| input.left > 0)?;
        if !self.runs.spend(env, STREAMS_PER_TURN) {
            let now = env.now();
            env.arm_timer(&mut input.timer, owner, input_key(id), now);
            return None;
        }
        input.next()
    }
}

const fn input_key(id: InputId) -> EventKey {
    EventKey { kind: KEY_INPUT, id: id.raw() }
}

/// What the event trigger of a live input wakes.
#[derive(Debug, Default)]
struct Input {
    streams: SortedSet<StreamId>,
    trigger: Option<EventTrigger>,
    /// The stream that was run last.
    last: Option<StreamId>,
    /// Streams that are still to be run, those behind `last` in a circle: all, when the input has
    /// been triggered.
    left: usize,
    timer: Timer,
    /// Whether the source of a relayed track is there.
    has_source: bool,
    /// The stream of a relayed track that nobody watches.
    resting: Option<Box<StreamState>>,
}

impl Input {
    fn add(&mut self, stream: StreamId) {
        self.streams.insert(stream);
        // It may stand between `last` and one that is still to be run.
        self.left += usize::from(self.left > 0);
    }

    fn remove(&mut self, stream: StreamId) {
        self.streams.remove(stream);
    }

    /// The next stream that is to be run.
    fn next(&mut self) -> Option<StreamId> {
        self.left = self.left.checked_sub(1)?;
        self.last = self.streams.behind(self.last).or_else(|| self.streams.behind(None));
        self.last
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
        input.streams = SortedSet::default();
        input.left = 2;
        assert!(run(&mut input, 9).is_empty());
    }
}
