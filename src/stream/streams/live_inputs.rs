//! Live inputs, and running the streams that they wake.

use super::Streams;
use crate::env::UsageEnvironment;
use crate::ids::InputId;
use crate::media::Wake;
use crate::rtsp::connections::Connections;

impl Streams {
    /// Makes a live input, and what wakes it from any thread.
    pub(crate) fn create_input(&mut self, env: &mut UsageEnvironment) -> (InputId, Wake) {
        self.inputs.create(env, self.owner)
    }

    /// Forgets a live input that is not used any more.
    pub(crate) fn delete_input(&mut self, env: &mut UsageEnvironment, id: InputId) {
        self.end_resting(env, id);
        self.inputs.remove(env, id);
    }

    /// Runs the streams of an input, which has a frame or has ended.
    pub(crate) fn handle_input(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        id: InputId,
    ) {
        self.inputs.handle_wake(id);
        self.run_input(env, connections, id);
    }

    /// Runs streams of an input, as many as fit into this turn; the others follow in the next.
    pub(crate) fn run_input(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        id: InputId,
    ) {
        let Some(owner) = self.owner else { return };
        while let Some(stream) = self.inputs.next_stream(env, owner, id) {
            self.run(env, connections, stream);
        }
    }
}
