//! A live stream on the time line of its presentation ([`LiveClock`]).

use crate::arena::{Arena, Id};
use crate::env::UsageEnvironment;
use crate::frame::Frame;
use crate::stream::live_clock::LiveClock;
use crate::stream::state::{SendContext, StreamState};
use std::time::{Duration, Instant};

impl StreamState {
    /// Puts the stream on the line of its presentation, which begins with the first that does.
    pub(crate) fn join_live_clock(
        &mut self,
        clocks: &mut Arena<LiveClock>,
        presentation: Option<&mut Option<Id<LiveClock>>>,
        now: Instant,
    ) {
        let mut own = None;
        let of = presentation.unwrap_or(&mut own);
        let known = of.filter(|id| clocks.contains(*id));
        let id = known.unwrap_or_else(|| clocks.insert(LiveClock::new(now)));
        if let Some(clock) = clocks.get_mut(id) {
            clock.streams += 1;
        }
        *of = Some(id);
        self.live_clock = Some(id);
    }

    /// The line goes with the last of its streams: the next viewer begins another.
    pub(crate) fn leave_live_clock(&self, clocks: &mut Arena<LiveClock>) {
        let Some(id) = self.live_clock else { return };
        if let Some(clock) = clocks.get_mut(id) {
            clock.streams = clock.streams.saturating_sub(1);
            if clock.streams == 0 {
                clocks.remove(id);
            }
        }
    }

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
