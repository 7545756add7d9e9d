//! Live inputs: what wakes the loop when an encoder has sent a frame, and the streams that are then
//! run.

use crate::env::{EventKey, UsageEnvironment};
use crate::ids::InputId;
use crate::ids::KEY_INPUT;
use crate::media::Wake;
use crate::server::method::outcome::Until;
use crate::server::rtsp_server::RtspServer;
use crate::stream::input::Input;
use std::sync::Arc;

/// Streams that are run in one turn because their input has a frame.
const STREAMS_PER_TURN: usize = 128;

impl RtspServer {
    /// Makes a live input: what wakes the server's loop, from any thread, when a frame has come.
    /// A [`StreamFactory`](super::StreamFactory) names the input, so that the server knows which
    /// streams to ask.
    pub fn create_live_input(&mut self, env: &mut UsageEnvironment) -> (InputId, Wake) {
        let id = self.streams.inputs.insert(Input::default());
        let wake: Wake = match self.me {
            Some(me) => {
                let trigger = env.create_medium_trigger(me, input_key(id));
                if let Some(input) = self.streams.inputs.get_mut(id) {
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
        self.streams.delete_input(env, id);
    }

    /// An input has a frame, or its end: its streams are run.
    pub(crate) fn handle_input(&mut self, env: &mut UsageEnvironment, id: InputId) {
        self.wake_requests(env, Until::InputWakes);
        if let Some(input) = self.streams.inputs.get_mut(id) {
            input.left = input.streams.len();
        }
        self.run_inputs_streams(env, id);
    }

    /// Runs streams of an input, as many as fit into this turn. The others follow in the next: a
    /// crowd that does not share a stream keeps nobody else waiting.
    pub(crate) fn run_inputs_streams(&mut self, env: &mut UsageEnvironment, id: InputId) {
        let Some(me) = self.me else { return };
        while let Some(input) = self.streams.inputs.get_mut(id).filter(|input| input.left > 0) {
            if !self.streams.input_runs.spend(env, STREAMS_PER_TURN) {
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
