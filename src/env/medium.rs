//! [`Medium`]: an object that lives in the environment, and the table of them.
//!
//! A medium is moved out of its slot while it is called, so that it can be lent the whole
//! environment; whatever it does there to itself or to others finds a consistent table.

use super::{Event, UsageEnvironment};
use crate::arena::{Arena, Id, RawId};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// What an owner tells its sockets, timers and triggers apart by. The environment hands it back
/// unread.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct EventKey {
    /// The owner's name for the sort of thing.
    pub kind: u32,
    /// Which one of them.
    pub id: RawId,
}

/// The way from `dyn Medium` to its type. Implemented for every type; nothing to do.
pub trait AsAny: Any {
    /// The object as `Any`.
    fn as_any(&self) -> &dyn Any;
    /// The object as `Any`.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl<T: Any> AsAny for T {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// An object that lives in the environment: a server, a client, a proxy.
pub trait Medium: Any + AsAny {
    /// What sort of object it is, for logs.
    fn kind(&self) -> &'static str;

    /// The name that it wishes to be found by; by default it gets a unique one.
    fn name(&self) -> Option<&str> {
        None
    }

    /// Something has happened to what the medium registered.
    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event);

    /// The medium is in the table: the time to register sockets and arm timers.
    fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
        let _ = (env, me);
    }

    /// The medium has left the table: the time to say goodbye and to close sockets. It is
    /// dropped afterwards.
    fn on_close(&mut self, env: &mut UsageEnvironment) {
        let _ = env;
    }
}

struct Entry {
    name: String,
    /// Triggers made for the medium; they end with it.
    triggers: Vec<RawId>,
    state: State,
}

enum State {
    Present(Box<dyn Medium>),
    /// Moved out while it is called.
    Called {
        closing: bool,
    },
}

/// Names a medium without its type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediumHandle(RawId);

impl Default for MediumHandle {
    /// The handle of no medium.
    fn default() -> Self {
        Self(RawId { index: u32::MAX, generation: u32::MAX })
    }
}

impl fmt::Debug for MediumHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "medium#{}.{}", self.0.index, self.0.generation)
    }
}

impl MediumHandle {
    const fn id(self) -> Id<Entry> {
        Id::from_raw(self.0)
    }

    /// Index and generation.
    pub const fn raw(self) -> RawId {
        self.0
    }
}

/// Names a medium of type `M`.
pub struct MediumId<M> {
    handle: MediumHandle,
    of: PhantomData<fn() -> M>,
}

impl<M> MediumId<M> {
    const fn new(handle: MediumHandle) -> Self {
        Self { handle, of: PhantomData }
    }

    /// The same without the type.
    pub const fn handle(self) -> MediumHandle {
        self.handle
    }
}

impl<M> Clone for MediumId<M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<M> Copy for MediumId<M> {}
impl<M> PartialEq for MediumId<M> {
    fn eq(&self, other: &Self) -> bool {
        self.handle == other.handle
    }
}
impl<M> Eq for MediumId<M> {}
impl<M> Hash for MediumId<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.handle.hash(state);
    }
}
impl<M> fmt::Debug for MediumId<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}
impl<M> From<MediumId<M>> for MediumHandle {
    fn from(id: MediumId<M>) -> Self {
        id.handle
    }
}

#[derive(Default)]
pub(super) struct Media {
    table: Arena<Entry>,
    names: BTreeMap<String, MediumHandle>,
    next_name: u64,
    /// How many media are being called at this moment, one inside the other.
    pub(super) depth: usize,
}

impl Media {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    fn unique_name(&mut self, wish: Option<&str>) -> String {
        if let Some(wish) = wish {
            if !self.names.contains_key(wish) {
                return wish.to_owned();
            }
            log::debug!("the name {wish:?} is taken; the new medium gets another");
        }
        loop {
            let name = format!("riverrun{}", self.next_name);
            self.next_name = self.next_name.wrapping_add(1);
            if !self.names.contains_key(&name) {
                return name;
            }
        }
    }

    /// Notes a trigger that ends with its owner; false if the owner has ended.
    pub(super) fn own_trigger(&mut self, owner: MediumHandle, trigger: RawId) -> bool {
        let Some(entry) = self.table.get_mut(owner.id()) else { return false };
        entry.triggers.push(trigger);
        true
    }

    pub(super) fn disown_trigger(&mut self, owner: MediumHandle, trigger: RawId) {
        if let Some(entry) = self.table.get_mut(owner.id()) {
            entry.triggers.retain(|other| *other != trigger);
        }
    }

    fn take(&mut self, handle: MediumHandle) -> Option<Box<dyn Medium>> {
        let entry = self.table.get_mut(handle.id())?;
        match std::mem::replace(&mut entry.state, State::Called { closing: false }) {
            State::Present(medium) => Some(medium),
            called @ State::Called { .. } => {
                entry.state = called;
                None
            }
        }
    }
}

