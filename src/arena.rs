//! [`Arena`]: a slab whose ids carry a generation, so that a stale id finds nothing instead of
//! a stranger.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// An id without its type: index and generation. What event keys carry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct RawId {
    /// Slot number.
    pub index: u32,
    /// How often the slot had been used before.
    pub generation: u32,
}

/// Names an object in an [`Arena<T>`].
pub struct Id<T> {
    raw: RawId,
    of: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The id of `raw` in the arena that it was taken from.
    pub const fn from_raw(raw: RawId) -> Self {
        Self { raw, of: PhantomData }
    }

    /// Index and generation.
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

/// A table of `T` with generational ids. Insertion, removal and look-up are O(1).
#[derive(Debug)]
pub struct Arena<T> {
    slots: slab::Slab<Slot<T>>,
    /// Generations of the slots that exist, used or free; wraps after 2³² reuses of one slot.
    generations: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: T,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Arena<T> {
    /// An empty table.
    pub const fn new() -> Self {
        Self { slots: slab::Slab::new(), generations: Vec::new() }
    }

    /// Puts `value` in the table and names it.
    pub fn insert(&mut self, value: T) -> Id<T> {
        self.insert_with(|_| value)
    }

    /// Puts in the table what `make` returns when told the id that it will have.
    pub fn insert_with(&mut self, make: impl FnOnce(Id<T>) -> T) -> Id<T> {
        let entry = self.slots.vacant_entry();
        let index = entry.key();
        if self.generations.len() <= index {
            self.generations.resize(index + 1, 0);
        }
        let generation = self.generations[index];
        let raw = RawId { index: u32::try_from(index).expect("fewer than 2^32 slots"), generation };
        let id = Id::from_raw(raw);
        entry.insert(Slot { generation, value: make(id) });
        id
    }

    /// Takes the object out of the table; `None` if it had left before.
    pub fn remove(&mut self, id: Id<T>) -> Option<T> {
        let index = id.raw.index as usize;
        if !self.contains(id) {
            return None;
        }
        self.generations[index] = self.generations[index].wrapping_add(1);
        Some(self.slots.remove(index).value)
    }

    /// The object, unless it has left the table.
    pub fn get(&self, id: Id<T>) -> Option<&T> {
        let slot = self.slots.get(id.raw.index as usize)?;
        (slot.generation == id.raw.generation).then_some(&slot.value)
    }

    /// The object, unless it has left the table.
    pub fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        let slot = self.slots.get_mut(id.raw.index as usize)?;
        (slot.generation == id.raw.generation).then_some(&mut slot.value)
    }

    /// Whether the object is still in the table.
    pub fn contains(&self, id: Id<T>) -> bool {
        self.get(id).is_some()
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// All objects, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (Id<T>, &T)> {
        self.slots.iter().map(|(index, slot)| (Self::id(index, slot.generation), &slot.value))
    }

    /// All objects, in the order of their slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Id<T>, &mut T)> {
        self.slots
            .iter_mut()
            .map(|(index, slot)| (Self::id(index, slot.generation), &mut slot.value))
    }

    /// All ids, in the order of their slots.
    pub fn ids(&self) -> impl Iterator<Item = Id<T>> + '_ {
        self.iter().map(|(id, _)| id)
    }

    fn id(index: usize, generation: u32) -> Id<T> {
        // Slots are made by `insert_with`, which checked that the index fits.
        Id::from_raw(RawId { index: index as u32, generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_id_does_not_find_the_next_tenant() {
        let mut arena = Arena::new();
        let first = arena.insert("first");
        assert_eq!(arena.remove(first), Some("first"));
        let second = arena.insert("second");
        assert_eq!(first.raw().index, second.raw().index);
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.get(second), Some(&"second"));
    }
}
