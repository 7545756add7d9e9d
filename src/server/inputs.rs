//! Live inputs: what wakes the loop when an encoder has sent a frame.

use crate::env::UsageEnvironment;
use crate::ids::InputId;
use crate::media::Wake;
use crate::server::method::outcome::Until;
use crate::server::rtsp_server::RtspServer;

impl RtspServer {
    /// Makes a live input: what wakes the server's loop, from any thread, when a frame has come.
    /// A [`StreamFactory`](super::StreamFactory) names the input, so that the server knows which
    /// streams to ask.
    pub fn create_live_input(&mut self, env: &mut UsageEnvironment) -> (InputId, Wake) {
        self.streams.create_input(env)
    }

    /// Forgets a live input that is not used any more.
    pub fn delete_live_input(&mut self, env: &mut UsageEnvironment, id: InputId) {
        self.streams.delete_input(env, id);
    }

    /// An input has a frame, or its end: its streams are run.
    pub(crate) fn handle_input(&mut self, env: &mut UsageEnvironment, id: InputId) {
        self.wake_requests(env, Until::InputWakes);
        self.streams.handle_input(env, &mut self.connections, id);
    }
}
