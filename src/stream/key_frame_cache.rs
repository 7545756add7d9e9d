//! [`KeyFrameCache`]: the packets of a shared stream since its last key frame, for newcomers.

use crate::payload::{PacketBuffer, TCP_PREFIX_LEN};
use crate::stream::key_frames::FramePart;
use crate::wire::rtp::RtpPacket;

/// The packets that were sent since the last key frame, as long as they fit.
///
/// A newcomer reads it from [`start`](Self::start) to [`end`](Self::end), a part at a time, while
/// more packets are put behind it. Packets that a reader has yet to read stay, also when the next
/// key frame has come, up to twice the bound in all.
#[derive(Debug)]
pub(crate) struct KeyFrameCache {
    /// The packets of all frames; the memory is kept from one key frame to the next.
    packets: PacketBuffer,
    /// Number of the first packet. Packets are counted from the beginning of the stream.
    first: u64,
    /// Number of the packet at which the access unit of the last key frame begins. `None`: a
    /// newcomer has to wait.
    start: Option<u64>,
    /// Number of the packet at which the present access unit begins, if all of it is here.
    unit: Option<u64>,
    max_bytes: usize,
}

impl KeyFrameCache {
    pub(crate) const fn new(max_bytes: usize) -> Self {
        let packets = PacketBuffer::new(0);
        Self { packets, first: 0, start: None, unit: None, max_bytes }
    }

    /// Keeps the packets of a frame that is sent. `reader` is the number of the packet that the
    /// slowest reader reads next, if there is a reader.
    pub(crate) fn push(&mut self, batch: &PacketBuffer, part: FramePart, reader: Option<u64>) {
        let (packets, len) = (batch.spans().len(), batch.bytes().len());
        if self.make_room((packets, len), part, reader) {
            self.packets.append(batch, 0..packets);
        }
    }

    /// Keeps a packet that is sent to nobody: `write` appends it, and `len` is its length with header
    /// and interleaving prefix. It is not called if the packet is not kept. There must be no reader.
    pub(crate) fn push_with(
        &mut self,
        len: usize,
        part: FramePart,
        write: impl FnOnce(&mut PacketBuffer),
    ) {
        if self.make_room((1, len), part, None) {
            write(&mut self.packets);
        }
    }

    /// Forgets what nobody needs when packets of a number and length come. Returns whether they are to
    /// be appended; otherwise they are only counted.
    fn make_room(
        &mut self,
        (packets, len): (usize, usize),
        part: FramePart,
        reader: Option<u64>,
    ) -> bool {
        if part.starts_unit {
            self.unit = Some(self.end());
        }
        if part.key && self.unit.is_some() {
            self.start = self.unit;
        }
        if self.start.is_some_and(|start| self.bytes_since(start) + len > self.max_bytes) {
            self.start = None;
        }
        if self.unit.is_some_and(|unit| self.bytes_since(unit) + len > self.max_bytes) {
            self.unit = None;
        }
        self.forget_before([self.start, self.unit, reader].into_iter().flatten().min());
        let is_wanted = self.start.is_some() || self.unit.is_some() || reader.is_some();
        if is_wanted && self.packets.bytes().len() + len <= self.max_bytes.saturating_mul(2) {
            return true;
        }
        self.clear();
        self.first += packets as u64;
        false
    }

    /// Drops the packets before the one of number `needed`; all packets without a number.
    fn forget_before(&mut self, needed: Option<u64>) {
        let spans = self.packets.spans().len();
        let Some(unneeded) = needed.map(|needed| self.index(needed)).filter(|n| *n < spans) else {
            self.first = self.end();
            return self.packets.clear();
        };
        // What stays is moved: seldom, and then little as a rule.
        if unneeded > spans / 2 {
            self.packets.drop_front(unneeded);
            self.first += unneeded as u64;
        }
    }

    /// Drops all packets: a newcomer waits for the next key frame.
    pub(crate) fn clear(&mut self) {
        self.first = self.end();
        self.packets.clear();
        (self.start, self.unit) = (None, None);
    }

    /// Number of the packet that a newcomer begins with, if there is a key frame.
    pub(crate) const fn start(&self) -> Option<u64> {
        self.start
    }

