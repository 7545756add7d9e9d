//! [`FrameQueue`]: a bounded queue of frames for graphs that are not a plain chain (a
//! demultiplexer's tracks, a replicator, another thread), with a stated policy when full.
//!
//! The queue knows no threads and no time; its owners put it behind a lock or into a table.

use crate::error::Error;
use crate::frame::Frame;
use std::collections::VecDeque;

/// The limits of a [`FrameQueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

impl QueueLimits {
    /// Creates limits of at most `frames` frames and `bytes` bytes of frame data. A single frame
    /// with more bytes still enters an empty queue: frames are never truncated, and a queue that
    /// refused it could never continue.
    ///
    /// # Errors
    /// [`Error::Usage`]: a limit is 0, with which no frame could pass.
    ///
    /// ```
    /// use riverrun::media::queue::QueueLimits;
    /// assert!(QueueLimits::new(30, 1 << 20).is_ok());
    /// assert!(QueueLimits::new(0, 1 << 20).is_err());
    /// ```
    pub const fn new(frames: usize, bytes: usize) -> Result<Self, Error> {
        if frames == 0 || bytes == 0 {
            return Err(Error::Usage("a frame queue holds at least one frame and one byte"));
        }
        Ok(Self { frames, bytes })
    }

    /// Returns the maximum number of frames.
    pub const fn frames(&self) -> usize {
        self.frames
    }

    /// Returns the maximum number of bytes of frame data.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Default for QueueLimits {
    /// Returns 512 frames, 4 MiB.
    fn default() -> Self {
        Self { frames: 512, bytes: 4 << 20 }
    }
}

/// The frames that a full [`FrameQueue`] drops. In both cases the frames after a gap begin with a
/// key frame that is marked as a discontinuity, so that a decoder never gets a frame whose
/// references are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The arriving frame and all after it, up to the next key frame that fits. The caller of
    /// [`FrameQueue::push`] learns of it; the reader gets all frames that were queued.
    DropNewest,
    /// The oldest frames, up to the next key frame in the queue: for a reader that may have stopped
    /// for long and then wants recent frames.
    DropOldest,
}

/// The result of [`FrameQueue::push`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "callers handle every outcome")]
pub enum Pushed {
    /// The frame was queued.
    Queued,
    /// The frame was dropped, and so will be all that follow up to a key frame that fits.
    Dropped,
}

/// A bounded queue of frames.
#[derive(Debug)]
pub struct FrameQueue {
    frames: VecDeque<Frame>,
    bytes: usize,
    limits: QueueLimits,
    overflow: Overflow,
    /// Arriving frames are dropped until a key frame.
    skipping: bool,
    /// The next frame that enters follows a gap.
    gap: bool,
    /// The frame that arrived last was not the end of its access unit: what arrives next is no
    /// place to start at, even if it belongs to a key frame.
    inside_unit: bool,
    dropped: u64,
}

impl FrameQueue {
    /// Creates an empty queue.
    pub const fn new(limits: QueueLimits, overflow: Overflow) -> Self {
        Self {
            frames: VecDeque::new(),
            bytes: 0,
            limits,
            overflow,
            skipping: false,
            gap: false,
            inside_unit: false,
            dropped: 0,
        }
    }

    /// Makes the queue begin with a key frame, for a reader that joins a running stream. Earlier
    /// frames are skipped and do not count as dropped.
    pub const fn start_at_key_frame(mut self) -> Self {
        self.skipping = true;
        self
    }

    /// Appends `frame`. If the queue is full, frames are dropped as [`Overflow`] says.
    pub fn push(&mut self, mut frame: Frame) -> Pushed {
        let starts_unit = !std::mem::replace(&mut self.inside_unit, !frame.flags.ends_access_unit);
        let can_start = frame.flags.key && starts_unit;
        if self.skipping && !can_start {
            self.dropped += u64::from(self.gap);
            return Pushed::Dropped;
        }
        if !self.has_room(frame.data.len()) {
            if self.overflow == Overflow::DropOldest {
                while !self.has_room(frame.data.len()) {
                    self.drop_oldest();
                }
            }
            // What was dropped last may have been what this frame refers to.
            if !self.has_room(frame.data.len()) || (self.frames.is_empty() && !can_start) {
                self.dropped += 1;
                self.gap = true;
                self.skipping = true;
                return Pushed::Dropped;
            }
        }
        self.skipping = false;
        frame.flags.discontinuity |= std::mem::take(&mut self.gap);
        self.bytes = self.bytes.saturating_add(frame.data.len());
        self.frames.push_back(frame);
        Pushed::Queued
    }

