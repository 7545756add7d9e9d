//! Memory for frames that are put together, which comes back when the last part of a frame is dropped.
//!
//! Frames of many streams are put together at the same time, and all of them are given out and dropped
//! shortly afterwards. An allocator that returns to the system what is free at the end of its memory,
//! as that of glibc does, would return nearly all of it each time, and the system would have to clear
//! it and map it again for the next frames, page by page. That was a third of what receiving costs.

use bytes::Bytes;
use std::cell::RefCell;

/// Largest capacity that is kept; larger frames are rare.
const MAX_CAPACITY: usize = 128 << 10;
/// Bytes that are kept, at most, whatever was in use at the same time.
const MAX_KEPT: usize = 4 << 20;
/// Most bytes that are allocated for a frame before they have come.
const MAX_AHEAD: usize = 32 << 10;
/// Buffers that are looked at for one that is large enough.
const LOOKED_AT: usize = 16;

/// Buffers of a thread that nobody uses.
struct Free {
    buffers: Vec<Vec<u8>>,
    /// The sum of their capacities.
    kept: usize,
}

thread_local! {
    static FREE: RefCell<Free> = const { RefCell::new(Free { buffers: Vec::new(), kept: 0 }) };
}

/// The data of a frame.
struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        buffer.clear();
        // At the end of a thread there is nothing to keep it for.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            let kept = free.kept + buffer.capacity();
            if buffer.capacity() <= MAX_CAPACITY && kept <= MAX_KEPT {
                free.kept = kept;
                free.buffers.push(buffer);
            }
        });
    }
}

/// Returns an empty buffer with room for `len` bytes: the one that was used last of those that are
/// large enough, which the processor may still have in its cache.
pub(super) fn take(len: usize) -> Vec<u8> {
    let found = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        let first = free.buffers.len().saturating_sub(LOOKED_AT);
        let fits = |buffer: &Vec<u8>| buffer.capacity() >= len;
        let found = first + free.buffers.get(first..)?.iter().rposition(fits)?;
        let buffer = free.buffers.remove(found);
        free.kept -= buffer.capacity();
        Some(buffer)
    });
    found.ok().flatten().unwrap_or_else(|| Vec::with_capacity(len))
}

/// Returns an empty buffer for a frame that follows frames of these lengths, with room for a little
/// more than the smaller of them: frames are of a size, mostly, and what comes after a key frame would
/// take as much memory as that.
pub(super) fn take_like([last, before]: [usize; 2]) -> Vec<u8> {
    let len = last.min(before).min(MAX_AHEAD);
    take(len + len / 4)
}

/// Makes data of a buffer. It comes back when they are dropped, on the thread that drops them.
pub(super) fn share(buffer: Vec<u8>) -> Bytes {
    Bytes::from_owner(Lent(buffer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> (usize, usize) {
        FREE.with(|free| (free.borrow().buffers.len(), free.borrow().kept))
    }

    /// Runs a test on a thread that has nothing yet.
    fn afresh(test: impl FnOnce() + Send + 'static) {
        std::thread::spawn(test).join().unwrap();
    }

    #[test]
    fn what_is_dropped_is_used_again() {
        afresh(what_is_dropped);
    }

    fn what_is_dropped() {
        let mut buffer = take(1000);
        buffer.extend_from_slice(&[7; 900]);
        let at = buffer.as_ptr();
        let data = share(buffer);
        let part = data.slice(100..200);
        drop(data);
        assert_eq!(kept(), (0, 0), "a part of it is in use");
        assert_eq!(part, [7; 100][..]);
        drop(part);
        assert_eq!(kept(), (1, 1000));
        assert!(take(1001).capacity() >= 1001, "it is too small for that");
        let again = take(800);
        assert_eq!((again.as_ptr(), again.len()), (at, 0));
        assert_eq!(kept(), (0, 0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        afresh(|| {
            drop(share(Vec::with_capacity(MAX_CAPACITY + 1)));
            assert_eq!(kept(), (0, 0));
            let all: Vec<_> = (0..100).map(|_| share(Vec::with_capacity(MAX_CAPACITY))).collect();
            drop(all);
            assert_eq!(kept(), (32, MAX_KEPT));
        });
    }

    #[test]
    fn data_may_be_dropped_by_another_thread() {
        let data = share(Vec::with_capacity(500));
        afresh(move || {
            drop(data);
            assert_eq!(kept(), (1, 500));
        });
    }
}
