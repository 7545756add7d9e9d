//! [`Arena`]: a table whose ids carry a generation, so that a stale id finds nothing instead of
//! another object.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::Range;

/// An untyped id: index and generation, as in the keys of events.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "an id consists of an index and a generation")]
pub struct RawId {
    /// Slot number.
    pub index: u32,
    /// Distinguishes the objects that have occupied a slot.
    pub generation: u32,
}

/// The id of an object in an [`Arena`]; `K` distinguishes the ids of different tables at compile
/// time.
pub struct Id<K> {
    raw: RawId,
    of: PhantomData<fn() -> K>,
}

impl<T> Id<T> {
    /// Creates the id from its untyped form, for the arena that it was taken from.
    pub const fn from_raw(raw: RawId) -> Self {
        Self { raw, of: PhantomData }
    }

    /// Returns the untyped id.
    pub const fn raw(self) -> RawId {
        self.raw
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.raw.cmp(&other.raw)
    }
}
impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw.hash(state);
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.raw.index, self.raw.generation)
    }
}
impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A table of `T` with generational ids. Insertion, removal (on average) and look-up are O(1).
/// After most of a large number of objects has been removed, the memory is released too, as far as
/// slot numbers allow.
///
/// Ids have the kind `K`: the objects' own type, or a marker type for ids that are used where the
/// objects' type is not known.
#[derive(Debug)]
pub struct Arena<T, K = T> {
    slots: slab::Slab<Slot<T>>,
    of: PhantomData<fn() -> K>,
    /// The generation of the next object. All slots share the counter, so that no generation has to
    /// be kept for released slots. An id is reused after 2³² insertions at the earliest.
    next: u32,
    thinning: Thinning,
}

/// Capacity that a table always keeps.
const KEPT_CAPACITY: usize = 64;

/// Decides when a table releases memory: when most of it is vacant, and since the last time either
/// half of the rest was removed or many objects were inserted and removed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Thinning {
    removals: usize,
    capacity: usize,
    tried_at: usize,
}

impl Thinning {
    pub(crate) const fn new() -> Self {
        Self { removals: 0, capacity: 0, tried_at: 0 }
    }

    /// To be called after each removal; returns whether to release memory now.
    pub(crate) const fn is_due(&mut self, len: usize, capacity: usize) -> bool {
        self.removals += 1;
        if capacity <= KEPT_CAPACITY || len > capacity / 4 {
            return false;
        }
        if capacity != self.capacity {
            self.capacity = capacity;
            self.tried_at = usize::MAX;
        }
        let due = len <= self.tried_at / 2 || self.removals >= capacity / 8;
        if due {
            self.removals = 0;
            self.tried_at = len;
        }
        due
    }
}

/// Moves the remaining objects to memory of their size. (Shrinking in place would leave them at the
/// end of the old memory, and the allocator could not return that.)
pub(crate) fn thin<T>(slots: &mut slab::Slab<T>) {
    *slots = std::mem::take(slots).into_iter().collect();
}

/// Releases excess capacity of a map; to be called after removals.
pub(crate) fn shrink_map<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > KEPT_CAPACITY && map.len() <= map.capacity() / 8 {
        map.shrink_to(map.len() * 2);
    }
}

/// Releases excess capacity of a vector; to be called after removals.
pub(crate) fn shrink_vec<T>(vec: &mut Vec<T>) {
    if vec.capacity() > KEPT_CAPACITY && vec.len() <= vec.capacity() / 8 {
        vec.shrink_to(vec.len() * 2);
    }
}

/// Releases excess capacity of a queue; to be called after removals.
pub(crate) fn shrink_queue<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > KEPT_CAPACITY && queue.len() <= queue.capacity() / 8 {
        queue.shrink_to(queue.len() * 2);
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: T,
}

impl<T, K> Default for Arena<T, K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, K> Arena<T, K> {
    /// Creates an empty table.
    pub const fn new() -> Self {
        Self { slots: slab::Slab::new(), of: PhantomData, next: 0, thinning: Thinning::new() }
    }

    /// Inserts `value` and returns its id.
    pub fn insert(&mut self, value: T) -> Id<K> {
        self.insert_with(|_| value)
    }

    /// Inserts the return value of `make`, which is called with the new id.
    pub fn insert_with(&mut self, make: impl FnOnce(Id<K>) -> T) -> Id<K> {
        let entry = self.slots.vacant_entry();
        let index = entry.key();
        let generation = self.next;
        self.next = generation.wrapping_add(1);
        let raw = RawId { index: u32::try_from(index).expect("fewer than 2^32 slots"), generation };
        let id = Id::from_raw(raw);
        entry.insert(Slot { generation, value: make(id) });
        id
    }

    /// Removes and returns an object; `None` if it was removed before.
    pub fn remove(&mut self, id: Id<K>) -> Option<T> {
        let index = id.raw.index as usize;
        if !self.contains(id) {
            return None;
        }
        let slot = self.slots.try_remove(index)?;
        if self.thinning.is_due(self.slots.len(), self.slots.capacity()) {
            thin(&mut self.slots);
        }
        Some(slot.value)
    }