    /// Removes and returns the oldest frame.
    pub fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes = self.bytes.saturating_sub(frame.data.len());
        Some(frame)
    }

    /// Returns the oldest frame.
    pub fn front(&self) -> Option<&Frame> {
        self.frames.front()
    }

    /// Returns the number of frames in the queue.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Returns whether the queue is empty.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Returns whether another frame of average size would cause frames to be dropped.
    pub fn is_full(&self) -> bool {
        self.frames.len() >= self.limits.frames || self.bytes >= self.limits.bytes
    }

    /// Returns the policy for a full queue.
    pub const fn overflow(&self) -> Overflow {
        self.overflow
    }

    /// Returns the number of bytes of frame data in the queue.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the number of frames dropped so far because the queue was full.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Removes all frames, at a seek. They do not count as dropped.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
        self.skipping = false;
        self.gap = false;
        self.inside_unit = false;
    }

    /// Returns whether this number of further frames, with this number of bytes in total, fits
    /// without frames being dropped.
    pub fn has_room_for(&self, frames: usize, bytes: usize) -> bool {
        self.frames.is_empty()
            || (self.frames.len().saturating_add(frames) <= self.limits.frames
                && self.bytes.saturating_add(bytes) <= self.limits.bytes)
    }

    fn has_room(&self, len: usize) -> bool {
        self.frames.is_empty()
            || (self.frames.len() < self.limits.frames
                && self.bytes.saturating_add(len) <= self.limits.bytes)
    }

    /// Drops the frames in front up to the next at which decoding can start.
    fn drop_oldest(&mut self) {
        let mut starts_unit = false;
        while let Some(front) = self.frames.front_mut() {
            if starts_unit && front.flags.key {
                front.flags.discontinuity = true;
                return;
            }
            starts_unit = front.flags.ends_access_unit;
            self.bytes = self.bytes.saturating_sub(front.data.len());
            self.frames.pop_front();
            self.dropped += 1;
        }
        self.gap = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn frame(n: u64, key: bool, len: usize) -> Frame {
        let mut f = Frame::new(vec![0; len], Duration::from_millis(n), Duration::ZERO);
        f.flags.key = key;
        f
    }

    fn numbers(q: &mut FrameQueue) -> Vec<(u128, bool)> {
        std::iter::from_fn(|| q.pop()).map(|f| (f.pts.as_millis(), f.flags.discontinuity)).collect()
    }

    const SMALL: QueueLimits = QueueLimits { frames: 3, bytes: 100 };

    #[test]
    fn newest_are_dropped_up_to_a_key_frame_that_fits() {
        let mut q = FrameQueue::new(SMALL, Overflow::DropNewest);
        for n in 0..3 {
            assert_eq!(q.push(frame(n, n == 0, 1)), Pushed::Queued);
        }
        assert!(q.is_full());
        assert_eq!(q.push(frame(3, false, 1)), Pushed::Dropped);
        assert_eq!(q.pop().map(|f| f.pts.as_millis()), Some(0));
        // There is room again, but the frame before this one is missing.
        assert_eq!(q.push(frame(4, false, 1)), Pushed::Dropped);
        assert_eq!(q.push(frame(5, true, 1)), Pushed::Queued);
        assert_eq!(q.dropped(), 2);
        assert_eq!(numbers(&mut q), [(1, false), (2, false), (5, true)]);
        assert_eq!(q.bytes(), 0);
    }

    #[test]
    fn oldest_are_dropped_a_whole_group_of_pictures_at_a_time() {
        let mut q = FrameQueue::new(SMALL, Overflow::DropOldest);
        for (n, key) in [(0, true), (1, false), (2, true), (3, false)] {
            assert_eq!(q.push(frame(n, key, 1)), Pushed::Queued);
        }
        assert_eq!(numbers(&mut q), [(2, true), (3, false)]);
        assert_eq!(q.dropped(), 2);
    }

    #[test]
    fn oldest_without_a_key_frame_to_go_on_with_takes_the_newest_along() {
        let mut q = FrameQueue::new(SMALL, Overflow::DropOldest);
        for n in 0..5 {
            q.push(frame(n, n == 0, 1));
        }
        assert!(q.is_empty());
        assert_eq!(q.dropped(), 5);
        q.push(frame(5, true, 1));
        assert_eq!(numbers(&mut q), [(5, true)]);
    }

    #[test]
    fn bytes_are_bounded_but_any_one_frame_passes() {
        let mut q = FrameQueue::new(SMALL, Overflow::DropNewest);
        assert_eq!(q.push(frame(0, true, 1000)), Pushed::Queued);
        assert_eq!(q.push(frame(1, true, 1)), Pushed::Dropped);
        q.pop();
        assert_eq!(q.push(frame(2, true, 60)), Pushed::Queued);
        assert_eq!(q.push(frame(3, true, 60)), Pushed::Dropped);
        assert_eq!(q.push(frame(4, true, 40)), Pushed::Queued);
    }

    #[test]
    fn a_joining_reader_starts_at_the_first_slice_of_a_key_frame() {
        let mut q = FrameQueue::new(SMALL, Overflow::DropNewest).start_at_key_frame();
        let mut first = frame(0, true, 1);
        first.flags.ends_access_unit = false;
        q.push(frame(9, false, 1));
        q.inside_unit = true;
        assert_eq!(q.push(frame(0, true, 1)), Pushed::Dropped, "second slice");
        assert_eq!(q.push(first), Pushed::Queued);
        assert_eq!(q.dropped(), 0);
        assert!(!q.pop().unwrap().flags.discontinuity);
    }

    #[test]
    fn limits_hold_whatever_comes() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for overflow in [Overflow::DropNewest, Overflow::DropOldest] {
            let mut q = FrameQueue::new(SMALL, overflow);
            let (mut sent, mut got) = (0, 0);
            for n in 0..10_000 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                if seed % 3 == 0 {
                    got += u64::from(q.pop().is_some());
                } else {
                    sent += 1;
                    q.push(frame(n, seed % 5 == 0, (seed >> 32) as usize % 90));
                }
                assert!(q.len() <= 3 && q.bytes() <= 100);
                assert_eq!(q.bytes(), q.frames.iter().map(|f| f.data.len()).sum::<usize>());
                assert_eq!(sent, got + q.dropped() + q.len() as u64);
            }
        }
    }
}
