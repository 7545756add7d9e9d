//! [`KeyFrameCache`]: the packets of a shared stream since its last key frame, for newcomers.

use crate::payload::PacketBuffer;
use crate::wire::rtp::RtpPacket;

/// What was sent since the last key frame, as long as it fits.
#[derive(Debug)]
pub(super) struct KeyFrameCache {
    /// The packets of all frames; the memory is kept from one key frame to the next.
    packets: PacketBuffer,
    /// For each frame, where its packets end.
    ends: Vec<usize>,
    max_bytes: usize,
}

impl KeyFrameCache {
    pub(super) const fn new(max_bytes: usize) -> Self {
        Self { packets: PacketBuffer::new(0), ends: Vec::new(), max_bytes }
    }

    /// Takes note of a batch that is sent. Without the key frame before it, it is of no use.
    pub(super) fn push(&mut self, batch: &PacketBuffer, key_frame: bool) {
        if key_frame {
            self.clear();
        } else if self.ends.is_empty() {
            return;
        }
        if self.packets.bytes().len() + batch.bytes().len() > self.max_bytes {
            self.clear();
        } else {
            self.packets.append(batch, 0..batch.spans().len());
            self.ends.push(self.packets.spans().len());
        }
    }

    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.ends.clear();
    }

    /// Number of frames.
    pub(super) fn frames(&self) -> usize {
        self.ends.len()
    }

    /// Makes `batch` the packets of frame `number`.
    pub(super) fn copy_frame(&self, number: usize, batch: &mut PacketBuffer) {
        let begin = number.checked_sub(1).and_then(|n| self.ends.get(n)).copied().unwrap_or(0);
        let end = self.ends.get(number).copied().unwrap_or(begin);
        batch.clear();
        batch.append(&self.packets, begin..end);
    }

    /// Sequence number and timestamp of the first packet.
    pub(super) fn first_packet(&self) -> Option<(u16, u32)> {
        let packet = RtpPacket::parse(self.packets.packet(0)?).ok()?;
        Some((packet.sequence_number, packet.timestamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_a_decoder_can_start_with_or_nothing() {
        let batch = PacketBuffer::of_one_packet;
        let mut cache = KeyFrameCache::new(1000);
        cache.push(&batch(100), false);
        assert!(cache.frames() == 0, "no key frame before it");
        cache.push(&batch(100), true);
        cache.push(&batch(100), false);
        assert_eq!(cache.frames(), 2);
        let mut second = batch(9);
        cache.copy_frame(1, &mut second);
        assert_eq!((second.bytes(), second.spans()), (batch(100).bytes(), batch(100).spans()));
        cache.push(&batch(100), true);
        assert_eq!(cache.frames(), 1);
        cache.push(&batch(900), false);
        assert!(cache.frames() == 0, "not with a gap");
        cache.push(&batch(100), false);
        assert!(cache.frames() == 0);
    }
}
