//! [`Media`]: the table of the objects in an environment, with their names.

use super::id::{EnvironmentId, MediumHandle};
use crate::arena::{Arena, Id, RawId};
use std::collections::HashMap;

/// An object in the table.
struct Entry<M: ?Sized> {
    name: String,
    /// Triggers of the medium, which end with it.
    triggers: Vec<RawId>,
    state: State<M>,
}

enum State<M: ?Sized> {
    Present(Box<M>),
    /// The object is moved out while it is called.
    Called {
        closing: bool,
    },
}

/// The outcome of closing a medium.
pub(super) enum Closing<M: ?Sized> {
    /// The medium has ended, or will.
    Ended,
    /// The medium is being called, and ends when the call returns.
    Later,
    /// The medium is to be ended now.
    Now(Box<M>),
}

/// The reason for which a medium cannot be called.
pub(super) enum Absent {
    Ended,
    BeingCalled,
}

/// The objects of an environment. An object is moved out of its slot while it is called, so that it
/// can be given the whole environment.
pub(super) struct Media<M: ?Sized> {
    environment: EnvironmentId,
    table: Arena<Entry<M>>,
    names: HashMap<String, MediumHandle>,
    next_name: u64,
    /// Nesting depth of the calls in progress.
    pub(super) depth: usize,
}

impl<M: ?Sized> Media<M> {
    pub(super) fn new(environment: EnvironmentId) -> Self {
        let (table, names) = (Arena::new(), HashMap::new());
        Self { environment, table, names, next_name: 0, depth: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    fn id(&self, handle: MediumHandle) -> Option<Id<Entry<M>>> {
        handle.within(self.environment).map(Id::from_raw)
    }

    fn entry(&self, handle: MediumHandle) -> Option<&Entry<M>> {
        self.table.get(self.id(handle)?)
    }

    fn entry_mut(&mut self, handle: MediumHandle) -> Option<&mut Entry<M>> {
        self.table.get_mut(self.id(handle)?)
    }

    pub(super) fn contains(&self, handle: MediumHandle) -> bool {
        self.entry(handle).is_some()
    }

    /// Inserts an object under the name `wish` if that is free, and under a unique name otherwise.
    pub(super) fn insert(&mut self, wish: Option<&str>, medium: Box<M>) -> MediumHandle {
        let name = self.unique_name(wish);
        let state = State::Present(medium);
        let id = self.table.insert(Entry { name: name.clone(), triggers: Vec::new(), state });
        let handle = MediumHandle::new(self.environment, id.raw());
        self.names.insert(name, handle);
        handle
    }

    fn unique_name(&mut self, wish: Option<&str>) -> String {
        if let Some(wish) = wish {
            if !self.names.contains_key(wish) {
                return wish.to_owned();
            }
            log::warn!("the name {wish:?} is taken; the new medium gets another");
        }
        loop {
            let name = format!("riverrun{}", self.next_name);
            self.next_name = self.next_name.wrapping_add(1);
            if !self.names.contains_key(&name) {
                return name;
            }
        }
    }

    pub(super) fn named(&self, name: &str) -> Option<MediumHandle> {
        self.names.get(name).copied()
    }

    pub(super) fn name(&self, handle: MediumHandle) -> Option<&str> {
        self.entry(handle).map(|entry| entry.name.as_str())
    }

    /// Iterates over all handles, in the order of the slots.
    pub(super) fn handles(&self) -> impl Iterator<Item = MediumHandle> + '_ {
        self.table.ids().map(|id| MediumHandle::new(self.environment, id.raw()))
    }

    /// Removes the entry and the name of an object; returns the triggers that end with it.
    pub(super) fn remove(&mut self, handle: MediumHandle) -> Vec<RawId> {
        let Some(entry) = self.id(handle).and_then(|id| self.table.remove(id)) else {
            return Vec::new();
        };
        self.names.remove(&entry.name);
        entry.triggers
    }

    /// Starts to close an object.
    pub(super) fn close(&mut self, handle: MediumHandle) -> Closing<M> {
        let Some(entry) = self.entry_mut(handle) else { return Closing::Ended };
        match std::mem::replace(&mut entry.state, State::Called { closing: true }) {
            State::Present(medium) => Closing::Now(medium),
            State::Called { closing: false } => Closing::Later,
            State::Called { closing: true } => Closing::Ended,
        }
    }

    /// Moves an object out of its slot for a call.
    pub(super) fn take(&mut self, handle: MediumHandle) -> Result<Box<M>, Absent> {
        let entry = self.entry_mut(handle).ok_or(Absent::Ended)?;
        match std::mem::replace(&mut entry.state, State::Called { closing: false }) {
            State::Present(medium) => Ok(medium),
            called @ State::Called { .. } => {
                entry.state = called;
                Err(Absent::BeingCalled)
            }
        }
    }

    /// Returns an object after a call; gives it back to the caller if it was closed meanwhile.
    pub(super) fn put_back(&mut self, handle: MediumHandle, medium: Box<M>) -> Option<Box<M>> {
        match self.entry_mut(handle) {
            Some(entry) if matches!(entry.state, State::Called { closing: false }) => {
                entry.state = State::Present(medium);
                None
            }
            _ => Some(medium),
        }
    }

    /// Returns an object, unless it has ended or is being called.
    pub(super) fn present(&self, handle: MediumHandle) -> Option<&M> {
        match &self.entry(handle)?.state {
            State::Present(medium) => Some(medium),
            State::Called { .. } => None,
        }
    }

    /// Returns an object mutably, unless it has ended or is being called.
    pub(super) fn present_mut(&mut self, handle: MediumHandle) -> Option<&mut M> {
        match &mut self.entry_mut(handle)?.state {
            State::Present(medium) => Some(medium),
            State::Called { .. } => None,
        }
    }

    /// Records a trigger that ends with its owner; returns false if the owner has ended.
    pub(super) fn own_trigger(&mut self, owner: MediumHandle, trigger: RawId) -> bool {
        let Some(entry) = self.entry_mut(owner) else { return false };
        entry.triggers.push(trigger);
        true
    }

    pub(super) fn disown_trigger(&mut self, owner: MediumHandle, trigger: RawId) {
        if let Some(entry) = self.entry_mut(owner) {
            entry.triggers.retain(|other| *other != trigger);
        }
    }
}
