//! [`StreamReplicator`]: several replicas of one input.
//!
//! The input is in the [`DemuxTable`], as a demultiplexer with one track that has several readers:
//! polling the input calls out (it may be a track of another producer in the same table), during
//! which a lock would deadlock, and the table exists already.
//!
//! A replica that is not read in time loses frames up to the next key frame, and they are counted;
//! it never delays the others. The replica that is read fastest determines the pace.

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
    /// Creates a replicator of `input`. `limits` are those of each replica's queue. `wake` is
    /// called when a waiting replica gets input because another replica was polled; it can be
    /// omitted if all replicas are polled whenever the input has frames.
    pub fn new(
        input: Box<dyn FramedSource>,
        limits: QueueLimits,
        wake: Option<Wake>,
        cx: &mut SourceContext<'_>,
    ) -> Self {
        let id = cx.demuxers.acquire(None, || Box::new(Input { source: input, wake }));
        Self { id, limits }
    }

    /// Creates a source of the input's frames from the next key frame on.
    pub fn create_stream_replica(&self, cx: &mut SourceContext<'_>) -> OutletSource {
        let queue = FrameQueue::new(self.limits, Overflow::DropNewest).start_at_key_frame();
        // Cannot fail: the replicator itself is a user.
        let known = cx.demuxers.retain(self.id);
        debug_assert!(known, "used after close");
        OutletSource::open(cx.demuxers, self.id, 0, queue, None, false)
    }

    /// Closes the replicator. Its replicas continue.
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
    fn poll_produce(
        &mut self,
        _track: usize,
        outlets: &mut Outlets,
        cx: &mut SourceContext<'_>,
    ) -> Produced {
        match self.source.poll_frame(cx) {
            FramePoll::Ready(frame) => {
                let somebody_waited = outlets.push(0, frame);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::media::{Ending, Wait};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    /// Frames 0 to 99, every tenth a key frame; waits for input before each thirtieth.
    #[derive(Default)]
    struct Counter {
        at: u64,
        waited: bool,
    }

    impl FramedSource for Counter {
        fn poll_frame(&mut self, _: &mut SourceContext<'_>) -> FramePoll {
            if self.at == 100 {
                return FramePoll::Ended(Ending::EndOfStream);
            }
            if self.at % 30 == 29 && !std::mem::replace(&mut self.waited, true) {
                return FramePoll::Pending(Wait::Input);
            }
            self.waited = false;
            let mut frame = Frame::new(vec![0], Duration::from_millis(self.at), Duration::ZERO);
            frame.flags.key = self.at % 10 == 0;
            self.at += 1;
            FramePoll::Ready(frame)
        }
    }

    fn rest(source: &mut OutletSource, cx: &mut SourceContext<'_>) -> Vec<u64> {
        let mut times = Vec::new();
        loop {
            match source.poll_frame(cx) {
                FramePoll::Ready(frame) => times.push(frame.pts.as_millis() as u64),
                FramePoll::Pending(_) => {}
                FramePoll::Ended(_) => return times,
            }
        }
    }

    fn one(source: &mut OutletSource, cx: &mut SourceContext<'_>) -> Option<u64> {
        match source.poll_frame(cx) {
            FramePoll::Ready(frame) => Some(frame.pts.as_millis() as u64),
            _ => None,
        }
    }

    #[test]
    fn a_slow_replica_drops_to_key_frames_and_the_fast_one_gets_all() {
        let mut demuxers = DemuxTable::default();
        let cx = &mut SourceContext { now: Instant::now(), demuxers: &mut demuxers };
        let limits = QueueLimits { frames: 15, bytes: 1000 };
        let replicator = StreamReplicator::new(Box::<Counter>::default(), limits, None, cx);
        let mut fast = replicator.create_stream_replica(cx);
        let mut slow = replicator.create_stream_replica(cx);
        assert_eq!(one(&mut slow, cx), Some(0));
        for n in 0..5 {
            assert_eq!(one(&mut fast, cx), Some(n));
        }
        let mut late = replicator.create_stream_replica(cx);
        // That one and the slow one do not read while the fast one goes on.
        assert_eq!(rest(&mut fast, cx), (5..100).collect::<Vec<_>>());
        assert_eq!(rest(&mut slow, cx), (1..16).collect::<Vec<_>>());
        assert_eq!(slow.dropped(cx.demuxers), 84);
        assert_eq!(rest(&mut late, cx).first(), Some(&10), "starts at a key frame");
        replicator.close(cx);
        for source in [&mut fast, &mut slow, &mut late] {
            assert!(!cx.demuxers.is_empty());
            source.close(cx);
        }
        assert!(cx.demuxers.is_empty());
    }

    #[test]
    fn a_replica_that_waits_is_woken_when_another_brings_input() {
        let woken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&woken);
        let wake: Wake = Arc::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let mut demuxers = DemuxTable::default();
        let cx = &mut SourceContext { now: Instant::now(), demuxers: &mut demuxers };
        let input = Box::new(Counter { at: 20, waited: false });
        let replicator = StreamReplicator::new(input, QueueLimits::default(), Some(wake), cx);
        let mut a = replicator.create_stream_replica(cx);
        let mut b = replicator.create_stream_replica(cx);
        while one(&mut a, cx).is_some() {}
        while one(&mut b, cx).is_some_and(|n| n < 28) {}
        let before = woken.load(Ordering::SeqCst);
        assert_eq!(one(&mut b, cx), Some(29));
        assert_eq!(woken.load(Ordering::SeqCst), before + 1);
        assert_eq!(one(&mut a, cx), Some(29));
    }
}