    /// Returns an object; `None` if it was removed.
    pub fn get(&self, id: Id<K>) -> Option<&T> {
        let slot = self.slots.get(id.raw.index as usize)?;
        (slot.generation == id.raw.generation).then_some(&slot.value)
    }

    /// Returns an object mutably; `None` if it was removed.
    pub fn get_mut(&mut self, id: Id<K>) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.raw.index as usize)?;
        (slot.generation == id.raw.generation).then_some(&mut slot.value)
    }

    /// Returns the id of the object in a slot, if there is one.
    pub(crate) fn id_at(&self, index: usize) -> Option<Id<K>> {
        Some(Self::id(index, self.slots.get(index)?.generation))
    }

    /// Returns whether an object is in the table.
    pub fn contains(&self, id: Id<K>) -> bool {
        self.get(id).is_some()
    }

    /// Returns the number of objects.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Iterates over all objects, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (Id<K>, &T)> {
        self.slots.iter().map(|(index, slot)| (Self::id(index, slot.generation), &slot.value))
    }

    /// Iterates over all objects mutably, in the order of their slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Id<K>, &mut T)> {
        self.slots
            .iter_mut()
            .map(|(index, slot)| (Self::id(index, slot.generation), &mut slot.value))
    }

    /// Iterates over the objects in a range of slots. An object keeps its slot while others are
    /// inserted and removed.
    pub(crate) fn in_slots(&self, slots: Range<usize>) -> impl Iterator<Item = (Id<K>, &T)> {
        (slots.start..slots.end.min(self.slot_count())).filter_map(|index| {
            let slot = self.slots.get(index)?;
            Some((Self::id(index, slot.generation), &slot.value))
        })
    }

    /// Number of slots up to the last object: all objects are in slots below it.
    pub(crate) fn slot_count(&self) -> usize {
        self.slots.iter().next_back().map_or(0, |(index, _)| index + 1)
    }

    /// Iterates over all ids, in the order of their slots.
    pub fn ids(&self) -> impl Iterator<Item = Id<K>> + '_ {
        self.iter().map(|(id, _)| id)
    }

    fn id(index: usize, generation: u32) -> Id<K> {
        // Slots are made by `insert_with`, which checked that the index fits.
        Id::from_raw(RawId { index: index as u32, generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_id_does_not_find_the_next_tenant() {
        let mut arena: Arena<_> = Arena::new();
        let first = arena.insert("first");
        assert_eq!(arena.remove(first), Some("first"));
        let second = arena.insert("second");
        assert_eq!(first.raw().index, second.raw().index);
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.get(second), Some(&"second"));
    }

    #[test]
    fn an_object_stays_in_its_slot() {
        let mut arena: Arena<_> = Arena::new();
        let ids: Vec<_> = (0..5).map(|n| arena.insert(n)).collect();
        arena.remove(ids[1]);
        let values = |arena: &Arena<i32>, slots| {
            arena.in_slots(slots).map(|(id, n)| (id.raw().index, *n)).collect::<Vec<_>>()
        };
        assert_eq!(values(&arena, 0..3), [(0, 0), (2, 2)]);
        assert_eq!(values(&arena, 3..usize::MAX), [(3, 3), (4, 4)]);
        assert_eq!(arena.slot_count(), 5);
        arena.remove(ids[4]);
        assert_eq!(arena.slot_count(), 4);
    }

    #[test]
    fn memory_of_a_crowd_is_given_back_and_its_ids_stay_stale() {
        let mut arena: Arena<_> = Arena::new();
        let first = arena.insert(0);
        let crowd: Vec<_> = (1..10_000).map(|i| arena.insert(i)).collect();
        for id in &crowd {
            assert!(arena.remove(*id).is_some());
        }
        assert!(arena.slots.capacity() <= KEPT_CAPACITY, "{}", arena.slots.capacity());
        let again: Vec<_> = (1..10_000).map(|i| arena.insert(-i)).collect();
        assert!(crowd.iter().all(|id| arena.get(*id).is_none()));
        assert!(again.iter().all(|id| arena.contains(*id)));
        assert_eq!(arena.get(first), Some(&0));
        assert_eq!(arena.len(), 10_000);
        assert!(again.iter().all(|id| arena.remove(*id).is_some()));
        assert!(arena.remove(first).is_some());
        assert!(arena.slots.capacity() <= KEPT_CAPACITY);
    }

    #[test]
    fn vectors_and_queues_shrink_with_their_crowd() {
        let mut vec: Vec<_> = (0..10_000).collect();
        let mut queue: VecDeque<_> = (0..10_000).collect();
        for _ in 1..10_000 {
            vec.remove(0);
            shrink_vec(&mut vec);
            queue.pop_front();
            shrink_queue(&mut queue);
        }
        assert!(vec.capacity() <= KEPT_CAPACITY && queue.capacity() <= KEPT_CAPACITY);
        assert!(vec == [9999] && queue == [9999]);
    }

    #[test]
    fn maps_shrink_with_their_crowd() {
        let mut map: HashMap<_, _> = (0..10_000).map(|i| (i, i)).collect();
        for i in 1..10_000 {
            map.remove(&i);
            shrink_map(&mut map);
        }
        assert!(map.capacity() <= KEPT_CAPACITY);
        assert_eq!(map.get(&0), Some(&0));
    }
}
