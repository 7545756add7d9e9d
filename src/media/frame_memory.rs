//! [`FrameMemory`]: reusable memory for frames, which sources take and which is given back when
//! frames have been sent.
//!
//! A buffer for each source would have to be as large as its largest frame, in each of a thousand
//! sessions. Sources that are polled in succession can share a few buffers, which then are still in
//! the processor's cache.

use bytes::{Bytes, BytesMut};

/// What the allocator adds to a piece of memory, so that with it a piece has a round size. It
/// also tells these pieces from memory that others allocated, which is of round sizes itself.
const OVERHEAD: usize = 24;
/// Sizes of buffers: powers of two and what lies half-way between. Larger frames have memory of
/// their own, which is not kept.
const SIZES: [usize; 23] = {
    let mut sizes = [0; 23];
    let mut i = 0;
    while i < sizes.len() {
        let power = 512 << (i / 2);
        sizes[i] = power + (i % 2) * (power / 2) - OVERHEAD;
        i += 1;
    }
    sizes
};
/// Sizes above the fitting one that will do as well: less than double.
const LARGER: usize = 2;
/// Bytes that are kept for later frames.
const MAX_KEPT: usize = 2 << 20;

/// Reusable memory for frames. A source [takes](Self::take) memory, fills it and makes a
/// [`Frame`](crate::Frame) of it; the consumer of the frame [gives its data back](Self::give_back)
/// or drops it.
///
/// ```
/// use riverrun::media::FrameMemory;
///
/// let mut memory = FrameMemory::default();
/// let mut first = memory.take(3);
/// first.copy_from_slice(b"abc");
/// let frame = first.freeze();
/// let at = frame.as_ptr();
/// memory.give_back(frame);
/// let second = memory.take(2);
/// assert_eq!((second.len(), second.as_ptr()), (2, at));
/// ```
#[derive(Debug, Default)]
pub struct FrameMemory {
    /// By size. Each has as many bytes as it had last, so that they are not cleared anew.
    free: [Vec<BytesMut>; SIZES.len()],
    kept: usize,
}

impl FrameMemory {
    /// Returns memory with `len` bytes of unspecified content, such as that of earlier frames. The
    /// caller must have checked `len` against the length of the file or a limit.
    pub fn take(&mut self, len: usize) -> BytesMut {
        let mut buffer = self.take_room(len);
        buffer.resize(len, 0);
        buffer
    }

    /// Memory with room for `len` bytes, whatever is in it.
    pub(crate) fn take_room(&mut self, len: usize) -> BytesMut {
        let fitting = SIZES.partition_point(|&size| size < len);
        let sizes = SIZES.iter().zip(&mut self.free).skip(fitting).take(1 + LARGER);
        for (size, free) in sizes {
            if let Some(buffer) = free.pop() {
                self.kept -= size;
                return buffer;
            }
        }
        let mut buffer = BytesMut::with_capacity(SIZES.get(fitting).map_or(len, |&size| size));
        // Makes it one that can become a frame's data and come back without an allocation.
        drop(buffer.split_off(buffer.capacity()));
        buffer
    }

    /// Takes memory back if nothing else holds a part of it. Other memory is dropped.
    pub fn give_back(&mut self, data: Bytes) {
        let Ok(mut buffer) = data.try_into_mut() else { return };
        // Where bytes were taken off in front, this gets them back.
        let unused = buffer.capacity() - buffer.len();
        if !buffer.try_reclaim(unused + 1) && size_of(&buffer).is_none() {
            buffer.clear();
            let _ = buffer.try_reclaim(buffer.capacity() + 1);
        }
        let Some(own) = size_of(&buffer) else { return };
        let Some(size) = SIZES.get(own) else { return };
        while self.kept + size > MAX_KEPT {
            if !self.make_room(own) {
                return;
            }
        }
        if let Some(free) = self.free.get_mut(own) {
            self.kept += size;
            free.push(buffer);
        }
    }