    /// Number of the next packet to be put in.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.packets.spans().len() as u64
    }

    /// Whether the packet of that number, and all packets behind it, can be read.
    pub(crate) const fn has(&self, number: u64) -> bool {
        number >= self.first
    }

    /// Index in `packets` of the packet of that number.
    fn index(&self, number: u64) -> usize {
        usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }

    fn bytes_since(&self, number: u64) -> usize {
        let first = self.packets.spans().get(self.index(number));
        first.map_or(0, |span| self.packets.bytes().len() + TCP_PREFIX_LEN - span.start)
    }

    /// Appends to `batch` packets from the one of number `from` on: at most `packets` of them, and
    /// no more after `bytes`. Returns the number of the packet behind them; `None` if the first one
    /// is not kept any more.
    pub(crate) fn read(
        &self,
        from: u64,
        (packets, bytes): (usize, usize),
        batch: &mut PacketBuffer,
    ) -> Option<u64> {
        if !self.has(from) {
            return None;
        }
        let begin = self.index(from);
        let spans = self.packets.spans().get(begin..).unwrap_or_default();
        let mut sum = 0usize;
        let fitting = spans.iter().take(packets.max(1)).take_while(|span| {
            let has_room = sum < bytes;
            sum += span.len;
            has_room
        });
        let count = fitting.count();
        batch.append(&self.packets, begin..begin + count);
        Some(from + count as u64)
    }

    /// Sequence number and timestamp of the first packet that a newcomer gets.
    pub(crate) fn first_packet(&self) -> Option<(u16, u32)> {
        let packet = self.packets.packet(self.index(self.start?))?;
        let packet = RtpPacket::parse(packet).ok()?;
        Some((packet.sequence_number, packet.timestamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: FramePart = FramePart { starts_unit: true, key: true };
    const OTHER: FramePart = FramePart { starts_unit: true, key: false };
    const SLICE: FramePart = FramePart { starts_unit: false, key: false };
    const KEY_SLICE: FramePart = FramePart { starts_unit: false, key: true };

    /// Puts in one packet of `len` bytes, prefix and header included.
    fn push(cache: &mut KeyFrameCache, len: usize, part: FramePart, reader: Option<u64>) {
        cache.push(&PacketBuffer::of_one_packet(len - 16), part, reader);
    }

    fn kept(cache: &KeyFrameCache) -> usize {
        cache.packets.bytes().len()
    }

    #[test]
    fn holds_what_a_decoder_can_start_with_or_nothing() {
        let mut cache = KeyFrameCache::new(1000);
        push(&mut cache, 100, OTHER, None);
        assert_eq!(cache.start(), None, "no key frame before it");
        push(&mut cache, 100, KEY, None);
        push(&mut cache, 100, OTHER, None);
        assert_eq!((cache.start(), cache.end(), kept(&cache)), (Some(1), 3, 200));
        let mut second = PacketBuffer::new(0);
        assert_eq!(cache.read(2, (9, 9000), &mut second), Some(3));
        assert_eq!(second.bytes(), PacketBuffer::of_one_packet(84).bytes());
        push(&mut cache, 100, KEY, None);
        assert_eq!((cache.start(), cache.end(), kept(&cache)), (Some(3), 4, 100));
        push(&mut cache, 901, OTHER, None);
        assert_eq!(cache.start(), None, "not with a gap");
        push(&mut cache, 100, OTHER, None);
        assert_eq!((cache.start(), cache.end()), (None, 6));
        assert!(kept(&cache) <= 1000);
        push(&mut cache, 5000, KEY, None);
        assert_eq!((cache.start(), cache.end(), kept(&cache)), (None, 7, 0));
    }

    #[test]
    fn packets_that_are_written_into_it_are_kept_as_those_that_are_copied() {
        let (mut copied, mut written) = (KeyFrameCache::new(1000), KeyFrameCache::new(1000));
        let parts = [OTHER, KEY, SLICE, OTHER, OTHER, KEY_SLICE, OTHER, OTHER, OTHER, KEY];
        for (n, part) in parts.into_iter().cycle().take(50).enumerate() {
            let packet = PacketBuffer::of_one_packet(40 * (n % 9));
            copied.push(&packet, part, None);
            written.push_with(packet.bytes().len(), part, |kept| kept.append(&packet, 0..1));
            let state = |c: &KeyFrameCache| (c.start(), c.end(), c.packets.bytes().to_vec());
            assert_eq!(state(&copied), state(&written), "{n}");
        }
    }

    #[test]
    fn begins_with_the_first_part_of_the_access_unit() {
        let mut cache = KeyFrameCache::new(1000);
        push(&mut cache, 100, KEY, None);
        push(&mut cache, 20, OTHER, None); // A delimiter and parameter sets of their own.
        push(&mut cache, 20, SLICE, None);
        assert_eq!(cache.start(), Some(0));
        push(&mut cache, 100, KEY_SLICE, None);
        push(&mut cache, 100, SLICE, None);
        assert_eq!((cache.start(), cache.end()), (Some(1), 5));
        let mut batch = PacketBuffer::new(0);
        cache.read(1, (99, 9000), &mut batch);
        assert_eq!(batch.bytes().len(), 240);
    }

    #[test]
    fn what_a_reader_has_yet_to_read_stays_and_the_bound_holds() {
        let mut cache = KeyFrameCache::new(1000);
        push(&mut cache, 100, KEY, None);
        push(&mut cache, 100, OTHER, None);
        push(&mut cache, 100, KEY, Some(1));
        assert_eq!((cache.start(), cache.end()), (Some(2), 3));
        let mut batch = PacketBuffer::new(0);
        assert_eq!(cache.read(1, (1, 9000), &mut batch), Some(2), "of the frame before");
        push(&mut cache, 100, OTHER, Some(2));
        assert_eq!(cache.read(2, (99, 150), &mut batch), Some(4));
        // A reader that stands still does not make it grow for ever.
        for _ in 0..100 {
            push(&mut cache, 100, OTHER, Some(2));
            assert!(kept(&cache) <= 2000);
        }
        assert_eq!((cache.start(), cache.read(2, (99, 9000), &mut batch)), (None, None));
        // Nor do many key frames.
        let reader = cache.end();
        for _ in 0..100 {
            push(&mut cache, 100, KEY, Some(reader));
            assert!(kept(&cache) <= 2000);
        }
        assert!(cache.start().is_some() && cache.first > reader);
    }
}
