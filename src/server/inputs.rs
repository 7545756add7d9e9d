//! Live inputs: what wakes the loop when an encoder has sent a frame, and the streams that are then
//! run.

use super::KEY_INPUT;
use super::rtsp_server::RtspServer;
use super::stream_state::StreamId;
use crate::arena::Id;
use crate::env::{EventKey, EventTrigger, Timer, UsageEnvironment};
use crate::media::Wake;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

/// Streams that are run in one turn because their input has a frame.
const STREAMS_PER_TURN: usize = 128;

/// What the event trigger of a live input wakes.
#[derive(Debug, Default)]
pub struct Input {
    streams: BTreeSet<StreamId>,
    trigger: Option<EventTrigger>,
    /// The stream that was run last.
    last: Option<StreamId>,
    /// Streams that are still to be run, those behind `last` in a circle: all, when the input has
    /// been triggered.
    left: usize,
    timer: Timer,
}

/// Names a live input in its server.
pub type InputId = Id<Input>;

impl Input {
    pub(super) fn add(&mut self, stream: StreamId) {
        self.streams.insert(stream);
        // It may stand between `last` and one that is still to be run.
        self.left += usize::from(self.left > 0);
    }

    pub(super) fn remove(&mut self, stream: StreamId) {
        self.streams.remove(&stream);
    }

    /// The next stream that is to be run.
    fn next(&mut self) -> Option<StreamId> {
        self.left = self.left.checked_sub(1)?;
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.streams.range((behind, Bound::Unbounded)).next();
        let next = next.or_else(|| self.streams.first()).copied();
        self.last = next;
        next
    }
}

impl RtspServer {
    /// Makes a live input: what wakes the server's loop, from any thread, when a frame has come.
    /// A [`StreamFactory`](super::StreamFactory) names the input, so that the server knows which
    /// streams to ask.
    pub fn create_live_input(&mut self, env: &mut UsageEnvironment) -> (InputId, Wake) {
        let id = self.inputs.insert(Input::default());
        let wake: Wake = match self.me {
            Some(me) => {
                let trigger = env.create_medium_trigger(me, input_key(id));
                if let Some(input) = self.inputs.get_mut(id) {
                    input.trigger = Some(trigger.clone());
                }
                Arc::new(move || trigger.trigger())
            }
            None => Arc::new(|| ()),
        };
        (id, wake)
    }

    /// Forgets a live input that is not used any more.
    pub fn delete_live_input(&mut self, env: &mut UsageEnvironment, id: InputId) {
        let Some(mut input) = self.inputs.remove(id) else { return };
        env.disarm_timer(&mut input.timer);
        if let Some(trigger) = input.trigger {
            env.delete_event_trigger(&trigger);
        }
    }

    /// An input has a frame, or its end: its streams are run.
    pub(super) fn handle_input(&mut self, env: &mut UsageEnvironment, id: InputId) {
        self.wake_undescribed(env);
        if let Some(input) = self.inputs.get_mut(id) {
            input.left = input.streams.len();
        }
        self.run_inputs_streams(env, id);
    }

    /// Runs streams of an input, as many as fit into this turn. The others follow in the next: a
    /// crowd that does not share a stream keeps nobody else waiting.
    pub(super) fn run_inputs_streams(&mut self, env: &mut UsageEnvironment, id: InputId) {
        let Some(me) = self.me else { return };
        while let Some(input) = self.inputs.get_mut(id).filter(|input| input.left > 0) {
            if !self.input_runs.spend(env, STREAMS_PER_TURN) {
                let now = env.now();
                return env.arm_timer(&mut input.timer, me, input_key(id), now);
            }
            if let Some(stream) = input.next() {
                self.run_stream(env, stream);
            }
        }
    }
}

const fn input_key(id: InputId) -> EventKey {
    EventKey { kind: KEY_INPUT, id: id.raw() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::RawId;

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
