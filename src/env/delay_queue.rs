//! [`DelayQueue`]: an indexed binary heap of deadlines.
//!
//! Each entry records its position in the heap, so that cancelling and re-arming are O(log n) and
//! leave no dead entry behind. Equal deadlines expire in the order in which they were armed.

use super::id::EnvironmentId;
use crate::arena::{Thinning, thin};
use std::time::Instant;

/// The id of a delayed task. It is invalid once the task has run or been cancelled, and in any
/// other environment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TaskToken {
    environment: EnvironmentId,
    slot: u32,
    serial: u64,
}

#[derive(Debug)]
struct Slot<T> {
    serial: u64,
    position: usize,
    value: T,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    at: Instant,
    /// Order of arming; it breaks ties, and distinguishes the entries armed during a turn.
    armed: u64,
    slot: u32,
}

impl Node {
    fn before(&self, other: &Self) -> bool {
        (self.at, self.armed) < (other.at, other.armed)
    }
}

/// A queue of deadlines with a value each, earliest first.
#[derive(Debug)]
pub(crate) struct DelayQueue<T> {
    environment: EnvironmentId,
    heap: Vec<Node>,
    slots: slab::Slab<Slot<T>>,
    next: u64,
    thinning: Thinning,
}

impl<T> DelayQueue<T> {
    /// Creates an empty queue, whose tokens belong to this environment.
    pub(crate) fn new(environment: EnvironmentId) -> Self {
        let (heap, slots) = (Vec::new(), slab::Slab::new());
        Self { environment, heap, slots, next: 0, thinning: Thinning::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Returns a number that is not above those of all entries armed from now on.
    pub(crate) fn mark(&self) -> u64 {
        self.next
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.heap.first().map(|node| node.at)
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        number
    }

    pub(crate) fn insert(&mut self, at: Instant, value: T) -> TaskToken {
        let armed = self.number();
        let position = self.heap.len();
        let index = self.slots.insert(Slot { serial: armed, position, value });
        // A slot takes more than a byte: memory ends before 2³² of them.
        let slot = u32::try_from(index).expect("fewer than 2^32 tasks");
        self.heap.push(Node { at, armed, slot });
        self.sift_up(position);
        TaskToken { environment: self.environment, slot, serial: armed }
    }

    fn find(&self, token: TaskToken) -> Option<usize> {
        let slot = self.slots.get(token.slot as usize)?;
        self.is_in(token, slot).then_some(slot.position)
    }

    /// Whether this queue has issued a token.
    pub(crate) fn is_of(&self, token: TaskToken) -> bool {
        token.environment == self.environment
    }

    /// Whether a token refers to the entry in its slot.
    fn is_in(&self, token: TaskToken, slot: &Slot<T>) -> bool {
        slot.serial == token.serial && token.environment == self.environment
    }

    pub(crate) fn contains(&self, token: TaskToken) -> bool {
        self.find(token).is_some()
    }

    pub(crate) fn value_mut(&mut self, token: TaskToken) -> Option<&mut T> {
        self.find(token)?;
        self.slots.get_mut(token.slot as usize).map(|slot| &mut slot.value)
    }

    pub(crate) fn rearm(&mut self, token: TaskToken, at: Instant) -> bool {
        let Some(position) = self.find(token) else { return false };
        let armed = self.number();
        self.heap[position].at = at;
        self.heap[position].armed = armed;
        let position = self.sift_up(position);
        self.sift_down(position);
        true
    }

    pub(crate) fn remove(&mut self, token: TaskToken) -> Option<T> {
        let position = self.find(token)?;
        self.take(position)
    }

    /// Removes and returns the earliest entry if it is due at `now` and was armed before `mark`.
    pub(crate) fn pop_due(&mut self, now: Instant, mark: u64) -> Option<T> {
        let first = self.heap.first()?;
        if first.at > now || first.armed >= mark {
            return None;
        }
        self.take(0)
    }

    fn take(&mut self, position: usize) -> Option<T> {
        let node = self.heap.swap_remove(position);
        if position < self.heap.len() {
            self.place(position);
            let position = self.sift_up(position);
            self.sift_down(position);
        }
        let slot = self.slots.try_remove(node.slot as usize)?;
        if self.thinning.is_due(self.heap.len(), self.heap.capacity()) {
            self.heap = self.heap.drain(..).collect();
            thin(&mut self.slots);
        }
        Some(slot.value)
    }

    /// Records the position of a node in its slot.
    fn place(&mut self, position: usize) {
        let slot = self.heap[position].slot as usize;
        self.slots[slot].position = position;
    }

    fn sift_up(&mut self, mut position: usize) -> usize {
        while position > 0 {
            let parent = (position - 1) / 2;
            if !self.heap[position].before(&self.heap[parent]) {
                break;
            }
            self.heap.swap(position, parent);
            self.place(position);
            position = parent;
        }
        self.place(position);
        position
    }

    fn sift_down(&mut self, mut position: usize) {
        loop {
            let mut least = position;
            for child in [2 * position + 1, 2 * position + 2] {
                if child < self.heap.len() && self.heap[child].before(&self.heap[least]) {
                    least = child;
                }
            }
            if least == position {
                break;
            }
            self.heap.swap(position, least);
            self.place(position);
            position = least;
        }
        self.place(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn xorshift(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    #[test]
    fn equal_deadlines_fire_in_arming_order() {
        let at = Instant::now();
        let mut queue = DelayQueue::new(EnvironmentId::unique());
        let first = queue.insert(at, 0);
        for i in 1..100 {
            queue.insert(at, i);
        }
        assert!(queue.rearm(first, at));
        let mark = queue.mark();
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop_due(at, mark)).collect();
        assert_eq!(order, (1..100).chain([0]).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_armed_after_the_mark_waits() {
        let at = Instant::now();
        let mut queue = DelayQueue::new(EnvironmentId::unique());
        queue.insert(at, "before");
        let mark = queue.mark();
        queue.insert(at, "during");
        assert_eq!(queue.pop_due(at, mark), Some("before"));
        assert_eq!(queue.pop_due(at, mark), None);
        assert_eq!(queue.pop_due(at, queue.mark()), Some("during"));
    }

    #[test]
    fn behaves_like_a_sorted_list() {
        let base = Instant::now();
        let mut state = 7;
        let mut queue = DelayQueue::new(EnvironmentId::unique());
        let mut model: Vec<(Instant, u64, TaskToken)> = Vec::new();
        for i in 0..20_000u64 {
            let at = base + Duration::from_micros(xorshift(&mut state) % 500);
            match xorshift(&mut state) % 4 {
                0 | 1 => {
                    let token = queue.insert(at, i);
                    model.push((at, i, token));
                }
                2 if !model.is_empty() => {
                    let k = (xorshift(&mut state) % model.len() as u64) as usize;
                    let (_, value, token) = model.remove(k);
                    assert_eq!(queue.remove(token), Some(value));
                    assert_eq!(queue.remove(token), None);
                    assert!(!queue.rearm(token, at));
                }
                _ if !model.is_empty() => {
                    let k = (xorshift(&mut state) % model.len() as u64) as usize;
                    let (_, value, token) = model.remove(k);
                    assert!(queue.rearm(token, at));
                    model.push((at, value, token));
                }
                _ => {}
            }
            assert_eq!(queue.len(), model.len());
        }
        // A stable sort keeps the arming order of equal deadlines.
        model.sort_by_key(|entry| entry.0);
        let mark = queue.mark();
        let end = base + Duration::from_secs(1);
        let fired: Vec<u64> = std::iter::from_fn(|| queue.pop_due(end, mark)).collect();
        assert_eq!(fired, model.iter().map(|entry| entry.1).collect::<Vec<_>>());
    }

    #[test]
    fn a_million_leave_nothing_behind() {
        let base = Instant::now();
        let mut state = 99;
        let mut queue = DelayQueue::new(EnvironmentId::unique());
        let mut live = Vec::new();
        for i in 0..1_000_000u64 {
            let at = base + Duration::from_micros(xorshift(&mut state) % 1_000_000_000);
            live.push(queue.insert(at, Box::new(i)));
            if xorshift(&mut state) % 2 == 0 {
                let k = (xorshift(&mut state) % live.len() as u64) as usize;
                assert!(queue.remove(live.swap_remove(k)).is_some());
            }
        }
        for token in live {
            assert!(queue.remove(token).is_some());
        }
        assert_eq!(queue.len(), 0);
        assert_eq!(queue.slots.len(), 0);
        assert!(queue.heap.capacity() < 100);
    }
}
