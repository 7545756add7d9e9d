//! Frames that are too large to be sent over UDP at once, and the memory that packets lie in while
//! they are sent.

use super::stream_state::{StreamState, Wiring};
use crate::env::UsageEnvironment;
use crate::payload::PacketBuffer;
use std::time::{Duration, Instant};

/// Between the parts of a frame that is too large to be sent at once.
const BURST_INTERVAL: Duration = Duration::from_millis(2);
/// Bytes that are kept for the next frames.
const MAX_KEPT: usize = 2 << 20;
/// Buffers that are kept: one sends, others wait with parts of large frames.
const MAX_BUFFERS: usize = 16;

/// A frame of which part has been sent over UDP.
#[derive(Debug)]
pub(super) struct Burst {
    batch: PacketBuffer,
    /// Packets that are done with.
    done: usize,
    pub(super) interval: Duration,
}

/// Memory for the packets of a frame, lent to each stream while it sends: a stream's own would be
/// as large as its largest frame. What one huge frame took is not kept.
#[derive(Debug, Default)]
pub(super) struct SparePackets {
    free: Vec<PacketBuffer>,
    kept: usize,
}

impl SparePackets {
    /// The memory that was used last, which the processor's cache may still have.
    pub(super) fn take(&mut self) -> PacketBuffer {
        let Some(buffer) = self.free.pop() else { return PacketBuffer::new(0) };
        self.kept -= buffer.capacity();
        buffer
    }

    /// Takes memory back.
    pub(super) fn give_back(&mut self, mut buffer: PacketBuffer) {
        let capacity = buffer.capacity();
        let has_room = self.free.len() < MAX_BUFFERS && capacity <= MAX_KEPT - self.kept;
        if capacity > 0 && has_room {
            buffer.clear();
            self.kept += capacity;
            self.free.push(buffer);
        }
    }
}

impl StreamState {
    /// Keeps the packets of the sink's batch of which `done` have been sent. The rest is over
    /// before the next frame is due.
    pub(super) fn begin_burst(&mut self, done: usize, frame_duration: Duration) {
        let batch = self.sink.take_batch();
        let pieces = batch.spans().len() / self.policy.max_burst.max(1);
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
        let interval = BURST_INTERVAL.min(frame_duration / 2 / pieces.max(1));
        self.burst = Some(Burst { batch, done, interval });
    }

    /// Sends the next packets of a frame that is too large to be sent at once. Returns when the
    /// ones after them are to go; `None` if there are none.
    pub(super) fn go_on_with_burst(
        &mut self,
        env: &mut UsageEnvironment,
        wiring: &mut Wiring<'_>,
    ) -> Option<Instant> {
        let mut burst = self.burst.take()?;
        let packets = burst.batch.spans().len();
        let end = burst.done.saturating_add(self.policy.max_burst).min(packets);
        burst.done = self.outlets.send_over_udp(&burst.batch, burst.done..end, env, wiring);
        if burst.done >= packets {
            wiring.spare.give_back(burst.batch);
            return None;
        }
        let next = env.now() + burst.interval;
        self.burst = Some(burst);
        Some(next)
    }

    /// Sends what is left of such a frame at once.
    pub(super) fn end_burst(&mut self, env: &mut UsageEnvironment, wiring: &mut Wiring<'_>) {
        if let Some(Burst { batch, done, .. }) = self.burst.take() {
            let rest = done..batch.spans().len();
            self.outlets.send_over_udp(&batch, rest, env, wiring);
            wiring.spare.give_back(batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(len: usize) -> PacketBuffer {
        let mut buffer = PacketBuffer::new(len);
        buffer.begin_packet();
        buffer.put(&vec![0; len]);
        buffer.finish_packet(true, 0);
        buffer
    }

    #[test]
    fn memory_is_lent_again_and_bounded() {
        let mut spare = SparePackets::default();
        assert_eq!(spare.take().capacity(), 0);
        spare.give_back(buffer(MAX_KEPT));
        assert_eq!((spare.free.len(), spare.kept), (0, 0), "too large to be kept");
        for _ in 0..2 * MAX_BUFFERS {
            spare.give_back(buffer(100_000));
        }
        assert_eq!(spare.free.len(), MAX_BUFFERS);
        assert!(spare.kept <= MAX_KEPT);
        let again = spare.take();
        assert!(again.is_empty() && again.capacity() >= 100_000);
        while spare.take().capacity() > 0 {}
        assert_eq!(spare.kept, 0);
    }
}
