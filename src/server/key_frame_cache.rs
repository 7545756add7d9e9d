//! [`KeyFrameCache`]: the packets of a shared stream since its last key frame, for newcomers.

use crate::payload::PacketBuffer;
use crate::wire::rtp::RtpPacket;

/// What was sent since the last key frame, as long as it fits.
#[derive(Debug)]
pub(super) struct KeyFrameCache {
    batches: Vec<PacketBuffer>,
    bytes: usize,
    max_bytes: usize,
}

impl KeyFrameCache {
    pub(super) const fn new(max_bytes: usize) -> Self {
        Self { batches: Vec::new(), bytes: 0, max_bytes }
    }

    /// Takes note of a batch that is sent. Without the key frame before it, it is of no use.
    pub(super) fn push(&mut self, batch: &PacketBuffer, key_frame: bool) {
        if key_frame {
            self.clear();
        } else if self.batches.is_empty() {
            return;
        }
        self.bytes += batch.bytes().len();
        if self.bytes > self.max_bytes {
            self.clear();
        } else {
            self.batches.push(batch.clone());
        }
    }

    pub(super) fn clear(&mut self) {
        self.batches.clear();
        self.bytes = 0;
    }

    pub(super) fn batches_mut(&mut self) -> &mut [PacketBuffer] {
        &mut self.batches
    }

    /// Sequence number and timestamp of the first packet.
    pub(super) fn first_packet(&self) -> Option<(u16, u32)> {
        let packet = RtpPacket::parse(self.batches.first()?.packet(0)?).ok()?;
        Some((packet.sequence_number, packet.timestamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(len: usize) -> PacketBuffer {
        let mut batch = PacketBuffer::new(len);
        batch.begin_packet();
        batch.put(&vec![0; len]);
        batch.finish_packet(true, 0);
        batch
    }

    #[test]
    fn holds_what_a_decoder_can_start_with_or_nothing() {
        let mut cache = KeyFrameCache::new(1000);
        cache.push(&batch(100), false);
        assert!(cache.batches_mut().is_empty(), "no key frame before it");
        cache.push(&batch(100), true);
        cache.push(&batch(100), false);
        assert_eq!(cache.batches_mut().len(), 2);
        cache.push(&batch(100), true);
        assert_eq!(cache.batches_mut().len(), 1);
        cache.push(&batch(900), false);
        assert!(cache.batches_mut().is_empty(), "not with a gap");
        cache.push(&batch(100), false);
        assert!(cache.batches_mut().is_empty());
    }
}