    /// Returns the number of bytes kept for later frames.
    pub const fn kept(&self) -> usize {
        self.kept
    }

    /// Drops a buffer of the size, other than `own`, that has most of what is kept: what has come
    /// out of use must not stand in the way for ever.
    fn make_room(&mut self, own: usize) -> bool {
        let sizes = SIZES.iter().zip(&mut self.free).enumerate().filter(|(i, _)| *i != own);
        let most = sizes.map(|(_, of)| of).max_by_key(|(size, free)| *size * free.len());
        let Some((size, free)) = most else { return false };
        let dropped = free.pop().is_some();
        self.kept -= if dropped { *size } else { 0 };
        dropped
    }
}

/// Which of the sizes a buffer is of.
fn size_of(buffer: &BytesMut) -> Option<usize> {
    SIZES.binary_search(&buffer.capacity()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(bytes: &[u8]) -> usize {
        bytes.as_ptr() as usize
    }

    #[test]
    fn sizes_ascend_by_less_than_double() {
        assert_eq!((SIZES[0], SIZES[1], SIZES[22]), (488, 744, (1 << 20) - 24));
        assert!(SIZES.windows(2).all(|s| s[0] < s[1] && s[1] < 2 * s[0]));
    }

    #[test]
    fn what_comes_back_is_lent_again() {
        let mut memory = FrameMemory::default();
        let frame = memory.take(30_000).freeze();
        let place = at(&frame);
        // Cut at both ends, and with a sibling that has gone.
        let sibling = frame.slice(..10);
        let piece = frame.slice(29_000..29_900);
        drop((frame, sibling));
        memory.give_back(piece);
        assert_eq!(memory.kept(), SIZES[12]);
        let again = memory.take(20_000);
        assert_eq!((at(&again), again.len()), (place, 20_000));
        let mut again = again.freeze();
        bytes::Buf::advance(&mut again, 7);
        memory.give_back(again);
        assert_eq!(at(&memory.take(32_744)), place, "in full");
        assert_eq!(memory.kept(), 0);
    }

    #[test]
    fn a_small_frame_does_not_hold_a_large_buffer() {
        let mut memory = FrameMemory::default();
        let large = memory.take(100_000).freeze();
        memory.give_back(large);
        assert!(memory.take(1000).capacity() < 2000);
        assert_eq!(memory.kept(), SIZES[16]);
    }

    #[test]
    fn what_is_shared_or_of_others_is_not_kept() {
        let mut memory = FrameMemory::default();
        let frame = memory.take(1000).freeze();
        memory.give_back(frame.clone());
        memory.give_back(Bytes::from_static(&[0; 488]));
        for len in [488, 512, 1000, 4096] {
            memory.give_back(Bytes::from(vec![0; len + 1]));
            memory.give_back(BytesMut::zeroed(len + 1).freeze().slice(1..));
        }
        memory.give_back(memory_of(2 << 20));
        assert_eq!(memory.kept(), 0);
        memory.give_back(frame);
        assert_eq!(memory.kept(), SIZES[2]);
    }

    fn memory_of(len: usize) -> Bytes {
        FrameMemory::default().take(len).freeze()
    }

    #[test]
    fn what_is_kept_is_bounded_and_follows_use() {
        let mut memory = FrameMemory::default();
        for _ in 0..10_000 {
            memory.give_back(memory_of(1000));
        }
        assert!(memory.kept() <= MAX_KEPT && memory.kept() > MAX_KEPT - 1024);
        memory.give_back(memory_of(1_000_000));
        assert!(memory.kept() <= MAX_KEPT);
        assert_eq!(memory.free[22].len(), 1, "makes room for itself");
        let kept: usize = SIZES.iter().zip(&memory.free).map(|(size, f)| size * f.len()).sum();
        assert_eq!(kept, memory.kept());
    }
}
