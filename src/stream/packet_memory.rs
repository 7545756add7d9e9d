//! [`PacketMemory`]: memory for the packets that streams send.

use crate::payload::PacketBuffer;

/// Most bytes that are kept for the next frames.
const MAX_KEPT: usize = 2 << 20;
/// Most buffers that are kept: one is being sent from, others hold frames that are on their way.
const MAX_BUFFERS: usize = 16;

/// Memory for the packets of a frame, lent to each stream while it sends: a stream's own would be
/// as large as its largest frame. The memory of one huge frame is not kept.
#[derive(Debug, Default)]
pub(crate) struct PacketMemory {
    free: Vec<PacketBuffer>,
    kept: usize,
}

impl PacketMemory {
    /// Lends the memory that was used last, which the processor's cache may still have.
    pub(crate) fn take(&mut self) -> PacketBuffer {
        let Some(buffer) = self.free.pop() else { return PacketBuffer::new(0) };
        self.kept -= buffer.capacity();
        buffer
    }

    /// Takes memory back.
    pub(crate) fn give_back(&mut self, mut buffer: PacketBuffer) {
        let capacity = buffer.capacity();
        let has_room = self.free.len() < MAX_BUFFERS && capacity <= MAX_KEPT - self.kept;
        if capacity > 0 && has_room {
            buffer.clear();
            self.kept += capacity;
            self.free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_lent_again_and_bounded() {
        let mut spare = PacketMemory::default();
        assert_eq!(spare.take().capacity(), 0);
        spare.give_back(PacketBuffer::of_one_packet(MAX_KEPT));
        assert_eq!((spare.free.len(), spare.kept), (0, 0), "too large to be kept");
        for _ in 0..2 * MAX_BUFFERS {
            spare.give_back(PacketBuffer::of_one_packet(100_000));
        }
        assert_eq!(spare.free.len(), MAX_BUFFERS);
        assert!(spare.kept <= MAX_KEPT);
        let again = spare.take();
        assert!(again.is_empty() && again.capacity() >= 100_000);
        while spare.take().capacity() > 0 {}
        assert_eq!(spare.kept, 0);
    }
}
