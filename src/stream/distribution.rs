//! [`Distribution`]: how the packets of a stream reach its destinations.
//!
//! A batch that is large or for many goes out in parts, over several turns of the loop. It is over
//! before the next frame is due.

use crate::env::UsageEnvironment;
use crate::ids::DestinationId;
use crate::payload::PacketBuffer;
use crate::rtp::transform::PacketTransform;
use crate::stream::destinations::Destinations;
use crate::stream::fan_out::{BURST_INTERVAL, Outgoing, Progress};
use crate::stream::fast_start::FastStart;
use crate::stream::key_frame_cache::KeyFrameCache;
use crate::stream::key_frames::FramePart;
use crate::stream::parts::SendPolicy;
use crate::stream::send_context::SendContext;
use crate::wire::rtp::PacketKind;
use std::time::{Duration, Instant};

/// The destinations of one stream, and the packets that are on their way to them.
pub(crate) struct Distribution {
    destinations: Destinations,
    /// Protects all packets before they are sent or kept, once for all destinations.
    transform: Option<Box<dyn PacketTransform>>,
    policy: SendPolicy,
    /// The packets since the last key frame, for newcomers.
    cache: Option<KeyFrameCache>,
    /// The batch that has not gone to all destinations yet.
    outgoing: Option<Outgoing>,
}

impl Distribution {
    /// `max_cached` bounds what is kept for newcomers, in bytes.
    pub(crate) fn new(policy: SendPolicy, max_cached: usize) -> Self {
        let is_cached = policy.fast_start == FastStart::KeyFrameCache;
        Self {
            destinations: Destinations::default(),
            transform: None,
            policy,
            cache: is_cached.then(|| KeyFrameCache::new(max_cached)),
            outgoing: None,
        }
    }

    pub(crate) const fn destinations(&self) -> &Destinations {
        &self.destinations
    }

    pub(crate) const fn destinations_mut(&mut self) -> &mut Destinations {
        &mut self.destinations
    }

    // Protection

    pub(crate) const fn has_transform(&self) -> bool {
        self.transform.is_some()
    }

    /// Lets `transform` protect all packets, RTP and RTCP, of the stream.
    pub(crate) fn set_transform(&mut self, transform: Box<dyn PacketTransform>) {
        self.transform = Some(transform);
    }

    #[cfg(feature = "srtp")]
    pub(crate) fn roll_over(&self, ssrc: u32) -> u32 {
        self.transform.as_ref().map_or(0, |transform| transform.roll_over(ssrc))
    }

    /// Whether the key with which all packets are protected is good for few more.
    pub(crate) fn is_key_nearly_used_up(&self) -> bool {
        self.transform.as_ref().is_some_and(|transform| transform.is_nearly_used_up())
    }

    #[cfg(all(test, feature = "srtp"))]
    pub(crate) fn age_key(&mut self, rtp_left: u64, rtcp_index: u32) {
        if let Some(transform) = &mut self.transform {
            transform.age(rtp_left, rtcp_index);
        }
    }

    /// Turns the packets of a batch into what all destinations are sent.
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

    /// Turns an RTCP packet into what all destinations are sent.
    pub(crate) fn protect_report(&mut self, report: &mut Vec<u8>) {
        if let Some(transform) = &mut self.transform {
            transform.protect_report(report);
        }
    }

    /// Takes the protection off a packet from a destination, or from a member of a group. Without a
    /// transform the packet is returned as it is, not copied. `None`: the packet is to be dropped.
    pub(crate) fn unprotect<'a>(
        &mut self,
        from: Option<DestinationId>,
        kind: PacketKind,
        packet: &'a [u8],
        memory: &'a mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        let own = from.and_then(|id| self.destinations.incoming_transform(id));
        match own.or(self.transform.as_deref_mut()) {
            Some(transform) => transform.unprotect(kind, packet, memory).ok(),
            None => Some(packet),
        }
    }

    // Batches

    /// Sends the [protected](Self::protect) packets of a frame, and to connections a report with
    /// them. The batch is kept until all of it has gone out.
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

    /// When the next part of the batch that is on its way is to be sent.
    pub(crate) fn next_part_at(&self) -> Option<Instant> {
        Some(self.outgoing.as_ref()?.next)
    }

    /// Sends the next part of the batch that is on its way. Returns when the part after it is to
    /// be sent; `None` if there is none.
    pub(crate) fn go_on(
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

    /// Sends one destination the rest of the batch that is on its way, and later nothing of that
    /// batch. The other destinations get theirs as they would have.
    pub(crate) fn finish_for(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        id: DestinationId,
    ) {
        if let Some(Outgoing { batch, fan_out, .. }) = &mut self.outgoing {
            self.destinations.finish_for(id, batch, fan_out, env, context);
        }
    }

    /// Sends the rest of the batch that is on its way to all destinations at once, because the
    /// next one cannot wait.
    pub(crate) fn finish(&mut self, env: &mut UsageEnvironment, context: &mut SendContext<'_>) {
        let Some(mut frame) = self.outgoing.take() else { return };
        let (batch, fan_out) = (&mut frame.batch, &mut frame.fan_out);
        while self.destinations.send_part(batch, fan_out, self.policy, env, context)
            != Progress::Done
        {}
        context.memory.give_back(frame.batch);
    }

    /// Forgets the batch that is on its way, which nobody waits for.
    pub(crate) fn drop_batch(&mut self, context: &mut SendContext<'_>) {
        if let Some(frame) = self.outgoing.take() {
            context.memory.give_back(frame.batch);
        }
    }

    /// Forgets the batch that is on its way, and the packets that are kept for newcomers: the
    /// stream stops.
    pub(crate) fn halt(&mut self) {
        self.outgoing = None;
        self.forget_cached();
    }

    /// Whether packets are kept for newcomers.
    pub(crate) const fn keeps_packets(&self) -> bool {
        self.cache.is_some()
    }

    /// Keeps a packet for newcomers which is sent to nobody, as there are no destinations: `write`
    /// appends it, and `len` is its length with header and interleaving prefix.
    pub(crate) fn keep(
        &mut self,
        len: usize,
        part: FramePart,
        write: impl FnOnce(&mut PacketBuffer),
    ) {
        if let Some(cache) = &mut self.cache {
            cache.push_with(len, part, write);
        }
    }

    /// Forgets what was for destinations, of which there are none any more, and keeps the packets
    /// for newcomers.
    pub(crate) fn rest(&mut self, context: &mut SendContext<'_>) {
        self.drop_batch(context);
        self.destinations = Destinations::default();
    }

    /// Forgets the packets that are kept for newcomers, who wait for the next key frame.
    pub(crate) fn forget_cached(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.clear();
        }
    }

    // Newcomers

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

    /// Whether a newcomer gets nothing before a key frame, if there is none in the cache.
    pub(crate) fn newcomers_wait(&self) -> bool {
        self.policy.fast_start != FastStart::Off
    }

    /// Sequence number and timestamp of the first packet that a newcomer gets from the cache.
    pub(crate) fn first_cached_packet(&self) -> Option<(u16, u32)> {
        self.cache.as_ref()?.first_packet()
    }

    /// Sends newcomers that catch up as many packets as they may get in this turn. Returns when to
    /// go on, if anybody is left.
    pub(crate) fn run_catch_up(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) -> Option<Instant> {
        let is_on_its_way = self.outgoing.is_some();
        let cache = self.cache.as_ref()?;
        self.destinations.catch_up(cache, is_on_its_way, self.policy, env, context)
    }
}
