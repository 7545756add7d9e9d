//! [`StreamReplicator`]: one input, several replicas of what it gives.
//!
//! The input stands in the [`DemuxTable`], as a demultiplexer with one track that several read:
//! polling the input calls out (it may be a track of another producer in the same table), which
//! a lock held meanwhile would make a deadlock, and the table is there already.
//!
//! A replica that is not read in time loses frames up to the next key frame, and they are
//! counted; it never holds up the others. So the replica that is read fastest sets the pace.

use super::demux::{DemuxTable, OutletSource, Outlets, Produced, Producer, ProducerId};
use super::queue::{FrameQueue, Overflow, QueueLimits};
use super::{FramePoll, FramedSource, SourceContext, Wake};
use std::fmt;

/// Makes replicas of an input. The input lives until the replicator and all replicas are closed.
#[derive(Debug)]
pub struct StreamReplicator {
    id: ProducerId,
    limits: QueueLimits,
}

impl StreamReplicator {
    /// Takes `input` over. `limits` are those of each replica's queue. `wake` is called when a
    /// replica that waits for input gets some because another was polled; where all replicas
    /// are polled whenever the input has something, it can be left out.
    pub fn new(
        input: Box<dyn FramedSource>,
        limits: QueueLimits,
        wake: Option<Wake>,
        cx: &mut SourceContext<'_>,
    ) -> Self {
        let id = cx.demuxers.acquire(None, || Box::new(Input { source: input, wake }));
        Self { id, limits }
    }

    /// A source that gives what the input gives from its next key frame on.
    pub fn create_stream_replica(&self, cx: &mut SourceContext<'_>) -> OutletSource {
        let queue = FrameQueue::new(self.limits, Overflow::DropNewest).start_at_key_frame();
        // Cannot fail: the replicator itself is a user.
        let known = cx.demuxers.retain(self.id);
        debug_assert!(known, "used after close");
        OutletSource::open(cx.demuxers, self.id, 0, queue, None, false)
    }

    /// Makes no more replicas. Those that there are go on.
    pub fn close(self, cx: &mut SourceContext<'_>) {
        DemuxTable::release(cx, self.id);
    }
}

struct Input {
    source: Box<dyn FramedSource>,
    wake: Option<Wake>,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").finish_non_exhaustive()
    }
}

impl Producer for Input {
    fn poll_produce(&mut self, outlets: &mut Outlets, cx: &mut SourceContext<'_>) -> Produced {
        match self.source.poll_frame(cx) {
            FramePoll::Ready(frame) => {
                let somebody_waited = outlets.push(0, &frame);
                if let (true, Some(wake)) = (somebody_waited, &self.wake) {
                    wake();
                }
                Produced::Progress
            }
            FramePoll::Pending(wait) => Produced::Pending(wait),
            FramePoll::Ended(ending) => Produced::Ended(ending),
        }
    }

    fn close(&mut self, cx: &mut SourceContext<'_>) {
        self.source.close(cx);
    }
}
