//! Live inputs, which wake the loop when an encoder has sent a frame.

use crate::env::UsageEnvironment;
use crate::ids::InputId;
use crate::media::Wake;
use crate::server::method::outcome::Until;
use crate::server::rtsp_server::RtspServer;

impl RtspServer {
    /// Creates a live input, and returns its id and a function that wakes the server's loop from
    /// any thread when a frame has been queued. A [`StreamFactory`](super::StreamFactory) names the
    /// input, so that the server knows which streams to poll.
    pub fn create_live_input(&mut self, env: &mut UsageEnvironment) -> (InputId, Wake) {
        self.streams.create_input(env)
    }

    /// Deletes a live input that is no longer used.
    pub fn delete_live_input(&mut self, env: &mut UsageEnvironment, id: InputId) {
        self.streams.delete_input(env, id);
    }

    /// Runs the streams of an input that has a frame or has ended.
    pub(crate) fn handle_input(&mut self, env: &mut UsageEnvironment, id: InputId) {
        self.wake_requests(env, Until::InputWakes);
        self.streams.handle_input(env, &mut self.connections, id);
    }
}
