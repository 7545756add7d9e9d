//! How a newcomer to a running stream begins, and the turns in which it catches up.

use crate::env::UsageEnvironment;
use crate::ids::DestinationId;
use crate::stream::fast_start::FastStart;
use crate::stream::send_context::SendContext;
use crate::stream::state::StreamState;

impl StreamState {
    /// Lets a destination that joins the running stream begin as the policy says.
    pub(crate) fn begin_newcomer(&mut self, id: DestinationId) {
        let cached = self.cache.as_ref().and_then(|cache| cache.start());
        match (self.policy.fast_start, cached) {
            (FastStart::Off, _) => {}
            (FastStart::KeyFrameCache, Some(start)) => {
                self.destinations.begin_catching_up(id, start)
            }
            (FastStart::WaitForKeyFrame, _) | (FastStart::KeyFrameCache, None) => {
                self.destinations.wait_for_key_frame(id);
            }
        }
    }

    /// Sends those who catch up what they may get in this turn, and arms the timer for more.
    pub(crate) fn run_catch_up(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        let Some(cache) = self.cache.as_ref().filter(|_| self.is_playing()) else { return };
        let is_on_its_way = self.outgoing.is_some();
        let next = self.destinations.catch_up(cache, is_on_its_way, self.policy, env, context);
        if let Some(at) = next {
            self.timers.catch_up_at(env, at);
        }
        self.greet_newcomers(env, context, true);
    }
}
