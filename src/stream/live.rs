//! A live stream on the time line of its presentation ([`LiveClock`](crate::stream::live_clock::LiveClock)).

use crate::env::UsageEnvironment;
use crate::frame::Frame;
use crate::stream::send_context::SendContext;
use crate::stream::state::StreamState;
use std::time::Duration;

impl StreamState {
    /// The running time of a frame that has just come from an encoder.
    pub(crate) fn place_live_frame(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        frame: &Frame,
    ) -> Duration {
        let now = env.now();
        let clock = self.live_clock.and_then(|id| context.live_clocks.get_mut(id));
        let Some(clock) = clock else { return now.saturating_duration_since(self.epoch) };
        let placed = clock.place(&mut self.live_place, frame, now, self.is_video);
        if placed.is_odd_one {
            log::warn!(
                "stream {:08x}: its encoder's time {:?} is far from that of another track of the \
                 presentation: aligned by arrival; give the tracks one clock, or set_clock()",
                self.sink.ssrc(),
                frame.pts,
            );
        }
        if placed.jumped {
            let is_first = self.live_place.is_some_and(|place| place.jumps == 1);
            log::log!(
                if is_first { log::Level::Info } else { log::Level::Debug },
                "stream {:08x}: its encoder's time jumps to {:?}; RTP time goes on",
                self.sink.ssrc(),
                frame.pts,
            );
            // What waits in the packetizer is of the time before.
            self.flush_to_all(env, context);
        }
        placed.at
    }
}
