//! Frames that do not go out at once, because they are large or for many.

use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::ids::DestinationId;
use crate::payload::PacketBuffer;
use crate::rtp::transform::PacketTransform;
use crate::stream::fan_out::{BURST_INTERVAL, Outgoing, Progress};
use crate::stream::key_frames::FramePart;
use crate::stream::send_context::SendContext;
use crate::stream::state::StreamState;
use std::time::{Duration, Instant};

impl StreamState {
    /// Lets `transform` protect all packets, RTP and RTCP, of the stream. Before the first packet.
    ///
    /// # Errors
    /// [`Error::Usage`]: the packets are too small to leave room for what it adds, or a destination
    /// has a transform of its own.
    #[cfg_attr(not(test), allow(dead_code, reason = "the seam for SRTP, which is yet to come"))]
    pub(crate) fn set_transform(
        &mut self,
        transform: Box<dyn PacketTransform>,
    ) -> Result<(), Error> {
        if self.destinations.has_own_transforms() {
            return Err(Error::Usage("a destination of the stream has a transform of its own"));
        }
        self.sink.leave_room(transform.max_growth())?;
        self.transform = Some(transform);
        Ok(())
    }

    /// Lets `transform` protect what one destination is sent; the others get the packets as they
    /// are. Before the first packet, unless an earlier transform has left room enough.
    ///
    /// # Errors
    /// [`Error::Usage`]: the packets are too small to leave room for what it adds, or the stream has
    /// been started and left less, or all packets of the stream are transformed already.
    #[cfg_attr(not(test), allow(dead_code, reason = "the seam for SRTP, which is yet to come"))]
    pub(crate) fn set_destination_transform(
        &mut self,
        id: DestinationId,
        transform: Box<dyn PacketTransform>,
    ) -> Result<(), Error> {
        if self.transform.is_some() {
            return Err(Error::Usage("all packets of the stream are transformed already"));
        }
        let growth = transform.max_growth();
        if growth > self.sink.room_left() {
            if !self.is_fresh() {
                return Err(Error::Usage("the stream leaves no room for what a transform adds"));
            }
            self.sink.leave_room(growth)?;
        }
        self.destinations.set_own_transform(id, transform);
        Ok(())
    }

    /// The packets as they are sent.
    pub(crate) fn protect(
        &mut self,
        context: &mut SendContext<'_>,
        batch: PacketBuffer,
    ) -> PacketBuffer {
        let Some(transform) = &mut self.transform else { return batch };
        let mut protected = context.memory.take();
        protected.clear();
        transform.protect_batch(&batch, 0..batch.spans().len(), &mut protected);
        context.memory.give_back(batch);
        protected
    }

    /// Sends the packets of a frame, and to connections a report with them. What is not everywhere
    /// yet is kept, and over before the next frame is due; `batch` is the stream's until then.
    pub(crate) fn send_batch(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        mut batch: PacketBuffer,
        part: FramePart,
        report: &[u8],
        frame_duration: Duration,
    ) {
        let policy = self.policy;
        if let Some(cache) = &mut self.cache {
            cache.push(&batch, part, self.destinations.slowest_reader());
        }
        let mut fan_out = self.destinations.begin(&mut batch, part.key, report, policy);
        let progress = self.destinations.send_part(&mut batch, &mut fan_out, policy, env, context);
        if progress == Progress::Done {
            return context.memory.give_back(batch);
        }
        let bursts = batch.spans().len() / policy.max_burst.max(1);
        let bursts = u32::try_from(bursts).unwrap_or(u32::MAX);
        let interval = BURST_INTERVAL.min(frame_duration / 2 / bursts.max(1));
        let next = env.now() + if progress == Progress::Burst { interval } else { Duration::ZERO };
        self.outgoing = Some(Outgoing { batch, fan_out, interval, next });
    }

    /// Sends the next part of the frame that is on its way. Returns when the one after it is to
    /// go; `None` if there is none.
    pub(crate) fn go_on_with_outgoing(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) -> Option<Instant> {
        let now = env.now();
        let mut frame = self.outgoing.take()?;
        if frame.next <= now {
            let (batch, fan_out) = (&mut frame.batch, &mut frame.fan_out);
            match self.destinations.send_part(batch, fan_out, self.policy, env, context) {
                Progress::Done => {
                    context.memory.give_back(frame.batch);
                    return None;
                }
                Progress::Part => frame.next = now,
                Progress::Burst => frame.next = now + frame.interval,
            }
        }
        let next = frame.next;
        self.outgoing = Some(frame);
        Some(next)
    }

    /// Sends one destination what it lacks of the frame that is on its way, and nothing of that
    /// frame later. The others get theirs as they would have.
    pub(crate) fn finish_outgoing_for(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        id: DestinationId,
    ) {
        if let Some(Outgoing { batch, fan_out, .. }) = &mut self.outgoing {
            self.destinations.finish_for(id, batch, fan_out, env, context);
        }
    }

    /// Sends what is left of the packets that are on their way to all at once, since what comes next
    /// cannot wait.
    pub(crate) fn finish_outgoing(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        let Some(mut frame) = self.outgoing.take() else { return };
        let (batch, fan_out) = (&mut frame.batch, &mut frame.fan_out);
        while self.destinations.send_part(batch, fan_out, self.policy, env, context)
            != Progress::Done
        {}
        context.memory.give_back(frame.batch);
    }

    /// Forgets the frame that is on its way, which nobody waits for.
    pub(crate) fn drop_outgoing(&mut self, context: &mut SendContext<'_>) {
        if let Some(frame) = self.outgoing.take() {
            context.memory.give_back(frame.batch);
        }
    }
}