impl UsageEnvironment {
    /// Puts a medium in the environment. It is told by [`Medium::on_added`] before this returns.
    pub fn add<M: Medium>(&mut self, medium: M) -> MediumId<M> {
        let name = self.media.unique_name(medium.name());
        let entry = Entry {
            name: name.clone(),
            triggers: Vec::new(),
            state: State::Present(Box::new(medium)),
        };
        let handle = MediumHandle(self.media.table.insert(entry).raw());
        self.media.names.insert(name, handle);
        self.call(handle, |medium, env| medium.on_added(env, handle));
        MediumId::new(handle)
    }

    /// Closes a medium: it leaves the table, is told by [`Medium::on_close`], and is dropped. If
    /// it is being called at this moment, that happens as soon as the call returns. False if it
    /// had been closed before.
    pub fn close(&mut self, id: impl Into<MediumHandle>) -> bool {
        let handle = id.into();
        match self.media.table.get_mut(handle.id()).map(|entry| &mut entry.state) {
            None | Some(State::Called { closing: true }) => false,
            Some(State::Called { closing }) => {
                *closing = true;
                true
            }
            Some(State::Present(_)) => {
                if let Some(medium) = self.media.take(handle) {
                    self.finish(handle, medium);
                }
                true
            }
        }
    }

    /// Closes every medium, the youngest slot first.
    pub fn close_all(&mut self) {
        let mut handles: Vec<MediumHandle> =
            self.media.table.ids().map(|id| MediumHandle(id.raw())).collect();
        while let Some(handle) = handles.pop() {
            self.close(handle);
        }
    }

    /// Takes the entry out of the table, then lets the medium say goodbye.
    fn finish(&mut self, handle: MediumHandle, mut medium: Box<dyn Medium>) {
        if let Some(entry) = self.media.table.remove(handle.id()) {
            self.media.names.remove(&entry.name);
            for trigger in entry.triggers {
                self.triggers.remove(trigger);
            }
        }
        self.media.depth += 1;
        medium.on_close(self);
        self.media.depth -= 1;
    }

    /// Calls a medium that is moved out of its slot meanwhile. `None` if it has ended or is
    /// being called already.
    pub(super) fn call<R>(
        &mut self,
        handle: MediumHandle,
        f: impl FnOnce(&mut dyn Medium, &mut Self) -> R,
    ) -> Option<R> {
        let mut medium = self.media.take(handle)?;
        self.media.depth += 1;
        let result = f(&mut *medium, self);
        self.media.depth -= 1;
        match self.media.table.get_mut(handle.id()) {
            Some(entry) if matches!(entry.state, State::Called { closing: false }) => {
                entry.state = State::Present(medium);
            }
            _ => self.finish(handle, medium),
        }
        Some(result)
    }

    /// The medium, unless it has ended, is being called, or is of another type.
    pub fn medium<M: Medium>(&self, id: MediumId<M>) -> Option<&M> {
        match &self.media.table.get(id.handle.id())?.state {
            State::Present(medium) => (**medium).as_any().downcast_ref(),
            State::Called { .. } => None,
        }
    }

    /// The medium, unless it has ended, is being called, or is of another type.
    pub fn medium_mut<M: Medium>(&mut self, id: MediumId<M>) -> Option<&mut M> {
        match &mut self.media.table.get_mut(id.handle.id())?.state {
            State::Present(medium) => (**medium).as_any_mut().downcast_mut(),
            State::Called { .. } => None,
        }
    }

    /// Calls `f` with the medium and the environment. `None`, and no call, if the medium has
    /// ended or is being called already.
    pub fn with<M: Medium, R>(
        &mut self,
        id: MediumId<M>,
        f: impl FnOnce(&mut M, &mut Self) -> R,
    ) -> Option<R> {
        self.call(id.handle, |medium, env| {
            medium.as_any_mut().downcast_mut().map(|medium| f(medium, env))
        })?
    }

    /// Whether the medium is in the environment (it may be closing).
    pub fn contains(&self, id: impl Into<MediumHandle>) -> bool {
        self.media.table.contains(id.into().id())
    }

    /// Finds a medium by name and type. One that is being called at this moment is not found.
    pub fn lookup_by_name<M: Medium>(&self, name: &str) -> Option<MediumId<M>> {
        let id = MediumId::new(*self.media.names.get(name)?);
        self.medium(id).map(|_: &M| id)
    }

    /// The name of a medium.
    pub fn medium_name(&self, id: impl Into<MediumHandle>) -> Option<&str> {
        self.media.table.get(id.into().id()).map(|entry| entry.name.as_str())
    }

    /// Number of media.
    pub fn media(&self) -> usize {
        self.media.len()
    }
}
